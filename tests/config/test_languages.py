"""English and Spanish: complete, chosen by the browser or on the page, and nothing stored changes with them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from babel.messages import Message
from django.test import Client
from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, override

from contacts.channels import Channel
from contacts.links import Unsubscribe, unsubscribe_token
from contacts.models import ChannelStatus, Confirmation, ConsentEvent, Contact, SignupForm, Suppression
from contacts.sentences import kept, said
from contacts.services import record_consent, resubscribe, save_contact, unsubscribe
from contacts.services.exporting import export_rows
from scripts import messages

AT = datetime(2026, 11, 20, 18, tzinfo=UTC)
SPANISH = {"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}
COUNTED = kept("This was cut to %(count)s characters.")


@pytest.fixture
def maria(db) -> Contact:
    contact = save_contact(Contact(email="maria@example.org", first_name="Maria", source="import"))
    record_consent(
        channel=Channel.EMAIL,
        address_index=contact.email_index,
        action=ConsentEvent.Action.GRANTED,
        source=ConsentEvent.Source.IMPORT,
        at=AT,
    )
    contact.refresh_from_db()
    return contact


@pytest.fixture
def form(db) -> SignupForm:
    return SignupForm.objects.create(name="Table", slug="table", asks_phone=True)


# --- Catalogues -------------------------------------------------------------------------------------------------------


def test_everything_is_collected_translated_and_compiled():
    with override(None):
        assert list(messages.faults()) == []


@pytest.mark.parametrize(
    ("text", "translation", "says"),
    [
        ("Back", "", "not translated"),
        (("%(n)s row", "%(n)s rows"), ("%(n)s fila", ""), "not translated"),
        ("Sent to %(people)s", "Enviado a %(gente)s", "people"),
        ("Sent to %(people)s", "Enviado", "people"),
        ("Ask {name}", "Pregunte a {nombre}", "name"),
        ("<strong>Stop</strong> it", "Deténgalo", "strong"),
        (" or ", "o", "space"),
    ],
)
def test_a_translation_with_a_fault_is_found(text, translation, says):
    assert any(says in fault for fault in messages.faults_of(Message(text, translation)))


@pytest.mark.parametrize(
    ("text", "translation"),
    [
        ("Sent to %(people)s", "Enviado a %(people)s"),
        (("%(n)s row", "%(n)s rows"), ("una fila", "%(n)s filas")),
        ("<strong>Stop</strong> it", "<strong>Detener</strong>"),
    ],
)
def test_a_good_translation_has_no_fault(text, translation):
    assert list(messages.faults_of(Message(text, translation))) == []


def test_a_doubtful_translation_is_a_fault():
    assert any("fuzzy" in fault for fault in messages.faults_of(Message("Back", "Volver", flags={"fuzzy"})))


def test_templates_are_read_as_django_reads_them(tmp_path):
    template = tmp_path / "page.html"
    template.write_text(
        '{% load i18n %}{% translate "One\'s own" %} {% blocktranslate count n=3 %}{{ n }} row{% plural %}{{ n }} rows'
        '{% endblocktranslate %} {% translate "Open" context "form" %} {% firstof x _("Nobody") %}'
    )
    found = [(text, context) for _, text, context, _ in messages.from_template(template)]
    assert found == [("One's own", None), (("%(n)s row", "%(n)s rows"), None), ("Open", "form"), ("Nobody", None)]


def test_code_is_read_also_inside_formatted_strings(tmp_path):
    code = tmp_path / "page.py"
    code.write_text("words = f\"{_('Stopped.')} {pgettext('till', 'Open')} {count}\"\nmore = _('Back')\n")
    found = [(text, context) for _, text, context, _ in messages.from_python(code)]
    assert sorted(found, key=str) == sorted([("Back", None), ("Open", "till"), ("Stopped.", None)], key=str)


# --- Which language ---------------------------------------------------------------------------------------------------


def test_a_page_is_in_the_language_of_the_browser(client, form):
    page = client.get("/join/table", headers=SPANISH)
    assert '<html lang="es"' in page.text
    assert "Registrarme" in page.text
    assert page.headers["Content-Language"] == "es"
    assert "Accept-Language" in page.headers["Vary"]
    assert "Sign me up" in client.get("/join/table", headers={"Accept-Language": "fr,de;q=0.5"}).text


def test_the_choice_made_on_a_page_wins(admin_client):
    assert "Contacts" in admin_client.get("/admin/contacts/contact/").text
    answer = admin_client.post("/language/", {"language": "es", "next": "/admin/contacts/contact/"})
    assert answer.headers["Location"] == "/admin/contacts/contact/"
    page = admin_client.get("/admin/contacts/contact/").text
    assert "Todavía no hay contactos" in page
    assert '<button name="language" value="en" lang="en">English</button>' in page
    assert "Español</button>" not in page


def test_the_way_back_never_leads_elsewhere(admin_client):
    answer = admin_client.post("/language/", {"language": "es", "next": "https://evil.example/"})
    assert answer.headers["Location"] == "/"


def test_choosing_asks_for_the_token_of_the_page(admin_user):
    assert Client(enforce_csrf_checks=True).post("/language/", {"language": "es"}).status_code == 403


# --- The admin --------------------------------------------------------------------------------------------------------


def test_the_admin_speaks_spanish(admin_client, maria):
    page = admin_client.get("/admin/contacts/contact/", headers=SPANISH).text
    for words in ("Público", "Campañas", "Suscrito", "Importar contactos"):
        assert words in page
    page = admin_client.get(f"/admin/contacts/contact/{maria.pk}/change/", headers=SPANISH).text
    for words in ("Qué pasó", "Aceptó", "20 de noviembre de 2026"):
        assert words in page


def test_names_that_django_derives_are_translated_and_make_no_migration():
    field = Contact._meta.get_field("first_name")
    with override("es"):
        assert str(field.verbose_name) == "nombre"
        assert str(Suppression._meta.verbose_name_plural) == "bloqueos"
    assert "verbose_name" not in field.deconstruct()[3]


def test_a_form_says_what_is_wrong_in_spanish(admin_client):
    answer = admin_client.post("/admin/contacts/contact/add/", {"email": "maria"}, headers=SPANISH)
    assert "Esto no es una dirección de correo: necesita exactamente una @." in answer.text


# --- Public pages -----------------------------------------------------------------------------------------------------


def test_consent_is_kept_as_the_shop_wrote_it_whatever_the_page_speaks(client, form):
    typed = {"email": "nina@example.org", "agree_email": "on"}
    assert form.email_wording in client.get("/join/table", headers=SPANISH).text.replace("&#x27;", "'")
    client.post("/join/table", typed, headers=SPANISH)
    assert Confirmation.objects.get().wording == form.email_wording


def test_what_is_wrong_with_a_form_is_said_in_spanish(client, form):
    page = client.post("/join/table", {"email": "nina", "agree_email": "on"}, headers=SPANISH)
    assert "Esto no es una dirección de correo: necesita exactamente una @." in page.text


def test_the_way_out_speaks_spanish_and_keeps_the_words_that_were_shown(client, maria):
    path = f"/u/{unsubscribe_token(Unsubscribe(Channel.EMAIL, maria.email_index))}"
    assert "¿Dejar de recibir correos de The Corner Bar?" in client.get(path, headers=SPANISH).text
    client.post(path, headers=SPANISH)
    page = client.post(f"{path}/undo", headers=SPANISH)
    assert "Está de nuevo en la lista" in page.text
    event = ConsentEvent.objects.order_by("pk").last()
    assert event.wording == "Deshacer en la página de baja: quiero volver a saber de ustedes."


@pytest.mark.parametrize(("address", "says"), [("/nothing", "No encontramos esta página")])
def test_error_pages_speak_spanish(client, db, address, says):
    page = client.get(address, headers=SPANISH)
    assert says in page.text
    assert '<html lang="es"' in page.text


# --- What is kept -----------------------------------------------------------------------------------------------------


def test_a_kept_sentence_is_english_and_read_in_every_language():
    english = COUNTED % {"count": 40}
    assert english == "This was cut to 40 characters."
    assert said(english) == english
    with override("es"):
        assert said(english) == "Se cortó a 40 caracteres."
        assert said("This has a space in the e-mail address.") == "Hay un espacio en la dirección de correo."
        assert said("Something nobody knows.") == "Something nobody knows."
        assert said("") == ""


def test_the_history_is_read_in_every_language_whoever_wrote_it(admin_client, admin_user, maria):
    unsubscribing = reverse("admin:contacts_contact_unsubscribe", args=[maria.pk, "email"])
    history = reverse("admin:contacts_contact_history", args=[maria.pk])
    admin_client.post(unsubscribing, headers={"Accept-Language": "es"})

    assert admin_user.logentry_set.get().change_message == "Unsubscribed from E-mail."
    assert "Unsubscribed from E-mail." in admin_client.get(history).content.decode()
    spanish = admin_client.get(history, headers={"Accept-Language": "es"}).content.decode()
    assert "Correo electrónico" in spanish
    assert "Unsubscribed from" not in spanish


def test_a_block_ended_in_spanish_is_kept_in_english(maria):
    unsubscribe(
        channel=Channel.EMAIL,
        address_index=maria.email_index,
        source=ConsentEvent.Source.UNSUBSCRIBE_PAGE,
        at=AT,
    )
    with override("es"):
        resubscribe(
            channel=Channel.EMAIL,
            address_index=maria.email_index,
            source=ConsentEvent.Source.UNSUBSCRIBE_PAGE,
            at=AT,
            wording="Sí",
        )
        because = Suppression.objects.get().lifted_because
        assert because == "by the person: Unsubscribe page"
        assert said(because) == "por la persona misma: Página de baja"


def test_an_exported_file_is_the_same_in_every_language(maria):
    with override("es"):
        assert str(ChannelStatus.SUBSCRIBED.label) == "Suscrito"
        [row] = export_rows(Contact.objects.all(), ZoneInfo("UTC"))
    assert {"Subscribed", "Import"} <= set(row)


def test_dates_and_numbers_follow_the_language():
    day = date(2026, 11, 20)
    assert date_format(day, "DATE_FORMAT") == "Nov. 20, 2026"
    with override("es"):
        assert date_format(day, "DATE_FORMAT") == "20 de noviembre de 2026"
        # As on every price tag in Mexico and the United States; Spain writes 1.234,50.
        assert number_format("1234.50", force_grouping=True) == "1,234.50"
        assert gettext("Unsubscribe") == "Darme de baja"
