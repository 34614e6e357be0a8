"""The exports of other products: how each is recognised and what its columns hold. Pure.

A preset is recognised by headers its product writes in every language. The order of `columns` is the order of choice:
for a field of one column, the first header that is there and has something in it is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext_noop

from contacts.importing.reading.columns import folded


@dataclass(frozen=True)
class Preset:
    """`signatures`: sets of folded headers, one of which must be wholly there. `columns`: folded header -> field.

    A field of "" leaves the column out, which a header known by its words alone would not be.
    """

    name: str
    label: str
    signatures: tuple[frozenset[str], ...]
    columns: dict[str, str]

    def recognises(self, headers: Iterable[str]) -> bool:
        """Whether a table with these folded headers is one of this product."""
        there = set(headers)
        return any(signature <= there for signature in self.signatures)


def _preset(name: str, label: str, signatures: str, columns: dict[str, str]) -> Preset:
    """Write a preset with headers as the product writes them: signatures as `A, B | C, D`, columns as `field: A, B`."""
    marks = tuple(
        frozenset(folded(header) for header in signature.split(",")) for signature in signatures.split("|") if signature
    )
    known = {folded(header): field for field, headers in columns.items() for header in headers.split(",")}
    return Preset(name, label, marks, known)


_ALL = (
    _preset(
        "mailchimp",
        "Mailchimp",
        "MEMBER_RATING, LEID | MEMBER_RATING, EUID | LEID, EUID | MEMBER_RATING, OPTIN_TIME | "
        "MEMBER_RATING, CONFIRM_TIME",
        {
            "email": "Email Address",
            "phone": "SMS Phone Number, Mobile, Phone, Phone Number",
            "email_consent_at": "CONFIRM_TIME, OPTIN_TIME",
            "email_consent_note": "OPTIN_IP, CONFIRM_IP",
            "email_unsubscribed_at": "UNSUB_TIME",
            "email_status": "Status, Email Marketing Status",
            "sms_status": "SMS Subscription Status, SMS Marketing Status",
            "tags": "TAGS",
            "notes": "NOTES",
            "birthday": "Birthday",
            "region": "State, REGION",
            "time_zone": "TIMEZONE",
            "": "CLEAN_TIME, UNSUB_REASON, UNSUB_REASON_OTHER, UNSUB_CAMPAIGN_TITLE, UNSUB_CAMPAIGN_ID",
        },
    ),
    _preset(
        "klaviyo",
        "Klaviyo",
        "Klaviyo ID | Email Marketing Consent, Email Marketing Consent Timestamp | "
        "SMS Marketing Consent, SMS Marketing Consent Timestamp | Email Suppressions | "
        "Email Marketing Consent, SMS Marketing Consent",
        {
            "email": "Email",
            "phone": "Phone Number, SMS Phone Number",
            "email_status": "Email Marketing Consent, Email Suppressions, Suppressed",
            "email_consent_at": "Email Marketing Consent Timestamp, Email Marketing Consent Updated At",
            "email_consent_note": "Email Marketing Consent Method, Source, IP Address",
            "sms_status": "SMS Marketing Consent, SMS Suppressions",
            "sms_consent_at": "SMS Marketing Consent Timestamp, SMS Marketing Consent Updated At",
            "sms_consent_note": "SMS Marketing Consent Method",
            "postal_code": "Zip Code",
            "region": "State / Region, State, Region",
            "time_zone": "Timezone, Time Zone",
            "birthday": "Birthday, $birthday, Date of Birth",
        },
    ),
    _preset(
        "square",
        "Square",
        "Square Customer ID | Reference ID, Creation Source | Reference ID, Email Subscription Status | "
        "Email Subscription Status, Instant Profile",
        {
            "email": "Email Address",
            "phone": "Phone Number",
            "email_status": "Email Subscription Status",
            "notes": "Memo",
            "tags": "Groups",
            "birthday": "Birthday",
            "postal_code": "Postal Code",
            "region": "State",
            "": "Blocked from online booking",
        },
    ),
    _preset(
        "shopify",
        "Shopify",
        "Accepts Email Marketing | Accepts SMS Marketing | Accepts Marketing, Tax Exempt | "
        "Customer ID, Default Address Zip",
        {
            "email": "Email",
            "phone": "Phone, Default Address Phone",
            "email_status": "Accepts Email Marketing, Accepts Marketing",
            "sms_status": "Accepts SMS Marketing",
            "postal_code": "Default Address Zip, Zip",
            "region": "Default Address Province Code, Default Address Province, Province Code, Province",
            "notes": "Note",
            "tags": "Tags",
        },
    ),
    _preset(
        "hubspot",
        "HubSpot",
        "Unsubscribed from all email | Record ID, Marketing contact status | Record ID, Lifecycle Stage | "
        "Record ID, Contact owner | Record ID, Lead Status | Email hard bounce reason | "
        "Portal Unsubscribe, Portal Bounce | Opted out of all email",
        {
            "email": "Email, Email Address",
            "phone": "Mobile Phone Number, Phone Number",
            "email_status": "Unsubscribed from all email, Opted out of all email, Email hard bounce reason, "
            "Invalid email address, Marketing email confirmation status, Portal Unsubscribe, Portal Bounce, "
            "Portal Spam Report, Global Bounce, Opted out of email: Marketing Information",
            "email_consent_note": "Legal basis for processing contact's data",
            "birthday": "Date of birth",
            "postal_code": "Postal Code",
            "region": "State/Region Code, State/Region",
            "time_zone": "Time Zone",
            "": "Lead Status, Marketing contact status",
        },
    ),
    _preset(
        "brevo",
        "Brevo",
        "EMAIL, DOUBLE_OPT-IN | EMAIL, OPT_IN, SMS | EMAIL, FIRSTNAME, ADDED_TIME | EMAIL, ADDED_TIME, MODIFIED_TIME | "
        "EMAIL_BLACKLISTED | CONTACT ID, EMAIL, SMS | EMAIL, LASTNAME, FIRSTNAME, SMS | "
        "EMAIL, NOMBRE, APELLIDOS, SMS | EMAIL, NOM, PRENOM, SMS | EMAIL, VORNAME, NACHNAME, SMS",
        {
            "email": "EMAIL",
            "phone": "SMS, WHATSAPP, LANDLINE_NUMBER",
            "email_status": "EMAIL_MARKETING, EMAIL_MARKETING_STATUS, EMAIL_BLACKLISTED, EMAIL_BLOCKLISTED, "
            "BLACKLISTED, BLOCKLISTED, OPT_IN, OPT-IN",
            "sms_status": "SMS_MARKETING, SMS_MARKETING_STATUS, SMS_BLACKLISTED, SMS_BLOCKLISTED",
            "email_consent_note": "DOUBLE_OPT-IN",
        },
    ),
    _preset(
        "constant_contact",
        "Constant Contact",
        "Email status, Email permission status | Email status, Email Lists | Email update source | "
        "Confirmed Opt-Out Date | Email permission status",
        {
            "email": "Email address",
            "phone": "Phone - mobile, SMS phone, Phone - home, Phone - other, Phone - work",
            "email_status": "Email status",
            "email_consent_note": "Email permission status, Email update source, Source Name",
            "email_unsubscribed_at": "Confirmed Opt-Out Date",
            "email_consent_at": "Confirmed Opt-In Date",
            "sms_status": "SMS status",
            "sms_consent_note": "SMS permission status",
            "postal_code": "Zip/Postal Code - Home, Zip/Postal Code - Work, Zip/Postal Code - Other",
            "region": "State/Province - Home, State/Province - Work, State/Province - Other",
            "tags": "Tags, Email Lists",
            "birthday": "Birthday",
            "": "Confirmed Opt-Out Reason, Confirmed Opt-Out Source",
        },
    ),
    _preset(
        "listmonk",
        "listmonk",
        "uuid, email, attributes, status | uuid, email, name, status | email, name, attributes",
        {"email": "email", "name": "name", "status": "status"},
    ),
    _preset(
        "google",
        "Google Contacts",
        "E-mail 1 - Value | Phone 1 - Value",
        {
            "email": "E-mail 1 - Value, E-mail 2 - Value, E-mail 3 - Value",
            "phone": "Phone 1 - Value, Phone 2 - Value, Phone 3 - Value, Phone 4 - Value",
            "first_name": "First Name, Given Name",
            "last_name": "Last Name, Family Name",
            "tags": "Labels, Group Membership",
            "postal_code": "Address 1 - Postal Code",
            "region": "Address 1 - Region",
            "notes": "Notes",
        },
    ),
    _preset(
        "outlook",
        "Outlook",
        "E-mail Address, E-mail Type | E-mail Address, E-mail Display Name | E-mail Address, Business Phone | "
        "E-mail Address, Mobile Phone, Home Phone | E-Mail-Adresse, E-Mail-Typ | "
        "Dirección de correo electrónico, Tipo de correo electrónico | Adresse de messagerie, Type de messagerie",
        {
            "email": "E-mail Address, E-Mail-Adresse, Dirección de correo electrónico, Adresse de messagerie, "
            "E-mail 2 Address, E-mail 3 Address, E-Mail 2: Adresse",
            "phone": "Mobile Phone, Mobiltelefon, Teléfono móvil, Tél. mobile, Primary Phone, Home Phone, "
            "Home Phone 2, Telefon (privat), Business Phone, Business Phone 2, Telefon geschäftlich, Other Phone",
            "birthday": "Birthday",
            "tags": "Categories, Kategorien",
            "postal_code": "Home Postal Code, Postleitzahl privat, Business Postal Code, Postleitzahl geschäftlich",
            "region": "Home State, Business State, Other State",
            "notes": "Notes, Notizen",
        },
    ),
    _preset("plain", gettext_noop("A plain spreadsheet"), "", {}),
)
PRESETS: dict[str, Preset] = {preset.name: preset for preset in _ALL}


def recognise(headers: Iterable[str]) -> Preset:
    """Return the preset a table with these folded headers belongs to; `plain` where it is none of them."""
    there = set(headers)
    return next((preset for preset in _ALL if preset.recognises(there)), PRESETS["plain"])
