"""The contact pages: found without a trace, a page decrypted at a time, consent by hand."""

import json
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from contacts import fields
from contacts.admin.bulk import unsign
from contacts.channels import Channel
from contacts.models import ChannelStatus, ConsentEvent, Contact, Import, ImportEntry
from tests.admin.conftest import add_contact, staff_client

LIST = reverse("admin:contacts_contact_changelist")
READER = ("contacts.view_contact",)
SEARCH = reverse("admin:contacts_contact_search")
KEEPER = ("contacts.view_contact", "contacts.change_contact", "contacts.reveal_contact")


def page_of(contact):
    return reverse("admin:contacts_contact_change", args=[contact.pk])


def found(client, text, **filters):
    response = client.post(SEARCH, {"text": text, "filters": urlencode(filters)}, follow=True)
    return [contact.pk for contact in response.context["cl"].result_list]


# --- Search ---


@pytest.mark.parametrize(
    "text", ["maria@example.com", " MARIA@Example.com ", "+12175550123", "(217) 555-0123", "Maria Kim", "kim", "mar"]
)
def test_finds_a_person_by_a_whole_address_or_by_name(text, shop, admin_client):
    assert found(admin_client, text) == [shop.maria.pk]


@pytest.mark.parametrize("text", ["ma", "aria", "Kimberley", "Maria Gus"])
def test_does_not_find_a_person_by_a_part_of_a_name(text, shop, admin_client):
    response = admin_client.post(SEARCH, {"text": text}, follow=True)

    assert list(response.context["cl"].result_list) == []
    assert "Nothing found" in response.content.decode()


@pytest.mark.parametrize("text", ["maria@", "@example.com", "555-0123", "0123"])
def test_says_why_a_part_of_an_address_finds_nobody(text, shop, admin_client):
    response = admin_client.post(SEARCH, {"text": text}, follow=True)

    html = response.content.decode()
    assert "What you typed is no whole" in html
    assert "the last digits of a phone number, finds nobody" in html
    assert "m…@" not in html
    assert list(response.context["cl"].result_list) == []


@pytest.mark.parametrize("text", ["555-0103", "maria@", "maria.g", "<b>"])
def test_keeps_in_the_box_what_found_nobody(text, shop, admin_client, caplog):
    response = admin_client.post(SEARCH, {"text": text}, follow=True)

    again = admin_client.get(response.wsgi_request.get_full_path()).content.decode()
    kept = json.dumps(dict(admin_client.session))
    for html in (response.content.decode(), again):
        assert f'value="{escape(text)}"' in html
        assert "You can search for a name" in html
    assert text not in f"{response.redirect_chain} {response.wsgi_request.get_full_path()} {caplog.text} {kept}"


def test_a_search_kept_under_another_key_shows_an_empty_box(shop, admin_client, settings):
    listed = admin_client.post(SEARCH, {"text": "nobody"}).url
    session = admin_client.session
    (kept,) = session["searches:contacts_contact"].values()
    kept["typed"] = "gAAAAA"
    session.save()

    page = admin_client.get(listed)

    assert page.status_code == 200
    assert page.context["cl"].typed == ""


def test_a_block_is_not_denied_where_the_text_cannot_be_searched_for(shop, admin_client):
    search = reverse("admin:contacts_suppression_search")

    refused = admin_client.post(search, {"text": "0123"}, follow=True).content.decode()
    nothing = admin_client.post(search, {"text": "nobody@example.org"}, follow=True).content.decode()

    assert "This cannot be searched for" in refused
    assert "not blocked" not in refused
    assert "This address is not blocked" in nothing


@pytest.mark.parametrize("text", ["maria@example.com", "Maria Kim"])
def test_keeps_what_was_typed_out_of_addresses_logs_and_the_session(text, shop, admin_client, caplog):
    response = admin_client.post(SEARCH, {"text": text}, follow=True)

    kept = json.dumps(dict(admin_client.session)).lower()
    seen = f"{response.redirect_chain} {response.wsgi_request.get_full_path()} {caplog.text} {kept}".lower()
    assert "maria" not in seen
    assert "example.com" not in seen


def test_takes_words_out_of_an_old_address_at_once(shop, admin_client):
    response = admin_client.get(LIST, {"q": "maria@example.com", "tag": shop.tag.pk})

    assert response.status_code == 302
    assert "maria" not in response.url
    assert f"tag={shop.tag.pk}" in response.url
    assert list(admin_client.get(response.url).context["cl"].result_list) == [shop.maria]


