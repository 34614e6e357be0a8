"""Reports of mails that left in one request: Mailgun gives all of them one id."""

import pytest

from contacts.models import Suppression
from messaging.models import Message
from tests.messaging.conftest import add_guest
from tests.messaging.events import calls
from tests.messaging.events.conftest import sent

pytestmark = pytest.mark.django_db
SHARED = "<2026.1@mg.example.com>"


@pytest.fixture
def messages(campaign, use) -> list[Message]:
    use("mailgun")
    return [sent(campaign, add_guest(number), provider="mailgun", provider_id=SHARED) for number in range(10, 14)]


def bounce(message: Message, variables: dict[str, str]) -> calls.Sent:
    (event,) = [case["payload"] for case in calls.payloads("mailgun") if case["name"] == "no such mailbox"]
    event["event-data"] |= {"recipient": message.contact.email, "user-variables": variables}
    event["event-data"]["message"]["headers"]["message-id"] = SHARED.strip("<>")
    return calls.mailgun(event, at=calls.now())


@pytest.mark.parametrize("names_it", [True, False], ids=["by our reference", "by the address"])
@pytest.mark.parametrize("position", [0, 2, 3])
def test_a_bounce_is_that_persons(client, messages, names_it, position):
    mine = messages[position]
    variables = {"message": str(mine.reference) if names_it else "%recipient.v:message%"}

    bounce(mine, variables).post(client)

    found = {message.pk: Message.objects.get(pk=message.pk).status for message in messages}
    assert {pk for pk, status in found.items() if status == "bounced"} == {mine.pk}
    assert Suppression.objects.get().address_index == mine.address_index


def test_one_on_somebody_else_is_nobodys(client, messages):
    stranger = add_guest(99)
    report = messages[0]
    report.contact = stranger

    bounce(report, {}).post(client)

    assert set(Message.objects.values_list("status", flat=True)) == {"accepted"}
    assert not Suppression.objects.exists()
