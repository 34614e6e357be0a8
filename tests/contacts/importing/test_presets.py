"""The exports of other products, with the headers they really have: recognised, and read as they mean it."""

import io
import zipfile
from datetime import UTC, date, datetime

import pytest

from contacts.channels import Channel
from contacts.importing.reading.files import unpack
from contacts.importing.reading.presets import PRESETS
from contacts.importing.reading.rows import read_row
from contacts.importing.reading.sniff import detect, rows_of
from contacts.importing.reading.words import Claim

MAILCHIMP = (
    "Email Address,First Name,Last Name,Address,Phone Number,Birthday,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,"
    "CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS"
)
MAILCHIMP_UNSUBSCRIBED = MAILCHIMP.replace(
    "LAST_CHANGED", "UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER,LAST_CHANGED"
)
MAILCHIMP_CLEANED = MAILCHIMP.replace("LAST_CHANGED", "CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,CLEAN_CAMPAIGN_ID,LAST_CHANGED")
MAILCHIMP_GERMAN = MAILCHIMP.replace("Email Address,First Name,Last Name", "E-Mail-Adresse,Vorname,Nachname")
KLAVIYO = (
    "Email,Klaviyo ID,First Name,Last Name,Organization,Title,Phone Number,Address,Address 2,City,State / Region,"
    "Country,Zip Code,Latitude,Longitude,Source,IP Address,Email Marketing Consent,Email Marketing Consent Timestamp,"
    "SMS Marketing Consent,SMS Marketing Consent Timestamp,Profile Created On,Date Added,Last Open,Email Suppressions"
)
SQUARE = (
    "Reference ID,First Name,Last Name,Email Address,Phone Number,Nickname,Company Name,Street Address 1,"
    "Street Address 2,City,State,Postal Code,Birthday,Memo,Square Customer ID,Creation Source,First Visit,Last Visit,"
    "Transaction Count,Lifetime Spend,Email Subscription Status,Instant Profile,Blocked from online booking"
)
SHOPIFY = (
    "Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,Default Address Address1,"
    "Default Address Address2,Default Address City,Default Address Province Code,Default Address Country Code,"
    "Default Address Zip,Default Address Phone,Phone,Accepts SMS Marketing,Total Spent,Total Orders,Note,"
    "Tax Exempt,Tags"
)
CONSTANT_CONTACT = (
    "Email address,First name,Last name,Company,Job title,Email status,Email permission status,Email update source,"
    "Confirmed Opt-Out Date,Confirmed Opt-Out Source,Confirmed Opt-Out Reason,Phone - home,Phone - mobile,"
    "Street address line 1 - Home,City - Home,State/Province - Home,Zip/Postal Code - Home,Birthday,Tags,Email Lists,"
    "Source Name,Created At,Updated At"
)
HUBSPOT = (
    "Record ID,First Name,Last Name,Email,Phone Number,Mobile Phone Number,Contact owner,Lifecycle Stage,Lead Status,"
    "Marketing contact status,Unsubscribed from all email,Email hard bounce reason,Postal Code,Create Date"
)
BREVO = "CONTACT ID;EMAIL;LASTNAME;FIRSTNAME;SMS;OPT_IN;EMAIL_BLACKLISTED;SMS_BLACKLISTED;ADDED_TIME;MODIFIED_TIME"
GOOGLE = (
    "First Name,Middle Name,Last Name,Phonetic First Name,Nickname,File As,Organization Name,Birthday,Notes,Photo,"
    "Labels,E-mail 1 - Label,E-mail 1 - Value,E-mail 2 - Label,E-mail 2 - Value,Phone 1 - Label,Phone 1 - Value,"
    "Address 1 - Label,Address 1 - Postal Code"
)
GOOGLE_OLD = (
    "Name,Given Name,Additional Name,Family Name,Yomi Name,Nickname,Birthday,Location,Notes,Group Membership,"
    "E-mail 1 - Type,E-mail 1 - Value,Phone 1 - Type,Phone 1 - Value"
)
OUTLOOK = (
    "Title,First Name,Middle Name,Last Name,Suffix,Company,Business Phone,Home Phone,Mobile Phone,"
    "Primary Phone,Birthday,Categories,E-mail Address,E-mail Type,E-mail Display Name,"
    "E-mail 2 Address,Home Postal Code,Notes,Web Page"
)
LISTMONK = "uuid,email,name,attributes,status,created_at,updated_at"


