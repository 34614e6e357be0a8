"""What is kept about people here, for the contact's page, its export, its erasure and its merge."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from contacts.models import Address, Contact, SignupForm
from contacts.records import Records, TimelineEntry, Welcome
from redemptions.links import coupon_url
from redemptions.models import Code, Offer, Redemption, Scan, WelcomeDeal
from redemptions.queries import refusal
from redemptions.services import issue_codes


class RedemptionRecords(Records):
    """Codes, what was redeemed with them, and the scans that were refused."""

    def timeline(self, contact: Contact, addresses: Collection[Address], limit: int) -> list[TimelineEntry]:
        """Return redemptions and refused scans. Two queries."""
        given = Redemption.objects.filter(code__contact=contact).select_related("offer", "location").order_by("-at")
        refused = Scan.objects.filter(code__contact=contact, result=Scan.Result.REFUSED)
        refused = refused.select_related("code__offer", "location").order_by("-at").defer(*_SECRETS)
        entries = [_given_entry(redemption) for redemption in given[:limit]]
        return entries + [_refused_entry(scan) for scan in refused[:limit]]

    def export(self, contact: Contact, addresses: Collection[Address]) -> dict[str, Any]:
        """Return `codes` and `redemptions`; the secret of a code stays here, its typed form is the person's own."""
        codes = Code.objects.filter(contact=contact).select_related("offer").defer("token").order_by("pk")
        lines = Redemption.objects.filter(code__contact=contact).select_related("offer", "location").order_by("pk")
        refused = Scan.objects.filter(code__contact=contact, result=Scan.Result.REFUSED).select_related("location")
        return {
            "codes": [_code(code) for code in codes],
            "redemptions": [_redemption(line) for line in lines],
            "refused_scans": [
                {"at": scan.at, "reason": scan.reason, "location": scan.location.name, "code": scan.code_id}
                for scan in refused.order_by("pk")
            ],
        }

    def erase(self, contacts: Sequence[Contact], addresses: Collection[Address]) -> None:
        """Codes and the ledger keep their numbers, without the person; a note typed at the till goes."""
        known = [contact.pk for contact in contacts if contact.pk]
        Redemption.objects.filter(code__contact__in=known).exclude(note="").update(note="")

    def merge(self, kept: Contact, gone: Contact) -> None:
        """Give `kept` the codes of `gone`. Of two codes of one deal the redeemed one stays with the person.

        The other one has no owner any more, and is honoured at the till as before: a promise is not taken back.
        """
        codes = Code.objects.select_for_update().filter(contact=gone).defer("token", "typed").order_by("pk")
        for code in codes:
            own = Code.objects.real().filter(contact=kept, offer=code.offer_id).values_list("pk", "used").first()
            if own is None or code.is_test:
                Code.objects.filter(pk=code.pk).update(contact=kept)
            elif code.used and not own[1]:
                Code.objects.filter(pk=own[0]).update(contact=None)
                Code.objects.filter(pk=code.pk).update(contact=kept)

    def in_use(self, contact_ids: Collection[int]) -> set[int]:
        return set(Code.objects.filter(contact__in=contact_ids).order_by().values_list("contact_id", flat=True))

    def welcome(self, contact: Contact, form: SignupForm, at: datetime) -> Welcome | None:
        """Give the person's one code of the form's deal; none where the deal is paused or over, or the code used up."""
        deal = WelcomeDeal.objects.select_related("offer").filter(form=form).first()
        if deal is None or deal.offer.status != Offer.Status.ACTIVE or (deal.offer.ends_at or at) < at:
            return None
        code_id = issue_codes(offer=deal.offer, contact_ids=[contact.pk])[contact.pk]
        code = Code.objects.select_related("offer").get(pk=code_id)
        if refusal(code, at=at) not in {None, Scan.Reason.NOT_YET_VALID}:
            return None
        return Welcome(title=deal.offer.name, url=coupon_url(code.token))


WORDS = {
    Redemption.Kind.REDEEMED: gettext_lazy("Redeemed"),
    Redemption.Kind.VOIDED: gettext_lazy("Taken back"),
    Redemption.Kind.CONFLICT: gettext_lazy("Given without network, against a rule"),
}
_SECRETS = ("code__token", "code__typed")


def _given_entry(redemption: Redemption) -> TimelineEntry:
    paid = ""
    if redemption.order_value is not None:
        paid = _("order %(amount)s") % {"amount": f"{redemption.order_value} {redemption.currency}"}
    return TimelineEntry(
        at=redemption.at,
        kind="ok" if redemption.kind == Redemption.Kind.REDEEMED else "warn",
        what=f"{WORDS[Redemption.Kind(redemption.kind)]}: {redemption.deal}",
        how=" · ".join(filter(None, [redemption.location.name, redemption.receipt, paid])),
        detail=redemption.note,
        url=reverse("admin:redemptions_redemption_change", args=[redemption.pk]),
    )


def _refused_entry(scan: Scan) -> TimelineEntry:
    assert scan.code is not None
    return TimelineEntry(
        at=scan.at,
        kind="bad",
        what=_("Refused at the till: %(deal)s") % {"deal": scan.code.offer.name},
        how=f"{scan.get_reason_display()} · {scan.location.name}",
        url=reverse("admin:redemptions_scan_change", args=[scan.pk]),
    )


def _code(code: Code) -> dict[str, Any]:
    return {
        "id": code.pk,
        "deal": code.offer.name,
        "code": code.typed_display,
        "used": code.used,
        "max_uses": code.max_uses,
        "created_at": code.created_at,
        "revoked_at": code.revoked_at,
    }


def _redemption(line: Redemption) -> dict[str, Any]:
    return {
        "id": f"rd_{line.public_id}",
        "receipt": line.receipt,
        "kind": line.kind,
        "deal": line.deal,
        "location": line.location.name,
        "at": line.at,
        "order_value": line.order_value,
        "discount": line.discount,
        "currency": line.currency,
        "receipt_no": line.receipt_no,
        "note": line.note,
        "code": line.code_id,
    }
