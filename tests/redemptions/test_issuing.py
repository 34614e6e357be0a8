import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from contacts.fields import key_id, keyed_hash
from contacts.models import Contact
from redemptions.codes import is_token, is_typed, new_typed_code, parse
from redemptions.models import Code
from redemptions.services import issue_codes, issue_sheet, issue_test_code, issuing, redeem, revoke_code


@pytest.fixture
def contacts(db):
    return [Contact.objects.create(email=f"guest{number}@example.com").pk for number in range(12)]


def test_issues_one_code_to_each(offer, contacts, change):
    change(offer, max_uses=3)

    issued = issue_codes(offer=offer, contact_ids=contacts)

    assert set(issued) == set(contacts)
    code = Code.objects.get(pk=issued[contacts[0]])
    assert code.contact_id == contacts[0]
    assert code.max_uses == 3
    assert code.token_index == keyed_hash("code", code.token)
    assert code.typed_index == keyed_hash("typed", code.typed)


def test_issues_the_same_codes_again(offer, contacts):
    first = issue_codes(offer=offer, contact_ids=contacts[:8])

    second = issue_codes(offer=offer, contact_ids=contacts * 2)

    assert first.items() <= second.items()
    assert Code.objects.count() == len(contacts)


def test_each_code_is_a_new_one_of_its_own(offer, contacts):
    issue_codes(offer=offer, contact_ids=contacts)

    codes = list(Code.objects.all())
    for name in ("token", "token_index", "typed", "typed_index", "image_reference"):
        assert len({getattr(code, name) for code in codes}) == len(contacts)
    assert all(is_token(code.token) and is_typed(code.typed) for code in codes)
    assert {parse(code.typed) for code in codes} == {code.typed for code in codes}
    assert all(code.index_key_id == key_id() and not code.used and not code.is_test for code in codes)
    assert all(code.created_at <= timezone.now() and code.revoked_at is None for code in codes)


def test_issues_nothing_to_nobody(offer):
    assert issue_codes(offer=offer, contact_ids=[]) == {}


@pytest.mark.parametrize("how_many", [2, 12])
def test_issues_in_a_constant_number_of_queries(how_many, offer, contacts, django_assert_num_queries):
    with django_assert_num_queries(3):
        issue_codes(offer=offer, contact_ids=contacts[:how_many])


def test_tries_again_where_a_typed_code_is_taken(offer, contacts, monkeypatch):
    codes = iter(["AAAAAAAAA0", "AAAAAAAAA0", "BBBBBBBBB0"])
    monkeypatch.setattr(issuing, "new_typed_code", lambda: next(codes))

    issued = issue_codes(offer=offer, contact_ids=contacts[:2])

    assert set(issued) == set(contacts[:2])


def test_keeps_test_codes_apart(offer, contacts):
    test_code = issue_test_code(offer=offer)

    assert test_code.is_test
    assert test_code.pk not in issue_codes(offer=offer, contact_ids=contacts).values()


def test_keeps_the_time_of_the_first_withdrawal(code, at, clock):
    revoke_code(code=code, at=at)

    assert revoke_code(code=code, at=at.replace(year=2027)).revoked_at == at


# --- For nobody yet ---


@pytest.mark.parametrize("count", [1, 30])
def test_makes_a_sheet_of_codes_for_nobody(count, offer, admin_user):
    sheet = issue_sheet(offer=offer, count=count, name="Flyers, spring", by=admin_user)

    codes = list(sheet.codes.all())
    assert (len(codes), sheet.count, sheet.created_by) == (count, count, admin_user)
    assert {(code.contact, code.offer, code.max_uses) for code in codes} == {(None, offer, 1)}
    assert len({code.token for code in codes}) == count


def test_a_code_of_a_sheet_is_redeemed_once(offer, device, at):
    code = issue_sheet(offer=offer, count=1, name="Flyers").codes.get()

    reasons = [redeem(code_text=code.typed, device=device, key=f"the-scan-{n}", at=at).reason for n in range(2)]

    assert reasons == [None, "already_redeemed"]


def test_fills_a_sheet_although_a_typed_code_is_taken(offer, monkeypatch):
    taken = issue_sheet(offer=offer, count=1, name="First").codes.get().typed
    made = iter([taken])
    monkeypatch.setattr(issuing, "new_typed_code", lambda: next(made, None) or new_typed_code())

    assert issue_sheet(offer=offer, count=3, name="Second").codes.count() == 3


@pytest.mark.parametrize("count", [0, 5001])
def test_refuses_a_sheet_of_none_or_too_many(count, offer):
    with pytest.raises(ValidationError):
        issue_sheet(offer=offer, count=count, name="Flyers")

    assert not Code.objects.exists()
