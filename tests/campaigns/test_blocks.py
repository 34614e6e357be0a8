"""Mails made of blocks: what is read, what is built, what is left out and named."""

import hashlib
import re
from pathlib import Path

import pytest

import campaigns
from campaigns.blocks import STARTERS, BlockError, Built, Hosted, build, pictures_in, read, stored
from campaigns.merge import HTML
from campaigns.rendering import Compiled, Content, Deal, Person, Shop, styles
from contacts.channels import Channel

PHOTO = "AAAAAAAAAAAAAAAAAAAAAA.jpg"
HOSTED = {PHOTO: Hosted("https://bar.example/i/" + PHOTO, 1200, 800)}
SHOP = Shop("The Corner Bar", "12 Main Street")
DEAL = Deal("20 % off", "One per table.", "Dec 1", "ABCD-EFGH", "https://bar.example/r/X", "cid:qr")
VENDOR = Path(campaigns.__file__).parent / "static" / "campaigns" / "vendor"


def blocks(*parts):
    return read({"version": 1, "blocks": list(parts)})


def built(*parts, has_deal=False) -> Built:
    return build(blocks(*parts), pictures=HOSTED, has_deal=has_deal)


def rendered(*parts, person=Person("Maria", "Kim"), deal=None):  # noqa: B008 - frozen
    made = built(*parts, has_deal=deal is not None)
    assert made.gaps == ()
    content = Content(Channel.EMAIL, "Hello", "", made.text, made.html, is_built=True)
    compiled = Compiled(content, has_deal=deal is not None)
    arguments = {"shop": SHOP, "person": person, "deal": deal, "unsubscribe_url": "https://bar.example/u/1"}
    mail = compiled.render(**arguments)
    assert mail == compiled.render_by_liquid(**arguments), "the quick way gives the same bytes"
    return mail


def text(html):
    return {"type": "text", "html": html}


# --- Reading ---


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"version": 1},
        {"version": 2, "blocks": []},
        {"version": 1, "blocks": ["heading"]},
        {"version": 1, "blocks": [{"type": "script"}]},
        {"version": 1, "blocks": [{"type": ["text"]}]},
        {"version": 1, "blocks": [{"type": "heading", "text": 7}]},
        {"version": 1, "blocks": [{"type": "heading", "text": "x" * 301}]},
        {"version": 1, "blocks": [{"type": "heading", "size": "huge"}]},
        {"version": 1, "blocks": [{"type": "image", "picture": "../../etc/passwd"}]},
        {"version": 1, "blocks": [{"type": "columns", "left": [{"type": "deal"}]}]},
        {"version": 1, "blocks": [{"type": "columns", "left": [{"type": "columns"}]}]},
        {"version": 1, "blocks": [{"type": "columns", "right": "no list"}]},
        {"version": 1, "blocks": [{"type": "divider"}] * 61},
    ],
)
def test_refuses_what_no_editor_of_ours_sends(data):
    with pytest.raises(BlockError):
        read(data)


def test_says_which_block_it_refuses():
    with pytest.raises(BlockError, match=r"Block 2 \(Heading\): A text has 301 characters"):
        blocks({"type": "divider"}, {"type": "heading", "text": "x" * 301})


