"""Claim, re-check, hand over, record: nobody lost, nobody twice."""

import email
import email.policy
import re
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import connection

from campaigns import sms
from campaigns.models import Campaign, Variant
from campaigns.services import Draft, NotPossible, save_draft
from contacts.channels import Channel
from contacts.models import Business, ConsentEvent, Contact, Suppression
from contacts.services import record_consent, refresh_statuses, suppress, unsubscribe
from messaging import services
from messaging.models import Message, Pace, ProviderSettings, Pump, Tally
from messaging.queries import progress
from messaging.services import pacing
from messaging.services.sending import claiming, failing, handing, lanes
from messaging.transports import Outcome, TransportError
from messaging.transports.outbox import OutboxTextTransport
from redemptions.models import Offer
from redemptions.services import pause_offer, resume_offer
from tests.messaging.conftest import run_all

pytestmark = pytest.mark.django_db
Status, Reason = Message.Status, Message.Reason


def mails(outbox) -> list[email.message.EmailMessage]:
    paths = sorted((outbox / "email").glob("*.eml"))
    return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in paths]


def statuses(campaign: Campaign) -> dict[str, int]:
    return {status: count for status, count in progress(campaign).counts.items() if count}


class Unwilling:
    """A transport that takes the first `good` messages and refuses the rest."""

    name = "unwilling"
    batch_limit = 0
    error = TransportError(Outcome.UNKNOWN, "test")
    good = 0
    sent: list[str] = []

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def send(self, outbound):
        if len(self.sent) >= self.good:
            raise self.error
        self.sent.append(outbound.to)
        return "id"


@pytest.fixture
def unwilling(monkeypatch, settings):
    """The transport above, for one call at a time: who is refused is known beforehand."""
    settings.SEND_CONCURRENCY = 1
    monkeypatch.setattr(Unwilling, "sent", [])
    monkeypatch.setattr(lanes, "transport_for", lambda channel: Unwilling())
    return Unwilling


def claim(campaign: Campaign, at, *, limit: int = 50) -> uuid.UUID:
    """Claim as a pump would that dies right afterwards."""
    pump = Pump.objects.create(pk=uuid.uuid4(), started_at=at, seen_at=at).pk
    claiming.claim([campaign], pump=pump, at=at, limit=limit)
    return pump


