"""Finding people by name over encrypted columns: accents, beginnings, two words, and no false finds."""

import pytest
from django.db import connection

from contacts.admin.people.finding import find_contacts
from contacts.admin.searching import SearchRefused
from contacts.models import Contact, NameIndex
from contacts.queries import find_by_name
from contacts.services import save_contact

pytestmark = pytest.mark.django_db


def add(first: str | None = None, last: str | None = None, email: str | None = None, phone: str | None = None) -> int:
    email = email if email or phone else f"guest{Contact.objects.count()}@example.org"
    return save_contact(Contact(first_name=first, last_name=last, email=email, phone=phone)).pk


@pytest.mark.parametrize(
    "text",
    ["José", "jose", "JOSÉ", "jos", "O'Neil", "oneil", "one", "jose oneil", "oneil jose", "díaz", " jose   diaz "],
)
def test_finds_by_a_word_or_its_beginning_in_any_case_order_and_accent(text):
    jose = add("José", "O'Neil-Díaz")
    add("Maria", "Kim")

    assert find_contacts(text) == [jose]


@pytest.mark.parametrize("text", ["jo", "ose", "neil", "josefine", "jose kim", "maria oneil"])
def test_does_not_find_by_less_or_by_something_else(text):
    add("José", "O'Neil-Díaz")
    add("Maria", "Kim")

    assert find_contacts(text) == []


def test_finds_a_name_of_two_letters_whole():
    li = add("Li", "Wu")
    add("Lisa", "Wurst")

    assert find_contacts("li") == [li]
    assert find_contacts("wu li") == [li]


def test_a_common_beginning_of_six_letters_is_no_false_find():
    """The index knows six letters of a word; the rest is compared in the clear."""
    add("Christian")
    christine = add("Christine")

    assert find_contacts("christin") == [christine]


def test_finds_the_newest_first_and_five_hundred_at_most():
    ids = [add("Anna", f"Guest{number}") for number in range(3)]

    assert find_contacts("anna") == ids[::-1]


def test_follows_a_change_of_name():
    number = add("Maria", "Kim")
    contact = Contact.objects.get(pk=number)
    contact.last_name = "Lee"
    save_contact(contact)

    assert find_by_name("kim") == []
    assert find_by_name("lee") == [number]


@pytest.mark.parametrize("text", ["Maria@Example.org", " maria@example.org ", "mailto:maria@example.org"])
def test_finds_a_whole_email_address_however_written(text):
    maria = add("Maria", email="maria@example.org")
    add("Maria", email="maria@example.com")

    assert find_contacts(text) == [maria]


@pytest.mark.parametrize("text", ["2175550123", "+1 (217) 555-0123", "217.555.0123"])
def test_finds_a_whole_phone_number_however_written(text):
    maria = add("Maria", phone="+12175550123")

    assert find_contacts(text) == [maria]


@pytest.mark.parametrize("text", ["maria@", "@example.org", "maria@example", "555-0123", "0123", "!!", "--"])
def test_says_what_to_type_where_it_is_no_whole_address_and_does_not_repeat_it(text):
    with pytest.raises(SearchRefused) as refused:
        find_contacts(text)

    assert text not in str(refused.value)


def test_the_index_holds_nothing_readable():
    add("Maria", "Kim")

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {NameIndex._meta.db_table}")
        rows = cursor.fetchall()

    assert rows
    assert all(isinstance(value, int) for row in rows for value in row)