def test_stores_what_it_read_and_nothing_else():
    heading = {"type": "heading", "text": " Hi   there ", "size": "small", "onclick": "alert(1)"}
    data = stored(blocks(heading, {"type": "columns", "left": [{"type": "divider"}]}))

    assert data["blocks"][0] == {"type": "heading", "text": "Hi there", "size": "small"}
    assert data["blocks"][1] == {"type": "columns", "left": [{"type": "divider"}], "right": []}
    assert stored(read(data)) == data


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("<p>Hi <b>you</b></p><script>alert(1)</script>", "<p>Hi <b>you</b></p>"),
        ('<p onclick="x()" style="position:fixed">Hi</p>', "<p>Hi</p>"),
        ('<a href="javascript:alert(1)">x</a>', "<a>x</a>"),
        ('<img src="https://spy.example/1.gif">', ""),
        ('<a href="https://a.b/?x=1&amp;y=2">x</a>', '<a href="https://a.b/?x=1&amp;y=2">x</a>'),
        ("<p>{{ <b>first</b>_name }}</p>", "<p>{{ first_name }}</p>"),
        ("<p>{{&nbsp;first_name | default: 'you' }}</p>", "<p>{{ first_name | default: 'you' }}</p>"),
        ("<p>by&nbsp;<b>now</b>, ça va&nbsp;?</p>", "<p>by <b>now</b>, ça va&nbsp;?</p>"),
    ],
)
def test_cleans_the_words(typed, kept):
    assert blocks(text(typed))[0].values["html"] == kept


def test_knows_the_pictures_in_columns_too():
    image = {"type": "image", "picture": PHOTO}

    assert pictures_in(blocks({"type": "columns", "left": [], "right": [image]})) == {PHOTO}


# --- Building ---


def test_makes_html_and_text_of_every_kind():
    mail = rendered(
        {"type": "heading", "text": "Fish & chips for {{ first_name }}"},
        text("<p>Hi {{ first_name }},<br>come:</p><ul><li>early</li><li><a href='https://a.b/c'>hungry</a></li></ul>"),
        {"type": "image", "picture": PHOTO, "alt": 'The "big" plate', "link": "https://a.b/plate"},
        {"type": "button", "label": "Book & come", "link": "corner-bar.com/book?a=1&b=2"},
        {"type": "deal"},
        {"type": "divider"},
        {"type": "columns", "left": [{"type": "heading", "text": "L"}], "right": [text("<p>R</p>")]},
        deal=DEAL,
    )

    assert "Fish &amp; chips for Maria</h1>" in mail.html
    assert 'alt="The &quot;big&quot; plate"' in mail.html
    assert f'src="https://bar.example/i/{PHOTO}" width="552"' in mail.html
    assert 'href="https://corner-bar.com/book?a=1&amp;b=2"' in mail.html
    assert mail.html.count("ABCD-EFGH") == 2  # the alt text and the code: the block is there once
    assert mail.html.count("mj-column-per-50") >= 2
    assert mail.text.startswith(
        "Fish & chips for Maria\n\nHi Maria,\ncome:\n\n- early\n- hungry (https://a.b/c)\n\n"
        'The "big" plate: https://a.b/plate\n\nBook & come: https://corner-bar.com/book?a=1&b=2\n\n20 % off'
    )
    assert "Your code: ABCD-EFGH" in mail.text
    assert "{{" not in mail.html + mail.text


def test_escapes_a_name_in_every_place():
    mail = rendered(
        {"type": "heading", "text": "{{ first_name }}"},
        text("<p>{{ first_name }}</p>"),
        {"type": "image", "picture": PHOTO, "alt": "For {{ first_name }}"},
        person=Person('<img src="x">'),
    )

    assert mail.html.count("&lt;img src=&#34;x&#34;&gt;") == 3
    assert '<img src="x">' not in mail.html
    assert '<img src="x">' in mail.text


def test_brings_every_column_a_style_for_wide_screens():
    html = rendered({"type": "columns", "left": [text("<p>l</p>")], "right": [text("<p>r</p>")]}).html

    used = set(re.findall(r"mj-column-per-\d+", html.split("</head>")[1]))
    assert used
    assert all(f".{name} {{" in styles() for name in used)