def read(header, *rows, name="export.csv", separator=","):
    """Return the plan and (candidate, problems) of rows given as {header: cell}."""
    names = header.split(separator)
    table = io.StringIO()
    lines = [header]
    for row in rows:
        assert set(row) <= set(names)
        lines.append(separator.join('"' + row.get(column, "").replace('"', '""') + '"' for column in names))
    table.write("\n".join(lines) + "\n")
    raw = table.getvalue().encode()
    plan = detect(lambda: [raw], name)
    return plan, [read_row(plan, row) for row in rows_of([raw], plan)]


def claims(candidate):
    return {channel: said.claim for channel, said in candidate.claims.items()}


EMAIL, SMS = Channel.EMAIL, Channel.SMS
CHICAGO = {"time_zone": "America/Chicago"}

CASES = [
    # header, cells, what is claimed
    (MAILCHIMP, {"Email Address": "a@example.org", "OPTIN_TIME": "2023-05-01 14:03:22"}, {EMAIL: Claim.GRANTED}),
    (MAILCHIMP, {"Email Address": "a@example.org"}, {}),
    (
        MAILCHIMP_UNSUBSCRIBED,
        {"Email Address": "a@example.org", "CONFIRM_TIME": "2020-05-01 14:03:22", "UNSUB_TIME": "2023-05-01 14:03:22"},
        {EMAIL: Claim.REVOKED},
    ),
    (
        MAILCHIMP_CLEANED,
        {"Email Address": "a@example.org", "CONFIRM_TIME": "2020-05-01 14:03:22", "CLEAN_TIME": "2023-05-01 14:03:22"},
        {EMAIL: Claim.BOUNCED},
    ),
    (KLAVIYO, {"Email": "a@example.org", "Email Marketing Consent": "SUBSCRIBED"}, {EMAIL: Claim.GRANTED}),
    (KLAVIYO, {"Email": "a@example.org", "Email Marketing Consent": "NEVER_SUBSCRIBED"}, {EMAIL: Claim.NOT_GIVEN}),
    (KLAVIYO, {"Email": "a@example.org", "Email Marketing Consent": "UNSUBSCRIBED"}, {EMAIL: Claim.REVOKED}),
    (
        KLAVIYO,
        {
            "Email": "a@example.org",
            "Email Marketing Consent": "SUBSCRIBED",
            "Email Marketing Consent Timestamp": "2024-01-01T00:00:00.000Z",
            "Email Suppressions": '["HARD_BOUNCE"]',
        },
        {EMAIL: Claim.BOUNCED},
    ),
    (
        KLAVIYO,
        {"Email": "a@example.org", "Email Marketing Consent": "SUBSCRIBED", "Email Suppressions": "SPAM_COMPLAINT"},
        {EMAIL: Claim.COMPLAINED},
    ),
    (
        KLAVIYO,
        {"Email": "a@example.org", "Phone Number": "+12175550142", "SMS Marketing Consent": "SUBSCRIBED"},
        {SMS: Claim.GRANTED},
    ),
    (
        KLAVIYO,
        {
            "Phone Number": "'+12175550142",
            "SMS Marketing Consent": "UNSUBSCRIBED",
            "SMS Marketing Consent Timestamp": "2024-01-01 00:00:00",
        },
        {SMS: Claim.REVOKED},
    ),
    (SQUARE, {"Email Address": "a@example.org", "Email Subscription Status": "subscribed"}, {EMAIL: Claim.GRANTED}),
    (SQUARE, {"Email Address": "a@example.org", "Email Subscription Status": "unsubscribed"}, {EMAIL: Claim.REVOKED}),
    (SQUARE, {"Email Address": "a@example.org", "Email Subscription Status": "bounced"}, {EMAIL: Claim.BOUNCED}),
    (SQUARE, {"Email Address": "a@example.org", "Email Subscription Status": "unknown"}, {}),
    (SQUARE, {"Phone Number": "+12175550142", "Blocked from online booking": "Yes"}, {}),
    (
        SHOPIFY,
        {"Email": "a@example.org", "Accepts Email Marketing": "yes", "Phone": "'+12175550142"},
        {EMAIL: Claim.GRANTED},
    ),
    (
        SHOPIFY,
        {
            "Email": "a@example.org",
            "Accepts Email Marketing": "no",
            "Phone": "+12175550142",
            "Accepts SMS Marketing": "yes",
        },
        {EMAIL: Claim.NOT_GIVEN, SMS: Claim.GRANTED},
    ),
    (
        CONSTANT_CONTACT,
        {"Email address": "a@example.org", "Email status": "Active", "Email permission status": "Express"},
        {EMAIL: Claim.GRANTED},
    ),
    (
        CONSTANT_CONTACT,
        {
            "Email address": "a@example.org",
            "Email status": "Unsubscribed",
            "Email permission status": "Express",
            "Confirmed Opt-Out Date": "05/01/2023 02:03 PM",
        },
        {EMAIL: Claim.REVOKED},
    ),
    (
        CONSTANT_CONTACT,
        {"Email address": "a@example.org", "Email status": "No Permissions Set"},
        {EMAIL: Claim.NOT_GIVEN},
    ),
    (
        CONSTANT_CONTACT,
        {"Email address": "a@example.org", "Email status": "Awaiting Confirmation"},
        {EMAIL: Claim.PENDING},
    ),
    (CONSTANT_CONTACT, {"Email address": "a@example.org"}, {}),
    (HUBSPOT, {"Email": "a@example.org", "Unsubscribed from all email": "true"}, {EMAIL: Claim.REVOKED}),
    (
        HUBSPOT,
        {
            "Email": "a@example.org",
            "Unsubscribed from all email": "false",
            "Marketing contact status": "Marketing contact",
        },
        {},
    ),
    (
        HUBSPOT,
        {
            "Email": "a@example.org",
            "Unsubscribed from all email": "false",
            "Email hard bounce reason": "SPAM",
        },
        {EMAIL: Claim.BOUNCED},
    ),
    (GOOGLE, {"E-mail 1 - Value": "a@example.org"}, {}),
    (GOOGLE_OLD, {"E-mail 1 - Value": "a@example.org"}, {}),
    (OUTLOOK, {"E-mail Address": "a@example.org"}, {}),
    (LISTMONK, {"email": "a@example.org", "status": "enabled"}, {}),
    (LISTMONK, {"email": "a@example.org", "status": "disabled"}, {EMAIL: Claim.NOT_GIVEN}),
    (LISTMONK, {"email": "a@example.org", "status": "blocklisted"}, {EMAIL: Claim.BLOCKED}),
    ("Email,Opted in", {"Email": "a@example.org", "Opted in": "x"}, {EMAIL: Claim.GRANTED}),
    ("Email,Opted in", {"Email": "a@example.org", "Opted in": "not opted in"}, {EMAIL: Claim.NOT_GIVEN}),
    ("Email,Opted in", {"Email": "a@example.org", "Opted in": "2023-05-01"}, {EMAIL: Claim.GRANTED}),
    ("Email,Opted out", {"Email": "a@example.org", "Opted out": "x"}, {EMAIL: Claim.REVOKED}),
    ("Email,Opted out", {"Email": "a@example.org", "Opted out": "0"}, {}),
    ("Email,Opted out", {"Email": "a@example.org", "Opted out": "2023-05-01"}, {EMAIL: Claim.REVOKED}),
    ("Email,Bounced", {"Email": "a@example.org", "Bounced": "hard"}, {EMAIL: Claim.BOUNCED}),
    ("Email,Bounced", {"Email": "a@example.org", "Bounced": "soft"}, {}),
    ("Email,Do not contact", {"Email": "a@example.org", "Do not contact": "yes"}, {EMAIL: Claim.REVOKED}),
    (
        "Email,Phone,Do not contact",
        {"Email": "a@example.org", "Phone": "2175550142", "Do not contact": "x"},
        {EMAIL: Claim.REVOKED, SMS: Claim.REVOKED},
    ),
    (
        "Email,Phone,Email opt-out",
        {"Email": "a@example.org", "Phone": "2175550142", "Email opt-out": "x"},
        {EMAIL: Claim.REVOKED},
    ),
    (
        "Email,Unsubscribed at,Marketing OK?",
        {"Email": "a@example.org", "Unsubscribed at": "never", "Marketing OK?": "Y"},
        {EMAIL: Claim.GRANTED},
    ),
    ("Email,Unsubscribed at", {"Email": "a@example.org", "Unsubscribed at": "2023-05-01"}, {EMAIL: Claim.REVOKED}),
    ("Email,Texts agreed", {"Email": "a@example.org", "Texts agreed": "no"}, {}),
    ("Phone,Opted in", {"Phone": "2175550142", "Opted in": "no"}, {SMS: Claim.NOT_GIVEN}),
    ("Phone,Opted out", {"Phone": "2175550142", "Opted out": "yes"}, {SMS: Claim.REVOKED}),
    ("Phone,SMS consent", {"Phone": "2175550142", "SMS consent": "yes"}, {SMS: Claim.GRANTED}),
]


