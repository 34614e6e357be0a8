"""The links of a mail that was sent: where they lead, who followed them, and who was no person."""

import json
import logging
import re
import sqlite3
import threading
from datetime import datetime, timedelta
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from html import unescape

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns.models import Campaign, Link
from campaigns.queries import variant_of
from campaigns.rendering.hrefs import plain_url
from campaigns.services import Draft, save_draft
from config.logs import mask
from contacts.channels import Channel
from contacts.links import Unsubscribe, unsubscribe_token
from contacts.models import Activity, Business
from contacts.services import erase
from messaging import services
from messaging.incoming import EventType, Incoming
from messaging.links import TRAP_POSITION, click_token, click_url, read_click_token
from messaging.models import Click, Message
from messaging.queries import clicked_counts, clicks_of
from messaging.services import clicks, events
from messaging.services.composing import list_id_of
from messaging.services.control import remove_demo
from tests.messaging.conftest import NOON, run_all

pytestmark = pytest.mark.django_db
Machine = Click.Machine

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Mobile/15E148 Safari/604.1"
)
LATER = NOON + timedelta(hours=1)
BODY = "Hi {{ first_name }}\n\n" + "\n".join(f"https://bar.example/{name}?a=1&b=2#c" for name in "abcd")


@pytest.fixture
def campaign(guests, outbox, at) -> Campaign:
    """Four links, sent to five people."""
    draft = Draft(name="Lunch", channel=Channel.EMAIL, subject="Lunch", body=BODY, utm_campaign="spring")
    campaign = services.launch(save_draft(draft), at=at)
    run_all(at)
    campaign.refresh_from_db()
    return campaign


@pytest.fixture
def message(campaign) -> Message:
    return Message.objects.filter(campaign=campaign).order_by("pk")[0]


def mails(outbox) -> list:
    files = sorted((outbox / "email").glob("*.eml"))
    return [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]


def click(message: Message, position: int = 1, *, after: timedelta = timedelta(), method="GET", agent=IPHONE) -> None:
    clicks.note(message.pk, position, method=method, agent=agent, at=LATER + after)


def verdicts(message: Message) -> list[str]:
    return list(Click.objects.filter(message=message).order_by("pk").values_list("machine", flat=True))


def last_click(message: Message) -> datetime | None:
    return Activity.objects.filter(contact=message.contact_id).values_list("last_clicked_at", flat=True).first()


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class TestSent:
    def test_each_person_has_links_of_their_own_in_both_parts(self, campaign, outbox, client):
        asks = "a=1&b=2&utm_source=regulars&utm_medium=email&utm_campaign=spring"
        there = [f"https://bar.example/{name}?{asks}#c" for name in "abcd"]
        seen = set()
        for mail in mails(outbox):
            html, text = (mail.get_body((kind,)).get_content() for kind in ("html", "plain"))
            tokens = re.findall(r"http://testserver/c/([\w-]+)", text)

            assert [client.get(f"/c/{token}")["Location"] for token in tokens] == there
            assert re.findall(r'href="http://testserver/c/([\w-]+)"', html)[:4] == tokens
            assert 'href="https://bar.example' not in html
            seen.update(tokens)
        assert len(seen) == 5 * 4

    def test_the_mail_is_the_test_mail_but_for_the_targets(self, campaign, outbox):
        (sent,) = [mail for mail in mails(outbox) if "guest0@" in mail["To"]]
        services.send_test(campaign, to="guest0@example.org")
        (test,) = [mail for mail in mails(outbox) if mail["Subject"].startswith("[Test]")]

        for kind in ("html", "plain"):
            body, plain = (re.sub(r"/u/[\w-]+", "", mail.get_body((kind,)).get_content()) for mail in (sent, test))
            assert body.count("/c/") >= 4
            for target in (*Link.objects.order_by("position").values_list("url", flat=True), "#"):
                body = re.sub(r"http://testserver/c/[\w-]+", target, body, count=1)
            assert unescape(body) == unescape(plain)

    def test_a_campaign_without_stored_links_keeps_its_own(self, guests, outbox, at):
        draft = Draft(name="Lunch", channel=Channel.EMAIL, subject="Lunch", body=BODY)
        services.launch(save_draft(draft), at=at)
        Link.objects.all().delete()

        run_all(at)

        assert "/c/" not in "".join(mail.as_string() for mail in mails(outbox))

    def test_carries_a_list_id_once_in_a_test_too(self, campaign, outbox):
        services.send_test(campaign, to="guest0@example.org")

        for mail in mails(outbox):
            assert mail.get_all("List-Id") == ['"The Corner Bar" <the-corner-bar.corner-bar.example>']

    @pytest.mark.parametrize(
        ("name", "base", "list_id"),
        [
            ("Bar & Grill", "https://deals.bar.example:8443", '"Bar & Grill" <bar-grill.deals.bar.example>'),
            ('The "Bar"\r\nX', "http://127.0.0.1:8000", r'"The \"Bar\" X" <the-bar-x.xn--br-via.example>'),
            ("Käse", "http://localhost", "=?utf-8?b?S8Okc2U=?= <kase.xn--br-via.example>"),
            ("王", "https://deals.bar.example", "=?utf-8?b?546L?= <news.deals.bar.example>"),
        ],
    )
    def test_list_id(self, settings, name, base, list_id):
        settings.PUBLIC_BASE_URL = base

        assert list_id_of(Business(name=name, from_email="hello@bär.example")) == list_id

    def test_a_long_name_is_in_several_words_of_a_fit_length(self):
        list_id = list_id_of(Business(name="Käse " * 20, from_email="hello@bar.example"))

        assert list_id.isascii()
        assert max(len(word) for word in list_id.split() if word.startswith("=?")) <= 75
        assert str(make_header(decode_header(list_id.rpartition(" ")[0]))) == ("Käse " * 20).strip()


