"""The shop's sign-up forms: words with versions, a link, a poster, and a deal to say welcome."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from contacts.channels import Channel
from contacts.models import ConsentEvent, SignupForm
from contacts.services import signup
from redemptions.models import Offer, WelcomeDeal
from tests.admin.conftest import LAUNCHED, staff_client

ADD = reverse("admin:contacts_signupform_add")


@pytest.fixture
def form(db) -> SignupForm:
    return SignupForm.objects.create(name="Table card", slug="table", title="Join <us>", intro="Free coffee.")


def url(form, page="change") -> str:
    return reverse(f"admin:contacts_signupform_{page}", args=[form.pk])


def filled(offer="", pk="", deal="", **changes) -> dict[str, str]:
    prefix = "welcome_deal"
    return {
        "name": "Window",
        "slug": "window",
        "title": "Join our regulars",
        "asks_email": "on",
        "is_open": "on",
        "email_wording": "Yes, by e-mail.",
        "sms_wording": "Yes, by text.",
        f"{prefix}-TOTAL_FORMS": "1",
        f"{prefix}-INITIAL_FORMS": "1" if deal else "0",
        f"{prefix}-MIN_NUM_FORMS": "0",
        f"{prefix}-MAX_NUM_FORMS": "1",
        f"{prefix}-0-id": deal,
        f"{prefix}-0-form": pk,
        f"{prefix}-0-offer": offer,
        **changes,
    }


def test_makes_a_form_and_leads_to_its_poster(db, admin_client):
    answer = admin_client.post(ADD, filled(), follow=True)

    form = SignupForm.objects.get()
    html = answer.content.decode()
    assert answer.redirect_chain[-1][0] == url(form)
    assert "http://testserver/join/window" in html
    assert url(form, "poster") in html
    assert url(form, "qr") in html


def test_promises_a_deal_and_takes_it_back(shop, admin_client):
    admin_client.post(ADD, filled(offer=str(shop.offer.pk)))
    form = SignupForm.objects.get()
    deal = WelcomeDeal.objects.get()
    assert (deal.form, deal.offer) == (form, shop.offer)

    change = filled(offer=str(shop.offer.pk), pk=str(form.pk), deal=str(deal.pk))
    admin_client.post(url(form), change | {"welcome_deal-0-DELETE": "on"})

    assert not WelcomeDeal.objects.exists()


def test_a_deal_people_are_promised_is_not_deleted(form, admin_client):
    offer = Offer.objects.create(name="Free coffee", type=Offer.Type.ITEM)
    WelcomeDeal.objects.create(form=form, offer=offer)

    admin_client.post(reverse("admin:redemptions_offer_delete", args=[offer.pk]), {"post": "yes"})

    assert Offer.objects.filter(pk=offer.pk).exists()


def test_other_words_are_another_version(form, admin_client):
    admin_client.post(url(form), filled(name="Other name", slug="table", email_wording=form.email_wording))
    form.refresh_from_db()
    assert (form.name, form.version) == ("Other name", 2)  # the words for texts are others

    answer = admin_client.post(url(form), filled(name="Third name", slug="table", email_wording=form.email_wording))
    form.refresh_from_db()
    assert (form.name, form.version) == ("Third name", 2)
    assert answer.status_code == 302


def test_nobody_types_a_version(form, admin_client):
    admin_client.post(url(form), filled(slug="table", version="77"))

    form.refresh_from_db()
    assert form.version == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keyword": "STOP"}, "means something else"),
        ({"keyword": "a-b"}, "letters and digits"),
        ({"asks_email": ""}, "Ask for an e-mail address, a mobile number, or both."),
        ({"slug": "confirm"}, "taken"),
        ({"slug": "table"}, "already exists"),
    ],
)
def test_says_what_cannot_be(form, admin_client, changes, said):
    page = admin_client.post(ADD, filled(**changes))

    assert page.status_code == 200
    assert said in page.content.decode()
    assert SignupForm.objects.count() == 1


def test_counts_who_asked_and_who_confirmed(form, admin_client, rf):
    for number in range(3):
        signup.request(
            form=form,
            addresses={Channel.EMAIL: f"guest{number}@example.org"},
            source=ConsentEvent.Source.FORM,
            at=LAUNCHED,
        )
    signup.request(
        form=form, addresses={Channel.EMAIL: "guest0@example.org"}, source=ConsentEvent.Source.FORM, at=LAUNCHED
    )
    signup.confirm(confirmation_id=form.confirmations.last().pk, source=ConsentEvent.Source.FORM, at=LAUNCHED)

    numbers = admin_client.get(url(form)).context["numbers"]
    row = admin_client.get(reverse("admin:contacts_signupform_changelist")).content.decode()

    assert [number.value for number in numbers] == [3, 1]
    assert '<td class="field-asked">3</td><td class="field-confirmed">1</td>' in row


def test_prints_a_poster(form, admin_client):
    html = admin_client.get(url(form, "poster") + "?paper=a5").content.decode()

    assert "The Corner Bar" in html
    assert "Join &lt;us&gt;" in html
    assert "testserver/join/table" in html
    assert '<body class="a5">' in html
    assert '<body class="letter">' in admin_client.get(url(form, "poster") + "?paper=<x>").content.decode()


@pytest.mark.parametrize(
    ("address", "warns"), [("http://localhost:8000", True), ("http://127.0.0.1", True), ("https://our-bar.us", False)]
)
@pytest.mark.parametrize("page", ["change", "poster"])
def test_warns_of_a_link_that_no_phone_can_open(page, address, warns, form, admin_client, settings):
    settings.PUBLIC_BASE_URL = address

    assert ("leads to this computer only" in admin_client.get(url(form, page)).content.decode()) is warns


def test_draws_the_link(form, admin_client):
    answer = admin_client.get(url(form, "qr"))

    assert answer["Content-Type"] == "image/svg+xml"
    assert answer.content.startswith(b"<svg ")


@pytest.mark.parametrize("page", ["poster", "qr", "change"])
def test_shows_paper_to_those_who_may_look_and_to_nobody_else(form, page):
    assert staff_client("contacts.view_signupform").get(url(form, page)).status_code == 200
    assert staff_client("contacts.view_contact").get(url(form, page)).status_code == 403


@pytest.mark.parametrize("page", ["poster", "qr"])
def test_a_form_that_is_gone_has_no_paper(form, page, admin_client):
    gone = url(form, page)
    form.delete()

    assert admin_client.get(gone).status_code == 404


def test_who_may_only_look_changes_nothing(form):
    client = staff_client("contacts.view_signupform")

    assert client.post(url(form), filled()).status_code == 403
    assert 'name="_save"' not in client.get(url(form)).content.decode()


def test_logs_no_person(form, admin_client):
    admin_client.post(url(form), filled(slug="table"))

    assert LogEntry.objects.get().object_repr == "Window"
