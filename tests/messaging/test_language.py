"""What the product says to guests is in the shop's language, and a launched campaign keeps the one it had."""

import uuid

import pytest
from django.utils.translation import gettext, override

from campaigns import sms
from campaigns.models import Campaign
from campaigns.queries import content_of, deal_of, person_of, shop_of, variant_of
from campaigns.rendering import Compiled, layout
from campaigns.rendering.compiled import SMS_OPT_OUT
from campaigns.services import take_back
from contacts.channels import Channel
from contacts.models import Business, Contact, SignupForm
from contacts.texts import Meaning, meaning_of
from messaging import services
from messaging.services import confirming
from messaging.services.composing import Composer
from messaging.services.inbound import receive_text
from messaging.services.testing import send_plain_test
from redemptions.codes import SAMPLE_TYPED, display
from redemptions.models import Code
from tests.messaging.conftest import NOON
from tests.messaging.test_confirming import ask, mails, send, texts

SPANISH = ("Recibe este correo porque aceptó", "Darme de baja", "Muestre esto en la caja", "1 de diciembre de 2026")
ENGLISH = ("You get this because you agreed", "Unsubscribe", "Show this at the till", "December 1, 2026")


def mail_of(campaign: Campaign) -> str:
    """Return the HTML one guest gets, as the worker composes it."""
    contact = Contact.objects.order_by("pk")[:1].get()
    outbound = Composer(Business.load()).compose(
        campaign=campaign,
        variant=variant_of(campaign),
        person=person_of(contact),
        to="guest@example.org",
        address_index=contact.email_index,
        code=Code(offer=campaign.offer, token="T" * 26, typed=SAMPLE_TYPED),
        reference=uuid.UUID(int=1),
    )
    return outbound.html


def launched(campaign: Campaign) -> Campaign:
    services.launch(campaign, at=NOON)
    return Campaign.objects.get(pk=campaign.pk)


def test_a_mail_speaks_the_language_of_the_shop(guests, email_campaign, outbox, settings):
    settings.LANGUAGE_CODE = "es"

    html = mail_of(launched(email_campaign))

    assert '<html lang="es">' in html
    assert [words for words in SPANISH if words not in html] == []
    assert [words for words in ENGLISH if words in html] == []


def test_what_was_launched_keeps_its_language_to_the_byte(guests, email_campaign, outbox, settings):
    campaign = launched(email_campaign)
    before = mail_of(campaign)

    settings.LANGUAGE_CODE = "es"

    assert [words for words in ENGLISH if words not in before] == []
    assert mail_of(Campaign.objects.get(pk=campaign.pk)) == before
    assert content_of(take_back(campaign), variant_of(campaign)).language == "es"


def test_what_was_launched_before_there_was_a_choice_goes_on_in_english(guests, email_campaign, outbox, settings):
    settings.LANGUAGE_CODE = "es"
    Campaign.objects.filter(pk=launched(email_campaign).pk).update(language="")

    html = mail_of(Campaign.objects.get(pk=email_campaign.pk))

    assert "You get this because you agreed" in html
    assert "December 1, 2026" in html


def test_a_text_says_in_spanish_how_to_stop(guests, sms_campaign, outbox, settings):
    settings.LANGUAGE_CODE = "es"
    campaign, business = launched(sms_campaign), Business.load()
    assert campaign.offer
    content, code = content_of(campaign, variant_of(campaign)), display(SAMPLE_TYPED)
    url = "https://bar.example/r/1"
    deal = deal_of(campaign.offer, business, code=code, coupon_url=url, qr_src="", language=content.language)

    rendered = Compiled(content, has_deal=True).render(shop=shop_of(business), person=person_of(guests[0]), deal=deal)

    assert rendered.text.endswith(" Responda STOP para darse de baja")
    assert sms.measure(rendered.text).encoding == "GSM-7"
    assert meaning_of(f"Le encantó “{rendered.text}”") == Meaning.REVIEW
    assert meaning_of(f"¿Es cierto? “{rendered.text}”") == Meaning.REVIEW
    with override("es"):
        assert "STOP" in gettext(SMS_OPT_OUT)


def test_asks_in_spanish_whether_it_was_them(db, outbox, settings):
    settings.LANGUAGE_CODE = "es"
    form = SignupForm.objects.create(name="Table", slug="table", asks_phone=True)
    ask(form, {Channel.EMAIL: "nina@example.org"})
    ask(form, {Channel.SMS: "217 555 0123"})
    send()

    (mail,), (text,) = mails(outbox), texts(outbox)
    assert mail["Subject"] == "Por favor confirme: noticias de The Corner Bar"
    for kind in ("plain", "html"):
        part = mail.get_body((kind,)).get_content()
        assert "No haga nada, y no se le enviará nada más." in part
        assert "The link is good" not in part
    for words in ("The Corner Bar", "YES", "STOP", "HELP", "cargos"):
        assert words in text
    size = sms.measure(confirming.text_of(Business(name="A" * 37)))
    assert (size.parts, size.encoding) == (1, "GSM-7")


@pytest.mark.parametrize(("language", "says"), [("es", "ofertas por SMS"), ("en", "offers by text")])
def test_help_is_answered_in_the_shops_language_whatever_the_call_speaks(db, settings, language, says):
    settings.LANGUAGE_CODE = language
    with override("en" if language == "es" else "es"):
        answer = receive_text(provider="twilio", provider_id="SM1", sender="+12175550123", body="HELP", at=NOON)

    assert says in answer
    assert "STOP" in answer
    assert sms.measure(answer).encoding == "GSM-7"


def test_the_test_of_the_set_up_speaks_it_too(db, outbox, settings):
    settings.LANGUAGE_CODE = "es"
    with override("en"):
        send_plain_test(Channel.EMAIL, to="boss@example.org")

    (mail,) = mails(outbox)
    assert mail["Subject"] == "[Prueba] Así llegan sus mensajes"
    assert "Funciona: esto llegó" in mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize("name", ["layout.html", "layout.txt", "deal.html", "deal.txt", "confirm.html", "confirm.txt"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_no_tag_of_translators_is_left_in_a_layout(name, language):
    assert "translate" not in str(layout(name, language))
    assert "LANGUAGE_CODE" not in str(layout(name, language))
