"""The contact pages: found by whole addresses, a page decrypted at a time, consent by hand."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts import fields
from contacts.channels import Channel
from contacts.models import ChannelStatus, ConsentEvent, Contact, Segment
from tests.admin.conftest import add_contact, staff_client

LIST = reverse("admin:contacts_contact_changelist")
READER = ("contacts.view_contact",)
KEEPER = ("contacts.view_contact", "contacts.change_contact", "contacts.reveal_contact")


def page_of(contact):
    return reverse("admin:contacts_contact_change", args=[contact.pk])


def found(client, text):
    return [contact.pk for contact in client.get(LIST, {"q": text}).context["cl"].result_list]


@pytest.mark.parametrize("text", ["maria@example.com", " MARIA@Example.com ", "+12175550123", "(217) 555-0123"])
def test_finds_a_person_by_a_whole_address(text, shop, admin_client):
    assert found(admin_client, text) == [shop.maria.pk]


@pytest.mark.parametrize("text", ["maria", "maria@", "example.com", "555-0123", "0123", "Kim"])
def test_does_not_find_a_person_by_a_part(text, shop, admin_client):
    assert found(admin_client, text) == []


def test_masks_addresses_in_the_list(shop, admin_client):
    html = admin_client.get(LIST).content.decode()

    assert "m…@example.com" in html
    assert "maria@example.com" not in html
    assert "5550123" not in html


@pytest.mark.parametrize(
    "filters", [{"tag": "{tag}"}, {"email_status__exact": "subscribed"}, {"source__exact": "admin"}]
)
def test_filters_by_tag_status_and_source(filters, shop, admin_client):
    query = {name: value.format(tag=shop.tag.pk) for name, value in filters.items()}

    listed = admin_client.get(LIST, query).context["cl"].result_list

    assert shop.maria in listed


def test_decrypts_one_page_only(db, admin_client, monkeypatch):
    for number in range(120):
        add_contact(f"guest{number}@example.com", subscribed=False, first_name="Guest", notes="Likes the patio")
    calls = []
    decrypt = fields.decrypt

    def counted(token):
        calls.append(token)
        return decrypt(token)

    monkeypatch.setattr(fields, "decrypt", counted)

    response = admin_client.get(LIST)

    assert len(response.context["cl"].result_list) == 50
    assert len(calls) == 50 * 2  # the address and the first name; notes stay as they are


def test_asks_as_many_questions_for_fifty_as_for_one(shop, admin_client):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            admin_client.get(LIST)
        return len(asked)

    queries()  # content types are read once a process
    with_two = queries()
    for number in range(48):
        add_contact(f"guest{number}@example.com", subscribed=False).tags.add(shop.tag)

    assert queries() == with_two <= 12


def test_saves_a_contact_through_its_service(db, admin_client):
    admin_client.post(
        reverse("admin:contacts_contact_add"),
        {"first_name": "Nina", "email": "Nina@Example.com", "phone": "2175550188"},
    )

    contact = Contact.objects.get()
    assert (contact.email, contact.phone) == ("Nina@Example.com", "+12175550188")
    assert contact.status(Channel.EMAIL) == ChannelStatus.NONE


@pytest.mark.parametrize("form", [{"email": "maria@EXAMPLE.com"}, {"phone": "217-555-0123"}])
def test_names_the_contact_that_has_an_address_already(form, shop, admin_client):
    response = admin_client.post(reverse("admin:contacts_contact_add"), form)

    url = reverse("admin:contacts_contact_change", args=[shop.maria.pk])
    assert f'<a href="{url}">Maria Kim</a> (contact {shop.maria.pk}) already' in response.content.decode()


@pytest.mark.parametrize("form", [{}, {"email": "nobody"}, {"phone": "12"}])
def test_refuses_a_contact_without_a_good_address(form, db, admin_client):
    response = admin_client.post(reverse("admin:contacts_contact_add"), form)

    assert response.status_code == 200
    assert not Contact.objects.exists()


def test_tags_a_contact(shop, admin_client):
    admin_client.post(page_of(shop.gone), {"email": "gone@example.com", "tagged": [shop.tag.pk]})

    assert list(shop.gone.tags.all()) == [shop.tag]


def test_shows_masked_values_to_those_who_may_not_see_more(shop):
    html = staff_client(*READER, "contacts.change_contact").get(page_of(shop.maria)).content.decode()

    assert "m…@example.com" in html
    assert "maria@example.com" not in html
    assert 'name="_save"' not in html


def test_refuses_a_change_by_those_who_see_masked_values(shop):
    response = staff_client(*READER, "contacts.change_contact").post(page_of(shop.maria), {"email": "x@example.com"})

    assert response.status_code == 403


def test_offers_no_way_to_delete_a_contact(shop, admin_client):
    response = admin_client.post(reverse("admin:contacts_contact_delete", args=[shop.maria.pk]), {"post": "yes"})

    assert response.status_code == 403
    assert Contact.objects.filter(pk=shop.maria.pk).exists()


def test_shows_what_a_person_agreed_to(shop, admin_client):
    html = admin_client.get(page_of(shop.gone)).content.decode()

    assert "Send me news and deals." in html
    assert "One-click unsubscribe" in html
    assert "Not written to: unsubscribed" in html


def test_records_consent_by_hand(db):
    contact = add_contact("nina@example.com", subscribed=False)
    client = staff_client(*KEEPER)

    client.post(reverse("admin:contacts_contact_consent", args=[contact.pk, "email"]), {"wording": "At the bar: yes."})

    event = ConsentEvent.objects.get()
    contact.refresh_from_db()
    assert (event.source, event.wording) == (ConsentEvent.Source.ADMIN, "At the bar: yes.")
    assert event.actor is not None
    assert contact.status(Channel.EMAIL) == ChannelStatus.SUBSCRIBED


def test_asks_for_the_words_of_a_consent(db):
    contact = add_contact("nina@example.com", subscribed=False)

    staff_client(*KEEPER).post(reverse("admin:contacts_contact_consent", args=[contact.pk, "email"]), {"wording": " "})

    assert not ConsentEvent.objects.exists()


def test_unsubscribes_a_person_who_asks_in_the_shop(shop, admin_client):
    admin_client.post(reverse("admin:contacts_contact_unsubscribe", args=[shop.maria.pk, "sms"]))

    shop.maria.refresh_from_db()
    assert shop.maria.status(Channel.SMS) == ChannelStatus.UNSUBSCRIBED
    assert shop.maria.status(Channel.EMAIL) == ChannelStatus.SUBSCRIBED


@pytest.mark.parametrize("page", ["unsubscribe", "consent"])
def test_keeps_consent_out_of_reach_of_readers(page, shop):
    url = reverse(f"admin:contacts_contact_{page}", args=[shop.maria.pk, "email"])

    assert staff_client(*READER).post(url, {"wording": "yes"}).status_code == 403


def test_does_not_unsubscribe_by_a_mere_visit(shop, admin_client):
    response = admin_client.get(reverse("admin:contacts_contact_unsubscribe", args=[shop.maria.pk, "email"]))

    assert response.status_code == 405


def test_deletes_a_tag_and_keeps_the_people(shop, admin_client):
    url = reverse("admin:contacts_tag_delete", args=[shop.tag.pk])

    asked = admin_client.get(url).content.decode()
    admin_client.post(url, {"post": "yes"})

    assert "taken off 1 contacts" in asked
    assert Contact.objects.filter(pk=shop.maria.pk).exists()
    assert not shop.maria.tags.exists()


def test_keeps_a_tag_that_a_campaign_goes_to(shop, admin_client):
    shop.draft.tag = shop.tag
    shop.draft.save()

    asked = admin_client.get(reverse("admin:contacts_tag_delete", args=[shop.tag.pk])).content.decode()

    assert "is used by 1 campaign" in asked


def test_saves_a_segment_as_its_rules(shop, admin_client):
    admin_client.post(reverse("admin:contacts_segment_add"), {"name": "Lunch only", "tags": [shop.tag.pk]})
    admin_client.post(reverse("admin:contacts_segment_add"), {"name": "Everybody"})

    assert Segment.objects.get(name="Lunch only").rules == {"all": [{"tag": shop.tag.pk}]}
    assert Segment.objects.get(name="Everybody").rules == {}


def test_leads_from_the_list_of_businesses_to_the_one(db, admin_client):
    response = admin_client.get(reverse("admin:contacts_business_changelist"))

    assert response.url == reverse("admin:contacts_business_change", args=[1])
