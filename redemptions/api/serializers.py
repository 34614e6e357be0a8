"""What the scanner API takes and gives. Unknown fields are ignored, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from redemptions.models import Device, Offer, Scan

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


class EnrolmentRequestSerializer(serializers.Serializer[Any]):
    enrol_token = serializers.CharField(max_length=100)
    platform = serializers.CharField(max_length=80, required=False, allow_blank=True)
    app_version = serializers.CharField(max_length=20, required=False, allow_blank=True)


class DeviceSerializer(serializers.Serializer[Any]):
    device_id = serializers.IntegerField()
    name = serializers.CharField()
    location = serializers.CharField()
    profile = serializers.ChoiceField(choices=Device.Profile.choices)
    business = serializers.CharField()
    time_zone = serializers.CharField()
    server_time = serializers.DateTimeField()


class EnrolmentSerializer(DeviceSerializer):
    token = serializers.CharField(help_text="Shown to this device alone; keep it.")


class ValidationRequestSerializer(serializers.Serializer[Any]):
    code = serializers.CharField(
        max_length=500,
        help_text="Whatever was read: the whole URL, the bare token, or the typed form, in any case, dashes or not.",
    )
    order_value = OrderValueField(required=False, allow_null=True)


class RedemptionRequestSerializer(ValidationRequestSerializer):
    entry = serializers.ChoiceField(choices=Scan.Entry.choices, default=Scan.Entry.QR)
    scanned_at = serializers.DateTimeField(required=False, allow_null=True, help_text="By the device's clock.")
    receipt_no = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")


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
    result = serializers.ChoiceField(choices=["redeemed", "valid"], help_text="`valid` is the answer of a dry run.")
    replayed = serializers.BooleanField(help_text="This answer was given before, to the same key.")
    redeemed_at = serializers.DateTimeField(allow_null=True)
    deal = DealSerializer()
    discount = MoneySerializer(allow_null=True, help_text="Null where the order value is not known.")
    customer = CustomerSerializer()
    uses = UsesSerializer()
    void_until = serializers.DateTimeField(
        allow_null=True, help_text="Until when it may be taken back. Taking back comes with a later version."
    )
    receipt = serializers.CharField(allow_null=True)


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


class TodaySerializer(serializers.Serializer[Any]):
    date = serializers.DateField(help_text="Today in the time zone of the business.")
    time_zone = serializers.CharField()
    redeemed = serializers.IntegerField()
    refused = serializers.IntegerField()
