import re
import secrets

import pypdfium2
import pytest
import zxingcpp
from django.contrib.admin import site
from django.db import connection

from redemptions.models import Code, CodeSheet
from redemptions.qr import PAPER, modules
from redemptions.rendering.paper import EDGE, PADDING, PAPERS, QR_SIDE, ROWS, Card, Words, sheet_pdf
from redemptions.services import issue_sheet, revoke_code
from tests.admin.conftest import staff_client

WORDS = Words(business="The Corner Bar", deal="20 % off lunch", facts=["Valid until Friday"], terms="One per table.")
TOKEN = "7K3Q9M2XW5VB8NTCRD4HJ6YPFA"
LINK = f"https://DEALS.EXAMPLE.COM/R/{TOKEN}"


def pages(pdf, dots_per_inch=150):
    document = pypdfium2.PdfDocument(pdf)
    return [page.render(scale=dots_per_inch / 72).to_pil().convert("L") for page in document], [
        page.get_textpage().get_text_bounded() for page in document
    ]


def read(image):
    return [found.text for found in zxingcpp.read_barcodes(image)]


@pytest.fixture
def sheet(offer):
    return issue_sheet(offer=offer, count=11, name="Flyers, spring")


def pdf_of(client, sheet, paper="a4", part=1):
    return client.get(f"/admin/redemptions/codesheet/{sheet.pk}/{paper}-{part}.pdf")


