"""The page of one person: masked at first, one story, and each of the buttons for those who may press it."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.models import AuditEvent, ChannelStatus, ConsentEvent, Contact, Import, ImportEntry, Suppression
from contacts.services import note_redeemed, suppress
from messaging.models import Click, InboundText, Message
from redemptions.models import Scan
from tests.admin.conftest import LAUNCHED, add_contact, staff_client

READER = ("contacts.view_contact",)
KEEPER = ("contacts.view_contact", "contacts.change_contact", "contacts.reveal_contact")
LIFTER = ("contacts.view_contact", "contacts.view_suppression", "contacts.lift_suppression")
SAID = "Asked at the bar on Friday to hear from us again."


def url(name, contact, *args):
    return reverse(f"admin:contacts_contact_{name}", args=[contact.pk, *args])


def page(client, contact, **query):
    return client.get(url("change", contact), query).content.decode()


# --- Masked, until shown ---


@pytest.mark.parametrize("permissions", [READER, KEEPER])
def test_is_masked_at_first_for_everybody(permissions, shop):
    html = page(staff_client(*permissions), shop.maria)

    assert "m…@example.com" in html
    assert "maria@example.com" not in html
    assert "5550123" not in html
    assert 'name="_save"' not in html


def test_shows_the_form_for_a_quarter_of_an_hour(shop):
    client = staff_client(*KEEPER)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        client.post(url("show", shop.maria))
        shown = page(client, shop.maria)
        other = page(client, shop.gone)
        clock.shift(timedelta(minutes=14))
        still = page(client, shop.maria)
        clock.shift(timedelta(minutes=2))
        later = page(client, shop.maria)

    assert 'value="maria@example.com"' in shown
    assert 'name="_save"' in shown
    assert "gone@example.com" not in other  # shown for one contact only
    assert "maria@example.com" in still
    assert "maria@example.com" not in later


def test_shows_without_a_form_to_those_who_may_not_change(shop):
    client = staff_client(*READER, "contacts.reveal_contact")

    client.post(url("show", shop.maria))

    html = page(client, shop.maria)
    assert "maria@example.com" in html
    assert 'name="_save"' not in html


def test_shows_nothing_to_those_who_may_not_see(shop):
    client = staff_client(*READER, "contacts.change_contact")

    assert client.post(url("show", shop.maria)).status_code == 403
    assert "Show" not in page(client, shop.maria).split("What happened")[0].split("breadcrumbs")[1]
    assert not AuditEvent.objects.exists()


def test_looking_by_a_mere_visit_is_not_possible(shop, admin_client):
    assert admin_client.get(url("show", shop.maria)).status_code == 405


def test_writes_one_line_an_hour_for_each_who_looks(shop):
    first, second = staff_client(*KEEPER), staff_client(*KEEPER)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for client in (first, first, second):
            client.post(url("show", shop.maria))
        first.post(url("show", shop.gone))
        clock.shift(timedelta(minutes=61))
        first.post(url("show", shop.maria))

    lines = AuditEvent.objects.filter(action=AuditEvent.Action.REVEALED)
    names = sorted((line.actor.username, line.detail) for line in lines)
    maria, gone = f"contact {shop.maria.pk}", f"contact {shop.gone.pk}"
    assert [detail for _, detail in names].count(maria) == 3
    assert [detail for _, detail in names].count(gone) == 1


def test_saves_a_form_that_was_open_for_long(shop):
    client = staff_client(*KEEPER)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        client.post(url("show", shop.maria))
        clock.shift(timedelta(hours=2))
        client.post(url("change", shop.maria), {"first_name": "Marie", "email": "maria@example.com"})

    shop.maria.refresh_from_db()
    assert shop.maria.first_name == "Marie"


@pytest.mark.parametrize(
    ("typed", "region", "time_zone"),
    [
        ({"region": "texas", "time_zone": "Central"}, "TX", "America/Chicago"),
        ({"region": "TX", "time_zone": "america/chicago"}, "TX", "America/Chicago"),
        ({}, None, None),
    ],
)
def test_saves_state_and_time_zone_in_one_form(typed, region, time_zone, shop, admin_client):
    Contact.objects.filter(pk=shop.maria.pk).update(region="CA", time_zone="America/Los_Angeles")

    admin_client.post(url("change", shop.maria), {"email": "maria@example.com", **typed})

    shop.maria.refresh_from_db()
    assert (shop.maria.region, shop.maria.time_zone) == (region, time_zone)


@pytest.mark.parametrize(
    ("typed", "says"), [({"region": "Bavaria"}, "no state"), ({"time_zone": "UTC"}, "no time zone that is known")]
)
def test_refuses_a_state_or_time_zone_that_is_none(typed, says, shop, admin_client):
    response = admin_client.post(url("change", shop.maria), {"email": "maria@example.com", **typed})

    assert says in response.content.decode()
    shop.maria.refresh_from_db()
    assert (shop.maria.region, shop.maria.time_zone) == (None, None)


def test_shows_state_and_time_zone_to_those_who_may_see_and_not_change(shop):
    Contact.objects.filter(pk=shop.maria.pk).update(region="MI", time_zone="America/Menominee")
    client = staff_client("contacts.view_contact", "contacts.reveal_contact")
    masked = page(client, shop.maria)

    client.post(url("show", shop.maria))

    assert "America/Menominee" in page(client, shop.maria)
    assert "America/Menominee" not in masked


# --- The story ---


def test_tells_everything_that_happened_newest_first(shop, admin_client):
    message = shop.sending.messages.get()
    record = Import.objects.create(file_name="x.csv", file_sha256="0", started_at=LAUNCHED - timedelta(days=40))
    ImportEntry.objects.create(run=record, contact=shop.maria, kind="created")
    skipped = Message.objects.create(
        campaign=shop.draft,
        variant=shop.draft.variants.get(),
        contact=shop.maria,
        channel=Channel.EMAIL,
        status=Message.Status.SKIPPED,
        reason=Message.Reason.UNSUBSCRIBED,
        status_at=LAUNCHED + timedelta(days=1),
    )
    Click.objects.create(message=message, at=LAUNCHED + timedelta(hours=1))
    InboundText.objects.update(sender_index=shop.maria.phone_index, received_at=LAUNCHED + timedelta(hours=3))
    scan = Scan.objects.get()
    Scan.objects.create(
        device=scan.device,
        location=scan.location,
        key="k2",
        fingerprint=bytes(32),
        code=scan.code,
        result=Scan.Result.REFUSED,
        reason=Scan.Reason.ALREADY_REDEEMED,
        at=LAUNCHED + timedelta(hours=4),
    )

    html = page(admin_client, shop.maria).split("What happened")[1].split("In numbers")[0]

    told = [
        "Left out: unsubscribed before it was sent",
        "Refused at the till: 20 % off lunch",
        "Open on Monday?",
        "Redeemed: 20 % off lunch",
        "Clicked a link",
        "Delivered",
        "Send me news and deals.",
        "Added by an import",
    ]
    places = [html.index(words) for words in told]
    assert places == sorted(places)
    assert reverse("admin:messaging_message_change", args=[skipped.pk]) in html
    assert "Already used · 39th Street" in html


def test_links_to_what_the_reader_may_open_only(shop):
    html = page(staff_client(*READER), shop.maria)

    assert "Campaign “Brunch push”" in html
    assert "/admin/messaging/message/" not in html


def test_asks_as_many_questions_for_a_long_story_as_for_a_short_one(shop, admin_client):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            page(admin_client, shop.maria)
        return len(asked)

    queries()
    short = queries()
    for number in range(30):
        campaign = shop.sending
        campaign.pk, campaign._state.adding, campaign.name = None, True, f"Campaign {number}"
        campaign.save()
        variant = campaign.variants.create(subject="Hi", body="Come")
        message = Message.objects.create(
            campaign=campaign, variant=variant, contact=shop.maria, channel=Channel.EMAIL, status="accepted"
        )
        Click.objects.create(message=message, at=LAUNCHED)
        record = Import.objects.create(file_name="x.csv", file_sha256="0")
        ImportEntry.objects.create(run=record, contact=shop.maria, kind="unchanged")

    assert queries() == short <= 32


def test_shows_a_hundred_lines_and_the_older_ones_on_request(shop, admin_client):
    assert shop.maria.email_index is not None
    ConsentEvent.objects.bulk_create(
        ConsentEvent(
            contact=shop.maria,
            channel=Channel.EMAIL,
            address_index=shop.maria.email_index,
            action="requested",
            source="form",
            at=LAUNCHED - timedelta(days=100 + number),
        )
        for number in range(120)
    )

    first = admin_client.get(url("change", shop.maria)).context
    second = admin_client.get(url("change", shop.maria), {"lines": first["older"]}).context

    assert (len(first["timeline"]), first["older"]) == (100, 500)
    assert len(second["timeline"]) > 120
    assert second["older"] == 0


def test_adds_up_what_the_person_did(shop, admin_client):
    note_redeemed(shop.maria.pk, at=LAUNCHED, order_value=None)
    note_redeemed(shop.maria.pk, at=LAUNCHED + timedelta(days=1), order_value=Decimal(25))

    html = page(admin_client, shop.maria)

    assert "<dt>Deals redeemed</dt><dd>2</dd>" in html
    assert "<dt>Spent with deals</dt><dd>25.00</dd>" in html
    assert "<dt>Last visit with a deal</dt><dd>Nov. 21, 2026</dd>" in html


# --- Blocks ---


def test_ends_a_block_with_the_persons_own_words(shop):
    suppression = Suppression.objects.get()
    client = staff_client(*LIFTER)

    asked = client.get(reverse("admin:contacts_suppression_lift", args=[suppression.pk])).content.decode()
    response = client.post(reverse("admin:contacts_suppression_lift", args=[suppression.pk]), {"reason": SAID})

    assert "What did the person say, when and how?" in asked
    assert response.headers["Location"] == url("change", shop.gone)
    shop.gone.refresh_from_db()
    assert shop.gone.email_status == ChannelStatus.SUBSCRIBED
    assert ConsentEvent.objects.get(source="admin").wording == SAID


def test_asks_for_a_reason_only_where_the_address_was_the_matter(shop, admin_client):
    suppress(
        channel=Channel.EMAIL,
        address_index=shop.maria.email_index,
        reason=Suppression.Reason.BOUNCED,
        at=LAUNCHED,
    )
    suppression = Suppression.objects.get(reason="bounced")

    asked = admin_client.get(reverse("admin:contacts_suppression_lift", args=[suppression.pk])).content.decode()

    assert "Nothing is granted by this" in asked
    assert "Why does the block end?" in asked


def test_says_what_keeps_an_address_away_after_a_block_has_ended(shop, admin_client):
    index = shop.gone.email_index
    suppress(channel=Channel.EMAIL, address_index=index, reason=Suppression.Reason.COMPLAINED, at=LAUNCHED)
    lift_url = reverse("admin:contacts_suppression_lift", args=[Suppression.objects.get(reason="unsubscribed").pk])
    panel = page(admin_client, shop.gone)

    response = admin_client.post(lift_url, {"reason": SAID}, follow=True)

    assert "Complained of spam" in panel
    assert "It is still not written to: complained of spam." in response.content.decode()


def test_does_not_end_a_block_without_a_reason(shop, admin_client):
    suppression = Suppression.objects.get()

    response = admin_client.post(
        reverse("admin:contacts_suppression_lift", args=[suppression.pk]), {"reason": "  please "}
    )

    assert response.status_code == 200
    assert Suppression.objects.get().lifted_at is None


@pytest.mark.parametrize("permissions", [READER, KEEPER, (*KEEPER, "contacts.view_suppression")])
def test_keeps_blocks_from_those_who_may_not_end_them(permissions, shop):
    client = staff_client(*permissions)
    lift_url = reverse("admin:contacts_suppression_lift", args=[Suppression.objects.get().pk])

    assert client.post(lift_url, {"reason": SAID}).status_code == 403
    assert "End this block" not in page(client, shop.gone)
    assert Suppression.objects.get().lifted_at is None


def test_ending_a_block_twice_says_so(shop, admin_client):
    lift_url = reverse("admin:contacts_suppression_lift", args=[Suppression.objects.get().pk])
    admin_client.post(lift_url, {"reason": SAID})

    response = admin_client.post(lift_url, {"reason": SAID}, follow=True)

    assert "has ended already" in response.content.decode()
    assert ConsentEvent.objects.filter(source="admin").count() == 1


def test_blocks_by_hand_with_a_reason(shop):
    client = staff_client(*KEEPER)

    client.post(url("block", shop.maria, "email"), {"reason": "Quarrelled with the staff"})
    html = page(client, shop.maria)

    shop.maria.refresh_from_db()
    assert shop.maria.email_status == ChannelStatus.SUPPRESSED
    assert shop.maria.sms_status == ChannelStatus.SUBSCRIBED
    assert "Quarrelled with the staff" in html


@pytest.mark.parametrize("reason", ["", "no"])
def test_does_not_block_without_a_reason(reason, shop, admin_client):
    admin_client.post(url("block", shop.maria, "email"), {"reason": reason})

    shop.maria.refresh_from_db()
    assert shop.maria.email_status == ChannelStatus.SUBSCRIBED


def test_consent_cannot_be_recorded_past_a_block(shop, admin_client):
    response = admin_client.post(url("consent", shop.gone, "email"), {"wording": "They said yes."}, follow=True)

    assert "cannot be recorded here now" in response.content.decode()
    assert not ConsentEvent.objects.filter(source="admin").exists()


def test_finds_the_block_of_an_address(shop, admin_client):
    search = reverse("admin:contacts_suppression_search")

    found = admin_client.post(search, {"text": "GONE@example.com"}, follow=True)
    nothing = admin_client.post(search, {"text": "maria@example.com"}, follow=True)

    assert list(found.context["cl"].result_list) == list(Suppression.objects.all())
    assert "This address is not blocked" in nothing.content.decode()
    assert "gone@" not in str(found.redirect_chain).lower()


# --- Download ---


def test_downloads_everything_as_one_file(shop):
    client = staff_client(*READER, "contacts.export_contact")

    response = client.post(url("download", shop.maria))

    data = json.loads(response.content)
    assert response["Content-Disposition"] == f'attachment; filename="contact-{shop.maria.pk}.json"'
    assert (data["email"], data["tags"]) == ("maria@example.com", ["Lunch"])
    assert AuditEvent.objects.get().detail == f"contact {shop.maria.pk}"


@pytest.mark.parametrize("permissions", [READER, KEEPER])
def test_keeps_the_download_from_those_who_may_not(permissions, shop):
    client = staff_client(*permissions)

    assert client.post(url("download", shop.maria)).status_code == 403
    assert "Download everything" not in page(client, shop.maria)
    assert not AuditEvent.objects.exists()


def test_does_not_download_by_a_mere_visit(shop, admin_client):
    assert admin_client.get(url("download", shop.maria)).status_code == 405


# --- Erase ---


def test_says_what_is_lost_and_what_is_kept_before_it_erases(shop):
    client = staff_client(*READER, "contacts.erase_contact")

    asked = client.get(url("erase", shop.maria)).content.decode()

    assert "What is lost" in asked
    assert "What is kept" in asked
    assert Contact.objects.filter(pk=shop.maria.pk).exists()


def test_erases_at_a_press_of_the_button(shop):
    client = staff_client(*READER, "contacts.erase_contact")

    response = client.post(url("erase", shop.maria), follow=True)

    assert not Contact.objects.filter(pk=shop.maria.pk).exists()
    html = response.content.decode()
    assert f"Contact {shop.maria.pk} is erased" in html
    assert "maria" not in html.lower()
    assert AuditEvent.objects.get(action="erased").actor.username.startswith("staff")
    assert not any("maria" in f"{entry.object_repr}{entry.change_message}".lower() for entry in LogEntry.objects.all())


@pytest.mark.parametrize("method", ["get", "post"])
def test_keeps_erasing_from_those_who_may_not(method, shop):
    client = staff_client(*KEEPER)

    assert getattr(client, method)(url("erase", shop.maria)).status_code == 403
    assert "Erase…" not in page(client, shop.maria)
    assert Contact.objects.filter(pk=shop.maria.pk).exists()


@pytest.mark.parametrize("name", ["show", "download", "erase", "merge"])
def test_a_person_who_is_not_there_is_not_found(name, shop, admin_client):
    shop.maria.pk = 987654

    assert admin_client.post(url(name, shop.maria)).status_code == 404


# --- Merge ---


def test_merges_after_a_look_at_both(shop):
    client = staff_client(*KEEPER)
    twin = add_contact("maria.kim@example.com", first_name="Mary", postal_code="62701", region="IL")

    searched = client.post(url("merge", shop.maria), {"text": "mary"}).content.decode()
    look = url("merge_look", shop.maria, twin.pk)
    compared = client.post(look, follow=True).content.decode()
    client.post(url("merge_with", shop.maria, twin.pk), {"email": "other", "first_name": "own"})

    assert look in searched
    assert "maria.kim@" not in searched
    assert "maria.kim@example.com" in compared
    assert "One address is given up" in compared
    merged = Contact.objects.get(pk=shop.maria.pk)
    assert (merged.email, merged.first_name, merged.postal_code) == ("maria.kim@example.com", "Maria", "62701")
    assert "State" in compared
    assert merged.region == "IL"
    assert not Contact.objects.filter(pk=twin.pk).exists()
    revealed = AuditEvent.objects.filter(action="revealed").count()
    assert (revealed, AuditEvent.objects.filter(action="merged").count()) == (2, 1)


@pytest.mark.parametrize("text", ["gone@example.com", "Gus", "{pk}"])
def test_finds_the_other_by_address_name_or_number(text, shop, admin_client):
    html = admin_client.post(url("merge", shop.maria), {"text": text.format(pk=shop.gone.pk)}).content.decode()

    assert url("merge_look", shop.maria, shop.gone.pk) in html


def test_does_not_offer_the_person_themselves(shop, admin_client):
    html = admin_client.post(url("merge", shop.maria), {"text": "maria@example.com"}).content.decode()

    assert "Nobody else found" in html


def test_warns_of_two_people(shop, admin_client):
    other = add_contact("nina@example.com", "+12175550188")

    html = admin_client.post(url("merge_look", shop.maria, other.pk), follow=True).content.decode()

    assert "These may be two people" in html


def test_compares_nothing_that_was_not_shown(shop, admin_client):
    response = admin_client.get(url("merge_with", shop.maria, shop.gone.pk))

    assert response.url == url("merge", shop.maria)


def test_does_not_merge_a_person_with_themselves(shop, admin_client):
    assert admin_client.post(url("merge_with", shop.maria, shop.maria.pk)).status_code == 404


@pytest.mark.parametrize("name", ["merge", "merge_with", "merge_look"])
def test_keeps_merging_from_those_who_may_not_change(name, shop):
    more = [] if name == "merge" else [shop.gone.pk]

    assert staff_client(*READER).post(url(name, shop.maria, *more), {"text": "Gus"}).status_code == 403
    assert Contact.objects.filter(pk=shop.gone.pk).exists()


# --- Audit ---


def test_the_audit_log_is_only_read(shop, admin_client):
    admin_client.post(url("show", shop.maria))
    line = AuditEvent.objects.get()

    listed = admin_client.get(reverse("admin:contacts_auditevent_changelist")).content.decode()
    changed = admin_client.post(reverse("admin:contacts_auditevent_change", args=[line.pk]), {"detail": "x"})
    deleted = admin_client.post(reverse("admin:contacts_auditevent_delete", args=[line.pk]), {"post": "yes"})

    assert "Looked at full addresses" in listed
    assert (changed.status_code, deleted.status_code) == (403, 403)


def test_the_audit_log_is_for_those_who_may_see_it(shop):
    url_of_log = reverse("admin:contacts_auditevent_changelist")

    assert staff_client(*KEEPER).get(url_of_log).status_code == 403
    assert staff_client("contacts.view_auditevent").get(url_of_log).status_code == 200


def test_the_block_of_an_address_nobody_has_any_more_can_be_ended(db, admin_client):
    index = keyed_hash("email", "gone@example.com")
    suppress(channel=Channel.EMAIL, address_index=index, reason=Suppression.Reason.BOUNCED, at=timezone.now())
    block = Suppression.objects.get()
    url = reverse("admin:contacts_suppression_lift", args=[block.pk])

    page = admin_client.get(url).content.decode()
    assert "E-mail · Bounced since" in page
    admin_client.post(url, {"reason": "The mailbox works again."})

    block.refresh_from_db()
    assert block.lifted_at is not None
