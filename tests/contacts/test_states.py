"""One question, one answer: whether somebody may be written to is the same for all who ask."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from contacts.channels import Channel
from contacts.importing import ask_run, finish_here, stage
from contacts.models import ChannelStatus, ConsentEvent, Contact, Suppression
from contacts.queries import derive_states, reachable
from contacts.services import lift, record_consent, resubscribe, save_contact, suppress, unsubscribe

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
Action, Source, Reason = ConsentEvent.Action, ConsentEvent.Source, Suppression.Reason
FILES = {
    "attested": ("Email\nann@example.org\n", "Signed the card"),
    "unsubscribed": ("Email,Email status\nann@example.org,unsubscribed\n", ""),
    "bounced": ("Email,Email status\nann@example.org,bounced\n", ""),
    "subscribed": ("Email,Email status\nann@example.org,subscribed\n", ""),
}
steps = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.sampled_from(Action.values), st.integers(0, 9)),
        st.tuples(st.just("suppress"), st.sampled_from(Reason.values), st.integers(0, 9)),
        st.tuples(st.just("file"), st.sampled_from(sorted(FILES)), st.integers(0, 9)),
        st.tuples(st.sampled_from(["unsubscribe", "resubscribe", "lift"]), st.just(""), st.integers(0, 9)),
    ),
    max_size=6,
)


def take(step: str, what: str, at: datetime, index: bytes, actor: User) -> None:
    address: dict[str, Any] = {"channel": Channel.EMAIL, "address_index": index}
    if step == "event":
        record_consent(**address, action=Action(what), source=Source.FORM, at=at)
    elif step == "suppress":
        suppress(**address, reason=Reason(what), at=at)
    elif step == "unsubscribe":
        unsubscribe(**address, source=Source.ONE_CLICK, at=at)
    elif step == "resubscribe":
        resubscribe(**address, source=Source.UNSUBSCRIBE_PAGE, at=at, wording="I am back.")
    elif step == "lift":
        if block := Suppression.objects.filter(lifted_at=None).first():
            lift(block, actor=actor, reason="They told me at the bar.", at=at)
    else:
        text, wording = FILES[what]
        record = stage(io.BytesIO(text.encode()), name="x.csv", at=at, consent_email=wording)
        ask_run(record, at=at)
        finish_here(record, clock=lambda: at)


class TestEverybodyAgrees(TestCase):
    @given(steps)
    @settings(max_examples=60)
    def test_the_stored_status_is_what_events_and_blocks_add_up_to(self, taken):
        actor = User.objects.create_user("owner")
        contact = save_contact(Contact(email="ann@example.org"))
        assert contact.email_index is not None
        for step, what, day in taken:
            take(step, what, AT + timedelta(days=day), contact.email_index, actor)

            now = Contact.objects.get(pk=contact.pk)
            state = derive_states(Channel.EMAIL, [contact.email_index])[contact.email_index]
            assert now.email_status == state.state
            audience = reachable({}, Channel.EMAIL, at=AT).filter(pk=contact.pk).exists()
            assert audience == (state.state == ChannelStatus.SUBSCRIBED)
            if Suppression.objects.filter(lifted_at=None).exists():
                assert not audience


@pytest.mark.django_db
@pytest.mark.parametrize("file", sorted(FILES))
@pytest.mark.parametrize("reason", list(Reason))
def test_no_file_makes_a_blocked_address_reachable(reason, file):
    contact = save_contact(Contact(email="ann@example.org"))
    assert contact.email_index is not None
    suppress(channel=Channel.EMAIL, address_index=contact.email_index, reason=reason, at=AT)

    take("file", file, AT + timedelta(days=9), contact.email_index, User.objects.create_user("owner"))

    assert not reachable({}, Channel.EMAIL, at=AT).exists()