class TestRedirect:
    def test_leads_on_and_tells_nobody(self, message, client):
        answer = client.get(f"/c/{click_token(message.pk, 1)}", headers={"User-Agent": IPHONE})

        assert answer.status_code == 302
        assert answer["Location"] == Link.objects.get(position=1).url
        assert answer["Referrer-Policy"] == "no-referrer"
        assert answer["X-Robots-Tag"] == "noindex"
        assert answer["Cache-Control"] == "no-store"
        assert not answer.cookies
        assert Click.objects.get().link.position == 1

    @hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
    @given(rest=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20))
    def test_any_link_leads_where_it_says(self, message, rest):
        url = plain_url(f"https://bar.example/{rest}")
        Link.objects.filter(position=1).update(url=url)

        assert Client().get(f"/c/{click_token(message.pk, 1)}")["Location"] == url

    def test_a_token_says_message_and_position_and_is_short(self):
        token = click_token(2**40 - 1, 30)

        assert len(token) == 24
        assert read_click_token(token) == (2**40 - 1, 30)

    @given(message_id=st.integers(0, 2**40 - 1), position=st.integers(0, 30))
    def test_no_token_ends_in_a_digit_which_would_use_up_the_marks_of_a_batch(self, message_id, position):
        assert click_token(message_id, position)[-1].isalpha()

    @hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
    @given(
        place=st.integers(0, 23),
        letter=st.sampled_from("AZaz09-_+~."),
        how=st.sampled_from(["replace", "insert", "cut", "append"]),
    )
    def test_a_token_that_was_tampered_with_is_not_found(self, message, place, letter, how):
        token = click_token(message.pk, 1)
        bad = {
            "replace": token[:place] + letter + token[place + 1 :],
            "insert": token[:place] + letter + token[place:],
            "cut": token[:place],
            "append": token + letter,
        }[how]
        if bad != token:
            assert Client().get(f"/c/{bad}").status_code == 404

    def test_all_that_is_not_found_looks_alike(self, message, client):
        unknown = client.get("/c/nothing").content
        other = Unsubscribe(Channel.EMAIL, bytes(32), message.pk)
        for token in (
            click_token(message.pk, 5),
            click_token(message.pk + 1000, 1),
            click_token(message.pk + 1000, TRAP_POSITION),
            unsubscribe_token(other),
            click_token(message.pk, 1) + "%0A",
            click_token(message.pk, 1).replace("A", "%C3%84"),
        ):
            answer = client.get(f"/c/{token}")
            assert (answer.status_code, answer.content) == (404, unknown)
        assert not Click.objects.exists()

    def test_nothing_is_posted_there(self, message, client):
        assert client.post(f"/c/{click_token(message.pk, 1)}").status_code == 405

    def test_leads_on_when_the_person_is_erased(self, message, client):
        erase(message.contact, at=LATER)

        assert client.get(f"/c/{click_token(message.pk, 1)}").status_code == 302
        assert Click.objects.count() == 1

    def test_the_trap_leads_nowhere(self, message, client):
        answer = client.get(f"/c/{click_token(message.pk, TRAP_POSITION)}")

        assert (answer.status_code, answer.content) == (204, b"")
        assert verdicts(message) == ["trap"]

    def test_costs_few_queries_however_often(self, message, client):
        url = f"/c/{click_token(message.pk, 1)}"
        with CaptureQueriesContext(connection) as first:
            client.get(url, headers={"User-Agent": IPHONE})
        for _ in range(40):
            click(message)
        with CaptureQueriesContext(connection) as later:
            client.get(url, headers={"User-Agent": IPHONE})

        assert len(later) <= len(first) <= 14

    def test_one_message_keeps_fifty_clicks_and_leads_on(self, message, client):
        for number in range(60):
            click(message, after=timedelta(minutes=number))

        assert Click.objects.count() == clicks.MAX_CLICKS
        assert client.get(f"/c/{click_token(message.pk, 1)}").status_code == 302

    def test_the_log_does_not_hold_the_token(self):
        url = click_url(5, 1)

        assert mask(f'"GET {url} HTTP/1.1"') == '"GET http://testserver/c/… HTTP/1.1"'