@pytest.mark.parametrize(
    ("part", "field", "level"),
    [
        ({"type": "heading"}, "blocks-0-text", "warn"),
        (text("<p><br></p>"), "blocks-0-html", "warn"),
        ({"type": "image"}, "blocks-0-picture", "block"),
        ({"type": "image", "picture": "B" * 22 + ".png", "alt": "x"}, "blocks-0-picture", "block"),
        ({"type": "image", "picture": PHOTO}, "blocks-0-alt", "warn"),
        ({"type": "button", "link": "https://a.b"}, "blocks-0-label", "block"),
        ({"type": "button", "label": "Go"}, "blocks-0-link", "block"),
        ({"type": "button", "label": "Go", "link": "https://"}, "blocks-0-link", "block"),
        ({"type": "button", "label": "Go", "link": "javascript:alert(1)"}, "blocks-0-link", "block"),
        ({"type": "deal"}, "offer", "block"),
        ({"type": "heading", "text": "{{ nick }}"}, "blocks-0-text", "block"),
        ({"type": "heading", "text": "{{ code }}"}, "blocks-0-text", "block"),
        (text("<p>{% for x in y %}</p>"), "blocks-0-html", "block"),
        ({"type": "columns"}, "blocks", "warn"),
        ({"type": "columns", "right": [{"type": "button", "label": "Go"}]}, "blocks-0-right-0-link", "block"),
    ],
)
def test_names_what_is_not_finished(part, field, level):
    gaps = built(part, {"type": "divider"}).gaps

    assert [(gap.field, gap.level) for gap in gaps][:1] == [(field, level)]
    assert gaps[0].detail.startswith("Block 1")


def test_leaves_out_one_block_and_keeps_the_rest():
    made = built({"type": "heading", "text": "{{ oops }}"}, text("<p>Still here</p>"))

    assert "Still here" in made.html
    assert "oops" not in made.html


def test_wants_the_whole_deal_in_a_block_of_its_own():
    gaps = built(text("<p>Look: {{ deal }}</p>"), has_deal=True).gaps

    assert "block of its own" in gaps[0].detail


def test_makes_nothing_of_nothing():
    assert built() == Built()


@pytest.mark.parametrize("found", STARTERS, ids=lambda found: found.key)
def test_starts_from_blocks_that_can_be_read(found):
    parts = read(found.blocks())
    made = build(parts, pictures={}, has_deal=True)

    assert stored(parts) == found.blocks() | {"blocks": stored(parts)["blocks"]}
    missing = {gap.title for gap in made.gaps}
    assert missing <= {"A picture is missing", "A link is missing", "A text is empty"}
    HTML.from_string(made.html)


def test_keeps_the_editor_as_it_was_published():
    page = (VENDOR / "README.md").read_text()

    for name, digest in re.findall(r"\| `([\w.]+)` \|.*\| `([0-9a-f]{64})` \|", page):
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
    assert "squire.mjs" in page


# --- Own HTML ---


def test_writes_the_rules_of_a_style_sheet_into_the_tags():
    html = "<style>p { color: #ff0000 } .big { font-size: 30px }</style><p class='big'>Hi {{ first_name }}</p>"

    mail = Compiled(Content(Channel.EMAIL, "S", html=html), has_deal=False).render(
        shop=SHOP, person=Person("Maria"), deal=None, unsubscribe_url="https://bar.example/u/1"
    )

    paragraph = re.search(r"<p [^>]*>Hi Maria</p>", mail.html)
    assert paragraph is not None
    assert re.search(r"color:\s*#ff0000", paragraph.group())
    assert re.search(r"font-size:\s*30px", paragraph.group())
    assert "<style" not in mail.html


def test_loads_no_style_sheet_from_anywhere(tmp_path):
    sheet = tmp_path / "sheet.css"
    sheet.write_text("p { color: #00ff00 }")
    links = f'<link rel="stylesheet" href="file://{sheet}"><link rel="stylesheet" href="http://127.0.0.1:9/x.css">'
    html = f"<style>@import url('file://{sheet}'); b {{ color: #0000ff }}</style>{links}<p>Hi <b>you</b></p>"

    mail = Compiled(Content(Channel.EMAIL, "S", html=html), has_deal=False).render(
        shop=SHOP, person=Person(), deal=None, unsubscribe_url="https://bar.example/u/1"
    )

    assert "#00ff00" not in mail.html
    assert "#0000ff" in mail.html
