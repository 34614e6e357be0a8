"""An import whose process is killed: the worker takes it up, and nobody is there twice or missing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from benchmarks.people import write_csv
from contacts.importing import advance_imports
from contacts.models import ConsentEvent, Contact, ContactTag, FilePart, Import, ImportEntry
from contacts.services.leases import LEASE
from tests.journeys.conftest import ROOT, wait_for

ROWS = 12_000
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_killed_import_is_finished_by_the_worker_without_doubles(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "people.csv", ROWS)
    arguments = ["import_contacts", str(path), "--tag", "till", "--consent-email", "Signed the list"]
    process = subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=process_environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: Contact.objects.count() >= 1000)
    process.send_signal(signal.SIGKILL)
    process.wait()

    done = Contact.objects.count()
    record = Import.objects.get()
    assert 1000 <= done < ROWS
    assert (record.status, record.position) == (Import.Status.RUNNING, done)
    assert not advance_imports(clock=timezone.now, deadline=time.monotonic() + 5), "the lease is still held"
    assert Contact.objects.count() == done

    later = timezone.now() + LEASE + timedelta(seconds=1)
    while advance_imports(clock=lambda: later, deadline=time.monotonic() + 5):
        pass

    record.refresh_from_db()
    assert record.status == Import.Status.DONE
    assert (record.counts["rows"], record.counts["created"], record.counts["duplicates"]) == (ROWS, ROWS, 0)
    assert Contact.objects.count() == ROWS
    assert Contact.objects.filter(email_status="subscribed").count() == ROWS
    assert ConsentEvent.objects.count() == ROWS
    assert ContactTag.objects.filter(tag__name="till").count() == ROWS
    assert ImportEntry.objects.filter(run=record).count() == ROWS
    assert not FilePart.objects.exists()
