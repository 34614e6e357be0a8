"""What a campaign by text will cost: each person's text is measured as they will get it, names and all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Length, Mod
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from campaigns import sms
from campaigns.merge import PERSON_FIELDS
from campaigns.models import Campaign
from campaigns.queries import Check, audience_size, content_of, deal_of, people_of, shop_of, variant_of
from campaigns.rendering import Compiled, Content, ContentError, Deal, Person, Shop
from contacts.models import Business, ContactQuerySet
from redemptions.codes import SAMPLE_TOKEN, SAMPLE_TYPED, display
from redemptions.links import coupon_url

MEASURED = 2_000  # people at most; of more, so many of them all over the list
LONGEST = 100  # of those, the longest names besides
CARRIER_FEES = gettext_lazy("Carriers add fees of their own, mostly $0.003 to $0.005 a part.")

Name = tuple[str | None, str | None]


@dataclass(slots=True)
class TextSizes:
    """`parts` counts people by the parts of their text, of `measured` people; of all `people` where that is as many.

    `too_long` of them get none. `special` count those whose text takes the long alphabet.
    """

    people: int
    measured: int = 0
    parts: Counter[int] = field(default_factory=Counter)
    too_long: int = 0
    special: int = 0
    longest: sms.Size | None = None

    @property
    def is_sample(self) -> bool:
        return self.measured < self.people

    @property
    def scale(self) -> float:
        """By how much what was measured is multiplied to speak of everybody."""
        return self.people / self.measured if self.measured else 0.0

    @property
    def total_parts(self) -> int:
        return round(self.scale * sum(parts * count for parts, count in self.parts.items()))

    @property
    def cost(self) -> Decimal:
        """In dollars, without the carriers' fees."""
        return self.total_parts * settings.SMS_PART_PRICE

    @property
    def most(self) -> Decimal:
        """What it comes to if every text is as long as the longest."""
        return self.people * (self.longest.parts if self.longest else 0) * settings.SMS_PART_PRICE


def text_sizes(campaign: Campaign, content: Content, *, at: datetime) -> TextSizes:
    """Measure the texts of everybody who would get the campaign; of more than 2,000, a sample and the longest names.

    Everybody's code has the same length, so a name is all that differs. Raises ContentError where the words cannot be
    merged at all.
    """
    business = Business.load()
    writer = _Writer(campaign, content, business)
    sizes = TextSizes(audience_size(campaign, at=at))
    if not sizes.people:
        return sizes
    people = people_of(campaign, at=at).order_by()
    if not writer.is_personal:
        _add(sizes, writer, {(None, None): sizes.people})
    else:
        _add(sizes, writer, Counter(_names(_spread(people, sizes.people))))
        if sizes.is_sample:
            _look_at_the_longest(sizes, writer, people)
    return sizes


class _Writer:
    """The words of a campaign, for any name."""

    def __init__(self, campaign: Campaign, content: Content, business: Business) -> None:
        self._compiled = Compiled(content, has_deal=campaign.offer is not None, utm=campaign.utm_campaign)
        self._shop: Shop = shop_of(business)
        self._deal: Deal | None = None
        if campaign.offer:
            code, url = display(SAMPLE_TYPED), coupon_url(SAMPLE_TOKEN)
            self._deal = deal_of(
                campaign.offer, business, code=code, coupon_url=url, qr_src="", language=content.language
            )
        self.is_personal = bool(PERSON_FIELDS.keys() & set(self._compiled.text.analyze().variables))

    def size_for(self, name: Name) -> sms.Size | None:
        """Measure one person's text; None: it is too long to be sent. Raises ContentError."""
        first, last = name
        try:
            rendered = self._compiled.render(
                shop=self._shop, person=Person(first_name=first or "", last_name=last or ""), deal=self._deal
            )
        except ContentError as error:
            if error.is_too_long:
                return None
            raise
        return sms.measure(rendered.text)


def _add(sizes: TextSizes, writer: _Writer, names: dict[Name, int]) -> None:
    """Measure the text for each of these names, so many people bear."""
    for name, count in names.items():
        sizes.measured += count
        size = writer.size_for(name)
        if size is None:
            sizes.too_long += count
            continue
        sizes.parts[size.parts] += count
        sizes.special += count if size.special else 0
        sizes.longest = _longer(sizes.longest, size)