class TestMachines:
    def test_a_person(self, message):
        click(message)

        assert verdicts(message) == [""]
        assert last_click(message) == LATER

    def test_who_asks_for_headers_only(self, message, client):
        client.head(f"/c/{click_token(message.pk, 1)}", headers={"User-Agent": IPHONE})

        assert verdicts(message) == ["head"]
        assert last_click(message) is None

    @pytest.mark.parametrize(
        "agent",
        [
            "",
            "Barracuda Sentinel (EE)",
            "Mozilla/5.0 (compatible; ProofPoint URL Defense)",
            "CiscoSecureEmail",
            "TMES/1.0",
            "python-requests/2.32.3",
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "facebookexternalhit/1.1",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/130.0 Safari/537.36",
        ],
    )
    def test_who_says_so(self, message, agent):
        click(message, agent=agent)

        assert verdicts(message) == ["agent"]

    @pytest.mark.parametrize(
        "agent",
        [
            IPHONE,
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 14; CUBOT KINGKONG) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:132.0) Gecko/20100101 Firefox/132.0",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148 [FBAN/FBIOS;FBAV/489]",
        ],
    )
    def test_browsers_of_people(self, message, agent):
        click(message, agent=agent)

        assert verdicts(message) == [""]

    @pytest.mark.parametrize(("after_s", "machine"), [(0, "fast"), (9.9, "fast"), (10, ""), (60, "")])
    def test_who_comes_within_seconds_of_the_mail(self, message, after_s, machine):
        Message.objects.update(handed_at=LATER)

        click(message, after=seconds(after_s))

        assert verdicts(message) == [machine]

    def test_who_comes_before_it_was_delivered_or_just_then(self, message):
        click(message)
        click(message, after=seconds(69))
        click(message, after=seconds(71))
        assert verdicts(message) == ["", "", ""]

        delivered = Incoming("1", EventType.DELIVERED, LATER + seconds(60), reference=message.reference)
        events.take_in("sendgrid", [delivered], at=LATER + seconds(80))

        assert verdicts(message) == ["fast", "fast", ""]
        assert last_click(message) == LATER + seconds(71)

    def test_who_follows_three_links_at_once_also_the_first_two(self, message):
        click(message, 1)
        click(message, 2, after=seconds(1))
        assert verdicts(message) == ["", ""]
        assert last_click(message) == LATER + seconds(1)

        click(message, 3, after=seconds(2))

        assert verdicts(message) == ["many"] * 3
        assert last_click(message) is None

    def test_who_takes_a_while_or_follows_one_link_again_is_a_person(self, message):
        for position, after_s in ((1, 0), (1, 0.5), (2, 1), (3, 3.1), (4, 20)):
            click(message, position, after=seconds(after_s))

        assert verdicts(message) == [""] * 5

    def test_an_earlier_click_stays_a_persons(self, message):
        click(message, 4, after=seconds(-600))
        for position in (1, 2, 3):
            click(message, position)

        assert verdicts(message) == ["", "many", "many", "many"]
        assert last_click(message) == LATER - seconds(600)

    def test_who_follows_the_trap_is_a_machine_for_a_minute_around(self, message):
        click(message, 1, after=seconds(-61))
        click(message, 2, after=seconds(-59))
        click(message, TRAP_POSITION)
        click(message, 3, after=seconds(59))
        click(message, 4, after=seconds(61))

        assert verdicts(message) == ["", "trap", "trap", "trap", ""]
        assert last_click(message) == LATER + seconds(61)

    def test_a_click_in_another_mail_is_nobodys_fault(self, campaign):
        messages = list(Message.objects.filter(campaign=campaign))
        for one, position in zip(messages, (1, 2, 3, TRAP_POSITION), strict=False):
            click(one, position)

        assert sorted(Click.objects.values_list("machine", flat=True)) == ["", "", "", "trap"]

    def test_nothing_is_decided_by_a_click(self, message):
        before = Message.objects.filter(pk=message.pk).values().get()
        for position in (1, 2, 3, TRAP_POSITION):
            click(message, position, agent="")

        assert Message.objects.filter(pk=message.pk).values().get() == before


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_three_links_in_the_same_moment_see_each_other(self, message):
        def follow(position):
            try:
                click(message, position)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=follow, args=[position]) for position in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert verdicts(message) == ["many"] * 3

    def test_a_busy_database_keeps_nobody_from_the_page(self, message, client, caplog):
        url = f"/c/{click_token(message.pk, 1)}"
        with caplog.at_level(logging.WARNING), held(message):
            assert client.get(url, headers={"User-Agent": IPHONE}).status_code == 302
        assert not Click.objects.exists()
        assert f"a click in message {message.pk} was not counted: OperationalError" in caplog.text

        client.get(url, headers={"User-Agent": IPHONE})

        assert Click.objects.count() == 1


