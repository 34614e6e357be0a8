"""Guests and staff read their own language; programs read the same codes in each."""

import json
import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils.translation import gettext, override

from campaigns.queries.words import deal_of
from contacts.models import Business
from redemptions import hours
from redemptions.rendering.scanner import scanner_words
from redemptions.services import revoke_code, void

SPANISH = {"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}
PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")


def redeem(api, code, key="a-scan-0001", language="en", **more):
    headers = {"Idempotency-Key": key, "Accept-Language": language}
    return api.post("/api/v1/redemptions", {"code": code.token, **more}, format="json", headers=headers)


# --- The coupon ---


def test_shows_a_coupon_in_the_visitors_language(client: Client, code, clock, change, elsewhere):
    change(
        code.offer,
        ends_at=datetime.fromisoformat("2026-12-06T05:59Z"),
        hours=hours.stored(hours.read("Mon-Fri 11:00-15:00, Sat 00:00-00:00")),
        min_spend=Decimal(10),
    )
    code.offer.locations.set([elsewhere])

    page = client.get(f"/r/{code.token.lower()}", headers=SPANISH)

    text = page.content.decode()
    for words in [
        '<html lang="es">',
        "20 % off lunch",  # the shop's own words
        "20 % de descuento",
        "Muestre esto en la caja",
        "Válido hasta el sábado 5 de diciembre de 2026, 11:59 PM CST",
        "lun a vie 11:00 a 15:00, sáb todo el día",
        "Para pedidos desde 10.00 USD",
        "Válido en: Airport",
        "Agregar al calendario",
    ]:
        assert words in text
    assert "Show this" not in text
    assert page.headers["Content-Language"] == "es"
    assert page.headers["Cache-Control"] == "no-store"
    assert "Accept-Language" in page.headers["Vary"]


@pytest.mark.parametrize("asked", [{}, {"Accept-Language": "de-CH,fr;q=0.5"}, {"Accept-Language": "en-GB"}])
def test_shows_a_coupon_in_english_to_everybody_else(asked, client: Client, code, clock):
    text = client.get(f"/r/{code.token.lower()}", headers=asked).content.decode()

    assert '<html lang="en">' in text
    assert "Show this at the till" in text


def test_says_in_spanish_why_a_coupon_is_not_good(client: Client, code, clock, at):
    revoke_code(code=code, at=at)

    text = client.get(f"/r/{code.token.lower()}", headers=SPANISH).content.decode()

    assert "Retirado" in text
    assert "Este cupón ya no se puede usar." in text


def test_says_in_spanish_that_there_is_no_such_coupon(client: Client, db):
    page = client.get("/r/unknown", headers=SPANISH)

    assert page.status_code == 404
    assert "No encontramos este cupón" in page.content.decode()


# --- The API ---


def test_tells_staff_in_their_language_and_programs_in_codes(api, code):
    redeem(api, code, key="a-scan-0001")

    english = redeem(api, code, key="a-scan-0002").json()
    spanish = redeem(api, code, key="a-scan-0003", language="es-US").json()

    assert (english["title"], english["detail"]) == ("Already used", "Used today at 12:00 PM at Main St.")
    assert (spanish["title"], spanish["detail"]) == ("Ya se usó", "Usado: hoy a las 12:00 PM, en Main St.")
    spoken = {"title", "detail", "attempt"}
    assert {key: english[key] for key in english.keys() - spoken} == {
        key: spanish[key] for key in spanish.keys() - spoken
    }


def test_tells_of_the_same_refusal_in_the_language_it_is_asked_in(api, code):
    redeem(api, code, key="a-scan-0001")
    redeem(api, code, key="a-scan-0002", language="es")

    again = redeem(api, code, key="a-scan-0002", language="en").json()

    assert again["replayed"] is True
    assert again["title"] == "Already used"


@pytest.mark.parametrize(
    ("call", "detail"),
    [
        (lambda api: api.get("/api/v1/redemptions/none"), "Ese canje no existe."),
        (lambda api: api.post("/api/v1/staff/sign-in", {"pin": "1234"}, format="json"), "Intente de nuevo."),
        (
            lambda api: api.post("/api/v1/redemptions", {"code": "x"}, format="json"),
            "Envíe un encabezado Idempotency-Key: de 8 a 64 letras, dígitos, - o _, nuevo para cada acción.",
        ),
    ],
    ids=["not found", "wrong PIN", "no key"],
)
def test_every_problem_is_told_in_spanish(call, detail, api):
    api.defaults["HTTP_ACCEPT_LANGUAGE"] = "es"

    assert call(api).json()["detail"] == detail


def test_answers_a_good_scan_alike_in_each_language(api, code, clock):
    dry_run = {"path": "/api/v1/validations", "data": {"code": code.token}, "format": "json"}

    english = api.post(**dry_run, headers={"Accept-Language": "en"}).json()
    spanish = api.post(**dry_run, headers={"Accept-Language": "es"}).json()

    assert english == spanish


def test_documents_the_api_in_one_language(client: Client, db):
    assert client.get("/api/v1/schema/", headers=SPANISH).content == client.get("/api/v1/schema/").content


# --- The scanner ---


def texts(words: Any) -> Iterator[str]:
    if isinstance(words, str):
        yield words
    else:
        for word in words.values() if isinstance(words, dict) else words:
            yield from texts(word)


def words_of(page) -> dict[str, Any]:
    found = re.search(r'<script id="words" type="application/json">(.+?)</script>', page.content.decode())
    assert found
    return json.loads(found[1])


def test_the_scanner_brings_its_words_in_the_phones_language(client: Client, db):
    english, spanish = client.get("/scan/"), client.get("/scan/", headers=SPANISH)

    assert '<html lang="es">' in spanish.content.decode()
    assert "Escanear con la cámara" in spanish.content.decode()
    assert words_of(english)["redeemed"] == "Redeemed"
    assert words_of(spanish)["redeemed"] == "Canjeado"
    assert words_of(spanish)["seconds"] == ["%(count)s segundo", "%(count)s segundos"]
    assert client.get("/scan/manifest.webmanifest", headers=SPANISH).json()["short_name"] == "Escáner"


def test_the_words_of_the_scanner_have_the_same_gaps_in_each_language():
    with override("en"):
        english = list(texts(scanner_words()))
    with override("es"):
        spanish = list(texts(scanner_words()))

    assert len(english) == len(spanish) > 100
    for one, other in zip(english, spanish, strict=True):
        assert sorted(PLACEHOLDER.findall(one)) == sorted(PLACEHOLDER.findall(other))


def test_a_phone_that_changes_its_language_keeps_the_page_anew(client: Client, db):
    english, again = client.get("/scan/worker.js").content, client.get("/scan/worker.js").content
    spanish = client.get("/scan/worker.js", headers=SPANISH)

    assert english == again
    assert spanish.content != english
    assert "Accept-Language" in spanish.headers["Vary"]


# --- The admin ---


def test_lists_what_was_redeemed_in_spanish(admin_client: Client, api, code):
    redeem(api, code)

    text = admin_client.get("/admin/redemptions/redemption/", headers=SPANISH).content.decode()

    for words in ["Asiento", "Oferta", "Pedido", "Lo que parece raro", "20 % off lunch", "R-000001"]:
        assert words in text


def test_counts_in_spanish(admin_client: Client, code):
    chosen = {"action": "revoke", "_selected_action": [code.pk], "confirmed": "yes"}

    page = admin_client.post("/admin/redemptions/code/", chosen, follow=True, headers=SPANISH)

    assert "1 código retirado." in page.content.decode()


def test_keeps_what_was_said_out_of_what_is_stored(api, code):
    with override("es"):
        line = code.redemptions.model.objects.get(public_id=redeem(api, code, language="es").json()["id"][3:])
        reversal = void(redemption=line, reason=void_reason(), at=line.at).reversal

    assert (line.kind, reversal.kind, reversal.reason) == ("redeemed", "voided", "test")


def void_reason():
    from redemptions.services import VoidReason

    assert gettext("Only a test") == "Solo una prueba"
    return VoidReason.TEST


# --- Mails ---


def test_a_mail_names_the_day_in_the_shops_language_whoever_looks_at_its_preview(offer, change):
    change(offer, ends_at=datetime.fromisoformat("2026-12-06T05:59Z"))

    ends = []
    for language in ("en", "es"):
        with override(language):
            ends.append(deal_of(offer, Business.load(), code="", coupon_url="", qr_src="", language="en").ends)

    assert ends == ["Saturday, December 5, 2026, 11:59 PM CST"] * 2
