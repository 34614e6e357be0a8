"""A coupon as an Apple Wallet pass: a ZIP of `pass.json`, pictures, a manifest of their hashes, and its signature.

Made anew for each request, by the signature builder of `cryptography` that django-walletpass uses too: that package
keeps every pass, and with it the coupon's secret, in a table and as a file, unencrypted.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder
from django.utils.translation import gettext as _

from redemptions.rendering.coupon import Coupon

MIME_TYPE = "application/vnd.apple.pkpass"
INK, PAPER = "rgb(28, 27, 25)", "rgb(246, 244, 239)"


class BadPapers(ValueError):
    """Files that sign no pass that a phone takes; the message names the setting, and says why."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: the identifiers of an Apple developer's pass type, its certificate and key, and Apple's own (WWDR)."""

    pass_type_id: str
    team_id: str
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    issuer: x509.Certificate

    @classmethod
    def load(
        cls, *, pass_type_id: str, team_id: str, certificate: Path, key: Path, issuer: Path, password: str = ""
    ) -> Signer:
        """Read the files, all PEM, and see that they belong together. Raises BadPapers."""
        own, by = _certificate("WALLET_CERTIFICATE", certificate), _certificate("WALLET_ISSUER_CERTIFICATE", issuer)
        private = _private_key(key, password)
        if private.public_key() != own.public_key():
            raise BadPapers("WALLET_KEY is not the key of WALLET_CERTIFICATE.")
        try:
            own.verify_directly_issued_by(by)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise BadPapers("WALLET_CERTIFICATE was not issued by WALLET_ISSUER_CERTIFICATE.") from error
        return cls(pass_type_id=pass_type_id, team_id=team_id, certificate=own, key=private, issuer=by)

    def is_valid(self, at: datetime) -> bool:
        """Say whether the certificate holds at a time: phones take nothing from an expired one."""
        return self.certificate.not_valid_before_utc <= at <= self.certificate.not_valid_after_utc


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadPapers(f"{name} cannot be read.") from error


def _certificate(name: str, path: Path) -> x509.Certificate:
    content = _read(name, path)
    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError as error:
        raise BadPapers(f"{name} is not a certificate in PEM.") from error


def _private_key(path: Path, password: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    content = _read("WALLET_KEY", path)
    try:
        private = load_pem_private_key(content, password.encode() or None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadPapers("WALLET_KEY is not a key in PEM that WALLET_KEY_PASSWORD opens.") from error
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise BadPapers("WALLET_KEY is neither an RSA key nor an elliptic one.")
    return private


def wallet_pass(
    coupon: Coupon,
    *,
    serial: str,
    payload: str,
    expires_at: datetime | None,
    icons: Mapping[str, bytes],
    signer: Signer,
) -> bytes:
    """Return a coupon as a `.pkpass` file. `payload` is what its QR code says; `icons` are its pictures by name."""
    files = {"pass.json": json.dumps(_pass(coupon, serial, payload, expires_at, signer)).encode(), **icons}
    manifest = json.dumps({name: hashlib.sha1(data, usedforsecurity=False).hexdigest() for name, data in files.items()})
    files["manifest.json"] = manifest.encode()
    files["signature"] = _sign(files["manifest.json"], signer)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return file.getvalue()


def _pass(coupon: Coupon, serial: str, payload: str, expires_at: datetime | None, signer: Signer) -> dict[str, Any]:
    back = [{"key": f"fact{number}", "label": "", "value": fact} for number, fact in enumerate(coupon.facts)]
    terms = [{"key": "terms", "label": _("Small print"), "value": coupon.terms}] if coupon.terms else []
    found = {
        "formatVersion": 1,
        "passTypeIdentifier": signer.pass_type_id,
        "teamIdentifier": signer.team_id,
        "serialNumber": serial,
        "organizationName": coupon.business,
        "description": coupon.deal,
        "logoText": coupon.business,
        "foregroundColor": INK,
        "labelColor": INK,
        "backgroundColor": PAPER,
        "sharingProhibited": True,
        "barcodes": [
            {
                "format": "PKBarcodeFormatQR",
                "message": payload,
                "messageEncoding": "iso-8859-1",
                "altText": coupon.typed,
            }
        ],
        "coupon": {
            "primaryFields": [{"key": "deal", "label": coupon.worth, "value": coupon.deal}],
            "auxiliaryFields": [{"key": "state", "label": "", "value": fact} for fact in coupon.facts[:1]],
            "backFields": [*back, *terms],
        },
    }
    return found | ({"expirationDate": expires_at.isoformat()} if expires_at else {})


def _sign(manifest: bytes, signer: Signer) -> bytes:
    """Return a detached PKCS #7 signature, with the certificates that lead to Apple's."""
    builder = (
        PKCS7SignatureBuilder()
        .set_data(manifest)
        .add_signer(signer.certificate, signer.key, hashes.SHA256())
        .add_certificate(signer.issuer)
    )
    return builder.sign(Encoding.DER, [PKCS7Options.DetachedSignature, PKCS7Options.Binary])