class held:  # noqa: N801 - reads as a word
    """Keep the database busy, by a connection of another thread: all of it in SQLite, this message in PostgreSQL."""

    def __init__(self, message):
        self.message = message
        self.is_held, self.is_over = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self.hold)

    def hold(self):
        if connection.vendor == "sqlite":
            other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            self.is_held.set()
            self.is_over.wait()
            other.rollback()
            other.close()
            return
        with transaction.atomic():
            Message.objects.select_for_update().get(pk=self.message.pk)
            self.is_held.set()
            self.is_over.wait()
        connections.close_all()

    def __enter__(self):
        self.thread.start()
        self.is_held.wait()

    def __exit__(self, *args):
        self.is_over.set()
        self.thread.join()


class TestFigures:
    @pytest.fixture
    def clicked(self, campaign) -> Campaign:
        """Three people: one twice on the same link, one on two links, one as a machine only."""
        one, two, three = Message.objects.filter(campaign=campaign).order_by("pk")[:3]
        click(one, 1)
        click(one, 1, after=seconds(60))
        click(two, 1)
        click(two, 2, after=seconds(60))
        click(three, 1, method="HEAD")
        click(three, TRAP_POSITION)
        return campaign

    def test_count_people_and_leave_machines_out(self, clicked, django_assert_num_queries):
        with django_assert_num_queries(2):
            found = clicks_of(clicked)

        assert (found.people, found.machine_clicks) == (2, 1)
        assert [(link.people, link.clicks) for link in found.links] == [(2, 3), (1, 1), (0, 0), (0, 0)]
        assert found.links[0].url.startswith("https://bar.example/a?")
        assert clicked_counts([clicked.pk]) == {clicked.pk: 2}

    def test_variants_share_a_link(self, clicked):
        other = clicked.variants.create(name="B", body=BODY)
        link = Link.objects.create(variant=other, position=1, url=Link.objects.get(position=2).url)
        message = Message.objects.filter(campaign=clicked).order_by("pk")[3]
        Message.objects.filter(pk=message.pk).update(variant=other)
        Click.objects.create(message=message, link=link)

        assert [(line.people, line.clicks) for line in clicks_of(clicked).links][:2] == [(2, 3), (2, 2)]

    def test_of_another_campaign_are_its_own(self, clicked):
        assert clicks_of(Campaign(pk=clicked.pk + 1)).people == 0

    def test_the_report_tells_them(self, clicked, capsys):
        call_command("report", "campaign", clicked.pk, "--json")
        data = json.loads(capsys.readouterr().out)

        assert (data["clicked"], data["machine_clicks"]) == (2, 1)
        assert data["links"][1] == {"url": Link.objects.get(position=2).url, "people": 1, "clicks": 1}

        call_command("report", "campaign", clicked.pk)
        words = capsys.readouterr().out

        assert "2 clicked a link" in words
        assert "2 people, 3 clicks: https://bar.example/a" in words

    def test_the_pages_show_them(self, clicked, admin_client):
        page = admin_client.get(reverse("admin:campaigns_campaign_report", args=[clicked.pk])).content.decode()

        assert "<strong>2</strong> people clicked a link." in page
        assert "1 click by mail scanners" in page
        assert "https://bar.example/a?a=1&amp;b=2" in page
        assert '<td class="number" data-label="Clicked">2</td>' in admin_client.get("/admin/").content.decode()

    def test_a_campaign_without_links_shows_no_table(self, planned, at, admin_client):
        run_all(at)

        page = admin_client.get(reverse("admin:campaigns_campaign_report", args=[planned.pk])).content.decode()

        assert "Links clicked" not in page

    def test_the_demo_goes_with_its_clicks(self, clicked):
        Campaign.objects.update(is_demo=True)

        remove_demo()

        assert not Click.objects.exists()
        assert not Campaign.objects.exists()


