"""Set up the phones and tills that scan."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management import CommandError
from django.utils import timezone

from contacts.management.console import ConsoleCommand
from redemptions.links import enrol_url
from redemptions.models import Device
from redemptions.services import enrol_device_start
from redemptions.services.devices import find_location, has_namesake


class Command(ConsoleCommand):
    help = "Set up the phones and tills that scan."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="enrol")
        enrol = actions.add_parser("enrol", help="make a device and its set-up link, good for 15 minutes, once")
        enrol.add_argument("--name", required=True, help="'Bar phone'")
        enrol.add_argument("--location", required=True, help="where it scans; made where it is new")
        enrol.add_argument("--profile", choices=Device.Profile.values, default=Device.Profile.SCANNER.value)
        super().add_arguments(enrol)

    def handle(self, *args: Any, **options: Any) -> None:
        for name in ("name", "location"):
            if not options[name].strip():
                raise CommandError(f"--{name} is empty.")
        is_new_location = find_location(options["location"]) is None
        device, token = enrol_device_start(
            name=options["name"].strip(),
            location_name=options["location"],
            profile=Device.Profile(options["profile"]),
            at=timezone.now(),
        )
        if is_new_location:
            self.remark(f"New location: {device.location.name}.")
        if has_namesake(device):
            self.remark("There is another device of this name.")
        link, expires_at = enrol_url(token), device.enrol_expires_at
        data = {
            "id": device.pk,
            "enrol_url": link,
            "enrol_token": token,
            "expires_at": expires_at,
            "location_created": is_new_location,
        }
        self.answer(options, data, f"Device {device.pk} made. Open this on it within 15 minutes:\n{link}")
