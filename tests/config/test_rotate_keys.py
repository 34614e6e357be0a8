"""A new encryption key, without losing a value."""

import json

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core.management import CommandError, call_command
from django.db import connection
from encrypted_model_fields import fields as library

from config.management.commands import rotate_keys
from contacts.models import Canary, Contact

pytestmark = pytest.mark.django_db
NEW = Fernet.generate_key().decode()


def use_keys(monkeypatch, settings, *keys):
    crypter = MultiFernet([Fernet(key) for key in keys])
    monkeypatch.setattr(library, "CRYPTER", crypter)
    monkeypatch.setattr(rotate_keys, "CRYPTER", crypter)
    settings.FIELD_ENCRYPTION_KEY = list(keys)


def rotate(capsys) -> dict[str, int]:
    call_command("rotate_keys", "--json")
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def maria():
    return Contact.objects.create(email="maria@example.org", first_name="Maria", phone="+12175550142")


def test_rewrites_everything_once_and_the_old_key_can_go(maria, monkeypatch, settings, capsys):
    (old,) = settings.FIELD_ENCRYPTION_KEY
    use_keys(monkeypatch, settings, NEW, old)

    first, second = rotate(capsys), rotate(capsys)

    assert first["rewritten"] == second["current"] > 3
    assert second["rewritten"] == 0
    use_keys(monkeypatch, settings, NEW)
    assert Contact.objects.get(pk=maria.pk).first_name == "Maria"
    assert Canary.objects.get().secret


def test_leaves_empty_columns_and_the_index_alone(maria, monkeypatch, settings, capsys):
    (old,) = settings.FIELD_ENCRYPTION_KEY
    use_keys(monkeypatch, settings, NEW, old)

    rotate(capsys)

    again = Contact.objects.get(pk=maria.pk)
    assert (again.last_name, again.email_index) == (None, maria.email_index)


def test_goes_through_more_than_one_page(monkeypatch, settings, capsys):
    monkeypatch.setattr(rotate_keys, "BATCH", 2)
    Contact.objects.bulk_create(Contact(email=f"guest{n}@example.org") for n in range(5))
    (old,) = settings.FIELD_ENCRYPTION_KEY
    use_keys(monkeypatch, settings, NEW, old)

    assert rotate(capsys)["rewritten"] == 5 + 1  # and the canary


def test_a_value_of_an_unknown_key_is_named_and_kept(maria, monkeypatch, settings):
    use_keys(monkeypatch, settings, NEW)

    with pytest.raises(CommandError, match=r"contacts\.\w+ \d+ was written with a key that is not"):
        call_command("rotate_keys")
    with connection.cursor() as cursor:
        cursor.execute("SELECT email FROM contacts_contact")
        assert cursor.fetchone()[0].startswith("gAAAA")
