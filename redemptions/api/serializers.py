"""What the scanner API takes and gives. Unknown fields are ignored, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from redemptions.models import Device, Offer, Scan
from redemptions.services import VoidReason

MOST = 2**63 - 1
BATCH_LIMIT = 100
EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)
OFFLINE_CHOICES = [choice for choice in Offer.Offline.choices if choice[0] != Offer.Offline.REFUSE]
MONEY = serializers.DecimalField(max_digits=10, decimal_places=2, min_value=Decimal(0))


@dataclass(frozen=True, slots=True)
class Money:
    """An amount; an empty currency is the offer's."""

    amount: Decimal
    currency: str = ""


class MoneySerializer(serializers.Serializer[Any]):
    amount = serializers.DecimalField(max_digits=10, decimal_places=2, min_value=Decimal(0))
    currency = serializers.RegexField(r"^[A-Z]{3}$")


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "format": "decimal", "pattern": r"^\d{0,8}(?:\.\d{0,2})?$"},
            {"$ref": "#/components/schemas/Money"},
        ],
        "description": "An amount in the deal's currency, or an amount with its currency.",
    }
)
class OrderValueField(serializers.Field[Money, Any, Any, Any]):
    def to_internal_value(self, data: Any) -> Money:
        if not isinstance(data, dict):
            return Money(MONEY.run_validation(data))
        money = MoneySerializer(data=data)
        money.is_valid(raise_exception=True)
        return Money(**money.validated_data)

    def to_representation(self, value: Any) -> Any:
        return value


def within_a_century(moment: datetime) -> None:
    """Raise ValidationError for a time with which nothing can be reckoned; a clock may be wrong by decades."""
    if not EARLIEST <= moment < LATEST:
        raise serializers.ValidationError(_("This is no time of the years 2000 to 2100. Set the device's clock."))


def device_time(**more: Any) -> serializers.DateTimeField:
    return serializers.DateTimeField(validators=[within_a_century], **more)


def receipt_number(**more: Any) -> serializers.CharField:
    return serializers.CharField(max_length=40, required=False, allow_blank=True, **more)


def note() -> serializers.CharField:
    return serializers.CharField(max_length=200, required=False, allow_blank=True)


def staff_id() -> serializers.RegexField:
    return serializers.RegexField(
        r"^st_[1-9][0-9]{0,15}$",
        required=False,
        allow_null=True,
        help_text="Who holds the device, as signing in told. One who may not hold it is left out of the record.",
    )


# --- Devices ----------------------------------------------------------------------------------------------------------


class EnrolmentRequestSerializer(serializers.Serializer[Any]):
    enrol_token = serializers.CharField(max_length=100)
    platform = serializers.CharField(max_length=80, required=False, allow_blank=True)
    app_version = serializers.CharField(max_length=20, required=False, allow_blank=True)


class PolicySerializer(serializers.Serializer[Any]):
    """What the device may do, and is asked to."""

    offline = serializers.BooleanField(help_text="Some deal may be given without network: fetch the offline pack.")
    asks_pin = serializers.BooleanField(help_text="Staff sign in before they scan.")
    shows_names = serializers.BooleanField()
    voids = serializers.BooleanField(help_text="It may take redemptions back.")
    void_minutes = serializers.IntegerField(allow_null=True, help_text="For how long; null: without an end.")


class DeviceSerializer(serializers.Serializer[Any]):
    device_id = serializers.IntegerField()
    name = serializers.CharField()
    location = serializers.CharField()
    profile = serializers.ChoiceField(choices=Device.Profile.choices)
    policy = PolicySerializer()
    business = serializers.CharField()
    time_zone = serializers.CharField()
    server_time = serializers.DateTimeField()
    min_app_version = serializers.CharField(help_text="Older apps, by `X-App-Version`, get 426.")
    features = serializers.ListField(child=serializers.CharField(), help_text="What this server can do.")


class EnrolmentSerializer(DeviceSerializer):
    token = serializers.CharField(help_text="Shown to this device alone; keep it.")


class TokenSerializer(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="Good at once; its first use ends the one before.")


class SignInRequestSerializer(serializers.Serializer[Any]):
    pin = serializers.RegexField(r"^[0-9]{4,6}$")


class StaffSerializer(serializers.Serializer[Any]):
    id = serializers.CharField()
    name = serializers.CharField()


class SignedInSerializer(serializers.Serializer[Any]):
    staff = StaffSerializer()


# --- Redeeming --------------------------------------------------------------------------------------------------------


class ValidationRequestSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(
        max_length=500,
        help_text="Whatever was read: the whole URL, the bare token, or the typed form, in any case, dashes or not.",
    )
    order_value = OrderValueField(required=False, allow_null=True)


