"""The campaign page in a real browser: blocks by keyboard alone, pictures, the live preview, saving by itself."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from PIL import Image
from playwright.sync_api import Browser, Dialog, FrameLocator, Page, Route, ViewportSize, expect

from campaigns.models import Campaign, Picture, Template, Variant
from campaigns.queries import variant_of
from campaigns.services import Draft, save_draft, with_blocks
from contacts.channels import Channel
from contacts.models import Contact, Segment
from contacts.services import save_contact
from redemptions.models import Offer

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

ADD = "/admin/campaigns/campaign/add/"
NO_OVERFLOW = "document.documentElement.scrollWidth <= window.innerWidth"


@pytest.fixture(autouse=True)
def at_home(settings: Any, live_server: Any, tmp_path: Path) -> None:
    settings.PUBLIC_BASE_URL = live_server.url
    settings.OUTBOX_DIR = tmp_path / "outbox"


@pytest.fixture
def offer(db: None) -> Offer:
    return Offer.objects.create(name="20 % off lunch", value=20, terms="One per table.")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    image = Image.effect_mandelbrot((1600, 1000), (-2.2, -1.2, 0.9, 1.2), 60).convert("RGB")
    path = tmp_path / "patio.jpg"
    image.save(path, "JPEG")
    return path


@pytest.fixture
def rough_page(browser: Browser, admin_client: Client, live_server: Any) -> Iterator[Page]:
    """Return a page with a superuser signed in, where losing the network is no error of the page's."""
    context = browser.new_context(base_url=live_server.url, locale="en-US")
    context.add_cookies(
        [{"name": "sessionid", "value": admin_client.cookies["sessionid"].value, "url": live_server.url}]
    )
    yield context.new_page()
    context.close()