class TestAllWell:
    def test_everyone_gets_one_mail_of_their_own(self, planned, guests, outbox, at):
        run_all(at)

        sent = mails(outbox)
        assert sorted(mail["To"] for mail in sent) == sorted(guest.email for guest in guests)
        assert {mail["Subject"] for mail in sent} == {f"Hi Guest{number}" for number in range(5)}
        assert statuses(planned) == {"accepted": 5}
        planned.refresh_from_db()
        assert planned.status == Campaign.Status.SENT

    def test_a_mail_carries_the_way_out_and_its_image(self, planned, outbox, at):
        run_all(at)

        mail = mails(outbox)[0]
        assert mail.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
        (way_out,) = mail.get_all("List-Unsubscribe", [])
        assert re.fullmatch(r"<http://testserver/u/[\w-]+>", way_out.strip())
        assert way_out.strip(" <>") in mail.get_body(("plain",)).get_content()
        html = mail.get_body(("html",)).get_content()
        (image,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
        assert f'src="cid:{image["Content-ID"].strip("<>")}"' in html
        assert image.get_content_disposition() == "inline"
        assert mail.get_content_type() == "multipart/related"

    def test_hosted_images_travel_as_a_link(self, planned, outbox, at, settings):
        settings.QR_IMAGES = "hosted"

        run_all(at)

        mail = mails(outbox)[0]
        assert not [part for part in mail.walk() if part.get_content_type() == "image/png"]
        assert 'src="http://testserver/q/' in mail.get_body(("html",)).get_content()

    def test_texts_carry_name_link_and_way_out(self, guests, sms_campaign, outbox, at):
        services.launch(sms_campaign, at=at)

        run_all(at)

        texts = [path.read_text() for path in (outbox / "sms").glob("*.txt")]
        assert len(texts) == 5
        assert all(
            re.fullmatch(
                r"To: \+1217555\d{4}\n\nThe Corner Bar: Come, Guest\d http://testserver/r/[0-9a-z]{26} "
                r"Reply STOP to opt out\n",
                text,
            )
            for text in texts
        )

    def test_sending_again_sends_nothing(self, planned, outbox, at):
        run_all(at)
        before = {path: path.stat().st_mtime_ns for path in (outbox / "email").iterdir()}

        run_all(at)

        assert {path: path.stat().st_mtime_ns for path in (outbox / "email").iterdir()} == before

    def test_the_audience_is_the_sum_of_the_states_at_every_step(self, planned, outbox, at):
        seen = []
        for _ in range(5):
            seen.append(progress(planned))
            services.send_due(clock=lambda: at, batch=1)

        assert {step.audience for step in seen} == {5}
        assert [step.counts["queued"] for step in seen] == [5, 4, 3, 2, 1]


class TestTheLastLook:
    def test_who_unsubscribes_after_planning_is_left_out(self, planned, guests, outbox, at):
        unsubscribe(
            channel=Channel.EMAIL, address_index=guests[0].email_index, source=ConsentEvent.Source.ONE_CLICK, at=at
        )

        run_all(at)

        assert guests[0].email not in {mail["To"] for mail in mails(outbox)}
        left_out = Message.objects.get(contact=guests[0])
        assert (left_out.status, left_out.reason) == (Status.SKIPPED, Reason.UNSUBSCRIBED)
        assert statuses(planned) == {"accepted": 4, "skipped": 1}

    def test_who_unsubscribes_after_the_claim_is_left_out(self, planned, guests, outbox, at, after_claim):
        index, source = guests[0].email_index, ConsentEvent.Source.ONE_CLICK
        after_claim(lambda: unsubscribe(channel=Channel.EMAIL, address_index=index, source=source, at=at))

        run_all(at)

        assert statuses(planned) == {"accepted": 4, "skipped": 1}
        assert guests[0].email not in {mail["To"] for mail in mails(outbox)}

    def test_whose_address_changes_after_the_claim_is_not_written_to_at_the_old_one(
        self, planned, guests, outbox, at, after_claim
    ):
        def move():
            guests[0].email = "moved@example.org"
            guests[0].save()

        after_claim(move)

        run_all(at)

        assert len(mails(outbox)) == 4
        assert "guest0@example.org" not in {mail["To"] for mail in mails(outbox)}

    @pytest.mark.parametrize("reason", [Suppression.Reason.BOUNCED, Suppression.Reason.COMPLAINED])
    def test_who_is_suppressed_is_left_out(self, planned, guests, outbox, at, reason):
        suppress(channel=Channel.EMAIL, address_index=guests[0].email_index, reason=reason, at=at)

        run_all(at)

        assert Message.objects.get(contact=guests[0]).reason == Reason.SUPPRESSED

    def test_a_suppression_counts_even_where_the_status_is_stale(self, planned, guests, outbox, at):
        suppress(channel=Channel.EMAIL, address_index=guests[0].email_index, reason=Suppression.Reason.BOUNCED, at=at)
        Contact.objects.filter(pk=guests[0].pk).update(email_status="subscribed")

        run_all(at)

        assert Message.objects.get(contact=guests[0]).status == Status.SKIPPED

    def test_a_deal_that_ended_meanwhile_is_not_sent(self, planned, offer, outbox, at):
        run_all(offer.ends_at)

        assert statuses(planned) == {"skipped": 5}
        assert set(Message.objects.values_list("reason", flat=True)) == {Reason.OFFER_OVER}

    def test_a_paused_deal_waits_and_loses_nobody(self, planned, offer, outbox, at):
        pause_offer(offer=offer)
        run_all(at)
        assert statuses(planned) == {"queued": 5}

        resume_offer(offer=offer)
        run_all(at)
        assert statuses(planned) == {"accepted": 5}

    def test_a_deal_paused_after_the_claim_waits_too(self, planned, offer, outbox, at, after_claim):
        after_claim(lambda: pause_offer(offer=offer))

        run_all(at)

        assert statuses(planned) == {"queued": 5}

    def test_an_ended_deal_is_not_sent(self, planned, offer, outbox, at):
        Offer.objects.update(status=Offer.Status.ENDED)

        run_all(at)

        assert set(Message.objects.values_list("status", "reason")) == {(Status.SKIPPED, Reason.OFFER_OVER)}

    def test_an_erased_person_is_left_out(self, planned, guests, outbox, at):
        guests[0].delete()

        run_all(at)

        assert statuses(planned) == {"accepted": 4, "skipped": 1}
        assert Message.objects.get(status=Status.SKIPPED).reason == Reason.ERASED


class TestControl:
    def test_pause_stops_claiming_and_resume_sends_exactly_the_rest(self, planned, outbox, at):
        services.send_due(clock=lambda: at, batch=2)
        services.pause(planned)

        run_all(at)
        assert statuses(planned) == {"accepted": 2, "queued": 3}

        services.resume(planned, at=at)
        run_all(at)
        assert statuses(planned) == {"accepted": 5}
        assert len(mails(outbox)) == 5

    def test_a_claim_made_before_the_pause_is_put_back(self, planned, outbox, at, after_claim):
        after_claim(lambda: services.pause(planned))

        run_all(at)

        assert statuses(planned) == {"queued": 5}
        assert not (outbox / "email").exists()

    def test_what_a_worker_held_is_cancelled_with_the_campaign(self, planned, outbox, at):
        claim(planned, at, limit=3)
        Campaign.objects.update(status=Campaign.Status.CANCELLED)

        services.recover(at=at + timedelta(minutes=2))

        assert statuses(planned) == {"cancelled": 5}

    def test_cancel_is_final(self, planned, outbox, at):
        services.send_due(clock=lambda: at, batch=2)
        services.cancel(planned, at=at)

        run_all(at)

        assert statuses(planned) == {"accepted": 2, "cancelled": 3}
        with pytest.raises(NotPossible, match="cancelled"):
            services.resume(planned, at=at)


class TestFailures:
    def test_no_answer_is_unknown_and_never_sent_again(self, planned, unwilling, at):
        run_all(at)
        run_all(at + timedelta(days=1))

        assert statuses(planned) == {"unknown": 5}

    def test_a_refused_person_is_failed_and_the_others_go_on(self, planned, unwilling, monkeypatch, at):
        monkeypatch.setattr(Unwilling, "error", TransportError(Outcome.REFUSED, "test"))
        monkeypatch.setattr(Unwilling, "good", 3)

        run_all(at)

        assert statuses(planned) == {"accepted": 3, "failed": 2}

    def test_a_busy_provider_is_tried_again_later_and_given_up_in_the_end(self, planned, unwilling, monkeypatch, at):
        monkeypatch.setattr(Unwilling, "error", TransportError(Outcome.RETRY, "smtp 450", retry_after_s=600))
        monkeypatch.setattr(Unwilling, "good", 0)

        run_all(at)
        assert statuses(planned) == {"queued": 5}
        assert all(message.not_before >= at + timedelta(seconds=600) for message in Message.objects.all())

        for day in range(1, failing.MAX_ATTEMPTS + 5):
            run_all(at + timedelta(days=day / 10))
        assert statuses(planned) == {"failed": 5}
        assert set(Message.objects.values_list("reason", flat=True)) == {Reason.GAVE_UP}
        assert set(Message.objects.values_list("attempts", flat=True)) == {failing.MAX_ATTEMPTS}

    def test_a_provider_that_is_away_makes_everybody_wait_and_costs_nobody(self, planned, unwilling, monkeypatch, at):
        monkeypatch.setattr(Unwilling, "error", TransportError(Outcome.BUSY, "429", retry_after_s=600))
        monkeypatch.setattr(Unwilling, "good", 2)

        run_all(at)

        assert statuses(planned) == {"accepted": 2, "queued": 3}
        assert pacing.blocked_for(Channel.EMAIL) == pytest.approx(600, abs=5)
        assert pacing.blocked_for(Channel.SMS) == 0
        run_all(at + timedelta(seconds=1))
        assert len(unwilling.sent) == 2

        Pace.objects.all().delete()  # ten minutes later
        monkeypatch.setattr(Unwilling, "good", 5)
        run_all(at + timedelta(seconds=601))
        assert statuses(planned) == {"accepted": 5}

    def test_a_provider_that_is_away_for_hours_pauses_the_campaign(self, planned, unwilling, monkeypatch, at):
        monkeypatch.setattr(Unwilling, "error", TransportError(Outcome.BUSY, "no connection"))
        monkeypatch.setattr(pacing, "failed", lambda channel, retry_after_s: (60.0, failing.AWAY_FOR_S))

        run_all(at)

        planned.refresh_from_db()
        assert planned.status == Campaign.Status.PAUSED
        assert "away for hours" in planned.pause_reason
        assert statuses(planned) == {"queued": 5}

    @pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.REFUSED])
    def test_one_failure_after_the_other_pauses_the_campaign(self, planned, unwilling, monkeypatch, at, outcome):
        monkeypatch.setattr(Unwilling, "error", TransportError(outcome, "test"))
        monkeypatch.setattr(failing, "BRAKE", 3)

        run_all(at)

        planned.refresh_from_db()
        assert planned.status == Campaign.Status.PAUSED
        assert "then resume" in planned.pause_reason
        assert progress(planned).counts["queued"] == 2

    def test_an_opt_out_the_provider_knows_of_is_kept(self, guests, sms_campaign, unwilling, monkeypatch, at):
        monkeypatch.setattr(Unwilling, "error", TransportError(Outcome.REFUSED, "twilio 21610", suppress="stopped"))
        monkeypatch.setattr(Unwilling, "good", 4)
        services.launch(sms_campaign, at=at)

        run_all(at)

        refused = Message.objects.get(status=Status.FAILED).contact
        assert (refused.sms_status, refused.email_status) == ("unsubscribed", "subscribed")
        assert Suppression.objects.get().reason == Suppression.Reason.STOPPED

    def test_a_mishap_costs_one_message_and_names_no_address(self, planned, unwilling, monkeypatch, caplog, at):
        class Surprise(Exception):
            pass

        monkeypatch.setattr(Unwilling, "error", Surprise("guest4@example.org"))
        monkeypatch.setattr(Unwilling, "good", 4)

        run_all(at)

        assert statuses(planned) == {"accepted": 4, "unknown": 1}  # it broke after the hand-over
        assert "Surprise" in caplog.text
        assert "@" not in caplog.text

    def test_a_contact_that_cannot_be_read_does_not_stop_the_others(self, planned, guests, outbox, at):
        with connection.cursor() as cursor:
            cursor.execute("UPDATE contacts_contact SET first_name = 'gAAAAbroken' WHERE id = %s", [guests[0].pk])

        run_all(at)

        assert statuses(planned) == {"accepted": 4, "failed": 1}
        assert Message.objects.get(contact_id=guests[0].pk).reason == Reason.ERROR

    def test_a_sender_with_an_international_domain_can_send(self, planned, outbox, at):
        Business.objects.update(from_email="hello@müller.example")

        run_all(at)

        assert {mail["From"].addresses[0].domain for mail in mails(outbox)} == {"xn--mller-kva.example"}

    def test_mail_goes_to_the_domain_that_agreed(self, planned, guests, outbox, at):
        guests[0].email = "Guest@straße.example"
        guests[0].save()
        refresh_statuses(guests[0])
        record_consent(
            channel=Channel.EMAIL,
            address_index=guests[0].email_index,
            action=ConsentEvent.Action.GRANTED,
            source=ConsentEvent.Source.FORM,
            at=at,
        )

        run_all(at)

        assert "Guest@xn--strae-oqa.example" in {mail["To"] for mail in mails(outbox)}

    def test_a_refused_account_pauses_the_campaign_and_loses_nobody(self, planned, unwilling, monkeypatch, at):
        monkeypatch.setattr(Unwilling, "error", TransportError(Outcome.STOP, "401"))
        monkeypatch.setattr(Unwilling, "good", 2)

        run_all(at)

        planned.refresh_from_db()
        assert planned.status == Campaign.Status.PAUSED
        assert "401" in planned.pause_reason
        assert statuses(planned) == {"accepted": 2, "queued": 3}

    def test_a_text_that_became_too_long_is_failed_with_its_reason(self, guests, outbox, at):
        campaign = save_draft(Draft(name="x", channel=Channel.SMS, body="Hi {{ first_name }} " + "x" * 240))
        guests[0].first_name = "M" * 40
        guests[0].save(update_fields=["first_name"])
        services.launch(campaign, at=at)

        run_all(at)

        assert statuses(campaign) == {"accepted": 4, "failed": 1}
        assert Message.objects.get(contact=guests[0]).reason == Reason.TOO_LONG

    def test_the_log_names_no_address(self, planned, unwilling, caplog, at):
        run_all(at)

        assert "not accepted" in caplog.text
        assert "@" not in caplog.text


