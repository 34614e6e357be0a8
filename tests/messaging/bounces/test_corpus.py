"""The classifier on returned mails that others have labelled; `tests/wire/bounces/README.md` tells of them."""

import pytest

from benchmarks.bounces import CORPUS, HALVES, Case, cases, score


@pytest.fixture(scope="module")
def corpus() -> list[Case]:
    return cases()


def of(corpus: list[Case], half: str) -> list[Case]:
    return [case for case in corpus if half in {"all", case.half}]


@pytest.mark.parametrize("half", ["all", *HALVES])
def test_hard_is_found_and_is_right(corpus, half):
    found = score(case for case in of(corpus, half) if not case.disputed)

    assert found.total > 50
    assert found.precision >= 0.95
    assert found.recall >= 0.95


@pytest.mark.parametrize("half", ["all", *HALVES])
def test_the_disputed_labels_change_little(corpus, half):
    as_labelled = score(of(corpus, half))

    assert as_labelled.precision >= 0.95
    assert as_labelled.recall >= 0.9
    assert sum(bool(case.disputed) for case in corpus) <= 5


def test_spam_and_policy_never_touch_the_contact(corpus):
    found = [case.found for case in corpus if case.wanted == "sender"]

    assert "hard" not in found
    assert found.count("sender") / len(found) >= 0.95


def test_knows_who_gave_up_from_who_goes_on_trying(corpus):
    gave_up = [case.found not in {"delayed", "nothing"} for case in corpus if case.final == "yes"]
    goes_on = [case.found not in {"delayed", "nothing"} for case in corpus if case.final == "no"]

    assert sum(gave_up) / len(gave_up) >= 0.95
    assert goes_on
    assert not any(goes_on)


def test_every_mail_has_its_label(corpus):
    labelled = {f"{case.source}/{case.file}" for case in corpus}

    assert labelled == {f"{path.parent.name}/{path.name}" for path in CORPUS.glob("*/*.eml")}
