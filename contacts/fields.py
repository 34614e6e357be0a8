"""Encrypted columns that fail loudly, and the keyed blind index that finds them.

django-encrypted-model-fields 0.6.5 does the encryption. Its fields return the ciphertext when the key is wrong, decrypt
whatever a form posts, find nothing without saying so, and store the text of an SQL expression as a value. The classes
here keep its storage format and close those four.
"""

import base64
import hashlib
import hmac
import os
import re
import time
from collections.abc import Iterable
from datetime import date
from typing import Any

import encrypted_model_fields.fields as library
from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from django.conf import settings
from django.core.exceptions import FieldError, ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Lookup
from django.db.models.expressions import BaseExpression
from django.utils.translation import gettext_lazy

from contacts.channels import Channel, normalise

E164_US = re.compile(r"\+1[2-9][0-9]{9}")
FERNET_PREFIX = "gAAAA"  # every Fernet token of this era starts so: version byte 0x80 and a 64-bit time


class DecryptionError(Exception):
    """A stored value cannot be read with the keys in ENCRYPTION_KEY. Names the column, never the value."""


def encrypt(text: str) -> str:
    """Return the Fernet token of `text` under the first key."""
    token: bytes = library.encrypt_str(text)
    return token.decode("ascii")


def encrypt_many(texts: Iterable[str]) -> list[str]:
    """Return a Fernet token of each text under the first key, in less than half the time `encrypt` takes for each.

    The same tokens to whoever reads them (https://github.com/fernet/spec): version, time, IV, AES-128-CBC, HMAC. One
    cipher runs through all: a block of chance stands before each text, and what it becomes is the text's IV. A
    permutation of something uniform is uniform, whatever it was mixed with, so each IV is as random as the block was.
    """
    key = base64.urlsafe_b64decode(settings.FIELD_ENCRYPTION_KEY[0])
    signing_key, cipher = key[:16], Cipher(AES(key[16:]), CBC(os.urandom(16))).encryptor()
    head = b"\x80" + int(time.time()).to_bytes(8, "big")
    tokens = []
    for text in texts:
        data = text.encode()
        padding = 16 - len(data) % 16
        signed = head + cipher.update(os.urandom(16) + data + bytes([padding]) * padding)
        tokens.append(base64.urlsafe_b64encode(signed + _hmac(signing_key, signed)).decode("ascii"))
    return tokens


def decrypt(token: str) -> str:
    """Return the text of a Fernet token made with any of the keys. Raises DecryptionError."""
    try:
        text: str = library.decrypt_str(token)
    except (InvalidToken, UnicodeDecodeError) as error:
        raise DecryptionError("A stored value cannot be decrypted with the keys in ENCRYPTION_KEY.") from error
    return text


def key_id() -> str:
    """Return the public name of the key that makes blind indexes, stored beside each of them."""
    return hashlib.sha256(b"regulars:index-key-id:" + settings.INDEX_KEY.encode()).hexdigest()[:8]


def keyed_hash(domain: str, text: str) -> bytes:
    """Return HMAC-SHA-256 (32 bytes) of `text` under INDEX_KEY, separated by `domain` (`email`, `sms`, `code`, ...)."""
    return _hmac(settings.INDEX_KEY.encode(), f"{domain}:v1:{text}".encode())


def _hmac(key: bytes, data: bytes) -> bytes:
    """Return HMAC-SHA-256. `hmac.digest` lets other threads run each time, and waits until they let it go on."""
    return hmac.new(key, data, "sha256").digest()


