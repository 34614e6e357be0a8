"""How mails look: readable in every colour, drafts as the shop looks now, launched campaigns as it looked then."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.models import Campaign, Variant
from campaigns.queries import content_of, look_of, preview, variant_of
from campaigns.rendering import ColorRefused, Compiled, Content, Look, Person, Shop, color_of, logo_size, styles
from campaigns.rendering.looks import DARK_PAPER, OURS, PAPER, contrast, readable_on
from campaigns.services import Draft, save_draft, take_back, with_blocks
from contacts.channels import Channel
from contacts.models import Business
from contacts.models import Look as Looked
from contacts.services import save_look
from messaging.queries import outbox, outbox_item
from messaging.services import launch
from tests.admin.conftest import add_contact
from tests.messaging.conftest import NOON, run_all

RED, GREEN = "#aa0011", "#006633"
BUTTON = {"type": "button", "label": "Menu", "link": "https://bar.example/menu"}
SHOP = Shop("Bar & Grill", "12 Main Street")
COLORS = st.builds("#{:02x}{:02x}{:02x}".format, *[st.integers(0, 255)] * 3)


def look(color: str, *, hours: float = 0, logo: str = "") -> None:
    save_look(accent=color, logo=logo, logo_size=(200, 60) if logo else (0, 0), at=NOON + timedelta(hours=hours))


def write(*blocks: dict[str, str], body: str = "") -> Campaign:
    mode = Variant.Mode.BLOCKS if blocks else Variant.Mode.TEXT
    draft = Draft(name="Patio", channel=Channel.EMAIL, subject="Open", mode=mode, body=body)
    return save_draft(with_blocks(draft, {"version": 1, "blocks": list(blocks)}) if blocks else draft)


def html_of(campaign: Campaign) -> str:
    campaign.refresh_from_db()
    return preview(campaign, content_of(campaign, variant_of(campaign)), Business.load(), qr_src="").html


# --- Colours ---


@pytest.mark.parametrize(
    ("typed", "color"), [("#1b5e7b", "#1b5e7b"), (" #A01 ", "#aa0011"), ("AA0011", "#aa0011"), ("#000", "#000000")]
)
def test_reads_a_colour_as_people_write_it(typed, color):
    assert color_of(typed) == color


@pytest.mark.parametrize("typed", ["", "red", "#12345", "#1234567", "#12345g", "rgb(1,2,3)", "#aa0011;}", "#١٢٣"])
def test_says_how_to_write_a_colour(typed):
    with pytest.raises(ColorRefused, match="six digits"):
        color_of(typed)


@pytest.mark.parametrize("typed", ["#ffffff", "#fafafa", "#ffffcc"])
def test_refuses_a_button_that_nobody_sees(typed):
    with pytest.raises(ColorRefused, match="too light"):
        color_of(typed)


def test_writes_black_on_yellow_and_white_on_red():
    assert (readable_on("#ffd700"), readable_on(RED)) == ("#000000", "#ffffff")


def test_measures_contrast_as_wcag_does():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#aa0011", "#aa0011") == 1


@given(COLORS)
def test_whatever_the_colour_all_words_can_be_read(color):
    colors = Look(color).colors

    assert contrast(colors["accent"], colors["on_accent"]) >= 4.5
    assert contrast(colors["dark_accent"], colors["on_dark_accent"]) >= 4.5
    assert contrast(colors["link"], PAPER) >= 4.5
    assert contrast(colors["heading"], PAPER) >= 7
    assert contrast(colors["dark_link"], DARK_PAPER) >= 7
    assert contrast(colors["dark_accent"], DARK_PAPER) >= 2


PAGES = [Path(sheet) for sheet in ("contacts/static/contacts/pages.css", "redemptions/static/redemptions/pages.css")]


@pytest.mark.parametrize("sheet", PAGES, ids=lambda sheet: sheet.parts[0])
@given(color=COLORS)
def test_whatever_the_colour_guests_can_read_their_pages(sheet, color):
    by_day, dark = sheet.read_text().split("@media (prefers-color-scheme: dark)")[:2]
    colors = Look(color).page_colors

    assert contrast(colors["accent"], colors["on_accent"]) >= 4.5
    assert contrast(colors["dark_accent"], colors["on_dark_accent"]) >= 4.5
    for styles_of, link in ((by_day, "link"), (dark, "dark_link")):
        papers = [full(paper) for paper in re.findall(r"--(?:page|card): (#\w+)", styles_of)]
        assert papers
        assert all(contrast(colors[link], paper) >= 4.5 for paper in papers)


def full(color: str) -> str:
    return color if len(color) == 7 else "#" + "".join(2 * digit for digit in color[1:])


@pytest.mark.parametrize(
    ("pixels", "shown"),
    [((1200, 300), (240, 60)), ((300, 1200), (20, 80)), ((100, 40), (100, 40)), ((9000, 1), (240, 1))],
)
def test_shows_a_logo_in_the_room_there_is_and_never_larger_than_it_is(pixels, shown):
    assert logo_size(*pixels) == shown


# --- Mails ---


@pytest.mark.parametrize("written", [{"body": "See https://bar.example"}, {"html": '<p style="color:#123456">Own</p>'}])
def test_the_quick_way_gives_the_same_bytes_in_every_look(written):
    mine = Look(RED, "https://bar.example/i/x.png", 200, 60)
    compiled = Compiled(Content(Channel.EMAIL, "Hello {{ first_name }}", "", **written, look=mine), has_deal=False)
    arguments: dict[str, Any] = {
        "shop": SHOP,
        "person": Person("Maria"),
        "deal": None,
        "unsubscribe_url": "https://bar.example/u/1",
    }

    mail = compiled.render(**arguments)

    assert mail == compiled.render_by_liquid(**arguments)
    assert 'src="https://bar.example/i/x.png" width="200" height="60" alt="Bar &amp; Grill"' in mail.html
    assert (f"color:{RED}" if "body" in written else "color:#123456") in mail.html


def test_the_style_sheet_of_dark_mode_follows_the_colour():
    assert Look("#000000").colors["dark_accent"] in styles(Look("#000000"))
    assert styles(Look("#000000")) != styles(Look(RED)) != styles()


# --- Drafts and launched campaigns ---


@pytest.mark.django_db
@pytest.mark.parametrize("words", ["blocks", "text"])
def test_a_draft_looks_as_the_shop_does_now(words):
    campaign = write(BUTTON) if words == "blocks" else write(body="See https://bar.example/menu")
    assert OURS in html_of(campaign)

    look(RED, logo="x" * 22 + ".png")

    html = html_of(campaign)
    assert RED in html
    assert OURS not in html
    assert f"/i/{'x' * 22}.png" in html


@pytest.mark.django_db(transaction=True)
def test_a_launched_campaign_keeps_its_look_and_is_sent_in_it(settings, tmp_path):
    settings.OUTBOX_DIR = tmp_path
    add_contact("maria@example.com", first_name="Maria")
    Business.objects.filter(pk=Business.load().pk).update(postal_address="1 Real Street", from_email="hi@corner-bar.us")
    blocks, text = write(BUTTON), write(body="See https://bar.example/menu")
    look(RED, hours=-1)
    for campaign in (blocks, text):
        launch(campaign, at=NOON)
    before = [html_of(campaign) for campaign in (blocks, text)]

    look(GREEN, hours=0.01, logo="x" * 22 + ".png")

    assert [html_of(campaign) for campaign in (blocks, text)] == before
    assert all(RED in html for html in before)
    run_all(at=NOON + timedelta(minutes=2))
    mails = [outbox_item(item.name) for item in outbox()]
    assert len(mails) == 2
    assert all(RED in mail.html and GREEN not in mail.html and "/i/" not in mail.html for mail in mails)


@pytest.mark.django_db
def test_a_launch_that_is_undone_takes_the_new_look(settings):
    add_contact("maria@example.com")
    Business.objects.filter(pk=Business.load().pk).update(postal_address="1 Real Street", from_email="hi@corner-bar.us")
    campaign = write(BUTTON)
    launch(campaign, at=NOON, starts_at=NOON + timedelta(hours=5))
    look(GREEN, hours=1)
    assert GREEN not in html_of(campaign)

    take_back(campaign)

    assert GREEN in html_of(campaign)


@pytest.mark.django_db
def test_blocks_of_another_version_stay_what_was_made_of_them():
    campaign = write(BUTTON)
    Variant.objects.update(blocks={"version": 0, "blocks": []})

    assert ">Menu</a>" in html_of(campaign)


# --- History ---


@pytest.mark.django_db
def test_keeps_every_look_and_writes_no_look_twice():
    assert look_of() == Look()
    look(RED, hours=-2)
    look(RED, hours=-1)
    look(GREEN)

    assert [row.accent for row in Looked.objects.all()] == [GREEN, RED]
    then = Campaign(launched_at=NOON - timedelta(hours=1))
    assert (look_of().accent, look_of(then).accent) == (GREEN, RED)
    assert look_of(Campaign(launched_at=NOON - timedelta(days=1))) == Look()
