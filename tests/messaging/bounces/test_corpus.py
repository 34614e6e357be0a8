"""The classifier on what others have labelled, mails and responses; `tests/wire/bounces/README.md` tells of them."""

import pytest

from benchmarks.bounces import CORPUS, HALVES, SISIMAI, Case, Score, cases, meaning, responses, score


@pytest.fixture(scope="module")
def mails() -> list[Case]:
    return cases()


@pytest.fixture(scope="module")
def said() -> list[Case]:
    return responses()


def undisputed(some: list[Case], half: str = "all") -> Score:
    return score(case for case in some if half in {"all", case.half} and not case.disputed)


def test_hard_is_found_and_is_right_in_mails_as_they_are_labelled(mails):
    found = score(mails)

    assert found.total > 200
    assert found.precision >= 0.99
    assert found.recall >= 0.95


@pytest.mark.parametrize("half", ["all", *HALVES])
def test_hard_is_found_and_is_right_in_mails(mails, half):
    found = undisputed(mails, half)

    assert found.total > 100
    assert found.precision >= 0.99
    assert found.recall >= 0.99


@pytest.mark.parametrize("labeller", ["a test suite", "Sisimai"])
def test_the_labels_of_neither_carry_those_of_the_other(mails, labeller):
    found = score(case for case in mails if case.labeller == labeller)

    assert found.total > 70
    assert found.precision >= 0.99
    assert found.recall >= 0.92


def test_hard_is_found_and_is_right_in_responses(said):
    as_labelled, without_disputed = score(said), undisputed(said)

    assert as_labelled.total > 1000
    assert as_labelled.precision >= 0.95
    assert as_labelled.recall >= 0.90
    assert without_disputed.precision >= 0.97
    assert without_disputed.recall >= 0.95


def test_few_labels_are_disputed_and_each_is_of_the_corpus(mails, said):
    disputed = [case for case in [*mails, *said] if case.disputed]
    listed = len((CORPUS / "disputed.csv").read_text().splitlines()) - 1

    assert len(disputed) == listed
    assert sum(case in mails for case in disputed) <= 5
    assert listed <= 20


def test_spam_and_policy_never_touch_the_contact(mails):
    found = [case.found for case in mails if case.wanted == "sender"]

    assert "hard" not in found
    assert found.count("sender") / len(found) >= 0.9


def test_knows_who_gave_up_from_who_goes_on_trying(mails):
    gave_up = [case.found not in {"delayed", "nothing"} for case in mails if case.final == "yes"]
    goes_on = [case.found not in {"delayed", "nothing"} for case in mails if case.final == "no"]

    assert sum(gave_up) / len(gave_up) >= 0.95
    assert goes_on
    assert not any(goes_on)


def test_every_mail_has_its_label(mails):
    labelled = {f"{case.source}/{case.file}" for case in mails}

    assert labelled == {f"{path.parent.name}/{path.name}" for path in CORPUS.glob("*/*.eml")}


@pytest.mark.parametrize(
    ("reasons", "kind"),
    [
        ("userunknown", "hard"),
        ("mailboxfull userunknown", "hard"),
        ("filtered spamdetected", ""),
        ("mailboxfull spamdetected", "sender"),
        ("vacation", "nothing"),
    ],
)
def test_several_reasons_mean_the_worst_but_nothing_where_one_does_not_say(reasons, kind):
    assert meaning(reasons) == kind


def test_every_reason_has_a_meaning(mails, said):
    reasons = {reason for case in [*mails, *said] if case.labeller == "Sisimai" for reason in case.label.split()}

    assert reasons <= SISIMAI.keys()