@pytest.mark.parametrize(("paper", "size"), [("a4", (595, 842)), ("letter", (612, 792))])
def test_prints_every_code_of_a_sheet(paper, size, sheet, admin_client):
    answer = pdf_of(admin_client, sheet, paper)

    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="flyers-spring-1.pdf"'
    assert "no-store" in answer.headers["Cache-Control"]
    images, texts = pages(answer.content)
    assert len(images) == 2
    assert [round(side) for side in pypdfium2.PdfDocument(answer.content)[0].get_size()] == list(size)
    codes = list(Code.objects.order_by("pk"))
    assert sorted(read(images[0]) + read(images[1])) == sorted(f"http://TESTSERVER/R/{code.token}" for code in codes)
    for number, code in enumerate(codes):
        assert code.typed_display in texts[number // 8]
    assert texts[1].count("20 % off lunch") == 3


def test_prints_what_a_guest_must_know(sheet, admin_client, change, elsewhere):
    change(
        sheet.offer,
        terms="Not with other deals.",
        min_spend="20",
        hours=[{"days": [0], "from": "11:00", "to": "15:00"}],
    )
    sheet.offer.locations.set([elsewhere])

    text = pages(pdf_of(admin_client, sheet).content)[1][0].replace("\r\n", " ")

    for words in (
        "The Corner Bar",
        "Not with other deals.",
        "For orders from 20.00 USD",
        "Mon 11:00 to 15:00",
        "Airport",
    ):
        assert words in text


@pytest.mark.parametrize("damage", ["clean", "coarse", "spot"])
def test_reads_from_paper_that_was_handled(damage):
    image = pages(sheet_pdf([Card(modules(LINK, level=PAPER), "TESTT-ESTTB")], WORDS, paper="a4"))[0][0]
    if damage == "coarse":
        image = image.resize((image.width // 2, image.height // 2)).resize(image.size)
    if damage == "spot":  # a thumb on the middle of the code
        image.paste(255, (195, 195, 225, 225))

    assert read(image) == [LINK]


def test_draws_at_level_q():
    from redemptions.qr import png
    from tests.redemptions.test_qr import read as read_png

    image = pages(sheet_pdf([Card(modules(LINK, level=PAPER), "")], WORDS, paper="a4"))[0][0]

    assert [found.ec_level for found in zxingcpp.read_barcodes(image)] == ["Q"]
    assert [found.ec_level for found in read_png(png(LINK))[1]] == ["M"]


FACTS = [
    "Valid until Saturday, December 5, 2026, 11:59 PM CST",
    "Days and hours: Mon to Thu 11:00 to 15:00, 17:00 to 22:30, Fri and Sat 11:00 to 15:00, Sun 10:00 to 14:00",
    "For orders from 1,500.00 USD",
    "At most 1,500.00 USD off",
    "Valid at: Main Street, Airport Terminal 2, Riverside Mall, North End",
]
NAME = "Buy any two large pizzas from the lunch menu and get the third one of the same size for free, all day"[:100]
LONG = Words("The Corner Bar and Grill of Kansas City", NAME, FACTS, "One per table. Not with other deals.")
ENDLESS = [
    Words("The Corner Bar", NAME, FACTS, "One per table. Not with other deals. " * 40),
    Words("B" * 200, "Deal " * 60, ["Fact " * 80], "Terms. " * 400),
    Words("Bar", "D" * 100, ["Valid at: " + ", ".join(f"Restaurant number {one}" for one in range(40))], "T" * 500),
]


def boxes(pdf):
    """Return the characters of the first page, and where they are: left, bottom, right, top."""
    text = pypdfium2.PdfDocument(pdf)[0].get_textpage()
    found = [(text.get_text_range(place, 1), text.get_charbox(place)) for place in range(text.count_chars())]
    return [(char, box) for char, box in found if char.strip()]


def card_of(words, paper, url=""):
    return sheet_pdf([Card(modules(LINK, level=PAPER), "TESTT-ESTTB", url)], words, paper=paper)


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("words", [WORDS, LONG, *ENDLESS])
def test_keeps_all_words_on_their_card(words, paper):
    width, height = PAPERS[paper]
    left, right = EDGE, width / 2
    bottom, top = height - EDGE - (height - 2 * EDGE) / ROWS, height - EDGE

    found = boxes(card_of(words, paper, "https://deals.example.com/r/7k3q9m2xw5vb8ntcrd4hj6ypfa"))

    assert [char for char, box in found if box[0] < left or box[1] < bottom or box[2] > right or box[3] > top] == []
    code = EDGE + PADDING, top - PADDING - QR_SIDE, EDGE + PADDING + QR_SIDE, top - PADDING
    assert [char for char, box in found if box[0] < code[2] and box[1] < code[3] and box[3] > code[1]] == []


@pytest.mark.parametrize("paper", PAPERS)
def test_prints_long_words_smaller_and_whole(paper):
    text = " ".join(pages(card_of(LONG, paper))[1][0].split())

    for words in (LONG.business, LONG.deal, *LONG.facts, LONG.terms.strip()):
        assert words in text
    assert "..." not in text
    assert "All conditions" not in text


@pytest.mark.parametrize("words", ENDLESS)
@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://deals.example.com/r/7k3q", "All conditions: scan, or deals.example.com/r/7k3q"),
        ("", "All conditions: scan the code"),
    ],
)
def test_says_where_the_rest_of_the_words_is(url, where, words, paper):
    text = " ".join(pages(card_of(words, paper, url))[1][0].split())

    assert where in text
    assert "..." in text


@pytest.mark.parametrize("words", [LONG, ENDLESS[0]])
def test_keeps_codes_readable_beside_long_words(words):
    images, texts = pages(sheet_pdf([Card(modules(LINK, level=PAPER), "TESTT-ESTTB")] * 8, words, paper="letter"))

    assert len(images) == 1
    assert read(images[0]) == [LINK] * 8
    assert texts[0].count("TESTT-ESTTB") == 8


def test_draws_letters_that_the_fonts_lack():
    words = Words("Café Žižek", "5 € off żurek", terms="日本")

    text = pages(sheet_pdf([Card(modules(LINK, level=PAPER), "")], words, paper="a4"))[1][0]

    assert "Café Žižek" in text
    assert "5 € off zurek" in text
    assert "??" in text


# --- In the admin -----------------------------------------------------------------------------------------------------


def test_makes_codes_for_nobody_yet(offer, admin_client, admin_user):
    answer = admin_client.post(
        "/admin/redemptions/codesheet/add/", {"offer": offer.pk, "name": "Flyers", "count": 3}, follow=True
    )

    sheet = CodeSheet.objects.get()
    assert (sheet.name, sheet.count, sheet.created_by) == ("Flyers", 3, admin_user)
    assert Code.objects.filter(sheet=sheet, contact=None, offer=offer).count() == 3
    html = answer.content.decode()
    assert "3 codes are made." in html
    assert f"/admin/redemptions/codesheet/{sheet.pk}/letter-1.pdf" in html
    assert not any(code.token in html or code.typed in html for code in Code.objects.all())


@pytest.mark.parametrize("count", ["0", "5001", ""])
def test_makes_no_other_number(count, offer, admin_client):
    answer = admin_client.post(
        "/admin/redemptions/codesheet/add/", {"offer": offer.pk, "name": "Flyers", "count": count}
    )

    assert "count" in answer.context["adminform"].form.errors
    assert not CodeSheet.objects.exists()
    assert not Code.objects.exists()


def test_offers_a_big_sheet_in_parts(offer, admin_client):
    sheet = CodeSheet.objects.create(offer=offer, name="Many", count=2500)

    html = admin_client.get(f"/admin/redemptions/codesheet/{sheet.pk}/change/").content.decode()

    assert "A4, 2,001 to 2,500 (PDF)" in html
    assert pdf_of(admin_client, sheet, part=3).status_code == 200
    for paper, part in (("a4", 0), ("a4", 4), ("a5", 1)):
        assert pdf_of(admin_client, sheet, paper, part).status_code == 404


def test_gives_the_codes_to_nobody_who_may_only_look(sheet):
    looks = staff_client("redemptions.view_codesheet")

    assert pdf_of(looks, sheet).status_code == 403
    assert ".pdf" not in looks.get(f"/admin/redemptions/codesheet/{sheet.pk}/change/").content.decode()


def test_lists_the_codes_of_a_sheet(sheet, code, admin_client, at):
    revoke_code(code=sheet.codes.first(), at=at)

    listed = admin_client.get("/admin/redemptions/code/", {"sheet__id__exact": sheet.pk}).context["cl"].result_list

    assert {found.sheet_id for found in listed} == {sheet.pk}


def test_says_how_many_of_each_sheet_are_used(sheet, offer, admin_client):
    Code.objects.filter(pk__in=[code.pk for code in sheet.codes.all()[:2]]).update(used=1)
    issue_sheet(offer=offer, count=3, name="Table cards")

    listed = admin_client.get("/admin/redemptions/codesheet/").content.decode()

    assert re.findall('<td class="field-used">(.*?)</td>', listed) == ["0", "2"]
    assert admin_client.get(f"/admin/redemptions/codesheet/{sheet.pk}/change/").context["numbers"][1].value == 2


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL reads a table of a few rows as a whole")
def test_counts_used_codes_without_reading_those_of_campaigns(sheet, rf, admin_user):
    Code.objects.bulk_create(
        Code(offer=sheet.offer, token_index=secrets.token_bytes(32), typed_index=secrets.token_bytes(32))
        for _ in range(500)
    )
    request = rf.get("/admin/redemptions/codesheet/")
    request.user = admin_user
    sheets = site.get_model_admin(CodeSheet).get_queryset(request).order_by("-pk")[:50]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # else nothing tells it that most codes are of no sheet

    plan = sheets.explain()

    assert re.search(r"SEARCH \w+ USING INDEX redemptions_code_sheet_id\w* \(sheet_id=\?\)", plan)
    assert "AUTOMATIC" not in plan


def test_leaves_paper_alone_that_is_out(sheet, admin_client):
    changed = {"offer": sheet.offer_id, "name": "Flyers, summer", "count": 99}
    admin_client.post(f"/admin/redemptions/codesheet/{sheet.pk}/change/", changed)

    sheet.refresh_from_db()
    assert (sheet.name, sheet.count) == ("Flyers, summer", 11)
    assert admin_client.post(f"/admin/redemptions/codesheet/{sheet.pk}/delete/", {"post": "yes"}).status_code == 403