class TestTests:
    def test_a_test_does_not_go_to_who_unsubscribed(self, email_campaign, guests, outbox, at):
        unsubscribe(
            channel=Channel.EMAIL, address_index=guests[0].email_index, source=ConsentEvent.Source.ONE_CLICK, at=at
        )

        with pytest.raises(services.TestRefused, match="unsubscribed"):
            services.send_test(email_campaign, to=guests[0].email)
        assert not (outbox / "email").exists()

    def test_a_test_is_no_part_of_the_ledger(self, email_campaign, guests, outbox):
        services.send_test(email_campaign, to="boss@example.org")

        assert mails(outbox)[0]["Subject"].startswith("[Test] ")
        assert not Message.objects.exists()


class TestDeadWorkers:
    def test_what_was_never_handed_over_goes_back(self, planned, outbox, at):
        claim(planned, at)

        assert services.recover(at=at + timedelta(seconds=59)) == 0
        assert services.recover(at=at + timedelta(seconds=61)) == 5

        run_all(at)
        assert statuses(planned) == {"accepted": 5}

    def test_what_was_handed_over_becomes_unknown(self, planned, guests, outbox, at):
        pump = claim(planned, at)
        message = Message.objects.get(contact=guests[0])
        handing.hand_over(Channel.EMAIL, [(message.pk, guests[0].email_index)], pump=pump, caps=handing.Caps(), at=at)

        services.recover(at=at + timedelta(seconds=61))
        run_all(at)

        assert statuses(planned) == {"accepted": 4, "unknown": 1}
        assert Message.objects.get(status=Status.UNKNOWN).reason == Reason.WORKER_DIED
        assert not Pump.objects.exists()

    def test_a_pump_that_lost_its_claim_hands_nothing_over(self, planned, guests, outbox, at):
        pump = claim(planned, at)
        services.recover(at=at + timedelta(seconds=61))

        wanted = [(message.pk, message.contact.email_index) for message in Message.objects.select_related("contact")]
        assert handing.hand_over(Channel.EMAIL, wanted, pump=pump, caps=handing.Caps(), at=at) == set()
        assert statuses(planned) == {"queued": 5}

    def test_a_hand_over_whose_answer_was_lost_is_repeated_without_harm(self, planned, guests, outbox, at):
        pump = claim(planned, at)
        wanted = [(message.pk, message.contact.email_index) for message in Message.objects.select_related("contact")]

        first = handing.hand_over(Channel.EMAIL, wanted, pump=pump, caps=handing.Caps(), at=at)
        again = handing.hand_over(Channel.EMAIL, wanted, pump=pump, caps=handing.Caps(), at=at)
        later = at + timedelta(seconds=1)
        other = handing.hand_over(Channel.EMAIL, wanted, pump=pump, caps=handing.Caps(), at=later)

        assert first == again == {pk for pk, _ in wanted}
        assert other == set()

    def test_an_answer_settles_what_the_sweeper_left_unknown(self, planned, guests, outbox, at):
        pump = claim(planned, at)
        message = Message.objects.get(contact=guests[0])
        handing.hand_over(Channel.EMAIL, [(message.pk, guests[0].email_index)], pump=pump, caps=handing.Caps(), at=at)
        services.recover(at=at + timedelta(seconds=61))

        handing.record([handing.Row(message.pk, Status.ACCEPTED, "", "smtp", "id")], pump=pump, at=at)

        message.refresh_from_db()
        assert (message.status, message.reason, message.provider_id) == (Status.ACCEPTED, "", "id")

    def test_what_a_slow_pump_knows_settles_it_too(self, planned, guests, outbox, at):
        pump = claim(planned, at)
        refused, unsent = Message.objects.order_by("pk")[:2]
        wanted = [(message.pk, message.contact.email_index) for message in (refused, unsent)]
        handing.hand_over(Channel.EMAIL, wanted, pump=pump, caps=handing.Caps(), at=at)
        services.recover(at=at + timedelta(seconds=61))

        handing.record([handing.Row(refused.pk, Status.FAILED, Reason.REFUSED)], pump=pump, at=at)
        failing.put_back_untried([unsent.pk], pump=pump, at=at)

        refused.refresh_from_db()
        unsent.refresh_from_db()
        assert (refused.status, refused.reason) == (Status.FAILED, Reason.REFUSED)
        assert (unsent.status, unsent.reason, unsent.attempts) == (Status.QUEUED, "", 0)

    @pytest.mark.parametrize("what", ["frozen", "paused"])
    def test_what_a_pump_gets_a_second_time_it_sends_once(
        self, planned, guests, unwilling, settings, monkeypatch, at, what
    ):
        settings.SEND_CONCURRENCY = 16
        monkeypatch.setattr(Unwilling, "good", 99)
        with services.PumpRun(clock=lambda: at) as pump:
            (lane,) = (lane for lane in pump._lanes if lane.channel == Channel.EMAIL)
            lane.stock.claim(100)
            while lane.stock.compose():
                pass
            assert len(lane.stock.ready) == 5
            if what == "frozen":
                services.recover(at=at + timedelta(minutes=2))
            else:
                services.pause(planned)
                services.resume(planned, at=at)

            pump.run(until=time.monotonic() + 5)

        assert sorted(unwilling.sent) == sorted(guest.email for guest in guests)
        assert statuses(planned) == {"accepted": 5}