@pytest.mark.parametrize(("header", "cells", "claimed"), CASES)
def test_reads_consent_as_the_product_means_it(header, cells, claimed):
    _, [(candidate, problems)] = read(header, cells)

    assert claims(candidate) == claimed
    assert problems == []


@pytest.mark.parametrize(("cells", "claimed"), [
    ({"OPT_IN": "true"}, {EMAIL: Claim.GRANTED}),
    ({"OPT_IN": "true", "EMAIL_BLACKLISTED": "yes"}, {EMAIL: Claim.BLOCKED}),
    ({"OPT_IN": "false", "EMAIL_BLACKLISTED": "no"}, {EMAIL: Claim.NOT_GIVEN}),
    ({"SMS": "12175550142", "SMS_BLACKLISTED": "1"}, {SMS: Claim.BLOCKED}),
])  # fmt: skip
def test_reads_brevo_whose_blocklist_columns_mean_the_opposite(cells, claimed):
    plan, [(candidate, problems)] = read(BREVO, {"EMAIL": "a@example.org", **cells}, separator=";")

    assert plan.preset == "brevo"
    assert (claims(candidate), problems) == (claimed, [])


@pytest.mark.parametrize(
    ("preset", "header"),
    [
        ("mailchimp", MAILCHIMP),
        ("mailchimp", MAILCHIMP_GERMAN),
        ("mailchimp", MAILCHIMP_UNSUBSCRIBED),
        ("mailchimp", MAILCHIMP_CLEANED),
        ("klaviyo", KLAVIYO),
        ("square", SQUARE),
        ("shopify", SHOPIFY),
        ("constant_contact", CONSTANT_CONTACT),
        ("hubspot", HUBSPOT),
        ("google", GOOGLE),
        ("google", GOOGLE_OLD),
        ("outlook", OUTLOOK),
        ("listmonk", LISTMONK),
        ("plain", "Name,E-mail,Phone,Birthday"),
    ],
)
def test_recognises_each_product_without_a_click(preset, header):
    plan, _ = read(header)

    assert plan.preset == preset
    assert "email" in plan.mapping.values()
    assert set(PRESETS) >= {preset}


