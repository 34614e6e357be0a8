"""A worker that is to stop ends after the chunk at hand, and what is left is taken up again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from contacts import stopping, tasks
from contacts.models import Contact, ContactTag, Job, Tag
from contacts.services import jobs

pytestmark = pytest.mark.django_db(transaction=True)
CHUNK = 2


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    monkeypatch.setitem(jobs.CHUNK, Job.Kind.TAG, CHUNK)
    for number in range(CHUNK * 3):
        Contact.objects.create(email=f"guest{number}@example.com")
    tag = Tag.objects.create(name="regulars")
    selection = jobs.filters_selection({})
    yield jobs.start_job(kind=Job.Kind.TAG, selection=selection, at=timezone.now(), actor=None, options={"tag": tag.pk})
    stopping.forget()


def test_does_all_of_it_where_nobody_asks(job):
    tasks.work()

    assert ContactTag.objects.count() == CHUNK * 3


def test_ends_after_a_chunk_and_goes_on_at_the_next_call(job):
    stopping.ask_to_stop()
    tasks.work()
    done, asked_again = ContactTag.objects.count(), OrmQ.objects.count()
    stopping.forget()

    tasks.work()

    assert (done, asked_again) == (CHUNK, 1)
    assert ContactTag.objects.count() == CHUNK * 3
