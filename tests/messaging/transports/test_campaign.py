"""A campaign on its way through each provider: from what the shop wrote to what the provider gets and says."""

import re
from collections.abc import Iterator

import pytest

from contacts.models import Suppression
from messaging.models import Message
from tests.messaging.conftest import run_all
from tests.messaging.transports.wires import BREVO, POSTMARK, WIRES, Wire
from tests.wire.provider import Provider, provider

Status = Message.Status


@pytest.fixture(params=WIRES, ids=[wire.name for wire in WIRES])
def wire(request) -> Wire:
    return request.param


@pytest.fixture
def server(planned, wire, settings) -> Iterator[Provider]:
    """The provider; the shop chose it after the launch, which a sample address would have kept from a real one."""
    with provider() as server:
        wire.point_at(settings, server.url)
        settings.QR_IMAGES = "hosted" if wire == BREVO else "inline"
        yield server


def test_reaches_everybody_once_with_a_way_out(server, planned, wire, at):
    run_all(at)

    assert server.arrivals() == {str(message.reference): 1 for message in planned.messages.all()}
    ids = {str(message.reference): message.provider_id for message in planned.messages.filter(status=Status.ACCEPTED)}
    assert ids == {call.people[0][0]: wire.id_of(call) for call in server.received}
    for call in server.received:
        arrived = wire.read(call)
        assert arrived.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert re.fullmatch(r"<http://testserver/u/[\w-]+>", arrived.headers["List-Unsubscribe"])
        assert arrived.raw.lower().count(b"list-unsubscribe-post") == 1
        assert len(arrived.images) == (0 if wire == BREVO else 1)


@pytest.mark.parametrize("wire", [POSTMARK], ids=["postmark"])
def test_keeps_away_from_whoever_the_provider_keeps_away_from(server, planned, at):
    server.answers = ["422:406"]

    run_all(at)

    assert planned.messages.filter(status=Status.FAILED, reason=Message.Reason.REFUSED).count() == 1
    assert Suppression.objects.get().reason == Suppression.Reason.BOUNCED
    assert planned.messages.filter(status=Status.ACCEPTED).count() == 4