class EncryptedMixin(library.EncryptedMixin):  # type: ignore[misc]  # the library carries no types
    """Decrypt on reading only; refuse look-ups and expressions."""

    def to_python(self, value: Any) -> Any:
        # Skips the library's to_python, which decrypts: pasted ciphertext stays what it is.
        return super(library.EncryptedMixin, self).to_python(value)

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        if isinstance(value, str) and value.startswith(FERNET_PREFIX):
            raise ValidationError(
                gettext_lazy("This looks like encrypted data; enter the text itself."), code="ciphertext"
            )
        super().validate(value, model_instance)

    def from_db_value(self, value: str | None, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        if value is None:
            return None
        try:
            return self.to_python(decrypt(value))
        except DecryptionError as error:
            raise DecryptionError(
                f"{self.model._meta.label}.{self.name} cannot be decrypted: ENCRYPTION_KEY is not the key it was "
                "written with. Put the old key back, after a comma."
            ) from error

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        if isinstance(value, BaseExpression) or hasattr(value, "as_sql"):
            raise FieldError(
                f"{self.model._meta.label}.{self.name} is encrypted: it takes values, not expressions, "
                "and bulk_update() makes expressions. Save the objects one by one, or use bulk_create()."
            )
        return super().get_db_prep_save(value, connection)

    def get_lookup(self, lookup_name: str) -> type[Lookup[Any]] | None:
        if lookup_name != "isnull":
            raise FieldError(
                f"{self.model._meta.label}.{self.name} is encrypted and cannot be searched with '{lookup_name}': "
                "look it up by its blind index."
            )
        lookup: type[Lookup[Any]] | None = super().get_lookup(lookup_name)
        return lookup

    def get_transform(self, lookup_name: str) -> Any:
        return self.get_lookup(lookup_name)


class EncryptedCharField(EncryptedMixin, models.CharField):  # type: ignore[type-arg]
    """Text of limited length; the column is of unlimited length, since ciphertext is longer."""

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super(library.EncryptedMixin, self).deconstruct()
        return name, path, args, kwargs


class EncryptedTextField(EncryptedMixin, models.TextField):  # type: ignore[type-arg]
    """Text of any length."""


class EncryptedDateField(EncryptedMixin, models.DateField):  # type: ignore[type-arg]
    """A day; stored as encrypted ISO text."""


class DigestField(models.BinaryField):  # type: ignore[type-arg]
    """A 32-byte hash; read back as `bytes` on every database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 32)
        super().__init__(*args, **kwargs)

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> bytes | None:
        return None if value is None else bytes(value)


class BlindIndexField(DigestField):
    """The keyed hash of another field's normal form, filled in whenever the row is written.

    `source` names the encrypted field; `domain` separates one kind of value from another. Filled in `pre_save`, so that
    `save()`, `bulk_create()` and upserts all keep it right.
    """

    def __init__(self, *args: Any, source: str = "", domain: str = "", **kwargs: Any) -> None:
        self.source = source
        self.domain = domain
        kwargs.setdefault("null", True)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "source": self.source, "domain": self.domain}

    def pre_save(self, model_instance: models.Model, add: bool) -> bytes | None:
        text = getattr(model_instance, self.source)
        index = None if text is None else keyed_hash(self.domain, self.normal_form(text))
        setattr(model_instance, self.attname, index)
        return index

    def normal_form(self, value: Any) -> str:
        """Return what two spellings of the value share: an address's normal form, a day's month and day."""
        if isinstance(value, date):
            return f"{value:%m-%d}"
        if self.domain == Channel.SMS and E164_US.fullmatch(value):
            return str(value)  # stored numbers are normal already, and parsing one takes 0.1 ms
        return normalise(Channel(self.domain), value) if self.domain in Channel.values else str(value)

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> bytes | None:
        return None if value is None else bytes(value)


class EncryptedQuerySet(models.QuerySet[Any]):
    """Refuse the writes that would part a blind index from its field."""

    def update(self, **kwargs: Any) -> int:
        indexed = {f.source for f in self.model._meta.concrete_fields if isinstance(f, BlindIndexField)}
        if touched := indexed & kwargs.keys():
            raise FieldError(
                f"update() cannot set {', '.join(sorted(touched))}: its blind index would go stale. Use save()."
            )
        return super().update(**kwargs)

    def bulk_update(self, objs: Any, fields: Any, batch_size: int | None = None) -> int:
        names = {f.name for f in self.model._meta.concrete_fields if isinstance(f, EncryptedMixin | BlindIndexField)}
        if touched := names & set(fields):
            raise FieldError(
                f"bulk_update() cannot set {', '.join(sorted(touched))}: encrypted. Use save() or bulk_create()."
            )
        return super().bulk_update(objs, fields, batch_size=batch_size)