@pytest.mark.parametrize(
    ("header", "cells", "texts"),
    [
        (MAILCHIMP, {"REGION": "TX", "TIMEZONE": "America/Chicago"}, {"region": "TX", "time_zone": "America/Chicago"}),
        (KLAVIYO, {"State / Region": "Texas"}, {"region": "TX"}),
        (KLAVIYO + ",Timezone", {"Timezone": "US/Central"}, {"time_zone": "America/Chicago"}),
        (SQUARE, {"State": "tx"}, {"region": "TX"}),
        (SHOPIFY, {"Default Address Province Code": "TX"}, {"region": "TX"}),
        (CONSTANT_CONTACT, {"State/Province - Home": "Texas"}, {"region": "TX"}),
        (HUBSPOT + ",State/Region", {"State/Region": "TX"}, {"region": "TX"}),
        (HUBSPOT + ",Time Zone", {"Time Zone": "america/chicago"}, {"time_zone": "America/Chicago"}),
        (BREVO.replace(";", ",") + ",CONTACT_TIMEZONE", {"CONTACT_TIMEZONE": "US/Central"}, CHICAGO),
        (GOOGLE + ",Address 1 - Region", {"Address 1 - Region": "TX"}, {"region": "TX"}),
        (OUTLOOK + ",Home State", {"Home State": "TX"}, {"region": "TX"}),
        ("Name,E-mail,Province", {"Province": "TX"}, {"region": "TX"}),
        ("Name,E-mail,tz", {"tz": "Central"}, {"time_zone": "America/Chicago"}),
    ],
)
def test_knows_the_columns_of_states_and_time_zones(header, cells, texts):
    known = ("Email Address", "Email", "Email address", "EMAIL", "E-mail 1 - Value", "E-mail Address", "E-mail")
    address = next(name for name in header.split(",") if name in known)

    _, [(candidate, problems)] = read(header, cells | {address: "a@example.org"})

    assert (candidate.texts, problems) == (texts, [])