class TestManyAtOnce:
    def test_no_more_calls_are_in_flight_than_allowed(self, guests, planned, monkeypatch, settings, at):
        settings.SEND_CONCURRENCY = 3
        crowd = Crowd()
        monkeypatch.setattr(lanes, "transport_for", lambda channel: crowd)

        run_all(at)

        assert crowd.most == 3
        assert crowd.handed_over <= {1, 2, 3}
        assert statuses(planned) == {"accepted": 5}

    @pytest.mark.parametrize(("rest_s", "sets_the_pace"), [(0.009, True), (0.0, False)])
    def test_senders_wait_for_each_other_only_while_this_process_sets_the_pace(
        self, settings, monkeypatch, rest_s, sets_the_pace
    ):
        """That all calls are under way says little: their threads may wait for each other."""
        settings.SEND_CONCURRENCY = 4
        clock = SimpleNamespace(now=0.0)
        monkeypatch.setattr(lanes, "time", SimpleNamespace(monotonic=lambda: clock.now))
        occupancy = lanes.Occupancy()
        seen = []
        for calls in (4, 0):
            for _ in range(200):
                clock.now += 0.01 - rest_s
                occupancy.rests()
                clock.now += rest_s
                occupancy.look(calls)
            seen.append(occupancy.is_high)

        assert seen == [sets_the_pace, False]

    def test_each_campaign_gets_its_share(self, guests, planned, offer, outbox, at):
        second = save_draft(Draft(name="Dinner", channel=Channel.EMAIL, subject="Hi", body="Come", offer=offer))
        services.launch(second, at=at)
        services.plan_due(at=at)

        services.send_due(clock=lambda: at, batch=4)

        assert statuses(planned) == statuses(second) == {"accepted": 2, "queued": 3}

    def test_what_was_sent_is_tallied_for_the_rate(self, planned, outbox, at):
        run_all(at)

        assert [(tally.campaign, tally.sent) for tally in Tally.objects.all()] == [(planned, 5)]

    def test_a_pump_leaves_nothing_behind(self, planned, outbox, at):
        run_all(at)

        assert not Pump.objects.exists()
        assert not Message.objects.filter(status=Status.SENDING).exists()


