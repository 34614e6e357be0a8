"""The pages about messages: how they travelled, what came back, and what the owner allows a provider."""

from messaging.admin.accounting import report_urls
from messaging.admin.inbox import InboundTextAdmin
from messaging.admin.ledger import MessageAdmin, ProviderEventAdmin
from messaging.admin.providers import ProviderSettingsAdmin

__all__ = ["InboundTextAdmin", "MessageAdmin", "ProviderEventAdmin", "ProviderSettingsAdmin", "report_urls"]