@pytest.mark.parametrize("cell", ["subscribed", "Bavaria"])
def test_a_column_named_state_that_holds_none_is_left_out(cell):
    plan, [(candidate, problems)] = read("Email,State", {"Email": "a@example.org", "State": cell})

    assert "region" not in plan.mapping.values()
    assert (candidate.texts, problems) == ({}, [])


def test_reads_all_of_a_mailchimp_row():
    _, [(candidate, problems)] = read(
        MAILCHIMP_GERMAN,
        {
            "E-Mail-Adresse": "jose@example.org",
            "Vorname": "José",
            "Nachname": "Díaz",
            "Phone Number": "(217) 555-0142",
            "Birthday": "05/31",
            "OPTIN_TIME": "2023-05-01 14:03:22",
            "OPTIN_IP": "198.51.100.7",
            "CONFIRM_TIME": "2023-05-01 14:05:00",
            "NOTES": "sits outside",
            "TAGS": '"vip","lunch, early"',
        },
        name="subscribed_members_export_0815.csv",
    )

    assert problems == []
    assert (candidate.email, candidate.phone) == ("jose@example.org", "+12175550142")
    assert candidate.texts == {"first_name": "José", "last_name": "Díaz", "notes": "sits outside"}
    assert candidate.birthday == date(1904, 5, 31)
    assert candidate.tags == ["vip", "lunch, early"]
    said = candidate.claims[EMAIL]
    assert (said.claim, said.at) == (Claim.GRANTED, datetime(2023, 5, 1, 14, 5, tzinfo=UTC))
    assert said.evidence == (
        "Mailchimp, subscribed_members_export_0815.csv: OPTIN_TIME 2023-05-01 14:03:22; "
        "CONFIRM_TIME 2023-05-01 14:05:00; OPTIN_IP 198.51.100.7"
    )


def test_the_three_files_of_a_mailchimp_export_have_each_their_meaning():
    out = io.BytesIO()
    row = "a@example.org,,,,,,2,,,2020-05-01 14:05:00,,,,,,,,,"
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("cleaned_members_export_0815.csv", f"{MAILCHIMP_CLEANED}\n{row}2021-01-01 00:00:00,,,,1,x,,\n")
        archive.writestr("subscribed_members_export_0815.csv", f"{MAILCHIMP}\n{row},1,x,,\n")
        archive.writestr(
            "unsubscribed_members_export_0815.csv", f"{MAILCHIMP_UNSUBSCRIBED}\n{row}2021-01-01 00:00:00,,,,,,1,x,,\n"
        )
        archive.writestr("nonsubscribed_members_export_0815.csv", f"{MAILCHIMP}\n{row},1,x,,\n")

    found = {}
    for name, pieces in unpack(out, "export.zip"):
        raw = b"".join(pieces)
        plan = detect([raw].copy, name)
        ((candidate, _),) = [read_row(plan, row) for row in rows_of([raw], plan)]
        found[plan.meaning] = (candidate.claims[EMAIL].claim, candidate.claims[EMAIL].at)

    assert found == {
        "cleaned": (Claim.BOUNCED, None),
        "subscribed": (Claim.GRANTED, datetime(2020, 5, 1, 14, 5, tzinfo=UTC)),
        "unsubscribed": (Claim.REVOKED, datetime(2021, 1, 1, tzinfo=UTC)),
        "nonsubscribed": (Claim.NOT_GIVEN, None),
    }