class TestUtm:
    WORDS = {"name": "x", "channel": "email", "subject": "Hi", "body": "https://bar.example/"}

    def test_is_typed_into_the_form(self, db, admin_client):
        admin_client.post(reverse("admin:campaigns_campaign_add"), {**self.WORDS, "utm_campaign": "spring-26"})
        campaign = Campaign.objects.get()

        assert campaign.utm_campaign == "spring-26"
        preview = admin_client.post(
            reverse("admin:campaigns_campaign_facts"), {**self.WORDS, "utm_campaign": "spring-26"}
        )
        assert "utm_campaign=spring-26" in preview.json()["text"]

    def test_what_does_not_fit_is_said_beside_its_field(self, db, admin_client):
        page = admin_client.post(reverse("admin:campaigns_campaign_add"), {**self.WORDS, "utm_campaign": "früh ling"})

        assert not Campaign.objects.exists()
        assert "web statistics" in str(page.context["adminform"].form.errors["utm_campaign"])

    def test_is_given_to_the_command(self, db, tmp_path, capsys):
        body = tmp_path / "body.txt"
        body.write_text("https://bar.example/")
        words = ["--name=x", "--channel=email", "--subject=Hi", f"--body-file={body}", "--all", "--json"]

        call_command("campaign", "create", *words, "--utm=spring")

        campaign = Campaign.objects.get(pk=json.loads(capsys.readouterr().out)["id"])
        assert campaign.utm_campaign == "spring"
        assert variant_of(campaign).body == "https://bar.example/"
        with pytest.raises(CommandError, match="web statistics"):
            call_command("campaign", "create", *words, "--utm=a b")
