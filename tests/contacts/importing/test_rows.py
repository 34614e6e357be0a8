"""From a row to a person: what is cleaned, what is doubtful, what is wrong."""

import csv
import io
from datetime import UTC, date, datetime

import pytest

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.importing.reading.resource import diff
from contacts.importing.reading.rows import ChannelClaim, read_date, read_row
from contacts.importing.reading.sniff import Row, detect, rows_of
from contacts.importing.reading.words import Claim, read_instant, read_status

EMAIL, SMS = Channel.EMAIL, Channel.SMS


def read_all(*rows):
    """Read rows of cells, the first of which is the header."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    raw = out.getvalue().encode()
    plan = detect(lambda: [raw], "people.csv")
    return [read_row(plan, row) for row in rows_of([raw], plan)]


def read(**cells):
    names = {"first": "First name", "last": "Last name", "zip": "Postal code", "zone": "Time zone"}
    header = [names.get(name, name.capitalize()) for name in cells]
    if not {"email", "phone"} & set(cells):
        header, cells = [*header, "Email"], {**cells, "email": "a@example.org"}
    ((candidate, problems),) = read_all(header, list(cells.values()))
    return candidate, problems


@pytest.mark.parametrize(
    ("cell", "email"),
    [
        (" Maria@Example.org ", "Maria@Example.org"),
        ("maria@example.org\u00a0", "maria@example.org"),
        ("\u200bmaria@example.org\u200f", "maria@example.org"),
        ("mailto:maria@example.org", "maria@example.org"),
        ("<maria@example.org>", "maria@example.org"),
        ("maria@example.org.", "maria@example.org."),
        ("maria@example.org;", "maria@example.org"),
        ("maria@example.org,", "maria@example.org"),
        ("'maria@example.org", "maria@example.org"),
        ("ｍａｒｉａ＠example.org", "maria@example.org"),
        ('"maria@example.org"', "maria@example.org"),
        ("(maria@example.org)", "maria@example.org"),
    ],
)
def test_cleans_an_address_before_it_judges(cell, email):
    candidate, problems = read(email=cell)

    assert (candidate.email, problems) == (email, [])
    assert candidate.index(EMAIL) == keyed_hash("email", "maria@example.org")


@pytest.mark.parametrize(
    "cell",
    [
        "2175550142",
        "217-555-0142",
        "(217) 555 0142",
        "+1 217.555.0142",
        "1-217-555-0142",
        "'+12175550142",
        "2175550142.0",
        "\u202a+1 217\u2011555\u20110142\u202c",
        "２１７５５５０１４２",
        "tel:+1-217-555-0142",
        "217-555-0142 (cell)",
        "Mobile: 217-555-0142",
        "217-555-0142,",
        " 217\u00a0555\u00a00142 ",
    ],
)
def test_cleans_a_number_before_it_judges(cell):
    candidate, problems = read(phone=cell)

    assert (candidate.phone, problems) == ("+12175550142", [])
    assert candidate.index(SMS) == keyed_hash("sms", "+12175550142")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("maria", "exactly one @"),
        ("maria @example.org", "space"),
        ("maria@example", "after the @"),
        ("márla@example.org", "letters before the @"),
    ],
)
def test_a_row_of_which_nothing_can_be_used_is_a_problem(cell, reason):
    candidate, [problem] = read(email=cell, first="Maria")

    assert candidate is None
    assert (problem.line, problem.column, problem.value, problem.whole_row) == (2, "Email", cell, True)
    assert reason in problem.reason
    assert "maria@" not in problem.reason


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("217-555-0142 x23", "extension"),
        ("800-555-0142", "toll-free"),
        ("+49 30 123456", "not a number of the United States"),
        ("555-0142", "not a valid phone number"),
        ("2.17555E+09", "shortened by a spreadsheet"),
        ("call me", "not a phone number"),
    ],
)
def test_a_number_that_cannot_be_texted_is_left_out_and_reviewed(cell, reason):
    candidate, [problem] = read(email="a@example.org", phone=cell)

    assert (candidate.email, candidate.phone) == ("a@example.org", None)
    assert (problem.column, problem.value, problem.whole_row) == ("Phone", cell, False)
    assert reason in problem.reason


@pytest.mark.parametrize("blank", ["", "-", "n/a", "NULL", "none", "\u00a0", "'"])
def test_what_says_nothing_is_no_problem(blank):
    candidate, problems = read(email="a@example.org", phone=blank, birthday=blank, first=blank)

    assert (candidate.phone, candidate.birthday, candidate.texts, problems) == (None, None, {}, [])


def test_a_row_without_any_address_says_so():
    candidate, [problem] = read(email="", first="Maria")

    assert candidate is None
    assert problem.reason == "The row has neither an e-mail address nor a phone number."


@pytest.mark.parametrize(
    ("name", "cell", "first"),
    [
        ("email", "a@example.org; b@example.org", "a@example.org"),
        ("email", "a@example.org/b@example.org", "a@example.org"),
        ("email", "broken@, b@example.org", "b@example.org"),
        ("phone", "217-555-0142 / 217-555-0143", "+12175550142"),
        ("phone", "217-555-0142 or 217-555-0143", "+12175550142"),
        ("phone", "2175550142;2175550143", "+12175550142"),
    ],
)
def test_of_two_addresses_in_a_cell_the_first_is_taken_and_reviewed(name, cell, first):
    candidate, [problem] = read(first="Ann", **{name: cell})

    assert getattr(candidate, name) == first
    assert "several" in problem.reason
    assert not problem.whole_row


def test_the_name_around_an_address_fills_an_empty_name():
    candidate, _ = read(email="Maria Kim <maria@example.org>")
    assert candidate.texts == {"first_name": "Maria", "last_name": "Kim"}

    candidate, _ = read(email="Maria Kim <maria@example.org>", first="Ria")
    assert candidate.texts == {"first_name": "Ria"}


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        ({"name": "Maria Kim"}, {"first_name": "Maria", "last_name": "Kim"}),
        ({"name": "Kim, Maria"}, {"first_name": "Maria", "last_name": "Kim"}),
        ({"name": "Maria Kim", "last": "Kim"}, {"first_name": "Maria", "last_name": "Kim"}),
        ({"name": "Maria Kim", "first": "Ria"}, {"first_name": "Ria"}),
        ({"first": "<b>Maria</b>"}, {"first_name": "bMaria/b"}),
        ({"first": "maria@example.org"}, {}),
        ({"zip": "62704.0"}, {"postal_code": "62704"}),
        ({"state": " texas "}, {"region": "TX"}),
        ({"state": "ＴＸ"}, {"region": "TX"}),
        ({"state": "n/a"}, {}),
        ({"zone": "america/chicago"}, {"time_zone": "America/Chicago"}),
        ({"zone": "Pacific Time (US & Canada)"}, {"time_zone": "America/Los_Angeles"}),
        ({"zone": "UTC"}, {}),
        ({"notes": " likes\njazz "}, {"notes": "likes\njazz"}),
    ],
)
def test_reads_names_and_texts(cells, texts):
    candidate, problems = read(**cells)

    assert (candidate.texts, problems) == (texts, [])


@pytest.mark.parametrize(
    ("cells", "texts", "reason"),
    [
        ({"first": "www.example.com"}, {}, "link"),
        ({"first": "M" * 60}, {"first_name": "M" * 40}, "40 characters"),
        ({"zone": "-08:00"}, {}, "no time zone"),
        ({"notes": "x" * 3000}, {"notes": "x" * 2000}, "2000 characters"),
        ({"notes": "x" * 11_000}, {"notes": "x" * 2000}, "10000 characters"),
    ],
)
def test_what_is_cut_or_emptied_is_reviewed(cells, texts, reason):
    candidate, problems = read(**cells)

    assert candidate.texts == texts
    assert reason in problems[0].reason
    assert not problems[0].whole_row


def test_a_state_abroad_is_left_out_and_reviewed_and_nothing_else_is_lost():
    (_, none), (candidate, problems) = read_all(
        ["Email", "First name", "State"], ["a@example.org", "Ann", "TX"], ["b@example.org", "Ben", "Bavaria"]
    )

    assert none == []
    assert (candidate.email, candidate.texts) == ("b@example.org", {"first_name": "Ben"})
    assert [(problem.column, problem.value, problem.whole_row) for problem in problems] == [("State", "Bavaria", False)]


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        ("1990-12-31", date(1990, 12, 31)),
        ("1990-12-31T00:00:00Z", date(1990, 12, 31)),
        ("12/31/1990 12:00 AM", date(1990, 12, 31)),
        ("03/04/1990", date(1990, 3, 4)),
        ("31/12/1990", date(1990, 12, 31)),
        ("3.4.1990", date(1990, 4, 3)),
        ("03-04-1990", date(1990, 3, 4)),
        ("1990/3/4", date(1990, 3, 4)),
        ("3/4/90", date(1990, 3, 4)),
        ("3/4/26", date(1926, 3, 4)),
        ("3/4/05", date(2005, 3, 4)),
        ("19900304", date(1990, 3, 4)),
        ("05/31", date(1904, 5, 31)),
        ("31/05", date(1904, 5, 31)),
        ("2/29", date(1904, 2, 29)),
        ("31.5.", date(1904, 5, 31)),
        ("--05-31", date(1904, 5, 31)),
        ("0000-05-31", date(1904, 5, 31)),
        ("1604-05-31", date(1904, 5, 31)),
        ("May 31", date(1904, 5, 31)),
        ("May 31, 1990", date(1990, 5, 31)),
        ("31 May 1990", date(1990, 5, 31)),
        ("31. Mai 1990", date(1990, 5, 31)),
        ("31 de mayo de 1990", date(1990, 5, 31)),
        ("1er juillet", None),
        ("1 juillet 1990", date(1990, 7, 1)),
        ("02/30/1990", None),
        ("1785-01-01", None),
        ("next week", None),
        ("", None),
    ],
)
def test_reads_birthdays_as_they_are_written(cell, day):
    assert read_date(cell) == day


def test_a_birthday_that_cannot_be_told_is_left_out_and_reviewed():
    candidate, [problem] = read(birthday="spring")

    assert candidate.birthday is None
    assert (problem.column, problem.value, problem.whole_row) == ("Birthday", "spring", False)


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("vip, lunch", ["vip", "lunch"]),
        ("vip;lunch|late", ["vip", "lunch", "late"]),
        ('"vip","lunch, early"', ["vip", "lunch, early"]),
        ('["vip", "lunch"]', ["vip", "lunch"]),
        ("[vip, lunch]", ["vip", "lunch"]),
        ("* myContacts ::: * Bar", ["Bar"]),
        ("vip, VIP ,, vip", ["vip"]),
        ("vip\nlunch", ["vip", "lunch"]),
        ("[]", []),
    ],
)
def test_reads_tags_in_every_form(cell, tags):
    assert read(tags=cell)[0].tags == tags


def test_tags_and_notes_of_several_columns_are_joined():
    [(candidate, _)] = read_all(
        ["Email", "Tags", "Labels", "Notes", "Comments"], ["a@example.org", "vip", "VIP,bar", "one", "two"]
    )

    assert (candidate.tags, candidate.texts["notes"]) == (["vip", "bar"], "one\ntwo")


def test_a_row_with_more_cells_than_columns_is_reviewed_and_one_with_fewer_is_fine():
    (long, problems), (short, none) = read_all(
        ["Email", "Name"], ["a@example.org", "Kim", "Maria", ""], ["b@example.org"]
    )

    assert long.email == "a@example.org"
    assert [(problem.column, problem.value, problem.whole_row) for problem in problems] == [("", "Maria", False)]
    assert long.cells == ["a@example.org", "Kim", "Maria", ""]
    assert (short.email, none) == ("b@example.org", [])


def test_rows_swallowed_by_a_stray_quote_are_not_lost_in_silence():
    raw = b'Email,Name,Phone\na@example.org,"Ann,\nb@example.org,Bob,\nc@example.org,"Cy",\nd@example.org,Di,\n'
    plan = detect(lambda: [raw], "people.csv")

    results = [read_row(plan, row) for row in rows_of([raw], plan)]

    candidate, [problem] = results[0]
    assert candidate is None
    assert (problem.line, problem.column, problem.whole_row) == (2, "Name", True)
    assert "2 rows below" in problem.reason
    assert results[-1][0].email == "d@example.org"


def test_an_unknown_word_about_consent_is_reviewed_and_no_yes():
    [(candidate, [problem])] = read_all(["Email", "Opt-in"], ["a@example.org", "perhaps"])

    assert candidate.claims[EMAIL].claim == Claim.UNKNOWN
    assert (problem.column, problem.value, problem.whole_row) == ("Opt-in", "perhaps", False)


def test_what_is_said_of_a_number_is_kept_where_the_number_is_left_out():
    candidate, _ = read_all(["Email", "Phone", "SMS opt-in"], ["a@example.org", "555-0142", "yes"])[0]
    assert candidate.claims == {}

    candidate, _ = read_all(["Email", "Phone", "SMS opt-in"], ["a@example.org", "2175550142", "yes"])[0]
    assert candidate.claims[SMS].claim == Claim.GRANTED
    candidate.drop_phone()
    assert (candidate.phone, candidate.phone_index) == (None, None)
    assert candidate.left_out_index == keyed_hash("sms", "+12175550142")


def said(claim):
    return ChannelClaim(claim, datetime(2024, 1, 1, tzinfo=UTC), "")


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("", None),
        (" ", None),
        ("-", None),
        ("n/a", None),
        ("unknown", None),
        ("enabled", None),
        ("SUBSCRIBED", Claim.GRANTED),
        ("Subscribed", Claim.GRANTED),
        ("yes", Claim.GRANTED),
        ("TRUE", Claim.GRANTED),
        ("1", Claim.GRANTED),
        ("x", Claim.GRANTED),
        ("✓", Claim.GRANTED),
        ("ja", Claim.GRANTED),
        ("Sí", Claim.GRANTED),
        ("oui", Claim.GRANTED),
        ("Active", Claim.GRANTED),
        ("Opted-in", Claim.GRANTED),
        ("opted in via till", Claim.GRANTED),
        ("abonniert", Claim.GRANTED),
        ("no", Claim.NOT_GIVEN),
        ("0", Claim.NOT_GIVEN),
        ("nein", Claim.NOT_GIVEN),
        ("non", Claim.NOT_GIVEN),
        ("NEVER_SUBSCRIBED", Claim.NOT_GIVEN),
        ("Not subscribed", Claim.NOT_GIVEN),
        ("not opted in", Claim.NOT_GIVEN),
        ("hasn't opted in yet", Claim.NOT_GIVEN),
        ("Inactive", Claim.NOT_GIVEN),
        ("inaktiv", Claim.NOT_GIVEN),
        ("Transactional only", Claim.NOT_GIVEN),
        ("No Permissions Set", Claim.NOT_GIVEN),
        ("disabled", Claim.NOT_GIVEN),
        ("Unsubscribed", Claim.REVOKED),
        ("UNSUBSCRIBED", Claim.REVOKED),
        ("opted out", Claim.REVOKED),
        ("Opted-Out", Claim.REVOKED),
        ("unsubscribed from all email", Claim.REVOKED),
        ("abgemeldet", Claim.REVOKED),
        ("dado de baja", Claim.REVOKED),
        ("désabonné", Claim.REVOKED),
        ("STOP", Claim.REVOKED),
        ("Cleaned", Claim.BOUNCED),
        ("hard bounced", Claim.BOUNCED),
        ("HARD_BOUNCE", Claim.BOUNCED),
        ("Invalid", Claim.BOUNCED),
        ("soft bounce", Claim.UNKNOWN),
        ("SPAM_COMPLAINT", Claim.COMPLAINED),
        ("marked as spam", Claim.COMPLAINED),
        ("blocklisted", Claim.BLOCKED),
        ("Blacklisted", Claim.BLOCKED),
        ("USER_SUPPRESSED", Claim.BLOCKED),
        ("pending", Claim.PENDING),
        ("Unconfirmed", Claim.PENDING),
        ("double_opt_in_pending", Claim.PENDING),
        ('["UNSUBSCRIBED","HARD_BOUNCE"]', Claim.REVOKED),
        ("not unsubscribed", Claim.UNKNOWN),
        ("Gold", Claim.UNKNOWN),
        ("subscriptions?", Claim.UNKNOWN),
        ("y" * 600, Claim.UNKNOWN),
    ],
)
def test_reads_the_words_of_other_products(text, claim):
    assert read_status(text) == claim


@pytest.mark.parametrize(
    "text",
    [
        "2023-05-01 14:03:22",
        "2023-05-01T14:03:22Z",
        "2023-05-01T14:03:22.000+00:00",
        "2023-05-01 09:03:22 -0500",
        "2023-05-01 16:03:22+02:00",
        "2023-05-01 14:03:22 UTC",
        "5/1/2023 2:03:22 PM",
        "05/01/2023 14:03:22",
        "5/1/23 2:03:22 p.m.",
        "01.05.2023 14:03:22",
        "01.05.2023, 14:03:22",
        "May 1, 2023 2:03:22 PM",
        "May 1, 2023, 2:03:22 PM",
        "1 May 2023 14:03:22",
        "Mon, 01 May 2023 14:03:22 +0000",
        "Mon May 01 2023 14:03:22 GMT+0000 (Coordinated Universal Time)",
        "1682949802",
        "1682949802000",
        "2023/05/01 14:03:22",
    ],
)
def test_reads_times_as_other_products_write_them(text):
    assert read_instant(text) == datetime(2023, 5, 1, 14, 3, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2023-05-01", datetime(2023, 5, 1, tzinfo=UTC)),
        ("5/1/2023", datetime(2023, 5, 1, tzinfo=UTC)),
        ("5/1/2023 2:03 PM", datetime(2023, 5, 1, 14, 3, tzinfo=UTC)),
        ("31/5/2023", datetime(2023, 5, 31, tzinfo=UTC)),
        ("5550142", None),
        ("99", None),
        ("yes", None),
        ("2023-13-45", None),
        ("", None),
    ],
)
def test_reads_days_and_refuses_what_is_no_time(text, instant):
    assert read_instant(text) == instant


def test_shows_differences_without_inline_styles():
    shown = dict(diff({"first_name": "Maria"}, {"first_name": "Mario <b>", "birthday": "--05-31"}))

    assert list(shown) == ["First name", "Birthday"]
    assert "<del>a</del>" in shown["First name"]
    assert "&lt;b&gt;" in shown["First name"]
    assert "--05-31" in shown["Birthday"]
    assert not any("style" in html for html in shown.values())


def test_somebody_new_is_shown_without_marks():
    assert diff({}, {"email": "a@example.org"}) == [("E-mail", "<span>a@example.org</span>")]


def test_the_row_as_it_stood_goes_along():
    plan = detect(lambda: [b"Email,Name\na@example.org, Ann \n"], "people.csv")

    candidate, _ = read_row(plan, Row(2, ["a@example.org", " Ann "]))

    assert (candidate.line, candidate.cells) == (2, ["a@example.org", " Ann "])
