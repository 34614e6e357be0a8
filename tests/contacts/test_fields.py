"""Encrypted columns that fail loudly, and the index that finds them."""

import base64
import time

import pytest
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.core.exceptions import FieldError, ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Lower
from encrypted_model_fields import fields as library

from contacts.channels import Channel
from contacts.fields import DecryptionError, decrypt, encrypt, encrypt_many, key_id, keyed_hash
from contacts.models import Canary, Contact
from contacts.services import WrongKey, ensure_canary, verify_canary

pytestmark = pytest.mark.django_db


@pytest.fixture
def maria() -> Contact:
    return Contact.objects.create(email="Maria.Kim@example.org", first_name="Maria", phone="+12175550142")


def stored(contact: Contact, column: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM contacts_contact WHERE id = %s", [contact.pk])
        return cursor.fetchone()[0]


def index_of(email: str) -> bytes:
    return keyed_hash("email", email)


@pytest.fixture
def wrong_key(monkeypatch):
    monkeypatch.setattr(library, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))


def test_stores_ciphertext_and_reads_text(maria):
    assert stored(maria, "email").startswith("gAAAA")
    assert stored(maria, "first_name").startswith("gAAAA")
    assert Contact.objects.get(pk=maria.pk).email == "Maria.Kim@example.org"


TEXTS = ["", "a", "fifteen letters", "sixteen letters!", "Chloë 🍷" * 40, "TEST" * 6 + "00", "a", "a"]


def test_encrypts_many_as_one_by_one():
    tokens = encrypt_many(TEXTS)

    assert [decrypt(token) for token in tokens] == TEXTS
    assert [len(token) for token in tokens] == [len(encrypt(text)) for text in TEXTS]
    assert encrypt_many([]) == []


def test_fernet_itself_reads_what_was_encrypted_with_many(settings):
    before = int(time.time())
    token = encrypt_many(TEXTS)[-1]

    fernet = Fernet(settings.FIELD_ENCRYPTION_KEY[0])
    assert fernet.decrypt(token, ttl=60) == b"a"
    assert before <= fernet.extract_timestamp(token) <= time.time()
    with pytest.raises(InvalidToken):
        Fernet(Fernet.generate_key()).decrypt(token)


def test_the_first_key_encrypts_many(settings):
    newest = Fernet.generate_key()
    settings.FIELD_ENCRYPTION_KEY = [newest.decode(), *settings.FIELD_ENCRYPTION_KEY]

    assert Fernet(newest).decrypt(encrypt_many(["a"])[0]) == b"a"


@pytest.mark.parametrize("place", [0, 8, 9, 24, 25, 40, -32, -1])
def test_a_changed_token_of_many_is_refused(place):
    raw = bytearray(base64.urlsafe_b64decode(encrypt_many(["x", "a deal for one"])[1]))
    raw[place] ^= 1

    with pytest.raises(DecryptionError):
        decrypt(base64.urlsafe_b64encode(raw).decode())


def test_no_two_of_many_begin_alike():
    blocks = [base64.urlsafe_b64decode(token)[9:-32] for token in encrypt_many(["the same text"] * 500)]

    assert len({block[:16] for block in blocks}) == 500  # the IV
    assert len({block[16:] for block in blocks}) == 500


def test_finds_any_spelling_by_the_blind_index(maria):
    assert Contact.objects.with_address(Channel.EMAIL, index_of("maria.kim@example.org")).get() == maria


def test_blind_index_is_keyed_and_separated_by_domain(maria, settings):
    before = index_of("maria.kim@example.org")

    assert keyed_hash("sms", "maria.kim@example.org") != before
    settings.INDEX_KEY = "another index key, as long as it must be"
    assert index_of("maria.kim@example.org") != before
    assert key_id() != maria.index_key_id


def test_wrong_key_raises_instead_of_returning_ciphertext(maria, wrong_key):
    with pytest.raises(DecryptionError, match="ENCRYPTION_KEY"):
        Contact.objects.get(pk=maria.pk)


def test_the_error_of_a_wrong_key_holds_no_ciphertext(maria, wrong_key):
    with pytest.raises(DecryptionError) as caught:
        Contact.objects.get(pk=maria.pk)

    assert "gAAAA" not in str(caught.value)


def test_an_older_key_still_reads(maria, monkeypatch, settings):
    old = Fernet(settings.FIELD_ENCRYPTION_KEY[0])
    monkeypatch.setattr(library, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key()), old]))

    assert Contact.objects.get(pk=maria.pk).first_name == "Maria"


