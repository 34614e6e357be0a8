"""The campaign form while it is written: it saves itself, keeps pictures and templates, and shows what will be sent."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from email import message_from_bytes, policy
from html import escape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from campaigns.admin.preview import sample_qr
from campaigns.models import Campaign, Picture, Template, Variant
from campaigns.queries import content_of, variant_of
from campaigns.services import (
    Draft,
    NotPossible,
    Outdated,
    copy_campaign,
    keep_as_template,
    keep_picture,
    save_draft,
    with_blocks,
)
from contacts.channels import Channel
from messaging import tasks
from messaging.links import redirects_of
from messaging.models import Message
from messaging.queries import full_checklist
from messaging.services import launch
from messaging.transports.email import QR_CID
from redemptions.codes import SAMPLE_TOKEN, SAMPLE_TYPED, display
from redemptions.links import coupon_url
from redemptions.models import Offer
from tests.admin.conftest import add_contact, staff_client, write_draft
from tests.messaging.conftest import NOON, run_all

ADD = reverse("admin:campaigns_campaign_add")
NEW = reverse("admin:campaigns_campaign_autosave_new")
PREVIEW = reverse("admin:campaigns_campaign_preview")
FACTS = reverse("admin:campaigns_campaign_facts")
PICTURES = reverse("admin:campaigns_campaign_pictures")
READERS = reverse("admin:campaigns_campaign_readers")
WRITER = ("campaigns.view_campaign", "campaigns.add_campaign", "campaigns.change_campaign")
HEADING = {"type": "heading", "text": "The patio is open", "size": "large"}


def url(page, campaign):
    return reverse(f"admin:campaigns_campaign_{page}", args=[campaign.pk])


def form_of(*blocks, **fields):
    data = {"name": "Patio", "channel": "email", "subject": "Open", "mode": "blocks"}
    return {**data, "blocks": json.dumps({"version": 1, "blocks": list(blocks)}), **fields}


def write_blocks(*blocks, **fields) -> Campaign:
    draft = Draft(name="Patio", channel=Channel.EMAIL, subject="Open", mode=Variant.Mode.BLOCKS, **fields)
    return save_draft(with_blocks(draft, {"version": 1, "blocks": list(blocks)}))


def photo(size=(60, 40), colour="teal") -> bytes:
    to = io.BytesIO()
    Image.new("RGB", size, colour).save(to, "PNG")
    return to.getvalue()


# --- Saving ---


def test_saves_blocks_and_the_mail_made_of_them(db, admin_client):
    admin_client.post(ADD, form_of(HEADING, {"type": "text", "html": "<p>Hi<script>x</script></p>"}))

    words = variant_of(Campaign.objects.get())
    assert words.written_as == "blocks"
    assert words.blocks is not None
    assert words.blocks["blocks"][1]["html"] == "<p>Hi</p>"
    assert "The patio is open</h1>" in words.built_html
    assert words.built_text == "The patio is open\n\nHi"


def test_keeps_what_was_written_in_another_way(db, admin_client):
    campaign = write_blocks(HEADING)

    admin_client.post(url("change", campaign), form_of(HEADING, mode="text", body="Plain words"))
    content = content_of(campaign, variant_of(campaign))
    assert (content.body, content.html, content.is_built) == ("Plain words", "", False)

    admin_client.post(url("change", campaign), form_of(HEADING, mode="blocks", body="Plain words"))
    content = content_of(campaign, variant_of(campaign))
    assert (content.body, content.is_built) == ("The patio is open", True)
    assert variant_of(campaign).body == "Plain words"


def test_saves_a_draft_that_is_not_finished_and_says_what_is_missing(db, admin_client):
    admin_client.post(ADD, form_of({"type": "button", "label": "Go", "link": ""}, {"type": "deal"}))

    campaign = Campaign.objects.get()
    checks = full_checklist(campaign, content_of(campaign, variant_of(campaign)), at=timezone.now())
    blocking = {check.title: check.field for check in checks if check.level == "block"}
    assert blocking["A link is missing"] == "blocks-0-link"
    assert blocking["The deal is missing"] == "offer"


@pytest.mark.parametrize(
    "blocks",
    [
        "no json",
        "[]",
        '{"version": 9, "blocks": []}',
        '{"version": ' + "9" * 5000 + "}",
        "[" * 100_000,
        json.dumps({"version": 1, "blocks": [{"type": "divider"}] * 10_000}),
    ],
    ids=["no JSON", "list", "version", "number", "deep", "many"],
)
def test_refuses_blocks_that_cannot_be_read(blocks, db, admin_client):
    response = admin_client.post(ADD, form_of() | {"blocks": blocks})

    assert "blocks" in response.context["adminform"].form.errors
    assert not Campaign.objects.exists()


def test_saves_no_halves_of_characters(db, admin_client):
    blocks = '{"version": 1, "blocks": [{"type": "heading", "text": "Patio\\ud83d\\u0000"}]}'

    assert admin_client.post(NEW, form_of() | {"blocks": blocks}).json()["saved"]
    assert variant_of(Campaign.objects.get()).built_text == "Patio"


def test_copies_blocks(db):
    copy = copy_campaign(write_blocks(HEADING))

    assert variant_of(copy).built_text == "The patio is open"


# --- Saving by itself ---


def test_begins_a_draft_and_goes_on_with_it(db, admin_client):
    answer = admin_client.post(NEW, form_of(HEADING)).json()
    campaign = Campaign.objects.get()
    assert answer["saved"]
    assert answer["page"] == url("change", campaign)

    again = form_of(HEADING, name="Patio and more", seen=answer["seen"])
    assert admin_client.post(answer["autosave"], again).json()["saved"]
    assert Campaign.objects.get().name == "Patio and more"


def test_says_why_it_did_not_save(db, admin_client):
    answer = admin_client.post(NEW, form_of(HEADING, name="")).json()

    assert (answer["saved"], answer["why"]) == (False, "Name: This field is required.")
    assert not Campaign.objects.exists()


def test_tells_the_later_of_two_writers_and_overwrites_nothing(db, admin_client):
    maria = User.objects.create_user("maria", first_name="Maria", last_name="Kim")
    campaign = write_blocks(HEADING)
    seen = campaign.updated_at.isoformat()
    save_draft(Draft(name="Theirs", channel=Channel.EMAIL, body="Theirs"), campaign=campaign, by=maria)

    by_itself = admin_client.post(url("autosave", campaign), form_of(HEADING, name="Mine", seen=seen)).json()
    by_button = admin_client.post(url("change", campaign), form_of(HEADING, name="Mine", seen=seen))

    assert by_itself["conflict"]
    assert by_itself["why"].startswith("Maria Kim saved this campaign at ")
    html = by_button.content.decode()
    assert "Maria Kim saved this campaign at " in html
    assert 'value="Mine"' in html
    assert "data-autosave-url" not in html
    assert Campaign.objects.get().name == "Theirs"

    admin_client.post(url("change", campaign), form_of(HEADING, name="Mine", seen=seen, _mine="1"))
    assert set(Campaign.objects.values_list("name", flat=True)) == {"Theirs", "Mine (my version)"}


def test_begins_one_draft_where_the_answer_was_lost(db, admin_client):
    admin_client.post(NEW, form_of(HEADING))  # and the network goes away

    answer = admin_client.post(NEW, form_of(HEADING, again="1")).json()
    assert answer["page"] == url("change", Campaign.objects.get())

    other = admin_client.post(NEW, form_of(HEADING, subject="Another", again="1")).json()
    assert other["page"] != answer["page"]
    admin_client.post(NEW, form_of(HEADING))  # somebody who begins the same anew means it
    assert Campaign.objects.count() == 3


def test_takes_nobodys_draft_for_ones_own(db, admin_client):
    other = User.objects.create_user("maria")
    draft = Draft(name="Patio", channel=Channel.EMAIL, subject="Open", mode=Variant.Mode.BLOCKS)
    save_draft(with_blocks(draft, {"version": 1, "blocks": [HEADING]}), by=other)

    admin_client.post(NEW, form_of(HEADING, again="1"))

    assert Campaign.objects.count() == 2


def test_saying_the_same_twice_is_no_quarrel(db, admin_client):
    campaign = write_blocks(HEADING)
    data = form_of(HEADING, name="Patio and more", seen=campaign.updated_at.isoformat())
    admin_client.post(url("autosave", campaign), data)  # and the network goes away

    assert admin_client.post(url("autosave", campaign), data).json()["saved"]
    assert admin_client.post(url("change", campaign), data).status_code == 302
    assert admin_client.post(url("autosave", campaign), data | {"name": "More"}).json()["conflict"]


def test_tells_apart_oneself_in_another_window(db, admin_client, admin_user):
    campaign = write_blocks(HEADING)
    seen = campaign.updated_at.isoformat()
    save_draft(Draft(name="Other window", channel=Channel.EMAIL, body="B"), campaign=campaign, by=admin_user)

    answer = admin_client.post(url("autosave", campaign), form_of(HEADING, seen=seen)).json()

    assert answer["why"].startswith("You saved this campaign at ")
    assert answer["page"] == url("change", campaign)


def test_keeps_what_was_typed_where_it_cannot_be_kept_beside(db, admin_client):
    campaign = write_blocks(HEADING)
    seen = campaign.updated_at.isoformat()
    save_draft(Draft(name="Theirs", channel=Channel.EMAIL, body="Theirs"), campaign=campaign)

    page = admin_client.post(
        url("change", campaign), form_of(HEADING, name="Mine", subject="{{ nick }}", seen=seen, _mine="1")
    )

    assert page.status_code == 200
    html = page.content.decode()
    assert 'value="Mine"' in html
    assert "is not a merge field" in html
    assert Campaign.objects.get().name == "Theirs"


def test_closes_the_gap_between_looking_and_saving(db):
    campaign = write_draft()
    seen = campaign.updated_at
    draft = Draft(name="Mine", channel=Channel.EMAIL, body="B")
    save_draft(draft, campaign=Campaign.objects.get())

    with pytest.raises(Outdated):
        save_draft(draft, campaign=Campaign.objects.get(), seen=seen)


def test_never_saves_over_what_was_launched(shop, admin_client):
    assert admin_client.post(url("autosave", shop.sending), form_of(HEADING)).json()["saved"] is False
    assert Campaign.objects.get(pk=shop.sending.pk).name == "Brunch push"


def test_writes_one_line_of_history_for_many_savings(db, admin_client, admin_user):
    campaign = write_blocks(HEADING)
    for number in range(3):
        campaign.refresh_from_db()
        data = form_of(HEADING, name=f"Patio {number}", seen=campaign.updated_at.isoformat())
        assert admin_client.post(url("autosave", campaign), data).json()["saved"]

    assert admin_user.logentry_set.count() == 1


@pytest.mark.parametrize("page", [NEW, PICTURES, PREVIEW, FACTS])
def test_keeps_the_editor_from_who_may_not_write(page, db):
    assert staff_client("campaigns.view_campaign").post(page, form_of(HEADING)).status_code == 403
    assert not Campaign.objects.exists()


def test_keeps_each_address_to_who_may_use_it(db):
    campaign = write_blocks(HEADING)
    data = form_of(HEADING, name="Mine")

    assert staff_client("campaigns.view_campaign").get(PICTURES).status_code == 403
    assert staff_client("campaigns.view_campaign").get(url("saved_preview", campaign)).status_code == 200
    assert staff_client().get(url("saved_preview", campaign)).status_code == 403
    assert staff_client("campaigns.add_campaign").post(url("autosave", campaign), data).status_code == 403
    assert staff_client("campaigns.view_campaign").post(url("autosave", campaign), data).status_code == 403
    assert staff_client("campaigns.change_campaign").post(NEW, data).status_code == 403
    assert Campaign.objects.get().name == "Patio"


@pytest.mark.parametrize("page", [NEW, PICTURES, PREVIEW, FACTS, READERS])
def test_takes_nothing_from_another_site(page, db, admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)

    assert client.post(page, form_of(HEADING)).status_code == 403
    assert not Campaign.objects.exists()


@pytest.mark.parametrize("page", [NEW, PREVIEW, FACTS, READERS])
def test_changes_nothing_where_it_is_only_looked_at(page, db, admin_client):
    assert admin_client.get(page, form_of(HEADING)).status_code == 405


@pytest.mark.parametrize("page", [NEW, PICTURES, PREVIEW, FACTS, READERS])
def test_sends_strangers_to_the_sign_in(page, db):
    answer = Client().post(page, form_of(HEADING))

    assert (answer.status_code, answer["Location"].split("?")[0]) == (302, reverse("admin:login"))


# --- Templates ---


def test_starts_from_what_the_product_brings(db, admin_client):
    page = admin_client.get(ADD, {"start": "birthday"})

    form = page.context["adminform"].form
    assert form["subject"].value() == "Happy birthday from all of us"
    assert json.loads(form["blocks"].value())["blocks"][0]["text"] == "Happy birthday!"
    assert len(page.context["starters"]) >= 7


@pytest.mark.parametrize("start", ["", "nonsense", "own-1", "own-99999999999999999999999"])
def test_starts_blank_from_what_is_not_there(start, db, admin_client):
    assert admin_client.get(ADD, {"start": start}).status_code == 200


def test_keeps_a_campaign_as_a_template(db, admin_client):
    campaign = write_blocks(HEADING)

    admin_client.post(url("change", campaign), form_of(HEADING, _template="1"))

    template = Template.objects.get()
    page = admin_client.get(ADD, {"start": f"own-{template.pk}"})
    assert json.loads(page.context["adminform"].form["blocks"].value())["blocks"] == [HEADING]


def test_makes_no_template_of_other_words(db):
    with pytest.raises(NotPossible):
        keep_as_template(write_draft())


# --- Pictures ---


def test_takes_a_picture_and_shows_those_before(db, admin_client):
    upload = SimpleUploadedFile("patio.png", photo(), "image/png")

    answer = admin_client.post(PICTURES, {"picture": upload}).json()

    picture = Picture.objects.get()
    assert (answer["name"], answer["width"]) == (picture.name, 60)
    assert admin_client.get(PICTURES).json()["pictures"] == [answer]


@pytest.mark.parametrize("upload", [None, SimpleUploadedFile("x.png", b"no picture", "image/png")])
def test_says_why_a_picture_was_not_taken(upload, db, admin_client):
    answer = admin_client.post(PICTURES, {"picture": upload} if upload else {}).json()

    assert answer["why"]
    assert not Picture.objects.exists()


# --- The preview ---


@pytest.mark.parametrize(("who", "name"), [("", "Maria"), ("none", "you"), ("other", "Владислава"), ("999", "Maria")])
def test_shows_the_mail_as_awkward_people(who, name, db, admin_client):
    data = form_of({"type": "text", "html": "<p>Hi {{ first_name | default: 'you' }}!</p>"}, preview_as=who)

    assert f"Hi {name}!" in admin_client.post(PREVIEW, data).content.decode()
    assert f"Hi {name}!" in admin_client.post(FACTS, data).json()["text"]


def test_says_what_will_be_seen_where_nothing_is_written_yet(db, admin_client):
    blank = form_of({"type": "text", "html": "<p></p>"})

    assert "Your mail appears here" in admin_client.post(PREVIEW, blank).content.decode()
    assert "Your mail appears here" not in admin_client.post(PREVIEW, form_of(HEADING)).content.decode()


def test_finds_people_to_show_the_mail_as(db, admin_client):
    contact = add_contact("zoe@example.com", first_name="Zoë", last_name="Quill")

    assert admin_client.post(READERS, {"q": "quill"}).json()["people"] == [{"pk": contact.pk, "name": "Zoë Quill"}]
    assert admin_client.post(READERS, {"q": "zoe@example.com"}).json()["people"][0]["pk"] == contact.pk
    assert admin_client.post(READERS, {"q": "@"}).json()["people"] == []


def test_shows_people_only_to_who_may_see_them(db):
    contact = add_contact("zoe@example.com", first_name="Zoë")
    client = staff_client(*WRITER)

    assert client.post(READERS, {"q": "Zoë"}).status_code == 403
    assert client.post(PREVIEW, form_of(HEADING, preview_as=str(contact.pk))).status_code == 403
    assert client.post(PREVIEW, form_of(HEADING, preview_as="long")).status_code == 200


def test_shows_the_mail_in_the_dark(db, admin_client):
    mail = admin_client.post(PREVIEW, form_of(HEADING)).content.decode()
    dark = admin_client.post(PREVIEW, form_of(HEADING, preview_scheme="dark")).content.decode()
    light = admin_client.post(PREVIEW, form_of(HEADING, preview_scheme="light")).content.decode()

    assert "@media (prefers-color-scheme:dark)" in mail
    assert dark == mail.replace("@media (prefers-color-scheme:dark)", "@media all")
    assert light == mail.replace("@media (prefers-color-scheme:dark)", "@media not all")


def test_shows_the_mail_where_nothing_in_it_can_run(db, admin_client):
    typed = form_of() | {"mode": "html", "html": "<script>alert(1)</script><p onclick='x()'>Hi</p>"}

    page = admin_client.post(PREVIEW, typed)

    rules = {rule.partition(" ")[0]: rule.partition(" ")[2] for rule in page["Content-Security-Policy"].split("; ")}
    assert rules["default-src"] == "'none'"
    assert rules["sandbox"] == "allow-same-origin"  # no scripts, forms or pop-ups
    assert rules["frame-ancestors"] == "'self'"
    assert "script-src" not in rules
    assert page["X-Frame-Options"] == "SAMEORIGIN"
    assert "no-store" in page["Cache-Control"]
    assert "alert" not in page.content.decode()
    assert "onclick" not in page.content.decode()


def test_tells_what_a_text_costs(db, admin_client):
    add_contact(None, "+12175550123")

    facts = admin_client.post(FACTS, {"name": "T", "channel": "sms", "body": "Live music at 7"}).json()

    assert facts["cost"] == "$0.0083 each, about $0.01 for 1 person"


@pytest.mark.parametrize(
    ("html", "title"),
    [
        ("<p>Hi</p><script>alert(1)</script>", "Your HTML holds what no mail may: script"),
        ("<form><input></form><p>Hi</p>", "Your HTML holds what no mail may: form, input"),
        ("<link rel='stylesheet' href='https://a.b/c.css'><p>Hi</p>", "A style sheet from elsewhere is left out"),
        ("<style>@media print { p { color: red } }</style><p>Hi</p>", "Rules for small screens are left out"),
        ("<p>Hi</p>", ""),
    ],
)
def test_looks_at_own_html(html, title, db, admin_client):
    facts = admin_client.post(FACTS, {"name": "T", "channel": "email", "mode": "html", "html": html}).json()

    found = [check["title"] for check in facts["checks"] if check["field"] == "html"]
    assert found == ([title] if title else [])


def test_puts_what_cannot_be_read_into_the_checklist(db, admin_client):
    facts = admin_client.post(FACTS, form_of() | {"blocks": "no json"}).json()

    assert facts["checks"][0]["field"] == "blocks"
    assert facts["error"] == facts["checks"][0]["detail"]


AWKWARD: list[dict[str, Any]] = [
    {"first_name": "Marïa <3", "last_name": "Kim"},
    {},
    {"first_name": "Maximiliana-Alexandrina Wilhelmina Caroli", "last_name": "von Hohenzollern-Sigmaringen"},
    {"first_name": "Владислава", "last_name": "Щербакова"},
    {"last_name": 'O\'Neill & "Sons"'},
]


@pytest.fixture
def guests(transactional_db):
    return [add_contact(f"guest{number}@example.org", **names) for number, names in enumerate(AWKWARD)]


def parts_of(path):
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    texts = [mail.get_body((kind,)).get_content().replace("\r\n", "\n").rstrip("\n") for kind in ("html", "plain")]
    return mail, *texts


@pytest.mark.parametrize("mode", ["blocks", "text", "html"])
def test_shows_exactly_the_bytes_that_are_sent(mode, guests, admin_client, settings):
    offer = Offer.objects.create(name="20 % off lunch", value=20, terms="One per table.")
    picture = keep_picture(photo())
    blocks = [
        {"type": "heading", "text": "Hi {{ first_name | default: 'there' }} & co"},
        {"type": "text", "html": "<p>See <a href='https://ouzel-bar.com/menu?a=1&amp;b=2'>the menu</a></p>"},
        {"type": "image", "picture": picture.name, "alt": "Patio", "link": "https://ouzel-bar.com/patio"},
        {"type": "deal"},
        {"type": "columns", "left": [{"type": "divider"}], "right": [{"type": "text", "html": "<p>R</p>"}]},
        {"type": "button", "label": "Book", "link": "{{ coupon_url }}"},
    ]
    words = {
        "body": "Hi {{ full_name }},\n\n{{ deal }}\n\nhttps://ouzel-bar.com/menu",
        "html": "<style>b{color:red}</style><p>Hi <b>{{ full_name }}</b> <a href='https://ouzel-bar.com/'>here</a></p>",
    }
    typed = form_of(*blocks, **words, mode=mode, offer=offer.pk, preheader="Yours, {{ first_name }}", utm_campaign="p")
    typed["subject"] = "{{ first_name | default: 'Guest' }}, it is open"
    admin_client.post(ADD, typed)
    campaign = Campaign.objects.get()
    launch(campaign, at=timezone.now() - timedelta(seconds=1))
    tasks.work()
    sent = {mail["To"]: (mail, html, text) for mail, html, text in map(parts_of, settings.OUTBOX_DIR.rglob("*.eml"))}
    variant = variant_of(campaign)
    assert len(sent) == len(guests)

    for message in Message.objects.select_related("contact", "code"):
        mail, sent_html, sent_text = next(found for to, found in sent.items() if message.contact.email in to)
        shown = admin_client.post(PREVIEW, {**typed, "preview_as": str(message.contact_id)}).content.decode()
        facts = admin_client.post(FACTS, {**typed, "preview_as": str(message.contact_id)}).json()

        # What is one message's own stands in the preview as a sample, and as itself; nothing else differs.
        redirects = redirects_of(message.pk, {link.url: link.position for link in variant.links.all()})
        assert redirects.links
        way_out = "".join(mail["List-Unsubscribe"].split()).strip("<>")
        own = {
            **{address: link for link, address in redirects.links.items()},
            redirects.trap: "#",
            way_out: f"{settings.PUBLIC_BASE_URL}/u/preview",
            coupon_url(message.code.token): coupon_url(SAMPLE_TOKEN),
            message.code.typed_display: display(SAMPLE_TYPED),
            f"cid:{QR_CID}": sample_qr(),
        }
        for mine, sample in own.items():
            sent_html = sent_html.replace(escape(mine), escape(sample))
            sent_text = sent_text.replace(mine, sample)
        assert sent_html == shown.rstrip("\n")
        assert sent_text == facts["text"].rstrip("\n")
        assert mail["Subject"] == facts["subject"]


def test_shows_exactly_the_text_that_is_sent(transactional_db, admin_client, settings):
    guests = [add_contact(None, f"+1217555012{number}", **names) for number, names in enumerate(AWKWARD)]
    offer = Offer.objects.create(name="20 % off lunch", value=20)
    typed = {
        "name": "T",
        "channel": "sms",
        "body": "Hi {{ first_name | default: 'there' }}, come by",
        "offer": offer.pk,
    }
    admin_client.post(ADD, typed)
    Campaign.objects.update(status=Campaign.Status.SCHEDULED, starts_at=NOON, launched_at=NOON, audience={})
    run_all(NOON)
    sent = {path.read_text().partition("\n\n")[2][:-1] for path in settings.OUTBOX_DIR.rglob("*.txt")}

    shown = set()
    for message in Message.objects.select_related("code"):
        facts = admin_client.post(FACTS, {**typed, "preview_as": str(message.contact_id)}).json()
        shown.add(facts["text"].replace(coupon_url(SAMPLE_TOKEN), coupon_url(message.code.token)))
    assert shown == sent
    assert len(sent) == len(guests)