class Crowd:
    """A transport that counts how many calls are under way, and how many the ledger says are."""

    name = "crowd"
    batch_limit = 0

    def __init__(self):
        self.lock, self.now, self.most, self.handed_over = threading.Lock(), 0, 0, set()

    def __enter__(self):
        return self

    def __exit__(self, *args):
        return None

    def send(self, outbound):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
            self.handed_over.add(self.now)
        time.sleep(0.05)
        with self.lock:
            self.now -= 1
        return "id"


class TestCaps:
    @pytest.fixture
    def second(self, offer):
        return save_draft(Draft(name="Dinner", channel=Channel.SMS, body="Come again", offer=offer))

    def test_nobody_gets_two_texts_in_a_day(self, guests, sms_campaign, second, outbox, at):
        services.launch(sms_campaign, at=at)
        run_all(at)
        services.launch(second, at=at + timedelta(minutes=30))

        run_all(at + timedelta(minutes=30))

        assert statuses(second) == {"skipped": 5}
        assert set(Message.objects.filter(campaign=second).values_list("reason", flat=True)) == {Reason.TOO_OFTEN}

    def test_a_day_later_they_do(self, guests, sms_campaign, second, outbox, at):
        services.launch(sms_campaign, at=at)
        run_all(at)
        later = at + timedelta(days=1, seconds=1)
        services.launch(second, at=later)

        run_all(later)

        assert statuses(second) == {"accepted": 5}

    def test_texts_at_night_wait_for_the_morning(self, guests, sms_campaign, outbox, at):
        night = at + timedelta(hours=11)  # 5:00 in UTC, 23:00 in Illinois
        services.launch(sms_campaign, at=night)

        run_all(night)

        assert statuses(sms_campaign) == {"queued": 5}
        opens = set(Message.objects.values_list("not_before", flat=True))
        assert len(opens) == 1
        assert night + timedelta(hours=9) <= min(opens) <= night + timedelta(hours=11)
        run_all(min(opens))
        assert statuses(sms_campaign) == {"accepted": 5}

    @pytest.mark.parametrize(
        ("own", "launched", "opens", "own_opens"),
        [
            # The guests are of Illinois: nine there, and nine in Hawaii.
            ({"time_zone": "Pacific/Honolulu"}, (2026, 11, 21, 15), (2026, 11, 21, 15), (2026, 11, 21, 19)),
            # A Sunday: noon in Texas, wherever in it.
            ({"region": "TX"}, (2026, 11, 22, 15), (2026, 11, 22, 15), (2026, 11, 22, 19)),
            # The nights in which the clocks change, and do not in Arizona.
            ({"time_zone": "America/Los_Angeles"}, (2026, 3, 8, 3), (2026, 3, 8, 14), (2026, 3, 8, 16)),
            ({"time_zone": "America/Phoenix"}, (2026, 3, 8, 3), (2026, 3, 8, 14), (2026, 3, 8, 16)),
            ({"time_zone": "America/Los_Angeles"}, (2026, 11, 1, 3), (2026, 11, 1, 15), (2026, 11, 1, 17)),
            ({"time_zone": "America/Phoenix"}, (2026, 11, 1, 3), (2026, 11, 1, 15), (2026, 11, 1, 16)),
        ],
        ids=["hawaii", "texas", "spring", "spring-arizona", "autumn", "autumn-arizona"],
    )
    def test_a_text_waits_for_the_morning_of_their_own_time_zone_and_state(
        self, own, launched, opens, own_opens, guests, sms_campaign, outbox
    ):
        Contact.objects.filter(pk=guests[0].pk).update(**own)
        moments = [datetime(*when, tzinfo=UTC) for when in (launched, opens, own_opens)]  # type: ignore[misc]
        scheduled = {"status": "scheduled", "starts_at": moments[0], "launched_at": moments[0], "audience": {}}
        Campaign.objects.filter(pk=sms_campaign.pk).update(**scheduled)

        run_all(moments[0])
        run_all(moments[1])

        (waiting,) = Message.objects.filter(status=Status.QUEUED)
        assert (waiting.contact_id, waiting.not_before) == (guests[0].pk, moments[2])
        assert statuses(sms_campaign) == {"accepted": 4, "queued": 1}
        run_all(moments[2] - timedelta(minutes=1))
        assert statuses(sms_campaign) == {"accepted": 4, "queued": 1}
        run_all(moments[2])
        assert statuses(sms_campaign) == {"accepted": 5}

    def test_whose_places_share_no_hour_gets_no_text_and_costs_nobody_else_theirs(
        self, guests, sms_campaign, outbox, at
    ):
        Business.load()
        Business.objects.update(timezone="America/New_York")
        Contact.objects.filter(pk=guests[0].pk).update(region="CA", time_zone="Asia/Kolkata")
        services.launch(sms_campaign, at=at)

        run_all(at)

        assert statuses(sms_campaign) == {"accepted": 4, "skipped": 1}
        left_out = Message.objects.get(status=Status.SKIPPED)
        assert (left_out.contact_id, left_out.reason) == (guests[0].pk, Reason.NO_HOURS)

    def test_a_text_whose_deal_ends_in_the_night_is_left_out(self, guests, offer, sms_campaign, outbox, at):
        night = at + timedelta(hours=11)
        services.launch(sms_campaign, at=night)
        Offer.objects.update(ends_at=night + timedelta(hours=1))

        run_all(night)

        assert statuses(sms_campaign) == {"skipped": 5}
        assert set(Message.objects.values_list("reason", flat=True)) == {Reason.TOO_LATE}


