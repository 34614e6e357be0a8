"""Tag, untag, export and erase many contacts: chosen in the list, asked on a page, done as a job."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from contacts.admin.bulk import chosen
from contacts.models import AuditEvent, ChannelStatus, Contact, ContactTag, Import, ImportEntry, Job, Tag
from contacts.services import index_names, jobs
from contacts.services.jobs import delete_old_exports, ids_selection, start_job
from tests.admin.conftest import staff_client

LIST = reverse("admin:contacts_contact_changelist")
LOOK = "contacts.view_contact"
MAY = {
    "tag": "contacts.change_contact",
    "untag": "contacts.change_contact",
    "export": "contacts.export_contact",
    "erase": "contacts.erase_contact",
}
ACTIONS = {"tag": "tag_people", "untag": "untag_people", "export": "export_people", "erase": "erase_people"}


@pytest.fixture
def lunch(db: None) -> Tag:
    return Tag.objects.create(name="Lunch")


def add_people(count: int, **fields) -> list[int]:
    start = Contact.objects.count()
    people = [Contact(email=f"guest{start + number}@example.com", **fields) for number in range(count)]
    return [contact.pk for contact in Contact.objects.bulk_create(people)]


def choose(client: Client, kind: str, ids: list[int], *, everybody: bool = False, address: str = LIST):
    """Tick people in the list, or all that it matches, and choose an action."""
    data = {"action": ACTIONS[kind], "_selected_action": ids, "select_across": "1" if everybody else "0", "index": "0"}
    return client.post(address, data, follow=True)


def submit(client: Client, kind: str, page, **answers):
    """Answer the small page."""
    data = {"selection": page.context["signed"], **answers}
    if kind == "erase":
        data.setdefault("expected", page.context["expected"])
    return client.post(reverse("admin:contacts_job_start", args=[kind]), data, follow=True)


def answers_for(kind: str, count: int, lunch: Tag) -> dict[str, object]:
    if kind == "erase":
        return {"typed": str(count)}
    return {"format": "csv"} if kind == "export" else {"tag": lunch.pk}


def page_of(job: Job, page: str = "change") -> str:
    return reverse(f"admin:contacts_job_{page}", args=[job.pk])


def export_by(client: Client, ids: list[int], file_format: str = "csv") -> Job:
    submit(client, "export", choose(client, "export", ids), format=file_format)
    return Job.objects.latest("pk")


# --- From the list to the result ---


def test_tags_the_people_who_are_ticked(lunch, admin_client, admin_user):
    ids = add_people(5)
    ContactTag.objects.create(tag=lunch, contact_id=ids[0])

    asked = choose(admin_client, "tag", ids[:3])
    done = submit(admin_client, "tag", asked, tag=lunch.pk)

    assert "You chose <strong>3 people</strong>" in asked.content.decode()
    assert set(lunch.contact_set.values_list("pk", flat=True)) == set(ids[:3])
    job = Job.objects.get()
    assert (job.created_by, job.selection) == (admin_user, {"ids": ids[:3]})
    assert "2 people tagged; 1 had it already." in done.content.decode()


def test_makes_the_tag_that_is_new(lunch, admin_client):
    ids = add_people(2)

    submit(admin_client, "tag", choose(admin_client, "tag", ids), new_tag="Patio")

    assert Tag.objects.get(name="Patio").contact_set.count() == 2


@pytest.mark.parametrize("answers", [{}, {"tag": "99999"}, {"tag": "lunch", "new_tag": "Patio"}], ids=str)
def test_asks_again_where_no_one_tag_was_named(answers, lunch, admin_client):
    ids = add_people(2)
    sent = {name: lunch.pk if value == "lunch" else value for name, value in answers.items()}

    page = submit(admin_client, "tag", choose(admin_client, "tag", ids), **sent)

    assert page.context["form"].errors
    assert page.context["expected"] == 2
    assert not Job.objects.exists()


def test_takes_a_tag_off(lunch, admin_client):
    ids = add_people(3)
    ContactTag.objects.bulk_create([ContactTag(tag=lunch, contact_id=pk) for pk in ids])

    submit(admin_client, "untag", choose(admin_client, "untag", ids[:2]), tag=lunch.pk)

    assert list(lunch.contact_set.values_list("pk", flat=True)) == ids[2:]


def test_erases_once_the_number_is_typed(lunch, admin_client):
    ids = add_people(3)
    asked = choose(admin_client, "erase", ids[:2])

    refused = submit(admin_client, "erase", asked, typed="3")
    assert "Type 2, the number of people who are erased." in refused.content.decode()
    assert Contact.objects.count() == 3

    done = submit(admin_client, "erase", asked, typed="2")
    assert list(Contact.objects.values_list("pk", flat=True)) == ids[2:]
    assert "2 people erased." in done.content.decode()


def test_asks_again_where_the_number_changed_meanwhile(lunch, admin_client):
    ids = add_people(3)
    asked = choose(admin_client, "erase", ids)
    Contact.objects.filter(pk=ids[0]).delete()

    page = submit(admin_client, "erase", asked, typed="2")

    assert "Meanwhile the number of people changed to 2" in page.content.decode()
    assert Contact.objects.count() == 2


def test_exports_to_a_file_of_the_one_who_asked(lunch, admin_client, admin_user):
    ids = add_people(3, first_name="=SUM(1)")

    job = export_by(admin_client, ids[:2])

    response = admin_client.get(page_of(job, "download"))
    content = b"".join(response.streaming_content).decode("utf-8-sig")
    assert len(content.splitlines()) == 3
    assert "'=SUM(1)" in content
    assert re.fullmatch(r'attachment; filename="contacts-[0-9-]+\.csv"', response["Content-Disposition"])
    assert "no-store" in response["Cache-Control"]
    assert int(response["Content-Length"]) == len(content.encode("utf-8-sig"))
    line = AuditEvent.objects.get()
    assert (line.detail, line.actor, line.via) == ("2 contacts, csv", admin_user, "admin")


def test_says_when_the_file_goes_and_that_it_went(lunch, admin_client):
    job = export_by(admin_client, add_people(1))

    assert "The file is deleted here by itself on" in admin_client.get(page_of(job)).content.decode()

    Job.objects.update(finished_at=timezone.now() - timedelta(days=8))
    delete_old_exports(at=timezone.now())
    html = admin_client.get(page_of(job)).content.decode()
    assert "The file was deleted after 7 days." in html
    assert page_of(job, "download") not in html
    assert admin_client.get(page_of(job, "download")).status_code == 404


# --- All that the list matches ---


def test_holds_everybody_the_filters_keep_as_the_filters(lunch, admin_client, monkeypatch):
    monkeypatch.setattr(jobs, "SMALL", 0)
    ids = add_people(60, email_status=ChannelStatus.SUBSCRIBED)
    add_people(7)

    asked = choose(admin_client, "tag", ids[:50], everybody=True, address=f"{LIST}?email_status__exact=subscribed")
    submit(admin_client, "tag", asked, tag=lunch.pk)

    job = Job.objects.get()
    assert (asked.context["expected"], job.total, job.status) == (60, 60, Job.Status.QUEUED)
    assert job.selection["filters"] == {"email_status": "subscribed"}
    assert "ids" not in job.selection


def test_holds_the_whole_list_where_nothing_narrows_it(lunch, admin_client):
    ids = add_people(60)

    submit(
        admin_client, "tag", choose(admin_client, "tag", ids[:50], everybody=True, address=f"{LIST}?p=2"), tag=lunch.pk
    )

    assert lunch.contact_set.count() == 60
    assert Job.objects.get().selection["filters"] == {}


def test_holds_a_tag_and_an_import_as_filters(lunch, admin_client):
    ids = add_people(6)
    run = Import.objects.create(started_at=timezone.now())
    ContactTag.objects.bulk_create([ContactTag(tag=lunch, contact_id=pk) for pk in ids[:4]])
    ImportEntry.objects.bulk_create([ImportEntry(run=run, contact_id=pk, kind="created") for pk in ids[2:]])
    patio = Tag.objects.create(name="Patio")

    address = f"{LIST}?tag={lunch.pk}&import={run.pk}"
    submit(admin_client, "tag", choose(admin_client, "tag", ids[2:4], everybody=True, address=address), tag=patio.pk)

    assert list(patio.contact_set.order_by("pk").values_list("pk", flat=True)) == ids[2:4]
    assert Job.objects.get().selection["filters"] == {"tag": lunch.pk, "import": run.pk}


def test_what_a_search_found_is_never_taken_for_everybody(lunch, admin_client):
    ids = add_people(5)
    ann = Contact.objects.create(email="ann@example.org", first_name="Annabel")
    index_names([ann])
    found = admin_client.post(reverse("admin:contacts_contact_search"), {"text": "Anna"})

    asked = choose(admin_client, "erase", [ann.pk], everybody=True, address=found.url)
    submit(admin_client, "erase", asked, typed="1")

    assert asked.context["expected"] == 1
    assert list(Contact.objects.order_by("pk").values_list("pk", flat=True)) == ids


@pytest.mark.parametrize("address", ["?fewer_messages__exact=1", "?source=admin&source=form", "?tag=all", ""])
def test_a_list_that_no_job_can_hold_is_never_taken_for_everybody(address, lunch, rf):
    add_people(4)
    shown = Contact.objects.filter(pk__in=add_people(3))

    selection = chosen(rf.post(f"{LIST}{address}", {"select_across": "1"}), shown)

    assert selection == ids_selection([contact.pk for contact in shown])


def test_says_where_too_many_were_chosen_one_by_one(lunch, admin_client, monkeypatch):
    monkeypatch.setattr("contacts.admin.bulk.MAX_IDS", 2)
    ids = add_people(3)

    page = choose(admin_client, "erase", ids)

    assert "too many for one job" in page.content.decode()


# --- Who may ---


@pytest.mark.parametrize("kind", MAY)
def test_offers_and_does_what_somebody_may(kind, lunch):
    ids = add_people(2)
    client = staff_client(LOOK, MAY[kind])

    done = submit(client, kind, choose(client, kind, ids), **answers_for(kind, 2, lunch))

    assert done.status_code == 200
    job = Job.objects.get()
    assert (job.status, job.kind, job.position) == (Job.Status.DONE, kind, 2)
    assert client.get(page_of(job)).status_code == 200


@pytest.mark.parametrize("kind", MAY)
def test_refuses_what_somebody_may_not(kind, lunch, admin_client):
    ids = add_people(2)
    others = {permission for other, permission in MAY.items() if permission != MAY[kind]}
    client = staff_client(LOOK, *others)
    asked = choose(admin_client, kind, ids)

    offered = client.get(LIST).content.decode()
    asked_anyway = choose(client, kind, ids)
    refused = submit(client, kind, asked, **answers_for(kind, 2, lunch))

    assert f'value="{ACTIONS[kind]}"' not in offered
    assert "signed" not in (asked_anyway.context or {})
    assert refused.status_code == 403
    assert not Job.objects.exists()


def test_makes_no_new_tag_for_those_who_may_make_none(lunch):
    client = staff_client(LOOK, MAY["tag"])

    submit(client, "tag", choose(client, "tag", add_people(1)), new_tag="Patio")

    assert not Tag.objects.filter(name="Patio").exists()


def test_gives_an_export_to_nobody_else(lunch):
    owner = staff_client(LOOK, MAY["export"])
    job = export_by(owner, add_people(2))
    colleague = staff_client(LOOK, MAY["export"], "contacts.view_job")
    looker = staff_client(LOOK)

    assert owner.get(page_of(job, "download")).status_code == 200
    assert colleague.get(page_of(job)).status_code == 200
    assert page_of(job, "download") not in colleague.get(page_of(job)).content.decode()
    assert colleague.get(page_of(job, "download")).status_code == 403
    assert looker.get(page_of(job, "download")).status_code in {302, 403, 404}

    assert job.created_by is not None
    job.created_by.user_permissions.clear()
    assert owner.get(page_of(job, "download")).status_code in {403, 404}


def test_writes_down_when_a_superuser_takes_the_export_of_another(lunch, admin_client, admin_user):
    job = export_by(staff_client(LOOK, MAY["export"]), add_people(2))

    assert admin_client.get(page_of(job, "download")).status_code == 200

    line = AuditEvent.objects.latest("pk")
    assert (line.actor, line.detail) == (admin_user, f"downloaded the export of job {job.pk}")


def test_shows_people_their_own_jobs_only(lunch):
    one, two = staff_client(LOOK, MAY["tag"]), staff_client(LOOK, MAY["tag"])
    submit(one, "tag", choose(one, "tag", add_people(1)), tag=lunch.pk)
    job = Job.objects.get()
    listed = reverse("admin:contacts_job_changelist")

    assert "Tag “Lunch” on 1 person" in one.get(listed).content.decode()
    assert "Tag “Lunch” on 1 person" not in two.get(listed).content.decode()
    assert two.get(page_of(job, "progress")).status_code == 404
    assert two.post(page_of(job, "stop")).status_code == 404
    assert staff_client(LOOK).get(listed).status_code == 403


def test_changes_nothing_by_a_mere_visit(lunch, admin_client):
    job = start_job(
        kind=Job.Kind.TAG,
        selection=ids_selection(add_people(1)),
        options={"tag": lunch.pk},
        at=timezone.now(),
        actor=None,
    )

    assert admin_client.get(page_of(job, "stop")).status_code == 405
    assert admin_client.get(reverse("admin:contacts_job_start", args=["tag"])).status_code == 405
    assert admin_client.post(page_of(job), {"status": "done"}).status_code == 403
    assert Job.objects.get().status == Job.Status.QUEUED


@pytest.mark.parametrize("selection", ["", "{}", "eyJpZHMiOlsxXX0:1:x"])
def test_takes_no_selection_that_it_did_not_hand_out(selection, lunch, admin_client):
    add_people(1)

    page = admin_client.post(
        reverse("admin:contacts_job_start", args=["erase"]),
        {"selection": selection, "typed": "1", "expected": "1"},
        follow=True,
    )

    assert "Please choose the people again" in page.content.decode()
    assert Contact.objects.count() == 1


# --- Meanwhile and afterwards ---


def test_tells_how_far_a_job_is(lunch, admin_client, monkeypatch):
    monkeypatch.setattr(jobs, "SMALL", 0)
    submit(admin_client, "tag", choose(admin_client, "tag", add_people(4)), tag=lunch.pk)
    Job.objects.update(status=Job.Status.RUNNING, position=3)

    page = admin_client.get(page_of(Job.objects.get()))
    answer = admin_client.get(page_of(Job.objects.get(), "progress")).json()

    assert f'data-poll="{page_of(Job.objects.get(), "progress")}"' in page.content.decode()
    assert (answer["line"], answer["done"], answer["audience"]) == ("3 of 4 done", 3, 4)
    assert (answer["status"], answer["final"]) == ("running", False)


def test_stops_a_job(lunch, admin_client, monkeypatch):
    monkeypatch.setattr(jobs, "SMALL", 0)
    submit(admin_client, "tag", choose(admin_client, "tag", add_people(4)), tag=lunch.pk)

    page = admin_client.post(page_of(Job.objects.get(), "stop"), follow=True).content.decode()
    again = admin_client.post(page_of(Job.objects.get(), "stop"), follow=True).content.decode()

    assert Job.objects.get().status == Job.Status.CANCELLED
    assert "Stopped. 0 people tagged; 4 not reached." in page
    assert "It was over already" in again


@pytest.mark.parametrize("status", Job.Status.values)
@pytest.mark.parametrize("kind", Job.Kind.values)
def test_opens_a_job_in_every_state(kind, status, lunch, admin_client):
    options = {"tag": 99999} if kind in {"tag", "untag"} else {"format": "csv"} if kind == "export" else {}
    job = start_job(
        kind=Job.Kind(kind), selection=ids_selection(add_people(2)), options=options, at=timezone.now(), actor=None
    )
    finished = timezone.now() if status in {"done", "failed", "cancelled"} else None
    Job.objects.update(status=status, finished_at=finished, failure="It broke." if status == "failed" else "")

    assert admin_client.get(page_of(job)).status_code == 200
    assert admin_client.get(page_of(job, "history")).status_code == 200
    assert admin_client.get(reverse("admin:contacts_job_changelist")).status_code == 200


def test_names_nobody_in_the_log_or_the_row(lunch, admin_client):
    ids = add_people(2, first_name="Zebedee")

    export_by(admin_client, ids)
    submit(admin_client, "erase", choose(admin_client, "erase", ids), typed="2")

    logged = " ".join(f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all())
    kept = " ".join(f"{job.selection} {job.options} {job.failure}" for job in Job.objects.all())
    audited = " ".join(f"{line.detail} {line.reason}" for line in AuditEvent.objects.all())
    assert LogEntry.objects.count() == 2
    for text in (logged, kept, audited):
        assert "guest" not in text
        assert "Zebedee" not in text
