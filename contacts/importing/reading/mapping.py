"""Which column of a table holds what, and what being in the table says of a person. No database."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from django.utils.translation import gettext_noop

from contacts.channels import clean_cell
from contacts.importing.reading.columns import FIELD_OF_HEADER, FIELDS, MULTIPLE, RANK_OF_HEADER, folded, refusal_of
from contacts.importing.reading.files import ImportFileError
from contacts.importing.reading.headers import any_filled
from contacts.importing.reading.presets import PRESETS, Preset, recognise
from contacts.importing.reading.table import Row, filled, is_email, is_phone
from contacts.importing.reading.words import Claim, read_instant, read_status
from contacts.places import clean_region
from contacts.sentences import kept

MOSTLY = 0.8
HALF = 0.5
_ABOUT_CONSENT = re.compile(
    r"newsletter|marketing|consent|optin|optedin|subscri|permission|agree|gdpr|dsgvo|rgpd|einwillig|suscri|abonn|"
    r"iscri[tz]|inscri[tp]"
)
_ABOUT_TEXTS = re.compile(r"sms|text|mobil|phone")
_ABOUT_E_MAIL = re.compile(r"mail|newsletter|bounce|spam|correo|courriel")
_OTHER_CHANNEL = re.compile(r"whatsapp|push|facebook|call|anruf|postal|directmail")

NO_SUCH_KIND = kept("'%(name)s' is not a kind of file. Take one of: auto, %(names)s.")
NO_SUCH_COLUMN = kept("There is no column '%(name)s' in the file. Its columns are: %(names)s.")
NO_SUCH_FIELD = kept("'%(name)s' is not a field. The fields are: %(names)s.")
TWO_COLUMNS = kept("Two columns are given to '%(name)s'. Only one can fill it.")
MEANINGS: dict[str, str] = {
    "": gettext_noop("As its columns say"),
    "subscribed": gettext_noop("People who subscribed"),
    "unsubscribed": gettext_noop("People who unsubscribed"),
    "cleaned": gettext_noop("Addresses that bounced"),
    "nonsubscribed": gettext_noop("People who never subscribed"),
}
_MEANING_OF_NAME = (
    (re.compile(r"(?i)^(non|not|never)[ _-]?subscribed"), "nonsubscribed"),
    (re.compile(r"(?i)^(unsubscribe[sd]?|opt(ed)?[ _-]?outs?)(?![a-z])"), "unsubscribed"),
    (re.compile(r"(?i)^(cleaned|(hard[ _-]?)?bounce[sd]?)(?![a-z])"), "cleaned"),
)


def choose_preset(name: str, header: list[str]) -> Preset:
    """Return the preset of that name; "auto" recognises it by the header. Raises ImportFileError: there is none."""
    if name in ("", "auto"):
        return recognise(map(_folded_name, header))
    if name not in PRESETS:
        raise ImportFileError(NO_SUCH_KIND % {"name": name, "names": ", ".join(PRESETS)})
    return PRESETS[name]


def _folded_name(header: str) -> str:
    return folded(re.sub(r" \(\d+\)$", "", header))


def map_columns(
    header: list[str],
    preset: Preset | None,
    sample: list[Row],
    overrides: Mapping[str, str],
    remembered: Mapping[int, str] | None,
) -> dict[int, str]:
    """Return position -> field: what was said, then what was remembered, or else what names and values tell.

    `preset` None: the header was made up, and says nothing. Raises ImportFileError: an override that fits nothing.
    """
    decided = _decided(header, overrides)
    if remembered is not None:
        known = {int(at): field for at, field in remembered.items() if field in FIELDS and int(at) < len(header)}
        return _merged(decided, sorted(known.items()))
    mapping = _merged(decided, _by_name(header, preset, sample) if preset else [])
    for field, is_one in (("email", is_email), ("phone", is_phone)):
        _map_by_value(mapping, field, is_one, len(header), sample, decided)
    if "email" not in mapping.values():  # mistyped, or two in a cell: still better read than left out in silence
        _map_by_value(mapping, "email", has_at, len(header), sample, decided, mostly=HALF)
    if preset:
        names = [_folded_name(name) for name in header]
        _map_consent(mapping, names, preset, sample, decided)
        _turn_to_texts(mapping, names, decided)
    if "first_name" not in mapping.values():  # French: `nom` alone is the whole name
        mapping = {at: "name" if folded(header[at]) == "nom" else field for at, field in mapping.items()}
    return dict(sorted(mapping.items()))


def _merged(decided: dict[int, str], found: Iterable[tuple[int, str]]) -> dict[int, str]:
    """Return position -> field: what was decided, then what was found, a field of one column once."""
    mapping = {at: field for at, field in decided.items() if field}
    for at, field in found:
        if at not in decided and at not in mapping and (field in MULTIPLE or field not in mapping.values()):
            mapping[at] = field
    return mapping


def _decided(header: list[str], overrides: Mapping[str, str]) -> dict[int, str]:
    positions = {name.casefold(): at for at, name in reversed(list(enumerate(header)))}
    decided: dict[int, str] = {}
    for name, field in overrides.items():
        if name.casefold() not in positions:
            raise ImportFileError(NO_SUCH_COLUMN % {"name": name, "names": ", ".join(header)})
        if field and field not in FIELDS:
            raise ImportFileError(NO_SUCH_FIELD % {"name": field, "names": ", ".join(FIELDS)})
        if field and field not in MULTIPLE and field in decided.values():
            raise ImportFileError(TWO_COLUMNS % {"name": FIELDS[field]})
        decided[positions[name.casefold()]] = field
    return decided


def _by_name(header: list[str], preset: Preset, sample: list[Row]) -> list[tuple[int, str]]:
    """Return (position, field) for each header known, in the order of choice: filled columns first."""
    order = {name: rank for rank, name in enumerate(preset.columns)}
    found = []
    for at, name in enumerate(map(_folded_name, header)):
        if name in preset.columns:
            rank, field = order[name], preset.columns[name]
        else:
            rank, field = 1000 + RANK_OF_HEADER.get(name, 0), FIELD_OF_HEADER.get(name, "")
        if field and _is_what_it_says(field, name, preset, sample, at):
            found.append((bool(sample) and not any_filled(sample, at), rank, at, field))
    return [(at, field) for _, _, at, field in sorted(found)]


def _is_what_it_says(field: str, name: str, preset: Preset, sample: list[Row], at: int) -> bool:
    """Whether a column holds what its header means: `Status` and `State` may be anything, unless its words are known.

    A column of states may have foreign ones among them.
    """
    if field == "region":
        return not any_filled(sample, at) or _share(sample, at, is_region) > 0
    return field != "status" or name in preset.columns or _tells_status(name, sample, at)


def _tells_status(name: str, sample: list[Row], at: int) -> bool:
    """Whether a column is about consent: `Status` may be anything, unless its words are known; `Opted out` is."""
    return refusal_of(name) is not None or _share(sample, at, is_status) > MOSTLY


def _map_by_value(
    mapping: dict[int, str],
    field: str,
    is_one: Callable[[str], bool],
    width: int,
    sample: list[Row],
    decided: dict[int, str],
    *,
    mostly: float = MOSTLY,
) -> None:
    """Give `field` to the first column in which most filled cells are one, and which is not clearly something else.

    A column that has the field by its name keeps it, unless none of its cells is one and another column's are.
    """
    held = next((at for at, name in mapping.items() if name == field), None)
    if held is not None and (held in decided or _share(sample, held, is_one) > 0):
        return
    free = (at for at in range(width) if at not in decided and mapping.get(at, "") in ("", "name", "notes"))
    found = next((at for at in free if _share(sample, at, is_one) > mostly), None)
    if found is not None:
        if held is not None:
            del mapping[held]
        mapping[found] = field


def _map_consent(
    mapping: dict[int, str], names: list[str], preset: Preset, sample: list[Row], decided: dict[int, str]
) -> None:
    """Map what is left and speaks of consent by its header, and by what most of its cells say.

    A refusal that nobody mapped would let people be written to who said no.
    """
    for at, name in enumerate(names):
        if at in mapping or at in decided or name in preset.columns or _OTHER_CHANNEL.search(name):
            continue
        refuses = refusal_of(name) is not None
        if not refuses and not _ABOUT_CONSENT.search(name):
            continue
        channel = "sms" if _ABOUT_TEXTS.search(name) else "email"
        if _share(sample, at, is_status) > MOSTLY:
            names_one = channel == "sms" or _ABOUT_E_MAIL.search(name)
            mapping[at] = "status" if refuses and not names_one else f"{channel}_status"
        elif _share(sample, at, is_instant) > MOSTLY:
            mapping[at] = f"{channel}_unsubscribed_at" if refuses else f"{channel}_consent_at"


def _turn_to_texts(mapping: dict[int, str], names: list[str], decided: dict[int, str]) -> None:
    """In a table of phone numbers alone, take consent that names no channel to be about texts."""
    if "phone" not in mapping.values() or "email" in mapping.values():
        return
    for at, field in mapping.items():
        if field.startswith("email_") and at not in decided and not _ABOUT_E_MAIL.search(names[at]):
            mapping[at] = field.replace("email_", "sms_", 1)


def has_at(cell: str) -> bool:
    return "@" in cell


def is_status(cell: str) -> bool:
    return read_status(cell) != Claim.UNKNOWN


def is_instant(cell: str) -> bool:
    return read_instant(cell) is not None


def is_region(cell: str) -> bool:
    try:
        clean_region(clean_cell(cell))
    except ValueError:
        return False
    return True


def _share(sample: list[Row], at: int, is_one: Callable[[str], bool]) -> float:
    cells = [row.cells[at] for row in sample if at < len(row.cells) and filled(row.cells[at])]
    return sum(map(is_one, cells)) / len(cells) if cells else 0.0


def meaning_of(name: str, preset: str, header: list[str], sample: list[Row]) -> str:
    """Tell from the name of a table, and from Mailchimp's own columns, what being in it says of a person."""
    for pattern, meaning in _MEANING_OF_NAME:
        if pattern.search(name):
            return meaning
    if preset != "mailchimp":
        return ""
    if re.match(r"(?i)subscribed", name):
        return "subscribed"
    headers = list(map(_folded_name, header))
    for mark, meaning in (("cleantime", "cleaned"), ("unsubtime", "unsubscribed")):
        if mark in headers and sample and _always_filled(sample, headers.index(mark)):
            return meaning
    return ""


def _always_filled(sample: list[Row], at: int) -> bool:
    return all(at < len(row.cells) and filled(row.cells[at]) for row in sample)
