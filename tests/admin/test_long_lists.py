"""Long lists: each row stands on one page, however far back, and none is skipped with all that is joined to it."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.core.paginator import Paginator
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from contacts.admin.base import EstimatedPaginator, PlainAdmin
from contacts.models import AuditEvent, Contact, Job, Tag
from messaging.models import Message
from tests.messaging.busy import busy_shop

ROWS = 230


@pytest.fixture
def contacts(db, monkeypatch):
    monkeypatch.setattr(EstimatedPaginator, "DEEP", 40)
    return Contact.objects.bulk_create(Contact(email=f"row{number}@example.org") for number in range(ROWS))


@pytest.mark.parametrize("per_page", [20, 50, 230, 231])
@pytest.mark.parametrize("order", ["-id", "email_index", "-source"])
def test_each_page_holds_what_it_always_held(per_page, order, contacts):
    rows = Contact.objects.order_by(order, "pk")
    pages, plain = EstimatedPaginator(rows, per_page), Paginator(rows, per_page)

    found = [list(page.object_list) for page in pages]

    assert found == [list(page.object_list) for page in plain]
    assert sum(map(len, found)) == ROWS


@pytest.mark.parametrize("estimate", [ROWS - 45, ROWS, ROWS + 65])
def test_the_last_page_ends_the_list_though_the_count_is_an_estimate(estimate, contacts, monkeypatch):
    monkeypatch.setattr(EstimatedPaginator, "count", estimate)
    pages = EstimatedPaginator(Contact.objects.order_by("-pk"), 50)

    last = list(pages.page(pages.num_pages).object_list)

    assert last[-1] == contacts[0]


def test_skips_rows_by_their_keys_alone(contacts, django_assert_num_queries, monkeypatch):
    monkeypatch.setattr(EstimatedPaginator, "count", ROWS)
    busy_shop(timezone.now(), guests=60)
    pages = EstimatedPaginator(Message.objects.select_related("campaign", "contact").order_by("-pk"), 50)

    with django_assert_num_queries(2) as captured:
        list(pages.page(2).object_list)

    assert "JOIN" not in captured[0]["sql"].upper()
    assert "OFFSET" not in captured[1]["sql"].upper()


@pytest.mark.parametrize("model_admin", admin.site._registry.values(), ids=lambda one: one.opts.label_lower)
def test_every_list_of_ours_has_such_pages(model_admin):
    if isinstance(model_admin, PlainAdmin):
        assert model_admin.paginator is EstimatedPaginator
        assert not model_admin.show_full_result_count


def test_a_list_is_paged_through_in_the_browser_s_way(db, admin_client, monkeypatch):
    monkeypatch.setattr(EstimatedPaginator, "DEEP", 50)
    AuditEvent.objects.bulk_create(AuditEvent(action="signed_in", via="admin", detail=f"{n}") for n in range(ROWS))
    url = reverse("admin:contacts_auditevent_changelist")
    count = AuditEvent.objects.count()

    seen = []
    for number in range(1, -(-count // 50) + 1):
        page = admin_client.get(f"{url}?p={number}")
        seen += [event.pk for event in page.context["cl"].result_list]

    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == count


# --- What asks once for a page, whatever is on it ---------------------------------------------------------------------


def test_a_page_of_jobs_asks_for_its_tags_once(db, admin_client, django_assert_max_num_queries):
    tags = Tag.objects.bulk_create(Tag(name=f"Tag {number}") for number in range(3))
    Job.objects.bulk_create(Job(kind="tag", total=2, options={"tag": tags[number % 3].pk}) for number in range(30))
    Job.objects.create(kind="untag", total=2, options={"tag": 999999})

    with django_assert_max_num_queries(10):
        html = admin_client.get(reverse("admin:contacts_job_changelist")).content.decode()

    assert html.count("“Tag 2”") == 10
    assert "a deleted tag" in html


def test_the_page_of_a_deal_counts_no_codes(shop, admin_client):
    listed = admin_client.get(reverse("admin:redemptions_offer_changelist"))
    assert listed.context["cl"].result_list[0].code_count == 1

    with CaptureQueriesContext(connection) as captured:
        admin_client.get(reverse("admin:redemptions_offer_change", args=[shop.offer.pk]))

    assert not [query for query in captured.captured_queries if "code_count" in query["sql"]]