class RedemptionRequestSerializer(ValidationRequestSerializer):
    entry = serializers.ChoiceField(choices=Scan.Entry.choices, default=Scan.Entry.QR)
    scanned_at = device_time(required=False, allow_null=True, help_text="By the device's clock, from 2000 to 2100.")
    receipt_no = receipt_number(default="")
    staff = staff_id()


class DealSerializer(serializers.Serializer[Any]):
    title = serializers.CharField()
    type = serializers.ChoiceField(choices=Offer.Type.choices)
    value = serializers.CharField(allow_null=True, help_text="A percentage, an amount of money, or null.")
    currency = serializers.CharField()
    min_spend = MoneySerializer(allow_null=True)
    max_discount = MoneySerializer(allow_null=True)
    instructions = serializers.CharField(allow_blank=True)


class CustomerSerializer(serializers.Serializer[Any]):
    display = serializers.CharField(allow_blank=True, help_text="`Maria K.`; empty on a kiosk.")


class UsesSerializer(serializers.Serializer[Any]):
    used = serializers.IntegerField()
    max = serializers.IntegerField()


class RedemptionSerializer(serializers.Serializer[Any]):
    """A deal given; for a dry run one that would be, where what a redemption brings along is null."""

    id = serializers.CharField(allow_null=True)
    result = serializers.ChoiceField(
        choices=["redeemed", "valid", "conflict"],
        help_text="`valid` is the answer of a dry run, `conflict` what was given without network against a rule.",
    )
    replayed = serializers.BooleanField(help_text="This answer was given before, to the same key.")
    redeemed_at = serializers.DateTimeField(allow_null=True)
    deal = DealSerializer(allow_null=True, help_text="Null for a conflict of an unknown code.")
    discount = MoneySerializer(allow_null=True, help_text="Null where the order value is not known.")
    customer = CustomerSerializer()
    uses = UsesSerializer(allow_null=True, help_text="Null for a conflict of an unknown code.")
    void_until = serializers.DateTimeField(
        allow_null=True, help_text="Until when the device that made it may take it back."
    )
    voided_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was taken back. Not null: it no longer counts, whatever `result` says."
    )
    receipt = serializers.CharField(allow_null=True)
    order_value = MoneySerializer(allow_null=True)
    receipt_no = serializers.CharField(allow_blank=True)
    note = serializers.CharField(allow_blank=True)


class RecordedSerializer(serializers.Serializer[Any]):
    """What there is to tell of a scan that staff refused without network: it is on record, and nothing was given."""

    result = serializers.ChoiceField(choices=["recorded"])
    attempt = serializers.CharField()
    replayed = serializers.BooleanField()


class PreviousSerializer(serializers.Serializer[Any]):
    redeemed_at = serializers.DateTimeField()
    location = serializers.CharField()
    this_device = serializers.BooleanField()
    seconds_ago = serializers.IntegerField()


class ProblemSerializer(serializers.Serializer[Any]):
    """An error (RFC 9457). `code` is stable, the words may change."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    # A declared field is taken off the class, so it does not hide the serializer's own `errors`.
    errors = serializers.DictField(required=False, help_text="What is wrong, by field.")  # type: ignore[assignment]


class RefusalSerializer(serializers.Serializer[Any]):
    """An answer to the scan: no. Codes not listed here are refusals too."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.ChoiceField(choices=Scan.Reason.choices)
    attempt = serializers.CharField(allow_null=True, help_text="Null in a dry run.")
    retryable = serializers.BooleanField()
    replayed = serializers.BooleanField()
    previous = PreviousSerializer(required=False, help_text="With `already_redeemed`: by what it was used up.")
    deal = DealSerializer(required=False, help_text="With a question about the order: what it is for.")
    honoured = serializers.BooleanField(
        required=False, help_text="Given without network all the same, and in the ledger as a conflict."
    )
    id = serializers.CharField(required=False, help_text="With `honoured`: the redemption.")
    receipt = serializers.CharField(required=False, help_text="With `honoured`: the number in the ledger.")