def test_a_search_keeps_filters_and_pages(shop, admin_client):
    for number in range(60):
        add_contact(f"guest{number}@example.com", subscribed=False, first_name="Annabel").tags.add(shop.tag)
    add_contact("other@example.com", first_name="Annabel")

    first = admin_client.post(SEARCH, {"text": "anna", "filters": f"tag={shop.tag.pk}&p=2&q=x"}, follow=True)
    changes = first.context["cl"]
    second = admin_client.get(changes.get_query_string({"p": 2}).replace("?", f"{LIST}?")).context["cl"]

    assert (changes.result_count, len(changes.result_list), len(second.result_list)) == (60, 50, 10)
    assert "Your search found 60" in first.content.decode()
    without = admin_client.get(LIST + changes.without_search).context["cl"]
    assert (without.is_found, without.result_count) == (False, 61)  # the tag is still on


def test_what_is_done_to_all_that_was_searched_for_is_done_to_nobody_else(shop, admin_client):
    listed = admin_client.post(SEARCH, {"text": "maria"}).url
    action = {"action": "export_people", "select_across": "1", "index": "0", "_selected_action": [shop.maria.pk]}

    response = admin_client.post(listed, action)

    assert unsign(response.context["signed"]) == {"ids": [shop.maria.pk]}


def test_the_search_of_somebody_else_shows_nothing(shop, admin_client):
    found_url = admin_client.post(SEARCH, {"text": "maria"}).url
    other = staff_client(*READER)

    response = other.get(found_url, follow=True)

    assert response.redirect_chain[0][0] == LIST
    assert "not kept any more" in response.content.decode()


def test_keeps_a_few_searches_only(shop, admin_client):
    for _ in range(9):
        admin_client.post(SEARCH, {"text": "maria"})

    assert len(admin_client.session["searches:contacts_contact"]) == 5


def test_an_empty_search_shows_everybody(shop, admin_client):
    assert len(found(admin_client, "  ")) == 2


def test_only_those_who_may_see_contacts_search_them(shop):
    assert staff_client("contacts.view_tag").post(SEARCH, {"text": "maria"}).status_code == 403


def test_a_search_is_posted(shop, admin_client):
    assert admin_client.get(SEARCH).status_code == 405


def test_no_autocompletion_looks_into_contacts(shop, admin_client):
    query = {"term": "maria", "app_label": "messaging", "model_name": "message", "field_name": "contact"}

    assert admin_client.get(reverse("admin:autocomplete"), query).status_code == 404


# --- The list ---


def test_masks_addresses_in_the_list(shop, admin_client):
    html = admin_client.get(LIST).content.decode()

    assert "m…@example.com" in html
    assert "maria@example.com" not in html
    assert "5550123" not in html


@pytest.mark.parametrize(
    "filters", [{"tag": "{tag}"}, {"email_status__exact": "subscribed"}, {"sms_status__exact": "subscribed"}]
)
def test_filters_by_tag_and_status(filters, shop, admin_client):
    query = {name: value.format(tag=shop.tag.pk) for name, value in filters.items()}

    listed = admin_client.get(LIST, query).context["cl"].result_list

    assert list(listed) == [shop.maria]


@pytest.mark.parametrize(("source", "count"), [("admin", 2), ("import", 0)])
def test_filters_by_source(source, count, shop, admin_client):
    assert len(admin_client.get(LIST, {"source__exact": source}).context["cl"].result_list) == count


def test_counts_with_thousands_marked(shop, admin_client, monkeypatch):
    monkeypatch.setattr("contacts.admin.base.EstimatedPaginator.count", 12345)

    assert "12,345 in all" in admin_client.get(LIST).content.decode()


def test_filters_by_import(shop, admin_client):
    record = Import.objects.create(file_name="x.csv", file_sha256="0", started_at=timezone.now())
    ImportEntry.objects.create(run=record, contact=shop.gone, kind="created")
    ImportEntry.objects.create(run=record, kind="created", email_index=bytes(32))

    response = admin_client.get(LIST, {"import": record.pk})

    assert list(response.context["cl"].result_list) == [shop.gone]
    assert f"Import {record.pk}, " in response.content.decode()


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
    assert "Not written to any more: unsubscribed" in html


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

    assert "taken off 1 contact;" in asked
    assert Contact.objects.filter(pk=shop.maria.pk).exists()
    assert not shop.maria.tags.exists()


def test_keeps_a_tag_that_a_campaign_goes_to(shop, admin_client):
    shop.draft.tag = shop.tag
    shop.draft.save()

    asked = admin_client.get(reverse("admin:contacts_tag_delete", args=[shop.tag.pk])).content.decode()

    assert "is used by 1 campaign" in asked


def test_leads_from_the_list_of_businesses_to_the_one(db, admin_client):
    response = admin_client.get(reverse("admin:contacts_business_changelist"))

    assert response.url == reverse("admin:contacts_business_change", args=[1])
