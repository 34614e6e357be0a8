"""The campaign pages: write, preview, review, send, watch, report."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from campaigns.admin.forms import TYPE_ABOVE, ReviewForm
from campaigns.models import Campaign
from campaigns.queries import content_of, variant_of
from campaigns.services import pause
from contacts.channels import Channel
from contacts.models import Business, Segment
from messaging.models import Message
from messaging.queries import outbox
from tests.admin.conftest import add_contact, staff_client, write_draft

LIST = reverse("admin:campaigns_campaign_changelist")
ADD = reverse("admin:campaigns_campaign_add")
WRITER = ("campaigns.view_campaign", "campaigns.add_campaign", "campaigns.change_campaign")
WORDS = {"name": "Taco Tuesday", "channel": "email", "subject": "Tacos", "body": "Hi {{ first_name }}"}


def url(page, campaign):
    return reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk])


def messages_of(response):
    return " ".join(str(message) for message in response.context["messages"])


@pytest.fixture
def draft(db):
    add_contact("maria@example.com")
    return write_draft()


# --- Writing ---


def test_saves_a_campaign_with_its_words(db, admin_client):
    response = admin_client.post(ADD, WORDS, follow=True)

    campaign = Campaign.objects.get()
    words = variant_of(campaign)
    assert (campaign.name, words.subject, words.body) == ("Taco Tuesday", "Tacos", "Hi {{ first_name }}")
    assert "Nothing was sent" in messages_of(response)


def test_changes_a_draft(draft, admin_client):
    admin_client.post(url("change", draft), {**WORDS, "subject": "Burritos"})

    assert variant_of(draft).subject == "Burritos"


@pytest.mark.parametrize(
    ("field", "text"), [("subject", "{{ nick }}"), ("body", "{{ code }}"), ("html", "<p>{{ oops }}</p>")]
)
def test_puts_a_wrong_merge_field_beside_its_input(field, text, db, admin_client):
    response = admin_client.post(ADD, {**WORDS, field: text})

    assert list(response.context["adminform"].form.errors) == [field]
    assert not Campaign.objects.exists()


def folded(response):
    return [fieldset.is_collapsible for fieldset in response.context["adminform"]]


def test_folds_away_what_few_need(shop, admin_client):
    page = admin_client.get(ADD)

    assert folded(page) == [False, True, False]
    assert "<details><summary>" in page.content.decode().partition("More: leave people out")[0]


@pytest.mark.parametrize("field", ["exclude_tag", "exclude_segment", "utm_campaign"])
def test_hides_nothing_that_was_chosen(field, shop, admin_client):
    chosen = {
        "exclude_tag": shop.tag,
        "exclude_segment": Segment.objects.get(name="Lunch people"),
        "utm_campaign": "spring",
    }[field]
    saved = write_draft(**{field: chosen})
    typed = admin_client.post(ADD, {**WORDS, "name": "", field: getattr(chosen, "pk", chosen)})

    assert folded(admin_client.get(url("change", saved))) == [False, False, False]
    assert folded(typed) == [False, False, False]


def test_a_mistake_is_not_folded_away(shop, admin_client):
    assert folded(admin_client.post(ADD, {**WORDS, "exclude_tag": "nobody"})) == [False, False, False]


def test_takes_one_question_only(shop, admin_client):
    response = admin_client.post(ADD, {**WORDS, "tag": shop.tag.pk, "segment": "1"})

    assert "segment" in response.context["adminform"].form.errors


def test_keeps_the_subject_of_a_text_for_a_mail(db, admin_client):
    admin_client.post(ADD, {**WORDS, "channel": "sms"})

    campaign = Campaign.objects.get()
    words = variant_of(campaign)
    assert (content_of(campaign, words).subject, words.subject) == ("", "Tacos")


def test_refuses_changes_after_the_launch(shop, admin_client):
    admin_client.post(url("change", shop.sending), WORDS)

    assert Campaign.objects.get(pk=shop.sending.pk).name == "Brunch push"


def test_copies_a_campaign_into_a_draft(shop, admin_client):
    admin_client.post(url("copy", shop.sending))

    copy = Campaign.objects.latest("id")
    assert (copy.name, copy.status, copy.offer) == ("Brunch push (copy)", Campaign.Status.DRAFT, shop.offer)


@pytest.mark.parametrize(("status", "answer"), [("draft", 200), ("sending", 403), ("sent", 403)])
def test_deletes_only_what_was_never_sent(status, answer, draft, admin_client):
    Campaign.objects.filter(pk=draft.pk).update(status=status, starts_at=timezone.now())

    assert admin_client.get(url("delete", draft)).status_code == answer


def test_keeps_a_cancelled_campaign_that_has_messages(shop, admin_client):
    Campaign.objects.filter(pk=shop.sending.pk).update(status=Campaign.Status.CANCELLED)

    assert admin_client.get(url("delete", shop.sending)).status_code == 403


# --- Preview ---


def test_previews_what_is_not_saved_yet(shop, admin_client):
    response = admin_client.post(
        reverse("admin:campaigns_campaign_preview"), {**WORDS, "name": "", "offer": shop.offer.pk}
    )

    html = response.content.decode()
    assert "Hi Maria" in html
    assert "data:image/png;base64," in html
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert "sandbox" in response["Content-Security-Policy"]
    assert "script-src" not in response["Content-Security-Policy"]
    assert Campaign.objects.count() == 2  # those of the shop


def test_tells_a_preview_what_to_mend(db, admin_client):
    words = {**WORDS, "body": "{{ <script>alert(1)</script> }}"}

    html = admin_client.post(reverse("admin:campaigns_campaign_preview"), words).content.decode()

    assert "mended" in html
    assert "<script>" not in html


def test_tells_the_facts_beside_the_preview(draft, admin_client):
    facts = admin_client.post(
        reverse("admin:campaigns_campaign_facts"), {**WORDS, "subject": "Hi {{ first_name }}"}
    ).json()

    assert facts["subject"] == "Hi Maria"
    assert "12 Main Street" in facts["text"]
    assert facts["checks"][0]["title"] == "1 person will get this"


def test_counts_the_parts_of_a_text(db, admin_client):
    words = {**WORDS, "channel": "sms", "body": "Tacos tonight 🌮"}

    facts = admin_client.post(reverse("admin:campaigns_campaign_facts"), words).json()

    assert facts["size"].startswith("1 part · ")
    assert "🌮" in facts["size"]


def test_previews_an_empty_form(db, admin_client):
    assert admin_client.post(reverse("admin:campaigns_campaign_preview"), {}).status_code == 200
    assert admin_client.post(reverse("admin:campaigns_campaign_facts"), {}).status_code == 200


@pytest.mark.django_db(transaction=True)  # the test goes out when the saving is over
def test_sends_a_test_of_what_was_typed(draft, admin_client):
    response = admin_client.post(
        url("change", draft), {**WORDS, "_test": "1", "test_to": "boss@example.com"}, follow=True
    )

    sent = outbox()[0]
    assert sent.to == "boss@example.com"
    assert "Tacos" in sent.subject
    assert "1 test is on its way to b…@example.com" in messages_of(response)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("to", ["", "boss", "555"])
def test_says_why_no_test_was_sent(to, draft, admin_client):
    response = admin_client.post(url("change", draft), {**WORDS, "_test": "1", "test_to": to}, follow=True)

    assert "No test was sent" in messages_of(response)


@pytest.mark.django_db(transaction=True)
def test_says_what_kind_of_address_a_test_needs(draft, admin_client):
    response = admin_client.post(
        url("change", draft), {**WORDS, "_test": "1", "test_to": "(217) 555-0123"}, follow=True
    )

    assert "This campaign goes by e-mail; give an e-mail address." in messages_of(response)


def test_logs_no_change_where_nothing_was_changed(draft, admin_client, admin_user):
    body = "Hi {{ first_name }},\n\ncome by."
    words = {**WORDS, "name": draft.name}
    admin_client.post(url("change", draft), {**words, "body": body})
    admin_user.logentry_set.all().delete()

    admin_client.post(url("change", draft), {**words, "body": body.replace("\n", "\r\n"), "_review": "1"})
    assert not admin_user.logentry_set.exists()

    admin_client.post(url("change", draft), {**words, "body": "Come by."})
    assert admin_user.logentry_set.get().get_change_message() == "Changed Message."


# --- Review and send ---


def test_reviews_the_subject_as_somebody_gets_it(db, admin_client):
    add_contact("ann@example.com")
    campaign = write_draft(subject="{{ first_name }}, the patio is open")

    page = admin_client.get(url("review", campaign)).content.decode()

    assert "Maria, the patio is open" in page
    assert "{{ first_name }}, the patio" not in page


def test_launches_from_the_review_page_only(draft, admin_client):
    review = admin_client.get(url("review", draft))
    response = admin_client.post(url("review", draft), {"when": "now", "expected": "1"}, follow=True)

    draft.refresh_from_db()
    assert "Send to 1 person" in review.content.decode()
    assert draft.status == Campaign.Status.SCHEDULED
    assert draft.launched_by is not None
    assert "It goes to 1 person in 30 seconds, unless you undo it." in messages_of(response)


def test_says_when_it_goes_with_one_full_stop(draft, admin_client):
    day = timezone.now().date() + timedelta(days=40)

    response = admin_client.post(
        url("review", draft), {"when": "later", "starts_at": f"{day}T18:00", "expected": "1"}, follow=True
    )

    assert "6 p.m.: it goes to 1 person." in messages_of(response)


def test_schedules_in_the_time_zone_of_the_shop(draft, admin_client):
    day = timezone.now().date() + timedelta(days=40)

    admin_client.post(url("review", draft), {"when": "later", "starts_at": f"{day}T12:00", "expected": "1"})

    draft.refresh_from_db()
    local = draft.starts_at.astimezone(Business.load().zone)
    assert (local.date(), local.hour) == (day, 12)


@pytest.mark.parametrize("starts_at", ["", "2020-01-01T12:00", "soon"])
def test_refuses_a_start_that_makes_no_sense(starts_at, draft, admin_client):
    admin_client.post(url("review", draft), {"when": "later", "starts_at": starts_at, "expected": "1"})

    draft.refresh_from_db()
    assert draft.status == Campaign.Status.DRAFT


def test_asks_again_when_the_audience_changed_meanwhile(draft, admin_client):
    add_contact("second@example.com")

    response = admin_client.post(url("review", draft), {"when": "now", "expected": "1"})

    draft.refresh_from_db()
    assert draft.status == Campaign.Status.DRAFT
    assert "changed from 1 to 2" in response.content.decode()


@pytest.mark.parametrize("typed", ["1600", "1,600", "1.600", "1 600", "1\xa0600 ", "1\u2019600"])
def test_takes_a_number_as_people_write_it(typed):
    form = ReviewForm({"when": "now", "expected": "1600", "typed": typed}, size=1600, zone="UTC")

    assert form.is_valid()
    assert not ReviewForm({"when": "now", "expected": "1600", "typed": "160"}, size=1600, zone="UTC").is_valid()


@pytest.mark.parametrize(("typed", "status"), [("", "draft"), ("1", "draft"), ("600", "scheduled")])
def test_wants_a_large_number_typed(typed, status, draft, admin_client, monkeypatch):
    monkeypatch.setattr("campaigns.admin.review.audience_size", lambda campaign, at: TYPE_ABOVE + 100)

    admin_client.post(url("review", draft), {"when": "now", "expected": str(TYPE_ABOVE + 100), "typed": typed})

    draft.refresh_from_db()
    assert draft.status == status


def test_is_blocked_by_the_checklist(db, admin_client):
    campaign = write_draft(subject="")  # nobody is subscribed, and there is no subject

    page = admin_client.get(url("review", campaign)).content.decode()
    admin_client.post(url("review", campaign), {"when": "now", "expected": "0"})

    campaign.refresh_from_db()
    assert "It cannot be sent yet" in page
    assert "Nobody would get this" in page
    assert 'type="submit">Send to' not in page
    assert campaign.status == Campaign.Status.DRAFT


def test_does_not_review_what_was_launched(shop, admin_client):
    response = admin_client.get(url("review", shop.sending))

    assert response.url == url("change", shop.sending)


@pytest.mark.parametrize("method", ["get", "post"])
def test_lets_only_senders_send(method, draft):
    response = getattr(staff_client(*WRITER), method)(url("review", draft), {"when": "now", "expected": "1"})

    draft.refresh_from_db()
    assert response.status_code == 403
    assert draft.status == Campaign.Status.DRAFT


@pytest.mark.parametrize("page", ["undo", "pause", "resume", "cancel", "retry", "unknown"])
def test_lets_only_senders_stop(page, shop):
    assert staff_client(*WRITER).post(url(page, shop.sending)).status_code == 403
    shop.sending.refresh_from_db()
    assert shop.sending.status == Campaign.Status.SENDING


@pytest.mark.parametrize("page", ["change", "report", "progress", "saved_preview", "unknown"])
def test_keeps_campaigns_from_strangers(page, shop):
    assert staff_client("contacts.view_contact").get(url(page, shop.sending)).status_code == 403


# --- On its way ---


def test_pauses_resumes_and_cancels(shop, admin_client):
    for page, status in (("pause", "paused"), ("resume", "sending"), ("cancel", "cancelled")):
        admin_client.post(url(page, shop.sending))
        shop.sending.refresh_from_db()
        assert shop.sending.status == status


def test_says_so_where_somebody_else_was_quicker(shop, admin_client):
    pause(shop.sending)

    response = admin_client.post(url("pause", shop.sending), follow=True)

    assert "is paused already" in messages_of(response)


def test_does_nothing_by_a_mere_visit(shop, admin_client):
    for page in ("undo", "pause", "resume", "cancel", "retry", "copy"):
        assert admin_client.get(url(page, shop.sending)).status_code == 405


def test_tells_how_far_it_is(shop, admin_client):
    answer = admin_client.get(url("progress", shop.sending)).json()

    assert (answer["audience"], answer["done"], answer["line"]) == (1, 1, "1 of 1 done")
    assert answer["numbers"]["redeemed"] == 1
    assert sum(answer["numbers"][status] for status in Message.Status.values) == answer["audience"]


def test_reports_from_sent_to_redeemed(shop, admin_client):
    page = admin_client.get(url("report", shop.sending))

    assert [(bar.label, bar.value) for bar in page.context["funnel"]] == [
        ("Audience", 1),
        ("Sent", 1),
        ("Delivered", 1),
        ("Redeemed", 1),
    ]
    assert [(bar.label, bar.value) for bar in page.context["locations"]] == [("39th Street", 1)]


@pytest.mark.parametrize("reported", [True, False])
def test_shows_deliveries_only_where_they_are_reported(reported, shop, admin_client):
    Message.objects.update(status=Message.Status.DELIVERED if reported else Message.Status.ACCEPTED)

    page = admin_client.get(url("report", shop.sending))

    assert ("Delivered" in [bar.label for bar in page.context["funnel"]]) is reported
    assert ("Delivered" in [number.label for number in page.context["numbers"]]) is reported
    assert ("not reported by this provider" in page.content.decode()) is not reported


def test_exports_redemptions_without_people(shop, admin_client):
    csv = admin_client.get(url("report_csv", shop.sending)).content.decode()

    assert csv.splitlines()[1].startswith("1,2026-11-20,13:00,20 % off lunch,39th Street")
    assert "Maria" not in csv
    assert "maria@" not in csv


def test_lists_campaigns_with_what_they_brought(shop, admin_client):
    html = admin_client.get(LIST).content.decode()

    assert f'<a href="{url("report", shop.sending)}">1</a>' in html


def test_asks_as_many_questions_for_many_campaigns_as_for_two(shop, admin_client):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            admin_client.get(LIST)
        return len(asked)

    queries()  # content types are read once a process
    with_two = queries()
    for number in range(10):
        campaign = write_draft(f"Campaign {number}")
        Campaign.objects.filter(pk=campaign.pk).update(
            status="sent", starts_at=datetime(2026, 11, 1, tzinfo=UTC), launched_at=datetime(2026, 11, 1, tzinfo=UTC)
        )

    assert queries() == with_two <= 12


def test_shows_an_sms_campaign_as_a_text(db, admin_client):
    add_contact(None, "+12175550123")
    campaign = write_draft("Tonight", channel=Channel.SMS, body="Live music at 7")

    page = admin_client.get(url("change", campaign)).content.decode()

    assert "The Corner Bar: Live music at 7 Reply STOP to opt out" in page


def test_logs_who_launched(draft, admin_client, admin_user):
    admin_client.post(url("review", draft), {"when": "now", "expected": "1"})

    entry = admin_user.logentry_set.get()
    assert json.dumps(entry.get_change_message()) == '"Launched for 1 person."'
