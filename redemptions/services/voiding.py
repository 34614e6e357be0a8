"""Taking a redemption back, and adding later what the order cost. A line is never deleted: a reversal is another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, models, transaction
from django.db.models import F, Max
from django.utils.translation import gettext_lazy

from contacts.services import note_order_value, note_taken_back
from redemptions import rules
from redemptions.models import Amendment, Code, Device, Redemption, Staff
from redemptions.queries import terms_of
from redemptions.services import tallies
from redemptions.services.redeeming import CurrencyMismatch, KeyReused

VOID_WITHIN = timedelta(minutes=15)
AMEND_WITHIN = timedelta(hours=24)
GIVEN = (Redemption.Kind.REDEEMED, Redemption.Kind.CONFLICT)


class VoidReason(models.TextChoices):
    WRONG_ITEM = "wrong_item", gettext_lazy("Wrong item")
    CHANGED_MIND = "customer_changed_mind", gettext_lazy("The guest changed their mind")
    MISTAKE = "scanned_by_mistake", gettext_lazy("Scanned by mistake")
    DUPLICATE = "duplicate", gettext_lazy("Scanned twice")
    TEST = "test", gettext_lazy("Only a test")
    OTHER = "other", gettext_lazy("Other")


class CorrectionRefused(Exception):
    """A line of the ledger that is not to be corrected like this; `reason` says why."""

    class Reason(models.TextChoices):
        WINDOW_PASSED = "void_window_passed", gettext_lazy("Too late to take it back on this device")
        ALREADY_VOIDED = "already_voided", gettext_lazy("Taken back already")
        NOT_YOURS = "not_your_redemption", gettext_lazy("Another device made this redemption")
        NOT_VOIDABLE = "not_voidable", gettext_lazy("There is nothing to take back")
        AMEND_TOO_LATE = "amend_window_passed", gettext_lazy("Too late to change it")

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TakenBack:
    reversal: Redemption
    replayed: bool = False


def void_until(redemption: Redemption) -> datetime:
    """Return until when the device that made a redemption may take it back."""
    return redemption.recorded_at + VOID_WITHIN


@transaction.atomic
def void(
    *,
    redemption: Redemption,
    reason: VoidReason,
    at: datetime,
    device: Device | None = None,
    key: str = "",
    staff: Staff | None = None,
    note: str = "",
    burn: bool = False,
) -> TakenBack:
    """Take a redemption back: a line of its own, and the code, the limits and the person's figures as before.

    With `burn` the code stays used up. A device takes back what it gave, within 15 minutes, a manager's device
    anything; without a device it is the office, whose permission the caller has checked. The same device and key get
    the same answer again. What a line did not use up is not given back.

    Raises CorrectionRefused, and KeyReused where the key took another redemption back.
    """
    line = _locked(redemption)
    if done := _reversal(line):
        if device and key and (done.device_id, done.void_key) == (device.pk, key):
            return TakenBack(done, replayed=True)
        raise CorrectionRefused(CorrectionRefused.Reason.ALREADY_VOIDED)
    _check_void(line, device, key, at)
    _give_back(line, burn=burn)
    try:
        with transaction.atomic():
            reversal = Redemption.objects.create(
                entry_no=tallies.next_entry_no(),
                kind=Redemption.Kind.VOIDED,
                reverses=line,
                code=line.code,
                offer=line.offer,
                location_id=device.location_id if device else line.location_id,
                device=device,
                staff=staff,
                at=at,
                recorded_at=at,
                void_key=key if device else "",
                is_use=False,
                is_burned=burn,
                order_value=line.order_value,
                discount=line.discount,
                currency=line.currency,
                receipt_no=line.receipt_no,
                reason=reason,
                note=note[:200],
            )
    except IntegrityError as error:  # the key took another one back at this very moment
        raise KeyReused from error
    return TakenBack(reversal)


def _locked(redemption: Redemption) -> Redemption:
    """Return the line as it is now, held until the commit: of two that correct it at once, one waits."""
    lines = Redemption.objects.select_for_update(of=("self",)).select_related("code__offer__tally", "offer")
    return lines.order_by().defer("code__token", "code__typed").get(pk=redemption.pk)


def _reversal(line: Redemption) -> Redemption | None:
    return Redemption.objects.filter(reverses=line).first()


def _check_void(line: Redemption, device: Device | None, key: str, at: datetime) -> None:
    if line.kind not in GIVEN:
        raise CorrectionRefused(CorrectionRefused.Reason.NOT_VOIDABLE)
    if device is None:
        return
    if key and Redemption.objects.filter(device=device, void_key=key).exists():
        raise KeyReused
    if device.profile == Device.Profile.MANAGER:
        return
    if line.device_id != device.pk:
        raise CorrectionRefused(CorrectionRefused.Reason.NOT_YOURS)
    if at > void_until(line):
        raise CorrectionRefused(CorrectionRefused.Reason.WINDOW_PASSED)


def _give_back(line: Redemption, *, burn: bool) -> None:
    if line.code is None or line.offer is None:
        return
    if line.is_use and not burn:
        Code.objects.filter(pk=line.code.pk, used__gt=0).update(used=F("used") - 1)
    if contact_id := line.code.contact_id:
        held = Redemption.objects.filter(code__contact=contact_id, kind__in=GIVEN, reversal=None).exclude(pk=line.pk)
        last = held.aggregate(last=Max("at"))["last"]
        note_taken_back(contact_id, order_value=line.order_value, last_redeemed_at=last)
    if line.cost is not None:
        tallies.give_back(line.offer, line.cost)


@transaction.atomic
def amend(
    *,
    redemption: Redemption,
    device: Device,
    at: datetime,
    order_value: Decimal | None = None,
    currency: str = "",
    receipt_no: str | None = None,
    note: str | None = None,
) -> Redemption:
    """Add or mend what staff know of an order they gave a deal for; None leaves a field as it is. Return the line.

    The discount follows the order, and so do the deal's tally and the person's spend; what the line said before is
    kept. The device's own, for a day.

    Raises CorrectionRefused and CurrencyMismatch.
    """
    line = _locked(redemption)
    _check_amend(line, device, at)
    if order_value is not None and currency not in {"", line.currency}:
        raise CurrencyMismatch
    before = Amendment(
        redemption=line,
        device=device,
        at=at,
        order_value=line.order_value,
        discount=line.discount,
        receipt_no=line.receipt_no,
    )
    if order_value is not None and order_value != line.order_value:
        _set_order_value(line, order_value)
    line.receipt_no = line.receipt_no if receipt_no is None else receipt_no
    line.note = line.note if note is None else note[:200]
    line.save(update_fields=["order_value", "discount", "cost", "receipt_no", "note"])
    if (line.order_value, line.receipt_no) != (before.order_value, before.receipt_no):
        before.save()
    return line


def _check_amend(line: Redemption, device: Device, at: datetime) -> None:
    reasons = CorrectionRefused.Reason
    if line.device_id != device.pk:
        raise CorrectionRefused(reasons.NOT_YOURS)
    if _reversal(line) or line.kind not in GIVEN:
        raise CorrectionRefused(reasons.ALREADY_VOIDED)
    if at > line.recorded_at + AMEND_WITHIN:
        raise CorrectionRefused(reasons.AMEND_TOO_LATE)


def _set_order_value(line: Redemption, order_value: Decimal) -> None:
    change = order_value - (line.order_value or 0)
    line.order_value = order_value
    if line.code is None or line.offer is None:
        return
    terms = terms_of(line.offer)
    line.discount = rules.discount(terms, order_value)
    if line.code.contact_id:
        note_order_value(line.code.contact_id, change=change)
    if line.cost is not None:
        cost = rules.cost(terms, order_value)
        tallies.add(line.offer, cost - line.cost)
        line.cost = cost