class CorrectionRefusalSerializer(serializers.Serializer[Any]):
    """No: the line of the ledger, or the PIN, is not to be dealt with like this."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    attempt = serializers.CharField(allow_null=True, help_text="Null: no scan was made.")
    retryable = serializers.BooleanField()
    replayed = serializers.BooleanField()


# --- Correcting -------------------------------------------------------------------------------------------------------


class AmendmentRequestSerializer(serializers.Serializer[Any]):
    """What is left out stays as it is."""

    order_value = OrderValueField(required=False)
    receipt_no = receipt_number()
    note = note()


class VoidRequestSerializer(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(choices=VoidReason.choices)
    note = note()
    staff = staff_id()


class VoidedSerializer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="The redemption that was taken back.")
    result = serializers.CharField(help_text="`voided`")
    replayed = serializers.BooleanField()
    voided_at = serializers.DateTimeField()
    receipt = serializers.CharField(help_text="The number of the reversal, a line of its own.")
    uses = UsesSerializer(allow_null=True, help_text="As they are now; null where the code was unknown.")


# --- Without network --------------------------------------------------------------------------------------------------


class BatchItemSerializer(serializers.Serializer[Any]):
    key = serializers.RegexField(
        r"^[A-Za-z0-9_-]{8,64}\Z", trim_whitespace=False, help_text="The Idempotency-Key of this scan."
    )
    code = serializers.CharField(max_length=500)
    scanned_at = device_time(help_text="By the device's clock, from 2000 to 2100.")
    decision = serializers.ChoiceField(
        choices=Scan.Decision.choices,
        help_text="`honoured`: the goods are gone. `refused`: the guest was sent away. `undecided`: redeem it now.",
    )
    entry = serializers.ChoiceField(choices=Scan.Entry.choices, default=Scan.Entry.QR)
    seq = serializers.IntegerField(
        min_value=0, max_value=MOST, required=False, allow_null=True, help_text="The device's own count of its scans."
    )
    uptime_ms = serializers.IntegerField(
        min_value=0, max_value=MOST, required=False, allow_null=True, help_text="Since the device was started."
    )
    order_value = OrderValueField(required=False, allow_null=True)
    receipt_no = receipt_number(default="")
    staff = staff_id()
    reason = serializers.CharField(
        max_length=40,
        required=False,
        allow_blank=True,
        help_text="With `refused`: the code of a refusal that says why.",
    )


class BatchRequestSerializer(serializers.Serializer[Any]):
    sent_at = device_time(help_text="The device's clock now: how far it is off sets all times right.")
    items = BatchItemSerializer(many=True, help_text=f"At most {BATCH_LIMIT}.")


class BatchEnvelopeSerializer(serializers.Serializer[Any]):
    """A batch whose items are looked at one by one: a bad one keeps no other from its record."""

    sent_at = device_time()
    items = serializers.ListField(child=serializers.JSONField(allow_null=True), max_length=BATCH_LIMIT)


class BatchResultSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(allow_null=True, help_text="As it was sent; null where it is none.")
    status = serializers.IntegerField(help_text="What the scan would have been answered by itself.")
    body = serializers.DictField(
        help_text='As the answer of that status to a redemption; `{"result": "recorded"}` for a scan that was refused.'
    )


class BatchSerializer(serializers.Serializer[Any]):
    server_time = serializers.DateTimeField()
    results = BatchResultSerializer(many=True, help_text="In the order of the items.")


class WindowSerializer(serializers.Serializer[Any]):
    """A span of the day in the shop's time zone; one that does not end later than it opens ends the next day."""

    days = serializers.ListField(child=serializers.IntegerField(min_value=0, max_value=6), help_text="Monday is 0.")

    def get_fields(self) -> dict[str, Any]:
        return {**super().get_fields(), "from": serializers.CharField(), "to": serializers.CharField()}


class OfflineDealSerializer(DealSerializer):
    id = serializers.IntegerField()
    starts_at = serializers.DateTimeField(allow_null=True)
    ends_at = serializers.DateTimeField(allow_null=True)
    hours = WindowSerializer(many=True, help_text="Empty: always.")
    offline = serializers.ChoiceField(choices=OFFLINE_CHOICES)
    offline_per_day = serializers.IntegerField(help_text="At most so many on one device a day.")
    offline_max_value = MoneySerializer(allow_null=True, help_text="The largest discount; null: no limit.")


class OfflinePackSerializer(serializers.Serializer[Any]):
    as_of = serializers.DateTimeField()
    cursor = serializers.CharField(help_text="Send it as `since` to get what changed.")
    full = serializers.BooleanField(help_text="It takes the place of the pack before: nothing of that one is kept.")
    deals = OfflineDealSerializer(many=True, help_text="Always all of them: forget the codes of others.")
    codes = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="By a deal's id, for each good code the first 8 bytes of its token's SHA-256, in hexadecimal.",
    )
    typed = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField()),
        help_text="The same of typed codes. Always empty: these are too short for a hash to hide.",
    )
    removed = serializers.ListField(child=serializers.CharField(), help_text="Hashes of codes no longer good.")


# --- Counters ---------------------------------------------------------------------------------------------------------


class TodaySerializer(serializers.Serializer[Any]):
    date = serializers.DateField(help_text="Today in the time zone of the business.")
    time_zone = serializers.CharField()
    redeemed = serializers.IntegerField()
    refused = serializers.IntegerField()
    conflicts = serializers.IntegerField(help_text="Given without network against a rule.")
    voided = serializers.IntegerField(help_text="Of `redeemed`, those that were taken back since, by whomever.")