def mail_of(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[name=mail-preview]")


def saved(page: Page) -> None:
    expect(page.locator("[data-save-status]")).to_have_text(re.compile("^Saved at"))


def write_blocks(*blocks: dict[str, Any], name: str = "Patio opener", **fields: Any) -> Campaign:
    draft = Draft(name=name, channel=Channel.EMAIL, subject="The patio is open", mode=Variant.Mode.BLOCKS, **fields)
    return save_draft(with_blocks(draft, {"version": 1, "blocks": list(blocks)}))


def page_of(page: Page, campaign: Campaign) -> None:
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/")


def test_writes_a_mail_from_a_starting_point(
    admin_page: Page, offer: Offer, photo: Path, shot: Callable[..., None]
) -> None:
    page, mail = admin_page, mail_of(admin_page)
    page.goto(ADD)
    page.get_by_role("link", name=re.compile("^New menu")).click()
    expect(page.locator("#id_subject")).to_have_value("Our new menu is here")

    page.get_by_label("Name:", exact=True).fill("Autumn menu")
    saved(page)
    expect(page).to_have_url(re.compile(r"/\d+/change/$"))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload a picture…").click()
    chooser.value.set_files(photo)
    page.get_by_label("What is on it").fill("Three plates on a wooden table")
    page.get_by_role("group", name="Button 5").get_by_label("Link", exact=True).fill("corner-bar.com/menu")

    expect(mail.get_by_role("heading", name="Our new menu is here")).to_be_visible()
    expect(mail.get_by_text("Hi Maria,")).to_be_visible()
    expect(mail.get_by_alt_text("Three plates on a wooden table")).to_have_js_property("naturalWidth", 1200)
    expect(mail.get_by_role("link", name="See the whole menu")).to_be_visible()
    saved(page)
    shot(page, "campaign", height=1200)
    campaign = Campaign.objects.get()
    variant = variant_of(campaign)
    assert (campaign.name, variant.written_as, variant.gaps) == ("Autumn menu", "blocks", [])
    assert "https://corner-bar.com/menu" in variant.built_html
    assert Picture.objects.get().name in variant.built_html


def test_works_by_keyboard_alone(admin_page: Page, offer: Offer) -> None:
    page, mail = admin_page, mail_of(admin_page)
    page_of(page, write_blocks({"type": "heading", "text": "The patio is open"}, {"type": "divider"}))
    blocks = page.locator("ol.blocks > li")
    add_text = page.get_by_role("button", name="+ Text", exact=True)

    add_text.focus()
    page.keyboard.press("Enter")
    page.keyboard.type("Come by and ")
    page.keyboard.press("Control+b")
    page.keyboard.type("bring friends")
    expect(mail.locator("b", has_text="bring friends")).to_be_visible()
    page.keyboard.press("Control+b")
    expect(blocks).to_have_count(3)

    page.get_by_role("button", name="Move up: Text 3").press("Enter")
    expect(page.get_by_role("button", name="Move up: Text 2")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Move down: Text 1")).to_be_focused()
    page.get_by_role("button", name="Remove: Heading 2").press("Enter")
    expect(blocks).to_have_count(2)
    expect(page.get_by_role("button", name="Undo", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(blocks).to_have_count(3)
    page.get_by_role("button", name="Duplicate: Heading 2").press("Enter")
    expect(blocks).to_have_count(4)

    saved(page)
    stored = variant_of(Campaign.objects.get()).blocks
    assert stored is not None
    assert [block["type"] for block in stored["blocks"]] == ["text", "heading", "heading", "divider"]
    assert stored["blocks"][0]["html"] == "<p>Come by and <b>bring friends</b></p>"


def test_moves_a_block_by_mouse_and_by_finger(admin_page: Page) -> None:
    page = admin_page
    page.set_viewport_size({"width": 1280, "height": 1400})  # near an edge the page would move along
    page_of(page, write_blocks(*({"type": "heading", "text": text} for text in ("One", "Two", "Three"))))
    page.locator("ol.blocks").evaluate("(list) => list.scrollIntoView({ block: 'center' })")
    finger = page.context.new_cdp_session(page)
    finger.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    texts = page.locator("ol.blocks input")

    def middle(number: int) -> dict[str, float]:
        box = page.locator("ol.blocks .drag").nth(number).bounding_box()
        assert box
        return {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}

    def touch(kind: str, *points: dict[str, float]) -> None:
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    def point(number: int) -> None:
        at = middle(number)
        page.mouse.move(at["x"], at["y"])

    def order() -> list[str]:
        return texts.evaluate_all("(inputs) => inputs.map((input) => input.value)")

    before, last = page.evaluate("window.scrollY"), middle(2)
    touch("touchStart", middle(0))
    touch("touchMove", {"x": last["x"], "y": last["y"] - 40})
    touch("touchMove", {"x": last["x"], "y": last["y"] + 120})
    expect(page.locator("ol.blocks > li").last).to_have_class(re.compile("drop-after"))
    assert page.evaluate("window.scrollY") == before  # it moves the block, not the page
    touch("touchEnd")
    assert order() == ["Two", "Three", "One"]

    point(2)
    page.mouse.down()
    point(1)
    page.keyboard.press("Escape")
    page.mouse.up()
    assert order() == ["Two", "Three", "One"]
    point(2)
    page.mouse.down()
    point(1)
    page.mouse.up()
    assert order() == ["Two", "One", "Three"]
    saved(page)
    stored = variant_of(Campaign.objects.get()).blocks
    assert stored is not None
    assert [block["text"] for block in stored["blocks"]] == ["Two", "One", "Three"]


def test_keeps_the_place_in_the_preview(admin_page: Page) -> None:
    page, mail = admin_page, mail_of(admin_page)
    page_of(page, write_blocks(*({"type": "heading", "text": f"Number {number}"} for number in range(20))))
    # The frame may be drawn anew meanwhile, and what was found in it be gone.
    expect(mail.get_by_role("heading", name="Number 0")).to_be_in_viewport()
    page.wait_for_load_state("networkidle")
    mail.get_by_role("heading", name="Number 19").scroll_into_view_if_needed()

    page.locator("#id_blocks-19-text").fill("The last")

    expect(mail.get_by_role("heading", name="The last")).to_be_in_viewport()
    expect(mail.get_by_role("heading", name="Number 0")).not_to_be_in_viewport()


FROM_WORD = """<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style><!-- p {margin:0} --></style></head>
<body><!--[if gte mso 9]><xml><o:p>x</o:p></xml><![endif]-->
<p class=MsoNormal style='margin:0'><span style="color:red">
Hi <b>{{ first_name | default: \u2018you\u2019 }}</b>,</span></p>
<p class=MsoListParagraphCxSpFirst><![if !supportLists]><span>\xb7<span>&nbsp;&nbsp;
&nbsp; </span></span><![endif]>Live <i>music</i></p>
<p class=MsoListParagraphCxSpLast><span>\xb7<span>&nbsp;&nbsp; </span></span>No entry fee</p>
<p class=MsoNormal><a href="https://corner-bar.com/menu" onclick="x()">Menu</a>
<a href="javascript:alert(1)">bad</a><img src="file:///C:/x.png"><script>alert(1)</script></p></body></html>"""
PASTE = """(area, html) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/html", html);
  area.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}"""


def test_takes_what_was_written_in_word(admin_page: Page) -> None:
    page, mail = admin_page, mail_of(admin_page)
    page_of(page, write_blocks({"type": "text", "html": "<p></p>"}))
    words = page.locator("#id_blocks-0-html")

    words.click()
    words.evaluate(PASTE, FROM_WORD)

    expect(mail.get_by_text("Hi Maria,")).to_be_visible()
    saved(page)
    stored = variant_of(Campaign.objects.get()).blocks
    assert stored is not None
    assert " ".join(stored["blocks"][0]["html"].split()) == (
        "<p>Hi <b>{{ first_name | default: \u2018you\u2019 }}</b>,</p>"
        "<ul><li>Live <i>music</i></li><li>No entry fee</li></ul>"
        '<p><a href="https://corner-bar.com/menu">Menu</a> bad</p>'
    )
    words.press("Control+z")
    expect(words).to_have_text("")


def test_makes_a_link_of_what_people_type(admin_page: Page) -> None:
    page = admin_page
    page_of(page, write_blocks({"type": "text", "html": "<p>Write to us</p>"}))
    words = page.locator("#id_blocks-0-html")

    for typed, link in (
        ("hi@corner-bar.com", "mailto:hi@corner-bar.com"),
        ("corner-bar.com", "https://corner-bar.com"),
    ):
        words.press("Control+a")
        page.get_by_role("button", name="Link", exact=True).press("Enter")
        page.keyboard.press("Control+a")
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
        expect(words.locator("a")).to_have_attribute("href", link)


def test_fix_leads_to_the_input(admin_page: Page) -> None:
    page = admin_page
    page_of(page, write_blocks({"type": "heading", "text": "Hi"}, {"type": "button", "label": "Menu", "link": ""}))

    page.get_by_role("button", name="Fix: A link is missing").click()

    expect(page.locator("#id_blocks-1-link")).to_be_focused()
    page.keyboard.type("corner-bar.com/menu")
    expect(page.get_by_role("button", name="Fix: A link is missing")).to_have_count(0)


def test_shows_the_mail_as_somebody_else(admin_page: Page) -> None:
    page, mail = admin_page, mail_of(admin_page)
    save_contact(Contact(email="zoe@example.org", first_name="Zoë", last_name="Quill"))
    page_of(page, write_blocks({"type": "text", "html": "<p>Hi {{ first_name | default: 'there' }}!</p>"}))
    expect(mail.get_by_text("Hi Maria!")).to_be_visible()

    page.get_by_label("As", exact=True).select_option("none")
    expect(mail.get_by_text("Hi there!")).to_be_visible()
    page.get_by_label("As", exact=True).select_option("other")
    expect(mail.get_by_text("Hi Владислава!")).to_be_visible()
    page.get_by_placeholder("Find a contact…").fill("quill")
    page.get_by_role("button", name="Zoë Quill").click()
    expect(mail.get_by_text("Hi Zoë!")).to_be_visible()

    ground = "element => getComputedStyle(element).backgroundColor"
    light = mail.locator("body").evaluate(ground)
    page.get_by_role("button", name="Dark", exact=True).click()
    expect(mail.locator("body")).not_to_have_css("background-color", light)
    page.get_by_role("button", name="Plain text").click()
    expect(page.locator("[data-preview-text]")).to_contain_text("Hi Zoë!")


def test_tells_the_second_of_two_people(admin_page: Page) -> None:
    page = admin_page
    campaign = write_blocks({"type": "heading", "text": "Mine and yours"})
    page_of(page, campaign)
    field = page.locator("#id_blocks-0-text")
    expect(field).to_have_value("Mine and yours")
    save_draft(Draft(name="Theirs", channel=Channel.EMAIL, subject="S", body="B"), campaign=campaign)

    field.fill("Mine")

    expect(page.locator("[data-conflict]")).to_contain_text("saved this campaign at")
    assert Campaign.objects.get().name == "Theirs"
    page.get_by_role("button", name="Keep mine as a draft of its own").click()
    expect(page.get_by_text("Your version is a draft of its own now.")).to_be_visible()
    assert {row.name for row in Campaign.objects.all()} == {"Theirs", "Patio opener (my version)"}


def test_tells_the_second_of_two_on_a_page_that_was_new(admin_page: Page) -> None:
    page = admin_page
    page.goto(ADD)
    page.get_by_label("Name:", exact=True).fill("Mine")
    saved(page)
    save_draft(Draft(name="Theirs", channel=Channel.EMAIL, body="B"), campaign=Campaign.objects.get())

    page.locator("#id_subject").fill("My words")

    expect(page.locator("[data-conflict]")).to_contain_text("saved this campaign at")
    page.get_by_role("link", name="Drop mine and show theirs").click()
    expect(page.get_by_label("Name:", exact=True)).to_have_value("Theirs")


def test_goes_on_where_the_answer_was_lost(rough_page: Page) -> None:
    page, lost = rough_page, []

    def lose(route: Route) -> None:
        lost.append(route.fetch().status)  # it arrives, and nobody hears of it
        route.abort()

    page.goto(ADD)
    page.route("**/autosave/", lose)
    page.get_by_label("Name:", exact=True).fill("Patio")
    expect(page.locator("[data-save-status]")).to_contain_text("does not answer")
    page.locator("#id_subject").fill("The patio is open")
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator("[data-save-status]")).to_contain_text("does not answer")
    expect(page).to_have_url(re.compile("/add/$"))  # leaving would lose what was written
    assert set(lost) == {200}

    page.unroute("**/autosave/")
    page.evaluate("window.dispatchEvent(new Event('online'))")

    saved(page)
    expect(page).to_have_url(re.compile(r"/\d+/change/$"))
    assert variant_of(Campaign.objects.get()).subject == "The patio is open"


def test_goes_on_after_signing_in_again(rough_page: Page, admin_user: Any, client: Client) -> None:
    page, context = rough_page, rough_page.context
    campaign = write_blocks({"type": "heading", "text": "Hi"})
    page_of(page, campaign)
    kept = context.cookies()
    context.clear_cookies(name="sessionid")
    page.locator("#id_blocks-0-text").fill("Hi there")
    expect(page.locator("[data-save-status]")).to_contain_text("you are signed out")
    page.get_by_role("button", name="Save draft").click()
    expect(page.locator("#id_blocks-0-text")).to_have_value("Hi there")

    # In another tab: a session of today, and with it another token for every form.
    client.force_login(admin_user)
    (session,) = (cookie for cookie in kept if cookie["name"] == "sessionid")
    (token,) = (cookie for cookie in kept if cookie["name"] == "csrftoken")
    for old, value in ((session, client.cookies["sessionid"].value), (token, "a" * 32)):
        context.add_cookies([{"name": old["name"], "value": value, "domain": old["domain"], "path": "/"}])
    page.get_by_role("button", name="Save draft").click()

    expect(page.get_by_text("is saved. Nothing was sent.")).to_be_visible()
    assert variant_of(campaign).built_text == "Hi there"


def test_asks_before_unsaved_words_are_left(admin_page: Page) -> None:
    page = admin_page
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", leave)
    page.goto(ADD)
    page.locator("#id_subject").fill("Nobody has a name for this yet")

    page.get_by_role("link", name=re.compile("^Birthday")).click()

    expect(page.locator("#id_subject")).to_have_value("Happy birthday from all of us")
    assert asked == ["beforeunload"]


def test_on_a_phone_the_preview_is_a_tap_away_and_an_answer_is_read_from_the_top(admin_page: Page) -> None:
    page = admin_page
    page.set_viewport_size({"width": 390, "height": 844})
    page_of(page, write_blocks(*({"type": "heading", "text": f"Number {number}"} for number in range(6))))
    link = page.get_by_role("link", name="Preview", exact=True)
    page.locator("#id_blocks-5-text").scroll_into_view_if_needed()

    expect(link).to_be_in_viewport()
    link.click()
    expect(page.get_by_role("button", name="Phone", pressed=True)).to_be_in_viewport()
    expect(link).to_be_hidden()
    page.locator("#test_to").fill("boss@example.org")
    page.get_by_role("button", name="Save and send test").click()

    expect(page.get_by_text("1 test is on its way")).to_be_in_viewport()


def test_enter_in_a_line_presses_no_button(admin_page: Page) -> None:
    page = admin_page
    page_of(page, write_blocks({"type": "heading", "text": "Hi"}))
    page.evaluate("window.isHere = true")

    for line in ("#id_subject", "#id_blocks-0-text"):
        page.locator(line).press("End")
        page.keyboard.type(" now")
        page.keyboard.press("Enter")
    saved(page)

    assert page.evaluate("window.isHere")
    assert variant_of(Campaign.objects.get()).subject == "The patio is open now"
    assert Campaign.objects.count() == 1


def test_back_leads_to_the_page_before(admin_page: Page) -> None:
    page = admin_page
    page.goto("/admin/campaigns/campaign/")
    page_of(page, write_blocks({"type": "heading", "text": "Hi"}))
    expect(mail_of(page).get_by_role("heading", name="Hi")).to_be_visible()
    for words in ("One", "Two", "Three"):
        page.locator("#id_blocks-0-text").fill(words)
        expect(mail_of(page).get_by_role("heading", name=words)).to_be_visible()
    saved(page)

    page.go_back()

    expect(page).to_have_url(re.compile("/admin/campaigns/campaign/$"))


def test_undoes_what_was_removed_from_a_column_that_moved(admin_page: Page) -> None:
    page = admin_page
    columns = {"type": "columns", "left": [{"type": "heading", "text": "In the left"}], "right": []}
    page_of(page, write_blocks({"type": "divider"}, columns))

    page.get_by_role("button", name="Remove: Heading 1").click()
    page.get_by_role("button", name="Move up: Two columns 2").click()
    page.get_by_role("button", name="Undo", exact=True).click()

    expect(page.locator("#id_blocks-0-left-0-text")).to_have_value("In the left")
    expect(page.get_by_role("button", name="Remove: Heading 1")).to_be_focused()
    saved(page)
    stored = variant_of(Campaign.objects.get()).blocks
    assert stored is not None
    assert [block["type"] for block in stored["blocks"]] == ["columns", "divider"]


def test_starts_anew_after_the_first_has_saved_itself(admin_page: Page) -> None:
    page = admin_page
    page.goto(ADD)
    page.get_by_label("Name:", exact=True).fill("First")
    saved(page)

    page.get_by_role("link", name=re.compile("^Event")).click()

    expect(page.locator("#id_subject")).to_have_value("Live music this Thursday")
    expect(page.get_by_label("Name:", exact=True)).to_have_value("")


def test_keeps_a_template_and_starts_from_it(admin_page: Page) -> None:
    page = admin_page
    page_of(page, write_blocks({"type": "heading", "text": "Every Thursday"}))

    page.get_by_role("button", name="Keep as template").click()
    expect(page.get_by_text("is a template now")).to_be_visible()
    page.goto(ADD)
    page.get_by_role("link", name=re.compile("^Patio opener")).click()

    expect(page.locator("#id_blocks-0-text")).to_have_value("Every Thursday")
    assert Template.objects.get().subject == "The patio is open"


def test_counts_and_prices_a_text(admin_page: Page) -> None:
    page = admin_page
    page.goto(ADD)

    page.get_by_label("Channel").select_option("sms")
    page.locator("#id_body").fill("Live music at 7 🎸")

    expect(page.locator("[data-preview-bubble]")).to_contain_text("Live music at 7 🎸")
    expect(page.locator("[data-preview-size]")).to_contain_text("special: 🎸")
    expect(page.locator("[data-preview-cost]")).to_contain_text("each, about $0.00 for 0 people")
    expect(page.locator("#blocks-editor")).to_be_hidden()
    page.locator("#id_body").fill("Come by. " * 60)
    expect(page.locator("[data-preview-error]")).to_contain_text("too long")
    expect(page.locator("[data-preview-bubble]")).to_have_text("…")
    expect(page.locator("[data-preview-cost]")).to_have_text("")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_every_screen(width: int, scheme: Any, admin_page: Page, offer: Offer, shot: Callable[..., None]) -> None:
    page = admin_page
    page.set_viewport_size({"width": width, "height": 860})
    page.emulate_media(color_scheme=scheme)
    columns = {"left": [{"type": "image"}], "right": [{"type": "button", "label": "Go", "link": "a.com"}]}
    page_of(
        page,
        write_blocks(
            {"type": "heading", "text": "The patio is open"},
            {"type": "text", "html": "<p>Hi {{ first_name }},</p><ul><li>Live music</li></ul>"},
            {"type": "deal"},
            {"type": "columns", **columns},
            offer=offer,
        ),
    )

    expect(mail_of(page).get_by_text("20 % off lunch")).to_be_visible()
    expect(page.get_by_role("group", name="Two columns 4")).to_be_visible()
    assert page.evaluate(NO_OVERFLOW)
    page.goto(ADD)
    expect(page.get_by_role("link", name=re.compile("^Birthday"))).to_be_in_viewport()
    assert page.evaluate("document.activeElement.id") == ("id_name" if width > 390 else "")
    assert page.evaluate(NO_OVERFLOW)


def test_says_what_is_no_picture_and_takes_the_next(admin_page: Page) -> None:
    page = admin_page
    page_of(page, write_blocks({"type": "image"}))
    small = io.BytesIO()
    Image.new("RGB", (20, 20), "teal").save(small, "PNG")

    def upload(name: str, data: bytes) -> None:
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name=re.compile("^(Upload a picture|Choose another)…")).click()
        chooser.value.set_files({"name": name, "mimeType": "image/png", "buffer": data})

    upload("notes.png", b"no picture at all")
    expect(page.get_by_text("This is no picture that can be read.")).to_be_visible()
    upload("small.png", small.getvalue())

    expect(page.locator(".picture-shown img")).to_have_js_property("naturalWidth", 20)
    expect(page.get_by_text("This is no picture that can be read.")).to_have_count(0)
    assert Picture.objects.get().format == "jpg"
    page.get_by_role("button", name="Remove: Image 1").click()
    page.get_by_role("button", name="+ Image").first.click()
    page.get_by_role("button", name="Pictures uploaded before").click()
    page.get_by_role("button", name="Picture 1, 20 × 20").click()
    expect(page.locator(".picture-shown img")).to_have_js_property("naturalWidth", 20)


def test_the_review_page_leads_to_the_block(admin_page: Page) -> None:
    page = admin_page
    campaign = write_blocks({"type": "divider"}, {"type": "button", "label": "Menu", "link": ""})
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/review/")

    page.get_by_role("link", name="Fix: A link is missing").click()

    expect(page.locator("#id_blocks-1-link")).to_be_focused()


def test_what_is_folded_away_is_within_reach(admin_page: Page) -> None:
    page = admin_page
    Segment.objects.get_or_create(name="Everybody", defaults={"rules": {"all": []}})
    campaign = write_blocks({"type": "heading", "text": "Hi"}, {"type": "button", "label": "Menu", "link": "a.com"})
    page_of(page, campaign)
    fold = page.locator("summary", has_text="More:")
    field = page.get_by_label("Name for your web statistics")
    expect(mail_of(page).get_by_role("heading", name="Hi")).to_be_visible()
    expect(field).to_be_hidden()

    fold.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Leave out:", exact=True)).to_be_focused()
    field.fill("früh ling")
    fold.click()
    page.get_by_role("button", name="Fix: The message cannot be sent as it is").click()
    expect(field).to_be_focused()
    field.fill("spring")
    fold.click()
    expect(mail_of(page).locator("a[href*='utm_campaign=spring']")).to_be_visible()
    saved(page)

    expect(field).to_be_hidden()
    campaign.refresh_from_db()
    assert campaign.utm_campaign == "spring"
    Campaign.objects.update(utm_campaign="")
    page.goto("about:blank")
    page.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/#id_utm_campaign")
    expect(field).to_be_focused()
    expect(field).to_be_in_viewport()


def test_shows_the_mail_as_on_a_phone_where_a_desktop_would_be_tiny(admin_page: Page) -> None:
    page = admin_page
    wide, narrow = ViewportSize(width=1280, height=844), ViewportSize(width=390, height=844)
    phone = page.get_by_role("button", name="Phone", exact=True)
    page.set_viewport_size(wide)
    page_of(page, write_blocks({"type": "heading", "text": "Hi"}))
    expect(phone).to_have_attribute("aria-pressed", "false")

    page.set_viewport_size(narrow)
    expect(phone).to_have_attribute("aria-pressed", "true")
    page.set_viewport_size(wide)
    expect(phone).to_have_attribute("aria-pressed", "false")

    page.set_viewport_size(narrow)
    page.get_by_label("Channel").select_option("sms")
    saved(page)
    page.reload()
    page.get_by_label("Channel").select_option("email")
    expect(phone).to_have_attribute("aria-pressed", "true")

    page.get_by_role("button", name="Desktop").click()
    page.set_viewport_size(wide)
    page.set_viewport_size(narrow)
    expect(phone).to_have_attribute("aria-pressed", "false")


def test_opening_a_page_saves_nothing(admin_page: Page) -> None:
    page = admin_page
    campaign = write_blocks({"type": "text", "html": "<p>Hi {{ first_name }},</p><ul><li>Live music</li></ul>"})

    page_of(page, campaign)
    expect(mail_of(page).get_by_text("Live music")).to_be_visible()
    expect(page.locator("[data-checks-summary]")).not_to_be_empty()

    expect(page.locator("[data-save-status]")).to_have_text(re.compile("^saved .* ago$"))
    assert variant_of(Campaign.objects.get()).blocks == variant_of(campaign).blocks