def _look_at_the_longest(sizes: TextSizes, writer: _Writer, people: ContactQuerySet) -> None:
    """Find the worst case among the longest names, which a sample may miss. It counts nobody, but who gets nothing.

    They are found by the length of what is encrypted, which grows in steps of sixteen bytes.
    """
    length = sum((Coalesce(Length(name), Value(0)) for name in ("first_name", "last_name")), start=Value(0))
    longest = _names(people.annotate(name_length=length).order_by("-name_length")[:LONGEST])
    for name in set(longest):
        size = writer.size_for(name)
        if size is not None:
            sizes.longest = _longer(sizes.longest, size)
        elif not sizes.too_long:
            sizes.too_long = 1


def _longer(one: sms.Size | None, other: sms.Size) -> sms.Size:
    return other if one is None or (other.parts, other.units) > (one.parts, one.units) else one


def _spread(people: ContactQuerySet, count: int) -> ContactQuerySet:
    """Return everybody, or 2,000 at most from all over the list: whoever joined last has other names."""
    step = -(-count // MEASURED)
    if step == 1:
        return people
    spread = people.annotate(slot=Mod(F("pk"), Value(step))).filter(slot=0)[:MEASURED]
    return spread if spread.exists() else people[:MEASURED]  # people whose numbers have a step of their own


def _names(people: ContactQuerySet) -> Iterable[Name]:
    return people.values_list("first_name", "last_name").iterator()


# --- The checklist ----------------------------------------------------------------------------------------------------


def text_checks(campaign: Campaign, content: Content | None = None, *, at: datetime) -> list[Check]:
    """Return what the checklist says of the length and the cost of the texts; nothing where there are no words yet."""
    try:
        sizes = text_sizes(campaign, content or content_of(campaign, variant_of(campaign)), at=at)
    except ContentError:
        return []  # said by the check of the words
    if not sizes.measured:
        return []
    if not sizes.parts and not sizes.is_sample:
        return [Check("block", _("The text is too long for everybody"), _("Shorten it to two parts at most."), "body")]
    if not sizes.parts:
        return [_too_long_check(sizes)]
    return [_cost_check(sizes), *([_too_long_check(sizes)] if sizes.too_long else [])]


def _cost_check(sizes: TextSizes) -> Check:
    assert sizes.longest is not None
    longest = sizes.longest
    lines = [
        _of_parts(sizes),
        _("The longest has %(length)s characters (%(alphabet)s) in %(parts)s.")
        % {"length": longest.units, "alphabet": longest.encoding, "parts": _parts(longest.parts)},
        _("At $%(price)s a part; if all were as long, $%(most)s.")
        % {"price": settings.SMS_PART_PRICE, "most": f"{sizes.most:,.2f}"},
        str(CARRIER_FEES),
    ]
    if sizes.special and sizes.parts.keys() - {1}:
        count = round(sizes.scale * sizes.special)
        special = _("%(count)s of them have a letter that only the long alphabet has, which takes more parts.")
        lines.insert(1, special % {"count": f"{count:,}"})
    title = _("The texts cost $%(cost)s, in %(parts)s")
    if sizes.is_sample:
        title = _("The texts cost about $%(cost)s, in about %(parts)s")
        measured = _("Measured for %(measured)s of %(people)s people, and for the longest names.")
        lines.append(measured % {"measured": f"{sizes.measured:,}", "people": f"{sizes.people:,}"})
    title %= {"cost": f"{sizes.cost:,.2f}", "parts": _parts(sizes.total_parts)}
    return Check("warn" if sizes.parts.keys() - {1} else "ok", title, " ".join(lines), "body")


def _of_parts(sizes: TextSizes) -> str:
    counts = [(parts, round(sizes.scale * count)) for parts, count in sorted(sizes.parts.items())]
    said = (_("%(count)s of %(parts)s") % {"count": f"{count:,}", "parts": _parts(parts)} for parts, count in counts)
    return ", ".join(said) + "."


def _too_long_check(sizes: TextSizes) -> Check:
    count = max(1, round(sizes.scale * sizes.too_long))
    if sizes.is_sample:
        title = ngettext(
            "About %(count)s person gets nothing: with their name the text is too long",
            "About %(count)s people get nothing: with their name the text is too long",
            count,
        )
    else:
        title = ngettext(
            "%(count)s person gets nothing: with their name the text is too long",
            "%(count)s people get nothing: with their name the text is too long",
            count,
        )
    detail = _("More than two parts are not sent. Shorten it, or leave the name out.")
    return Check("warn", title % {"count": f"{count:,}"}, detail, "body")


def _parts(count: int) -> str:
    return ngettext("%(count)s part", "%(count)s parts", count) % {"count": f"{count:,}"}
