"""Every page of the admin opens, on an empty database and on a small shop."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from campaigns.models import Campaign
from config.env_file import TEMPLATE
from contacts.models import AuditEvent, Business, ConsentEvent, Contact, Import, Job, SignupForm, Suppression
from contacts.queries import EXAMPLE_ADDRESS
from contacts.services import audit
from messaging.models import Message, ProviderEvent
from redemptions.models import Code, Redemption, Scan
from tests.admin.conftest import staff_client

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)

NEVER_CHANGED = {AuditEvent, Code, ConsentEvent, Message, ProviderEvent, Scan}
WITHOUT_THE_BUTTON = {Business, Campaign, Import, Job}  # their pages are laid out by hand


def url_of(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def shop(shop):
    """The small shop, and one of each of the tables its other tests do without."""
    SignupForm.objects.create(name="Table card", slug="table", tag=shop.tag)
    selection, options = {"ids": [shop.maria.pk]}, {"tag": shop.tag.pk}
    Job.objects.create(kind=Job.Kind.TAG, status=Job.Status.DONE, selection=selection, options=options)
    audit(AuditEvent.Action.EXPORTED, detail="2 contacts")
    return shop


@pytest.fixture(params=["an empty database", "a small shop"])
def stocked(request):
    return request.getfixturevalue("shop" if request.param == "a small shop" else "db")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_opens_every_list_and_form(model, stocked, admin_client, rf, admin_user):
    listed = admin_client.get(url_of(model, "changelist"), follow=True)
    assert listed.status_code == 200

    request = rf.get("/")
    request.user = admin_user
    if admin.site._registry[model].has_add_permission(request):
        assert admin_client.get(url_of(model, "add")).status_code == 200


def row_of(model):
    row = model._default_manager.first()
    if row is None:
        pytest.skip("the small shop has none of these")
    return row


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_opens_the_page_of_a_row(model, shop, admin_client):
    row = row_of(model)

    assert admin_client.get(url_of(model, "change", row.pk)).status_code == 200
    assert admin_client.get(url_of(model, "history", row.pk)).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_prints_a_dash_for_what_is_empty(model, shop, admin_client):
    row = row_of(model)

    html = admin_client.get(url_of(model, "change", row.pk), follow=True).content.decode()

    assert '<div class="readonly">None</div>' not in html
    assert '<div class="readonly"></div>' not in html


def test_prints_a_dash_for_what_was_not_asked_or_not_changed(shop, admin_client):
    rows = {
        Redemption.objects.get(): ("why_conflict", "why_override", "before"),
        Scan.objects.get(): ("clock_off",),
    }

    for row, fields in rows.items():
        page = admin_client.get(url_of(type(row), "change", row.pk))
        lines = [field for fieldset in page.context["adminform"] for line in fieldset for field in line]
        shown = {field.field["name"]: str(field.contents()) for field in lines}
        assert {name: shown[name] for name in fields} == dict.fromkeys(fields, "—")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_leads_to_a_history_that_can_hold_a_line(model, shop, admin_client):
    row = row_of(model)

    html = admin_client.get(url_of(model, "change", row.pk), follow=True).content.decode()

    assert ('class="historylink"' in html) == (model not in {*NEVER_CHANGED, *WITHOUT_THE_BUTTON})


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_opens_every_page_to_somebody_who_may_only_look(model, shop):
    client = staff_client(f"{model._meta.app_label}.view_{model._meta.model_name}")
    row = model._default_manager.first()

    assert client.get(url_of(model, "changelist"), follow=True).status_code == 200
    if row is not None:
        page = client.get(url_of(model, "change", row.pk))
        assert page.status_code == 200
        assert 'name="_save"' not in page.content.decode()


@pytest.mark.parametrize("page", ["index", "messaging_outbox", "password_change"])
def test_opens_the_pages_that_are_no_tables(page, stocked, admin_client):
    assert admin_client.get(reverse(f"admin:{page}")).status_code == 200


@pytest.mark.parametrize("status", Campaign.Status.values)
def test_opens_a_campaign_in_every_state(status, shop, admin_client):
    Campaign.objects.filter(pk=shop.sending.pk).update(status=status)

    for page in ("change", "report", "progress"):
        assert admin_client.get(url_of(Campaign, page, shop.sending.pk)).status_code == 200


@pytest.mark.parametrize("status", Import.Status.values)
def test_opens_an_import_in_every_state(status, shop, admin_client):
    Import.objects.filter(pk=shop.staged.pk).update(status=status)

    assert admin_client.get(url_of(Import, "change", shop.staged.pk), follow=True).status_code == 200


def test_carries_no_inline_script_or_style(shop, admin_client):
    pages = [url_of(model, "changelist") for model in MODELS] + [
        reverse("admin:index"),
        url_of(Campaign, "add"),
        url_of(Campaign, "change", shop.sending.pk),
        url_of(Campaign, "report", shop.sending.pk),
    ]

    for page in pages:
        html = admin_client.get(page, follow=True).content.decode()
        assert "<style" not in html
        assert " style=" not in html
        assert "<script>" not in html
        assert " onclick=" not in html


def test_puts_every_table_into_the_menu(shop, admin_client, rf, admin_user):
    request = rf.get("/admin/")
    request.user = admin_user

    listed = {
        entry["model"] for group in admin.site.get_app_list(request) for entry in group["models"] if "model" in entry
    }

    assert listed == set(MODELS)


def test_names_an_address_of_the_internet_as_people_do(shop, admin_client):
    html = admin_client.get(url_of(ConsentEvent, "change", ConsentEvent.objects.first().pk)).content.decode()

    assert "IP address" in html
    assert "Ip address" not in html


def test_greets_an_empty_list_with_what_to_do(db, admin_client):
    html = admin_client.get(url_of(Campaign, "changelist")).content.decode()

    assert "No campaigns yet" in html
    assert url_of(Campaign, "add") in html


def test_shows_the_five_numbers(shop, admin_client):
    cards = admin_client.get(reverse("admin:index")).context["dashboard"].cards

    assert [(card.label, card.value) for card in cards[:5]] == [
        ("Total contacts", 2),
        ("E-mail subscribed", 1),
        ("E-mail unsubscribed", 1),
        ("SMS subscribed", 1),
        ("SMS unsubscribed", 0),
    ]


def test_turns_set_up_steps_green_from_facts(shop, admin_client):
    def done():
        return [step.done for step in admin_client.get(reverse("admin:index")).context["dashboard"].steps]

    # The shop still has the address and sender of the example, and nothing is connected.
    assert done() == [False, False, True, False, False, False, False]

    Business.objects.update(postal_address="1 Real Street, Springfield, IL 62701", from_email="hello@ouzel-bar.com")

    assert done() == [True, True, True, False, False, False, False]


def test_people_of_the_demo_are_no_import(db, admin_client):
    def imported():
        return admin_client.get(reverse("admin:index")).context["dashboard"].steps[2].done

    demo = Contact.objects.create(email="guest1@example.com", is_demo=True)
    run = Import.objects.create(file_name="x.csv", file_sha256="0", status=Import.Status.CHECKED)
    assert not imported()

    Import.objects.filter(pk=run.pk).update(status=Import.Status.DONE)
    assert imported()

    run.delete()
    Contact.objects.filter(pk=demo.pk).update(is_demo=False)
    assert imported()


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (AuditEvent, "Audit log"),
        (ConsentEvent, "Consent history"),
        (Job, "Bulk jobs"),
        (Suppression, "Blocked addresses"),
        (ProviderEvent, "Delivery events"),
    ],
)
def test_calls_a_table_the_same_in_menu_title_and_path(model, name, shop, admin_client):
    row = model.objects.first()
    listed = admin_client.get(url_of(model, "changelist")).content.decode()
    history = admin_client.get(url_of(model, "history", row.pk)).content.decode()

    assert f"<h1>{name}</h1>" in listed
    assert f"<title>{name} | Regulars</title>" in listed
    assert f'">{name}</a>' in history
    assert f"&rsaquo; {name}" in listed


def test_leaves_the_names_of_other_tables_alone(shop, admin_client):
    assert "<h1>Contacts</h1>" in admin_client.get(url_of(Contact, "changelist")).content.decode()


def test_puts_the_queue_last_and_shows_it_to_superusers_only(shop, admin_client):
    groups = admin_client.get(reverse("admin:index")).context["available_apps"]
    permissions = ("django_q.view_schedule", "contacts.view_business")
    fewer = staff_client(*permissions).get(reverse("admin:index")).context["available_apps"]

    assert groups[-1]["name"] == "Machinery"
    assert {model["model"]._meta.app_label for model in groups[-1]["models"]} == {"django_q"}
    assert [group["name"] for group in fewer] == ["Settings"]


def test_knows_the_example_a_new_installation_starts_with():
    assert f"BUSINESS_ADDRESS={EXAMPLE_ADDRESS}\n" in TEMPLATE


def test_hides_from_the_dashboard_what_somebody_may_not_see(shop):
    dashboard = staff_client("redemptions.view_offer").get(reverse("admin:index")).context["dashboard"]

    assert (dashboard.cards, dashboard.live, dashboard.results, dashboard.redemptions) == ([], [], [], [])


def test_says_that_the_worker_is_not_running(db, admin_client):
    assert "The background worker is not running" in admin_client.get(reverse("admin:index")).content.decode()


def test_never_writes_an_address_into_the_admin_log(shop, admin_client):
    form = {"first_name": "Nina", "last_name": "", "email": "nina@example.com", "phone": "(217) 555-0188"}
    admin_client.post(reverse("admin:contacts_contact_add"), form)
    changed = {**form, "email": "nina.new@example.com"}
    pk = LogEntry.objects.get().object_id
    admin_client.post(reverse("admin:contacts_contact_change", args=[pk]), changed)
    admin_client.post(reverse("admin:contacts_contact_unsubscribe", args=[pk, "email"]))

    written = " ".join(f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all())

    assert LogEntry.objects.count() == 3
    assert "nina" not in written.lower()
    assert "0188" not in written
