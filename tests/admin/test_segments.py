"""The segment pages: rules row by row, with and without a script, what they find, and who may ask."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from contacts import fields
from contacts.models import Contact, Import, Segment, Tag
from tests.admin.conftest import add_contact, staff_client, write_draft

LIST = reverse("admin:contacts_segment_changelist")
ADD = reverse("admin:contacts_segment_add")
LIVE = reverse("admin:contacts_segment_live")
BUILDER = ("contacts.view_segment", "contacts.add_segment", "contacts.change_segment")


def page_of(segment: Segment) -> str:
    return reverse("admin:contacts_segment_change", args=[segment.pk])


def typed(*rows, match="all", groups=(), **more):
    """Return what the form posts: rows are (field, op, {kind: value}, group)."""
    data = {
        "rules-match": match,
        "rules-rule": [str(number) for number, _ in enumerate(rows, 1)],
        "rules-group": [number for number, _ in groups],
        **{f"rules-group-{number}-match": how for number, how in groups},
        **more,
    }
    for number, (asked, op, values, *group) in enumerate(rows, 1):
        data |= {f"rules-{number}-field": asked, f"rules-{number}-op": op}
        data[f"rules-{number}-group"] = group[0] if group else ""
        data |= {f"rules-{number}-{kind}": value for kind, value in values.items()}
    return data


def errors(response):
    return response.context["adminform"].form.errors


def test_saves_rules_and_groups_as_a_question(shop, admin_client):
    rows = [
        ("email", "is", {"email_state": ["subscribed", "pending"]}),
        ("redeemed", "never", {"days": ""}),
        ("tag", "has", {"tag": shop.tag.pk}, "7"),
        ("created", "since", {"days": "", "date": "2026-01-02"}, "7"),
        ("spend", "at_least", {"money": "$1,200"}, "7"),
    ]
    admin_client.post(ADD, typed(*rows, groups=[("7", "any")], name="Big lunch"))

    assert Segment.objects.get(name="Big lunch").rules == {
        "match": "all",
        "rules": [
            {"field": "email", "op": "is", "value": ["subscribed", "pending"]},
            {"field": "redeemed", "op": "never"},
            {
                "match": "any",
                "rules": [
                    {"field": "tag", "op": "has", "value": shop.tag.pk},
                    {"field": "created", "op": "since", "value": "2026-01-02"},
                    {"field": "spend", "op": "at_least", "value": "1200.00"},
                ],
            },
        ],
    }


def test_refuses_a_new_segment_without_rules(db, admin_client):
    response = admin_client.post(ADD, typed(name="All"))

    assert "Everyone who is subscribed" in str(errors(response)["rules"])
    assert not Segment.objects.filter(name="All").exists()


def test_a_segment_that_had_no_rules_may_stay_so(db, admin_client):
    segment = Segment.objects.create(name="All", rules={})

    admin_client.post(page_of(segment), typed(name="Everybody here"))

    segment.refresh_from_db()
    assert (segment.name, segment.rules) == ("Everybody here", {})
    assert "Everybody" in admin_client.get(LIST).content.decode()


@pytest.mark.parametrize("rules", [{"match": "all", "rules": [{"field": "redeemed", "op": "never"}]}, {"match": 5}])
def test_does_not_take_the_last_rule_away(rules, db, admin_client):
    segment = Segment.objects.create(name="Few", rules=rules)

    assert errors(admin_client.post(page_of(segment), typed(name="Few")))["rules"]

    segment.refresh_from_db()
    assert segment.rules == rules


def test_shows_what_was_saved_ready_to_be_saved_again(shop, admin_client):
    rules = {
        "match": "any",
        "rules": [
            {"field": "source", "op": "is_not", "value": ["admin", "form"]},
            {"match": "all", "rules": [{"field": "tag", "op": "has_not", "value": shop.tag.pk}]},
        ],
    }
    segment = Segment.objects.create(name="Odd", rules=rules)
    form = admin_client.get(page_of(segment)).context["adminform"].form
    top = form.fields["rules"].widget.get_context("rules", form["rules"].value(), {})["widget"]["top"]
    assert [row["field"] for row in top["rows"]] == ["source"]

    rows = [
        ("source", "is_not", {"source": ["form", "admin"]}),
        ("tag", "has_not", {"tag": shop.tag.pk}, "4"),
    ]
    admin_client.post(page_of(segment), typed(*rows, match="any", groups=[("4", "all")], name="Odd"))

    segment.refresh_from_db()
    assert segment.rules == rules
    assert "No fields changed" in LogEntry.objects.get().get_change_message()


def test_says_beside_the_rule_what_is_wrong(db, admin_client):
    rows = [
        ("redeemed", "within", {"days": ""}),
        ("email", "is", {}),
        ("tag", "has", {"tag": ""}),
        ("redeemed", "never", {}),
    ]
    response = admin_client.post(ADD, typed(*rows, name="Half done"))

    html = response.content.decode()
    assert "mend the rules that are marked" in str(errors(response)["rules"])
    assert html.count('class="rule-error"') == 3
    for words in ("Say how many days.", "Choose at least one.", "Choose a tag."):
        assert words in html
    assert not Segment.objects.filter(name="Half done").exists()


def test_a_group_without_rules_is_refused(db, admin_client):
    response = admin_client.post(ADD, typed(groups=[("3", "any")], name="Empty"))

    assert "This group has no rules." in str(errors(response)["rules"])


class TestWithoutAScript:
    """The buttons are submit buttons: the page comes back changed, and nothing is saved."""

    def rows(self, client, data):
        response = client.post(ADD, data)
        assert "Not saved yet" in str(errors(response)["rules"])
        assert not Segment.objects.filter(name="New").exists()
        form = response.context["adminform"].form
        context = form.fields["rules"].widget.get_context("rules", form["rules"].value(), {})["widget"]
        boxes = [context["top"], *context["groups"]]
        return [(box["number"], [row["field"] for row in box["rows"]]) for box in boxes]

    def test_adds_a_rule(self, db, admin_client):
        before = typed(("redeemed", "never", {}), name="New")

        rows = self.rows(admin_client, {**before, "rules-new-": "birthday", "rules-add": ""})

        assert rows == [("", ["redeemed", "birthday"])]

    def test_adds_a_group_and_a_rule_in_it(self, db, admin_client):
        assert self.rows(admin_client, {**typed(name="New"), "rules-add-group": "1"}) == [("", []), ("1", [])]
        more = {"rules-new-5": "tag", "rules-new-": "email", "rules-add": "5"}

        assert self.rows(admin_client, {**typed(groups=[("5", "any")], name="New"), **more}) == [
            ("", []),
            ("5", ["tag"]),
        ]

    def test_removes_a_rule_and_a_group(self, db, admin_client):
        before = typed(("redeemed", "never", {}), ("sent", "ever", {}, "9"), groups=[("9", "any")], name="New")

        assert self.rows(admin_client, {**before, "rules-remove": "1"}) == [("", []), ("9", ["sent"])]
        assert self.rows(admin_client, {**before, "rules-remove-group": "9"}) == [("", ["redeemed"])]

    def test_a_made_up_field_adds_nothing(self, db, admin_client):
        assert self.rows(admin_client, {**typed(name="New"), "rules-new-": "shoe", "rules-add": ""}) == [("", [])]


class TestWhatItFinds:
    def test_counts_and_shows_masked_people(self, shop, admin_client):
        html = admin_client.post(LIVE, typed(("tag", "has", {"tag": shop.tag.pk}))).content.decode()

        assert "Tagged “Lunch”" in html
        assert "<strong>Maria Kim</strong>" in html
        assert "m…@example.com" in html
        assert "maria@example.com" not in html
        assert "Gus" not in html
        assert "g…@example.com" not in html
        assert html.count("<dd>1</dd>") == 3

    def test_asks_as_much_for_ten_people_as_for_two(self, shop, admin_client):
        def queries():
            with CaptureQueriesContext(connection) as asked:
                admin_client.post(LIVE, typed())
            return len(asked)

        queries()  # content types are read once a process
        with_two = queries()
        for number in range(12):
            add_contact(f"x{number}@example.com", subscribed=False, first_name="Guest")

        assert queries() == with_two

    def test_says_that_those_who_never_came_are_in_it(self, shop, admin_client):
        alone = [("redeemed", "not_within", {"days": "60"})]

        html = admin_client.post(LIVE, typed(*alone)).content.decode()
        both = admin_client.post(LIVE, typed(*alone, ("redeemed", "ever", {"days": ""}))).content.decode()

        assert "Not redeemed in the last 60 days (or never)" in html
        assert "add “Last visit with a deal: at some time”" in html
        assert "never" not in both

    def test_says_what_visits_are_counted_from_where_it_finds_nobody(self, shop, admin_client):
        says = "Visits are counted from the codes that are scanned"

        assert says in admin_client.post(LIVE, typed(("redemptions", "at_least", {"count": "3"}))).content.decode()
        assert says in admin_client.get(page_of(Segment.objects.get(name="Regulars"))).content.decode()
        assert says not in admin_client.post(LIVE, typed(("redemptions", "at_most", {"count": "3"}))).content.decode()

    def test_is_not_kept_by_anybody(self, db, admin_client):
        assert "no-store" in admin_client.post(LIVE, typed())["Cache-Control"]

    def test_shows_ten_at_most(self, db, admin_client):
        for number in range(12):
            add_contact(f"x{number}@example.com")

        html = admin_client.post(LIVE, typed()).content.decode()

        assert html.count("x…@example.com") == 10
        assert "<dd>12</dd>" in html

    def test_waits_while_a_rule_is_incomplete(self, db, admin_client):
        response = admin_client.post(LIVE, typed(("redeemed", "within", {"days": ""})))

        assert response.status_code == 200
        assert "every rule is filled in" in response.content.decode()

    def test_is_asked_by_post_only(self, db, admin_client):
        assert admin_client.get(LIVE).status_code == 405

    def test_needs_the_token_of_the_form(self, db, admin_user):
        client = Client(enforce_csrf_checks=True)
        client.force_login(admin_user)

        assert client.post(LIVE, typed()).status_code == 403

    @pytest.mark.parametrize("permission", ["contacts.view_segment", "contacts.view_contact"])
    def test_refuses_those_who_may_not_build(self, permission, db):
        assert staff_client(permission).post(LIVE, typed()).status_code == 403

    def test_shows_numbers_alone_to_those_who_may_not_see_contacts(self, shop):
        html = staff_client(*BUILDER).post(LIVE, typed()).content.decode()

        assert "<dd>2</dd>" in html
        assert "m…@" not in html
        assert "Maria" not in html
        seen = staff_client(*BUILDER, "contacts.view_contact").post(LIVE, typed()).content.decode()
        assert "m…@" in seen

    def test_sends_strangers_to_the_door(self, db, client):
        assert client.post(LIVE, typed()).status_code == 302


def test_lists_each_segment_in_words(shop, admin_client, django_assert_max_num_queries):
    Segment.objects.create(
        name="Quiet",
        rules={"match": "all", "rules": [{"field": "redeemed", "op": "not_within", "value": 60}]},
    )
    gone = {"match": "all", "rules": [{"field": "tag", "op": "has", "value": 4711}]}
    Segment.objects.create(name="Gone", rules=gone)
    Segment.objects.create(name="Spoilt", rules={"match": 4})

    with django_assert_max_num_queries(10):
        html = admin_client.get(LIST).content.decode()

    assert "Not redeemed in the last 60 days (or never)" in html
    assert "Tagged “Lunch”" in html, "in the first shape"
    assert "Asks for what was deleted" in html
    assert "The saved rules cannot be read" in html


def test_says_that_a_tag_was_deleted_and_finds_nobody(shop, admin_client):
    segment = Segment.objects.get(name="Lunch people")
    Tag.objects.all().delete()

    html = admin_client.get(page_of(segment)).content.decode()

    assert "A rule asks for a tag that was deleted; it matches nobody." in html
    assert "selected>Deleted</option>" in html
    assert html.count("<dd>0</dd>") == 3


def test_says_which_segments_ask_for_a_tag_before_it_is_deleted(shop, admin_client):
    asked = admin_client.get(reverse("admin:contacts_tag_delete", args=[shop.tag.pk])).content.decode()

    assert "Segment “Lunch people” asks for it" in asked


@pytest.mark.parametrize("use", ["segment", "exclude_segment"])
def test_keeps_a_segment_that_a_campaign_uses(use, shop, admin_client):
    segment = Segment.objects.get(name="Lunch people")
    draft = write_draft()
    setattr(draft, use, segment)
    draft.save()

    page = admin_client.get(page_of(segment)).content.decode()
    admin_client.post(reverse("admin:contacts_segment_delete", args=[segment.pk]), {"post": "yes"})

    assert "1 campaign" in page
    assert Segment.objects.filter(pk=segment.pk).exists()


def test_shows_rules_in_words_to_those_who_only_look(shop):
    segment = Segment.objects.get(name="Lunch people")

    html = staff_client("contacts.view_segment").get(page_of(segment)).content.decode()

    assert "Tagged “Lunch”" in html
    assert "data-builder" not in html
    assert "m…@example.com" not in html


def test_offers_the_imports_that_brought_people(db, admin_client):
    states = Import.Status
    for status in (states.DONE, states.CHECKED, states.UNDONE, states.CANCELLED):
        Import.objects.create(
            status=status, file_name="x", file_sha256="x", created_at=datetime(2026, 11, 21, 3, tzinfo=UTC)
        )
    done, checked, undone, cancelled = Import.objects.order_by("pk")

    html = admin_client.get(ADD).content.decode()

    assert f"Import {done.pk}, Nov. 20, 2026" in html, "by the shop's calendar"
    assert f"Import {cancelled.pk}," in html
    assert f"Import {checked.pk}," not in html
    assert f"Import {undone.pk}," not in html


def test_a_broken_question_is_made_anew(db, admin_client):
    segment = Segment.objects.create(name="Spoilt", rules={"match": 5})

    assert admin_client.get(page_of(segment)).status_code == 200
    admin_client.post(page_of(segment), typed(("redeemed", "never", {}), name="Spoilt"))

    segment.refresh_from_db()
    assert segment.rules["rules"] == [{"field": "redeemed", "op": "never"}]


def test_never_decrypts_people_to_count_them(shop, admin_client, monkeypatch):
    def decrypt(token: str) -> str:
        raise AssertionError("nobody's address is needed for a number")

    monkeypatch.setattr(fields, "decrypt", decrypt)
    Contact.objects.create(email="one.more@example.com")

    response = staff_client(*BUILDER).post(LIVE, typed(("knows", "known", {"detail": "email"})))

    assert response.status_code == 200