def test_renamed_mailchimp_files_are_told_by_their_marks():
    cells = {"Email Address": "a@example.org"}

    assert read(MAILCHIMP_UNSUBSCRIBED, cells | {"UNSUB_TIME": "2021-01-01"}, name="x.csv")[0].meaning == "unsubscribed"
    assert read(MAILCHIMP_CLEANED, cells | {"CLEAN_TIME": "2021-01-01"}, name="x.csv")[0].meaning == "cleaned"
    assert read(MAILCHIMP_UNSUBSCRIBED, cells, name="x.csv")[0].meaning == ""
    assert read(MAILCHIMP, cells, name="members.csv")[0].meaning == ""


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("unsubscribed.csv", "unsubscribed"),
        ("Opt-outs 2024.csv", "unsubscribed"),
        ("bounces.csv", "cleaned"),
        ("not_subscribed.csv", "nonsubscribed"),
        ("subscribed.csv", ""),
        ("without unsubscribed.csv", ""),
        ("bouncers night.csv", ""),
    ],
)
def test_a_file_name_takes_people_off_but_never_lets_them_be_written_to(name, meaning):
    plan, [(candidate, _)] = read("Email", {"Email": "a@example.org"}, name=name)

    assert plan.meaning == meaning
    assert Claim.GRANTED not in claims(candidate).values()


def test_who_came_back_after_leaving_is_not_taken_off():
    left, back = "2021-01-01 00:00:00", "2022-01-01 00:00:00"
    row = {"Email Address": "a@example.org", "UNSUB_TIME": left, "CONFIRM_TIME": back}

    _, results = read(MAILCHIMP_UNSUBSCRIBED, row, {"Email Address": "b@example.org"}, name="members.csv")

    assert claims(results[0][0]) == {EMAIL: Claim.GRANTED}


def test_outlook_takes_the_mobile_phone_before_the_others():
    row = {
        "E-mail Address": "a@example.org",
        "Home Phone": "2175550141",
        "Mobile Phone": "2175550142",
        "Birthday": "0/0/00",
    }

    _, [(candidate, problems)] = read(OUTLOOK, row)

    assert (candidate.phone, candidate.birthday, problems) == ("+12175550142", None, [])
    del row["Mobile Phone"]
    _, [(candidate, _)] = read(OUTLOOK, row)
    assert candidate.phone == "+12175550141"


def test_google_holds_several_addresses_in_one_cell():
    row = {
        "First Name": "Sam",
        "Birthday": "--03-01",
        "Labels": "* myContacts ::: Bar",
        "E-mail 1 - Value": "sam@example.org ::: sam2@example.org",
        "Phone 1 - Value": "+1 217-555-0142",
    }

    _, [(candidate, problems)] = read(GOOGLE, row)

    assert (candidate.email, candidate.phone) == ("sam@example.org", "+12175550142")
    assert (candidate.tags, candidate.birthday) == (["Bar"], date(1904, 3, 1))
    assert [problem.whole_row for problem in problems] == [False]


def test_a_refusal_of_the_person_holds_for_texts_too_but_a_yes_does_not():
    header = "Email,Phone,Status"
    cells = {"Email": "a@example.org", "Phone": "2175550142"}

    def of(status):
        return claims(read(header, cells | {"Status": status})[1][0][0])

    assert of("unsubscribed") == {EMAIL: Claim.REVOKED, SMS: Claim.REVOKED}
    assert of("blocked") == {EMAIL: Claim.BLOCKED, SMS: Claim.BLOCKED}
    assert of("bounced") == {EMAIL: Claim.BOUNCED}
    assert of("subscribed") == {EMAIL: Claim.GRANTED}
    assert of("active") == {}
