"""Merge fields: Liquid, kept small. Pure: text in, template out.

Strict (an unknown field is an error when the campaign is saved, not a gap when it is sent), limited (no loops, no
assignments, bounded output), escaped in HTML, and fed with strings only, so that no object can be reached through it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override, pgettext
from liquid import Environment, StrictUndefined
from liquid.exceptions import LiquidError
from liquid.template import BoundTemplate

Labels = Mapping[str, Any]  # lazy texts by the name of a field

PERSON_FIELDS: Labels = {
    "first_name": gettext_lazy("First name"),
    "last_name": gettext_lazy("Last name"),
    "full_name": gettext_lazy("Full name"),
}
SHOP_FIELDS: Labels = {"business_name": gettext_lazy("Your business name")}
DEAL_FIELDS: Labels = {
    "deal": gettext_lazy("The whole deal with its QR code"),
    "deal_name": gettext_lazy("Name of the deal"),
    "deal_ends": gettext_lazy("Last day of the deal"),
    "code": gettext_lazy("The code to type"),
    "coupon_url": gettext_lazy("Link to the coupon page"),
}
FIELDS: Labels = {**PERSON_FIELDS, **SHOP_FIELDS, **DEAL_FIELDS}

ALLOWED_TAGS = {"if", "unless", "case", "comment", "#", "content", "output", "illegal"}
ALLOWED_FILTERS = {"default", "upcase", "downcase", "capitalize", "strip", "truncate", "escape", "url_encode"}
MAX_OUTPUT_BYTES = 200_000

LIQUID = re.compile(r"(\{\{.*?\}\}|\{%.*?%\})", re.DOTALL)

# What word processors make of the quotes and spaces in a field; tried where it cannot be read as it is.
WORD_PROCESSORS = str.maketrans(
    dict.fromkeys("\u2018\u2019\u201a\u201b", "'") | dict.fromkeys("\u201c\u201d\u201e\u201f", '"') | {"\xa0": " "}
)


class MergeError(ValueError):
    """The text cannot be merged; the message says what to change."""


class _Environment(Environment):
    output_stream_limit = MAX_OUTPUT_BYTES
    loop_iteration_limit = 100
    local_namespace_limit = 1_000
    context_depth_limit = 5

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        self.tags = {name: tag for name, tag in self.tags.items() if name in ALLOWED_TAGS}
        self.filters = {name: function for name, function in self.filters.items() if name in ALLOWED_FILTERS}


HTML = _Environment(autoescape=True, undefined=StrictUndefined)
TEXT = _Environment(autoescape=False, undefined=StrictUndefined)


def compile_source(source: str, *, html: bool, allowed: Labels = FIELDS, own: Collection[str] = ()) -> BoundTemplate:
    """Return the template of a text with merge fields. `own` are fields of the renderer's, which no error names.

    Raises MergeError, naming the field, the filter or the line that is wrong.
    """
    try:
        return _compiled(source, html=html, allowed=allowed, own=own)
    except MergeError:
        typed = LIQUID.sub(lambda field: field.group().translate(WORD_PROCESSORS), source)
        if typed == source:
            raise
        return _compiled(typed, html=html, allowed=allowed, own=own)


def _compiled(source: str, *, html: bool, allowed: Labels, own: Collection[str]) -> BoundTemplate:
    try:
        template = (HTML if html else TEXT).from_string(source)
        analysis = template.analyze()
    except LiquidError as error:
        raise MergeError(_("A merge field is not written right: %(why)s.") % {"why": _first_line(error)}) from error
    for name in analysis.filters:
        if name not in ALLOWED_FILTERS:
            words = _("'%(name)s' is not a filter. You can use: %(known)s.")
            raise MergeError(words % {"name": name, "known": ", ".join(sorted(ALLOWED_FILTERS))})
    for variable in analysis.variables.values():
        for use in variable:
            name = ".".join(str(segment) for segment in use.segments)
            if name not in allowed and name not in own:
                raise MergeError(_unknown(name, allowed))
    return template


def render(template: BoundTemplate, values: Mapping[str, object]) -> str:
    """Fill a template. Raises MergeError where a value is missing or a limit is passed."""
    try:
        return template.render(values)
    except LiquidError as error:
        raise MergeError(_("A merge field could not be filled: %(why)s.") % {"why": _first_line(error)}) from error


def fields_without_default(source: str) -> set[str]:
    """Return the fields that are printed somewhere without a `default` to stand in for them."""
    outputs = re.findall(r"\{\{-?\s*([a-z_]+)\s*(.*?)-?\}\}", source, re.DOTALL)
    return {name for name, filters in outputs if "default" not in filters}


def _unknown(name: str, allowed: Labels) -> str:
    if name in DEAL_FIELDS:
        words = _("'%(field)s' needs a deal: choose one for this campaign, or take the field out.")
        return words % {"field": _written(name)}
    words = _("'%(field)s' is not a merge field. You can use: %(known)s.")
    return words % {"field": _written(name), "known": ", ".join(map(_written, allowed))}


def _written(name: str) -> str:
    return f"{{{{ {name} }}}}"


def example_of(name: str) -> str:
    """Return a field as it is best written: the first name with what the shop says to whoever gave none."""
    if name not in PERSON_FIELDS:
        return _written(name)
    with override(settings.LANGUAGE_CODE):
        return f"{{{{ {name} | default: '{pgettext('instead of a name, after Hi', 'there')}' }}}}"


def _first_line(error: LiquidError) -> str:
    return str(error).splitlines()[0].strip().rstrip(".")
