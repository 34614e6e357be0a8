"""What the checklist says before anything is sent."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaigns.models import Campaign
from campaigns.queries import Check, checks, content_of, preview, variant_of
from campaigns.queries.checks import shows_way_out
from campaigns.services import Blocked, Draft, save_draft
from contacts.channels import Channel
from contacts.models import Business, Contact, Segment
from contacts.services import find_or_make_tag
from messaging import services
from messaging.models import Message
from messaging.queries import checklist as messaging_checklist
from messaging.queries import full_checklist
from redemptions.models import Offer
from redemptions.services import create_offer

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 21, 18, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def guests():
    Contact.objects.bulk_create(
        Contact(email=f"guest{number}@example.org", first_name=name, email_status="subscribed", sms_status="subscribed")
        for number, name in enumerate(["Maria", None, None])
    )


def lines(*, at: datetime = NOON, **words) -> dict[str, str]:
    """Return the titles of the checklist with their levels."""
    campaign = save_draft(Draft(**{"name": "x", "channel": Channel.EMAIL, "subject": "Lunch", "body": "Come"} | words))
    return {check.title: check.level for check in checks_of(campaign, at)}


def checks_of(campaign: Campaign, at: datetime) -> list[Check]:
    return full_checklist(campaign, content_of(campaign, variant_of(campaign)), at=at)


def test_counts_who_would_get_it():
    assert lines()["3 people will get this"] == "ok"


@pytest.mark.parametrize(
    ("words", "warns"),
    [
        ({"body": "Hi {{ first_name }}"}, True),
        ({"subject": "{{first_name}}, lunch"}, True),
        ({"body": "Hi {{ first_name | default: 'there' }}"}, False),
        ({"body": "Hi {{ first_name | capitalize | default: 'there' }}"}, False),
        ({"body": "Hi"}, False),
    ],
)
def test_warns_of_people_who_would_read_a_gap(words, warns):
    assert ("2 people have no first name" in lines(**words)) is warns


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ({"subject": ""}, "The subject is empty"),
        ({"subject": "FWD: lunch"}, "The subject pretends to be an answer"),
        ({"subject": " re : lunch"}, "The subject pretends to be an answer"),
        ({"subject": "Re[2]: lunch"}, "The subject pretends to be an answer"),
        ({"subject": "Fw:lunch"}, "The subject pretends to be an answer"),
        ({"body": "", "html": ""}, "The message is empty"),
        ({"channel": Channel.SMS, "body": "x" * 300}, "The message cannot be sent as it is"),
        ({"html": "<p>" + "x" * 100_001 + "</p>"}, "The mail is too large"),
    ],
)
def test_blocks_what_cannot_be_sent(words, title):
    assert {level for found, level in lines(**words).items() if found.startswith(title)} == {"block"}


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"name": ""}, "Your business has no name"),
        ({"postal_address": ""}, "Your postal address is missing"),
        ({"from_email": ""}, "The sender address is missing"),
        ({"name": "  "}, "Your business has no name"),
        ({"from_email": "bar@gmail.com"}, "Mail from gmail.com would be refused"),
        ({"from_email": "bar@ICLOUD.com"}, "Mail from icloud.com would be refused"),
        ({"from_email": "bar@googlemail.com"}, "Mail from googlemail.com would be refused"),
        ({"from_name": "{{ first_name }}"}, "The sender name holds a merge field"),
        ({"from_name": "*|FNAME|*"}, "The sender name holds a merge field"),
        ({"from_name": "🌮🎉"}, "The sender name has no letters"),
    ],
)
def test_blocks_a_shop_that_is_not_ready(changes, title):
    Business.load()
    Business.objects.update(**changes)

    assert lines()[title] == "block"


@pytest.mark.parametrize(("provider", "level"), [("outbox", "warn"), ("smtp", "block")])
@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"from_email": "hello@our-bar.us"}, "Your postal address is still the example"),
        ({"postal_address": "1 Real Street, Springfield, IL 62701"}, "The sender address is still the example"),
    ],
)
def test_an_example_is_warned_of_and_never_sent_by_a_provider(changes, title, provider, level, settings):
    settings.EMAIL_PROVIDER = provider
    Business.load()
    Business.objects.update(**changes)

    found = lines()

    assert found[title] == level
    assert [name for name in found if "still the example" in name] == [title]


@pytest.mark.parametrize(("provider", "level"), [("outbox", "warn"), ("twilio", "block")])
def test_a_text_asks_its_own_provider(provider, level, settings):
    settings.EMAIL_PROVIDER, settings.SMS_PROVIDER = "smtp", provider

    found = lines(channel=Channel.SMS)

    assert found["Your postal address is still the example"] == level
    assert "The sender address is still the example" not in found


@pytest.mark.parametrize(
    ("address", "level"),
    [
        ("http://localhost:8000", "warn"),
        ("http://127.0.0.1:8000", "warn"),
        ("http://[::1]:8000", "warn"),
        ("https://deals.our-bar.us", "ok"),
    ],
)
def test_warns_of_links_that_lead_to_this_computer(address, level, settings):
    settings.PUBLIC_BASE_URL = address

    assert {found for title, found in lines().items() if title.startswith("Links")} == {level}


@pytest.mark.parametrize(
    ("ends_in", "level"), [(timedelta(days=9), "ok"), (timedelta(hours=5), "warn"), (timedelta(0), "block")]
)
def test_looks_at_the_end_of_the_deal(ends_in, level):
    offer = create_offer(name="Lunch", type=Offer.Type.ITEM, ends_at=NOON + ends_in)

    assert level in {found for title, found in lines(offer=offer).items() if "deal" in title.lower()}


def test_warns_of_special_characters_in_a_text():
    assert lines(channel=Channel.SMS, body="Tacos 🌮")["Special characters make the text dearer"] == "warn"


def test_an_end_at_midnight_is_named_by_the_day_before():
    offer = create_offer(name="Lunch", type=Offer.Type.ITEM, ends_at=datetime(2026, 12, 1, 6, 0, tzinfo=UTC))
    campaign = save_draft(Draft(name="x", channel=Channel.EMAIL, subject="s", body="b", offer=offer))

    assert "Until Monday, November 30, 2026." in {check.detail for check in checks_of(campaign, NOON)}


# --- Words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "title"),
    [
        ("Lunch", "Subject line"),
        ("Regulars: lunch", "Subject line"),
        ("Return: lunch", "Subject line"),
        ("BBQ", "Subject line"),
        ("x" * 71, "The subject is long"),
        ("COME TO LUNCH", "The subject shouts"),
        ("Come now!!", "The subject shouts"),
        ("🌮🌮", "The subject has no words"),
    ],
)
def test_looks_at_the_subject(subject, title):
    assert title in lines(subject=subject)


def test_words_that_want_a_deal_name_the_field_that_mends_it():
    offer = create_offer(name="Lunch", type=Offer.Type.ITEM)
    campaign = save_draft(Draft(name="x", channel=Channel.EMAIL, subject="s", body="{{ code }}", offer=offer))
    campaign.offer = None

    check = next(check for check in checks_of(campaign, NOON) if check.level == "block")

    assert (check.title, check.field) == ("The deal is missing", "offer")


def test_an_unknown_merge_field_is_not_a_missing_deal():
    campaign = save_draft(Draft(name="x", channel=Channel.EMAIL, subject="s", body="b"))
    campaign.variants.update(body="{{ code }} {{ oops }}")

    blocked = {check.title: check.field for check in checks_of(campaign, NOON) if check.level == "block"}

    assert blocked == {"The message cannot be sent as it is": "body"}


@pytest.mark.parametrize(("size", "level"), [(70_000, "ok"), (85_000, "warn"), (99_900, "block")])
def test_looks_at_the_size(size, level):
    found = lines(html="<p>" + "x" * size + "</p>")

    assert level in {found[title] for title in found if title.startswith(("The mail is", "Merge fields"))}


@pytest.mark.parametrize(
    ("html", "title", "level"),
    [
        ('<img src="https://x.us/a.png">', "1 image has no alt text", "warn"),
        ('<img src="https://x.us/a.png"><img src="https://x.us/b.png">', "2 images have no alt text", "warn"),
        ('<img src="https://x.us/a.png" alt="">', "no alt text", None),
        ('<img alt="Menu" src="https://x.us/a.png">', "no alt text", None),
        ('<p style="display: none">x</p>', "Your HTML hides something", "warn"),
        ("<style>td, a { display:none !important }</style><p>x</p>", "Your HTML hides something", "warn"),
        ("<style>a { visibility: hidden }</style><p>x</p>", "Your HTML hides something", "warn"),
        ("<style>a { opacity: 0.0 }</style><p>x</p>", "Your HTML hides something", "warn"),
        ('<div style="position:absolute">x</div>', "Your HTML hides something", "warn"),
        ('<p style="opacity: 0.5">x</p>', "Your HTML hides something", None),
        ("<p>display: none of it</p>", "Your HTML could cover", None),
        ('<div style="margin-bottom:-400px">x</div>', "Your HTML could cover the footer", "block"),
        ('<div style="color:red;margin: 0 0 -9em 0">x</div>', "Your HTML could cover the footer", "block"),
        ('<div style="margin:0 auto">a-1</div>', "Your HTML could cover the footer", None),
    ],
)
def test_looks_at_own_html(html, title, level):
    found = {name: found for name, found in lines(html=html).items() if title in name}

    assert set(found.values()) == ({level} if level else set())


@pytest.mark.parametrize(
    ("words", "provider", "level"),
    [
        ({"html": '<a href="#">Menu</a>'}, "outbox", "block"),
        ({"body": "See https://www.yoursite.com/menu"}, "outbox", "block"),
        ({"body": "See https://example.com/menu"}, "outbox", "warn"),
        ({"body": "See https://example.com/menu"}, "smtp", "block"),
        ({"channel": Channel.SMS, "body": "See http://localhost/menu"}, "twilio", "block"),
        ({"body": "See https://corner-bar.us/menu"}, "smtp", None),
    ],
)
def test_looks_for_links_that_lead_nowhere(words, provider, level, settings):
    settings.EMAIL_PROVIDER = settings.SMS_PROVIDER = provider

    assert lines(**words).get("A link leads nowhere") == level


@pytest.mark.parametrize(
    "html",
    [
        "<p>Nothing about it</p>",
        "</td></tr></table></body></html><p>x</p>",
        "<!-- <p>x</p>",
        "<p>x</p><!--",
        "<style>* { display: none }</style><p>x</p>",
        "<table><tr><td>never closed",
        '<div style="font-size:0;line-height:0;color:#fff">x</div>',
        "<textarea><plaintext><template><noscript>x",
        "{% if first_name %}<div>{% endif %}x",
        "{% comment %}<p>{% endcomment %}x",
        '<a title="{{ first_name }}">x</a>',
    ],
)
def test_no_html_takes_the_way_out_away(html):
    """The footer is outside of what can be written: address and link stand at the end, in both parts."""
    campaign = save_draft(Draft(name="x", channel=Channel.EMAIL, subject="s", body="x", html=html))
    business = Business.load()

    rendered = preview(campaign, content_of(campaign, variant_of(campaign)), business, qr_src="cid:x")

    assert shows_way_out(rendered, business)
    footer = rendered.html[rendered.html.rindex("You get this because") :]
    assert business.postal_address in footer
    assert "Unsubscribe</a>" in footer
    assert "<!--" not in rendered.html
    assert "<style" not in rendered.html


@pytest.mark.parametrize("part", ["html", "text"])
def test_blocks_a_mail_without_the_way_out(part, monkeypatch):
    """As if a layout had lost it."""
    whole = preview

    def cut(*args, **kwargs):
        rendered = whole(*args, **kwargs)
        return replace(rendered, **{part: getattr(rendered, part).replace("/u/preview", "")})

    monkeypatch.setattr(checks, "preview", cut)

    assert lines()["The unsubscribe link or your address would be missing"] == "block"


# --- The audience, and the past ---------------------------------------------------------------------------------------


def launched(number: int, *, size: int, tag=None, segment=None, channel=Channel.EMAIL, **more) -> Campaign:
    campaign = save_draft(Draft(name=f"c{number}", channel=channel, subject="s", body="b", tag=tag, segment=segment))
    at = NOON - timedelta(days=number)
    Campaign.objects.filter(pk=campaign.pk).update(
        status="sent", size_at_launch=size, launched_at=at, starts_at=at, audience={}, **more
    )
    return campaign


@pytest.fixture
def everyone_is_many(monkeypatch):
    monkeypatch.setattr(messaging_checklist, "MANY", 3)


@pytest.mark.parametrize(
    ("sizes", "is_unusual"), [((1, 1, 1), False), ((0, 0, 9), True), ((9, 9, 0), False), ((0, 0), False), ((), False)]
)
def test_warns_of_far_more_people_than_usual(sizes, is_unusual, everyone_is_many):
    for number, size in enumerate(sizes, start=1):
        launched(number, size=size)
        launched(number, size=0, channel=Channel.SMS)
        launched(number, size=0, is_demo=True)

    assert ("Far more people than usual: 3" in lines()) is is_unusual


def test_a_few_people_are_never_unusual():
    for number in range(1, 5):
        launched(number, size=0)

    assert not [title for title in lines() if title.startswith("Far more")]


def test_warns_of_everyone_where_it_was_a_part(everyone_is_many):
    tag, segment = find_or_make_tag("Lunch"), Segment.objects.create(name="Lunch", rules={"all": []})
    parts: list[dict[str, Any]] = [{"tag": tag}, {"segment": segment}, {"tag": tag}]
    for number, part in enumerate(parts, start=1):
        launched(number, size=5, **part)

    assert lines()["This goes to everyone"] == "warn"

    launched(0, size=5)
    assert "This goes to everyone" not in lines()


def test_warns_of_people_who_had_this_deal(monkeypatch):
    offer = create_offer(name="Lunch", type=Offer.Type.ITEM)
    first = save_draft(Draft(name="first", channel=Channel.EMAIL, subject="s", body="b", offer=offer))
    launch = {"status": "sent", "starts_at": NOON, "launched_at": NOON, "audience": {}}
    Campaign.objects.filter(pk=first.pk).update(**launch)
    people = list(Contact.objects.order_by("pk"))
    for person, status, days in zip(people, ["accepted", "failed", "delivered"], [1, 1, 31], strict=True):
        Message.objects.create(
            campaign=first,
            variant=variant_of(first),
            contact=person,
            channel="email",
            status=status,
            reason="refused" if status == "failed" else "",
            handed_at=NOON - timedelta(days=days),
        )

    assert lines(offer=offer)["1 person had this deal in the last 30 days"] == "warn"
    assert not [title for title in lines() if "this deal" in title]
    Message.objects.filter(status="delivered").update(handed_at=NOON)
    monkeypatch.setattr(messaging_checklist, "MANY_HAD", 1)
    assert lines(offer=offer)["More than 1 people had this deal in the last 30 days"] == "warn"


# --- What mends it ----------------------------------------------------------------------------------------------------


def test_every_line_that_is_not_fine_says_what_mends_it(settings):
    settings.EMAIL_PROVIDER = settings.SMS_PROVIDER = "twilio"
    Business.load()
    Business.objects.update(postal_address="", from_email="x@gmail.com", from_name="🌮")
    Contact.objects.update(email_status="unsubscribed", sms_status="subscribed")
    offer = create_offer(name="Lunch", type=Offer.Type.ITEM, ends_at=NOON)
    html = '<img src="https://x.us/a.png" style="display:none;margin:-1px">' + "x" * 85_000
    drafts: list[dict[str, Any]] = [
        {"channel": Channel.EMAIL, "subject": "RE: LUNCH", "html": html, "offer": offer},
        {"channel": Channel.EMAIL, "subject": "", "body": ""},
        {"channel": Channel.SMS, "body": "Tacos 🌮 {{ first_name }}"},
    ]

    found = [
        check
        for words in drafts
        for check in checks_of(save_draft(Draft(**{"name": "x", "body": "b", "subject": "s", **words})), NOON)
    ]

    assert len([check for check in found if check.level != "ok"]) > 12
    for check in found:
        assert check.level == "ok" or check.field or (check.url and check.label), check


def test_nothing_that_blocks_is_launched():
    """The launch looks at the same list, whoever asks for it."""
    Business.load()
    Business.objects.update(from_name="🌮")
    campaign = save_draft(Draft(name="x", channel=Channel.EMAIL, subject="Lunch", body="b"))

    with pytest.raises(Blocked, match="no letters"):
        services.launch(campaign, at=NOON)
    campaign.refresh_from_db()
    assert campaign.status == Campaign.Status.DRAFT
