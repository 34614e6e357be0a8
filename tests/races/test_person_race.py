"""Two who write about one person at the same moment: the second waits, and neither locks the other out.

Both are held where the one has begun and the other is on its way. The control shows what becomes of them where one does
not lock the contact first.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from contacts.channels import Channel
from contacts.fields import keyed_hash
from contacts.models import (
    Confirmation,
    ConsentEvent,
    Contact,
    Job,
    SignupForm,
    StoredFile,
    Suppression,
)
from contacts.services import consent, erase, erase_all, erasing, merge, merging, save_contact, signup
from contacts.services import unsubscribe as leave

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = AT + timedelta(minutes=1)
ADDRESS = "ann@example.org"
INDEX = keyed_hash("email", ADDRESS)
HELD_S = 1.5  # longer than PostgreSQL waits (1 s) before it looks for a deadlock


@pytest.fixture(autouse=True)
def several_writers(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite lets one writer in at a time and cannot show a race: set TEST_DATABASE_URL to PostgreSQL")


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], None]:
    """Return what makes a function wait, before it begins, until the other one waits too, or cannot get there."""
    both = threading.Barrier(2)

    def wait() -> None:
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(HELD_S)

    def hold_at(module: Any, name: str) -> None:
        real = getattr(module, name)

        def held(*args: Any, **kwargs: Any) -> Any:
            wait()
            return real(*args, **kwargs)

        monkeypatch.setattr(module, name, held)

    return hold_at


def at_once(*works: Callable[[], Any]) -> list[BaseException]:
    """Do these at the same time, and return the errors."""
    errors: list[BaseException] = []

    def run(work: Callable[[], Any]) -> None:
        try:
            work()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return errors


def look_only(addresses: Any) -> dict[Any, Contact]:
    """Find contacts as `lock_contacts` does, without the lock."""
    found = {address: Contact.objects.with_address(*address).first() for address in addresses}
    return {address: contact for address, contact in found.items() if contact}


def asked() -> tuple[Contact, Confirmation]:
    form = SignupForm.objects.create(name="Table", slug="table")
    signup.request(form=form, addresses={Channel.EMAIL: ADDRESS}, source=ConsentEvent.Source.FORM, at=AT)
    return Contact.objects.get(), Confirmation.objects.get()


def test_leaving_while_one_is_erased(hold):
    person, _ = asked()
    hold(consent, "refresh_owner")
    hold(erasing, "_forget")

    errors = at_once(
        lambda: leave(channel=Channel.EMAIL, address_index=INDEX, source=ConsentEvent.Source.ONE_CLICK, at=LATER),
        lambda: erase(person, at=LATER),
    )

    assert errors == []
    assert not Contact.objects.exists()
    assert set(Suppression.objects.values_list("reason", flat=True)) == {"unsubscribed", "erased"}


def confirm_while_erasing(hold: Callable[[Any, str], None]) -> list[BaseException]:
    person, confirmation = asked()
    hold(signup, "_take_on_the_list")
    hold(erasing, "_forget")
    return at_once(
        lambda: signup.confirm(confirmation_id=confirmation.pk, source=ConsentEvent.Source.FORM, at=LATER),
        lambda: erase(person, at=LATER),
    )


def test_confirming_while_one_is_erased(hold):
    errors = confirm_while_erasing(hold)

    assert all(isinstance(error, signup.NotConfirmed) for error in errors)
    assert not Contact.objects.exists()
    assert not Confirmation.objects.exists()


def test_confirming_without_the_contacts_lock_is_a_deadlock(hold, monkeypatch):
    monkeypatch.setattr(signup, "lock_contacts", look_only)

    errors = confirm_while_erasing(hold)

    assert any(isinstance(error, OperationalError) and "deadlock" in str(error) for error in errors)


def test_merging_while_both_are_erased_with_the_export_they_are_in(hold):
    kept, gone = (save_contact(Contact(email=f"guest{number}@example.org")) for number in range(2))
    Job.objects.create(
        kind=Job.Kind.EXPORT,
        status=Job.Status.DONE,
        selection={"ids": [kept.pk, gone.pk]},
        options={"format": "csv"},
        last_contact_id=gone.pk,
        total=2,
        created_at=AT,
        finished_at=AT,
        result=StoredFile.objects.create(),
    )
    hold(merging, "forget_exports")
    hold(erasing, "forget_exports")

    errors = at_once(lambda: merge(gone.pk, kept.pk, at=LATER), lambda: erase_all([gone, kept], at=LATER))

    assert all(isinstance(error, merging.NotTwoContacts) for error in errors)
    assert not Contact.objects.exists()
    assert not StoredFile.objects.exists()
