"""Test sends: one message to one address, outside the ledger, with a code that scans as a test."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, override

from campaigns.models import Campaign, Variant
from campaigns.queries import SAMPLE, person_of, variant_of
from contacts.channels import Channel, deliverable, normalise
from contacts.fields import keyed_hash
from contacts.models import KEPT_AWAY, Business, Contact
from contacts.queries import derive_states
from messaging.services import pacing
from messaging.services.composing import Composer
from messaging.transports import transport_for
from redemptions.services import issue_test_code

TURN_S = 5.0  # somebody waits for the page
PLAIN_SUBJECT = gettext_noop("This is how your messages arrive")
PLAIN_WORDS = gettext_noop("It works: this came the way your campaigns will.")


class TestRefused(Exception):
    """The test would go to somebody who must not be written to, or it is not the time for it."""


def send_test(campaign: Campaign, *, to: str) -> str:
    """Send the campaign as it is now to one address; return the reference it travels under.

    Calls the provider: not to be used inside a transaction.

    Raises AddressError, TestRefused, campaigns.rendering.ContentError, messaging.transports.TransportError.
    """
    return _send(campaign, variant_of(campaign), to)


def send_plain_test(channel: Channel, *, to: str) -> str:
    """Send a few words of the product's own to one address, as a campaign's would travel. As `send_test`."""
    campaign = Campaign(name="Test", channel=channel)
    with override(settings.LANGUAGE_CODE):
        variant = Variant(campaign=campaign, subject=_(PLAIN_SUBJECT), body=_(PLAIN_WORDS))
    return _send(campaign, variant, to)


def _send(campaign: Campaign, variant: Variant, to: str) -> str:
    channel = Channel(campaign.channel)
    normal = normalise(channel, to)
    index = keyed_hash(channel.value, normal)
    if derive_states(channel, [index])[index].state in KEPT_AWAY:
        raise TestRefused(_("This address has unsubscribed or cannot be reached; tests do not go there either."))
    business = Business.load()
    if channel == Channel.EMAIL and not business.from_email:
        raise TestRefused(_("There is no sender address yet. Set it under Business."))
    contact = Contact.objects.with_address(channel, index).first()
    reference = uuid.uuid4()
    outbound = Composer(business).compose(
        campaign=campaign,
        variant=variant,
        person=person_of(contact) if contact else SAMPLE,
        to=deliverable(to) if channel == Channel.EMAIL else normal,
        address_index=index,
        code=issue_test_code(offer=campaign.offer) if campaign.offer else None,
        reference=reference,
        subject_prefix=_prefix(),
    )
    if not pacing.wait_turn(channel, at_most_s=TURN_S):
        raise TestRefused(_("The provider's limit is used up for now, or it is away. Try again in a while."))
    with transport_for(channel) as transport:
        transport.send(outbound)
    return str(reference)


def _prefix() -> str:
    """Return what a test begins with."""
    with override(settings.LANGUAGE_CODE):
        return f"[{_('Test')}] "