def test_form_input_is_never_decrypted(maria):
    pasted = encrypt("somebody.else@example.org")
    contact = Contact(email=pasted)

    assert contact._meta.get_field("first_name").clean("Maria", contact) == "Maria"
    with pytest.raises(ValidationError, match="encrypted data"):
        contact._meta.get_field("first_name").clean(pasted, contact)


@pytest.mark.parametrize(
    "lookup",
    ["email", "email__exact", "email__iexact", "email__icontains", "email__in", "first_name__startswith", "email__gt"],
)
def test_refuses_every_look_up_but_isnull(maria, lookup):
    value = ["x"] if lookup.endswith("__in") else "x"

    with pytest.raises(FieldError, match="blind index"):
        Contact.objects.filter(**{lookup: value}).exists()


def test_allows_isnull(maria):
    assert Contact.objects.filter(email__isnull=False).count() == 1
    assert Contact.objects.filter(email__isnull=True).count() == 0


def test_refuses_get_or_create_by_an_encrypted_field(maria):
    with pytest.raises(FieldError):
        Contact.objects.get_or_create(email="maria.kim@example.org")


def test_refuses_bulk_update(maria):
    maria.first_name = "Mary"

    with pytest.raises(FieldError, match="bulk_update"):
        Contact.objects.bulk_update([maria], ["first_name"])
    assert Contact.objects.get(pk=maria.pk).first_name == "Maria"


@pytest.mark.parametrize("expression", [F("last_name"), Value("Mary"), Lower("first_name")])
def test_refuses_updates_by_expression(maria, expression):
    with pytest.raises(FieldError, match="expressions"), transaction.atomic():
        Contact.objects.filter(pk=maria.pk).update(first_name=expression)
    assert Contact.objects.get(pk=maria.pk).first_name == "Maria"


def test_allows_a_plain_update_of_a_field_without_index(maria):
    Contact.objects.filter(pk=maria.pk).update(first_name="Mary")

    assert Contact.objects.get(pk=maria.pk).first_name == "Mary"


def test_refuses_an_update_that_would_leave_the_index_stale(maria):
    with pytest.raises(FieldError, match="stale"):
        Contact.objects.filter(pk=maria.pk).update(email="other@example.org")


def test_bulk_create_fills_the_index():
    Contact.objects.bulk_create([Contact(email="Ann@Example.org"), Contact(phone="+12175550143")])

    assert Contact.objects.with_address(Channel.EMAIL, index_of("ann@example.org")).exists()
    assert Contact.objects.with_address(Channel.SMS, keyed_hash("sms", "+12175550143")).exists()


def test_an_upsert_keeps_the_index_right(maria):
    maria.email = "new@example.org"
    Contact.objects.bulk_create(
        [maria], update_conflicts=True, unique_fields=["id"], update_fields=["email", "email_index"]
    )

    assert Contact.objects.with_address(Channel.EMAIL, index_of("new@example.org")).get() == maria


def test_saving_only_the_address_saves_its_index(maria):
    maria.email = "new@example.org"
    maria.save(update_fields=["email"])

    assert Contact.objects.with_address(Channel.EMAIL, index_of("new@example.org")).get() == maria


def test_one_address_belongs_to_one_contact(maria):
    with pytest.raises(IntegrityError), transaction.atomic():
        Contact.objects.create(email="MARIA.KIM@EXAMPLE.ORG")


def test_a_contact_needs_an_address():
    with pytest.raises(IntegrityError), transaction.atomic():
        Contact.objects.create(first_name="Nobody")


def test_absent_stays_null():
    contact = Contact.objects.create(phone="+12175550143")

    assert stored(contact, "email") is None
    assert stored(contact, "email_index") is None


def test_str_never_says_who(maria):
    assert str(maria) == f"Contact {maria.pk}"


def test_canary_passes_with_the_right_keys():
    ensure_canary()

    verify_canary()


def test_canary_refuses_a_wrong_encryption_key(wrong_key):
    with pytest.raises(WrongKey, match="ENCRYPTION_KEY"):
        verify_canary()


def test_canary_refuses_a_wrong_index_key(settings):
    settings.INDEX_KEY = "another index key, as long as it must be"

    with pytest.raises(WrongKey, match="INDEX_KEY"):
        verify_canary()


def test_a_database_without_canary_passes():
    Canary.objects.all().delete()

    verify_canary()