def test_the_outbox_refuses_names_that_are_paths(outbox):
    from messaging.queries import outbox_item

    for name in ("../../etc/passwd", "x.eml", "/etc/passwd", "..%2f.eml"):
        with pytest.raises(FileNotFoundError):
            outbox_item(name)


def test_the_outbox_files_are_for_their_owner_only(guests, sms_campaign, outbox, at):
    services.launch(sms_campaign, at=at)
    run_all(at)

    assert {oct(path.stat().st_mode & 0o777) for path in (outbox / "sms").iterdir()} == {"0o600"}
    assert OutboxTextTransport.name == "outbox"


class TestOneTroubleIsNotEverybodys:
    def test_a_campaign_that_cannot_be_planned_pauses_and_the_others_go(
        self, guests, email_campaign, offer, outbox, monkeypatch, at
    ):
        other = save_draft(Draft(name="Dinner", channel=Channel.EMAIL, subject="Hi", body="Come"))
        services.launch(email_campaign, at=at)
        services.launch(other, at=at)

        def fail(**_):
            raise ValueError("guest@example.org")

        monkeypatch.setattr("messaging.services.planning.issue_codes", fail)

        run_all(at)

        email_campaign.refresh_from_db()
        assert email_campaign.status == Campaign.Status.PAUSED
        assert "ValueError" in email_campaign.pause_reason
        assert statuses(other) == {"accepted": 5}

    def test_a_channel_that_breaks_leaves_the_other_one_going(
        self, guests, planned, sms_campaign, outbox, monkeypatch, caplog, at
    ):
        services.launch(sms_campaign, at=at)
        services.plan_due(at=at)
        load = claiming.load

        def fail_for_texts(pks, *, channel, **rest):
            if channel == Channel.SMS:
                raise ValueError("+12175550100")
            return load(pks, channel=channel, **rest)

        monkeypatch.setattr(claiming, "load", fail_for_texts)

        services.send_due(clock=lambda: at)

        assert statuses(planned) == {"accepted": 5}
        assert statuses(sms_campaign) == {"queued": 5}
        assert "+1217" not in caplog.text

    def test_without_a_sender_the_campaign_waits_and_burns_nobody(self, planned, outbox, at):
        Business.objects.update(from_email="")

        run_all(at)

        planned.refresh_from_db()
        assert planned.status == Campaign.Status.PAUSED
        assert "sender's address" in planned.pause_reason
        assert statuses(planned) == {"queued": 5}

    def test_a_moment_of_too_many_requests_is_waited_for(self, planned, unwilling, monkeypatch, at):
        monkeypatch.setattr(Unwilling, "good", 2)
        monkeypatch.setattr(Unwilling, "error", TransportError(Outcome.BUSY, "429", retry_after_s=1))
        send = Unwilling.send

        def recover_after_one(self, outbound):
            try:
                return send(self, outbound)
            except TransportError:
                monkeypatch.setattr(Unwilling, "good", 99)
                raise

        monkeypatch.setattr(Unwilling, "send", recover_after_one)

        services.send_due(clock=lambda: at)

        assert statuses(planned) == {"accepted": 5}
        assert Message.objects.filter(attempts=1).count() == 5  # who was sent back for no fault of theirs counts anew

    def test_a_limit_of_a_few_a_minute_is_waited_for(self, planned, unwilling, monkeypatch, at):
        monkeypatch.setattr(Unwilling, "good", 99)
        pacing.settings_of(Channel.EMAIL)
        ProviderSettings.objects.update(rate="40/m")

        services.send_due(clock=lambda: at, batch=3)

        assert len(unwilling.sent) == 3

    def test_no_slot_is_left_to_wait_for_and_the_rest_goes_back(self, planned, unwilling, monkeypatch, at):
        monkeypatch.setattr(Unwilling, "good", 99)
        pacing.settings_of(Channel.EMAIL)
        ProviderSettings.objects.update(rate="2/d")

        services.send_due(clock=lambda: at)

        assert statuses(planned) == {"accepted": 2, "queued": 3}
        assert not Pump.objects.exists()

    def test_addresses_that_do_not_work_do_not_stop_a_campaign(self, planned, unwilling, monkeypatch, at):
        monkeypatch.setattr(failing, "BRAKE", 2)

        def refuse(self, outbound):
            raise TransportError(Outcome.REFUSED, "406", suppress="bounced")

        monkeypatch.setattr(Unwilling, "send", refuse)

        services.send_due(clock=lambda: at)

        planned.refresh_from_db()
        assert (planned.status, statuses(planned)) == ("sending", {"failed": 5})
        assert Suppression.objects.filter(reason="bounced").count() == 5

    def test_of_texts_long_and_short_no_part_goes_without_a_slot(self, guests, sms_campaign, outbox, at):
        Variant.objects.update(body="Come, {{ first_name }}. " + "Lunch is on us.")
        longer = [guest for number, guest in enumerate(guests) if number % 2 == 0]
        Contact.objects.filter(pk__in=[guest.pk for guest in longer]).update(first_name="Maximiliana" * 8)
        services.launch(sms_campaign, at=at)
        services.plan_due(at=at)
        pacing.settings_of(Channel.SMS)
        ProviderSettings.objects.update(rate="5/d")

        services.send_due(clock=lambda: at)

        texts = [path.read_text().partition("\n\n")[2].strip() for path in outbox.glob("sms/*.txt")]
        parts = [sms.measure(text).parts for text in texts]
        assert sum(parts) - 5 <= max(parts) - 1  # the last one may be begun on credit
        assert {1, 2} == set(parts)

    def test_of_a_limit_a_text_takes_a_slot_for_each_part(self, guests, sms_campaign, outbox, at):
        Variant.objects.update(body="Come, {{ first_name }}. " + "Lunch is on us today, or nearly so. " * 4)
        services.launch(sms_campaign, at=at)
        services.plan_due(at=at)
        pacing.settings_of(Channel.SMS)
        ProviderSettings.objects.update(rate="5/d")

        services.send_due(clock=lambda: at)

        assert statuses(sms_campaign) == {"accepted": 3, "queued": 2}  # two parts each, the last one on credit
        assert {len(list(outbox.glob("sms/*.txt")))} == {3}
