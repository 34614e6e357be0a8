"""The import from the command line."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from contacts.importing import (
    sweep,
)
from contacts.models import (
    Contact,
    ContactTag,
    Import,
    Tag,
)
from contacts.services import (
    erase_address,
)
from tests.contacts.importing.engine import PEOPLE


@pytest.mark.django_db
class TestCommand:
    @pytest.fixture
    def people(self, tmp_path):
        path = tmp_path / "people.csv"
        path.write_text(PEOPLE + "bad,,,,\n")
        return path

    def test_answers_in_json_and_writes_what_was_left_out(self, people, capsys):
        call_command("import_contacts", people, "--consent-email", "At the till", "--tag", "till", "--json")

        answer = json.loads(capsys.readouterr().out)
        assert {key: answer[key] for key in ("rows", "created", "invalid")} == {"rows": 4, "created": 3, "invalid": 1}
        assert answer["id"] == answer["import"] == Import.objects.get().pk
        assert "bad,,,,," in Path(answer["problems_file"]).read_text(encoding="utf-8-sig")
        assert ContactTag.objects.filter(tag__name="till").count() == 3

    @pytest.mark.parametrize("by", ["a week that passed", "an erasure"])
    def test_what_was_left_out_lies_about_only_for_so_long(
        self, by, people, capsys, django_capture_on_commit_callbacks
    ):
        call_command("import_contacts", people, "--json")
        path = Path(json.loads(capsys.readouterr().out)["problems_file"])
        now = datetime.now(UTC)
        sweep(at=now + timedelta(days=6))
        assert path.exists()

        if by == "an erasure":
            with django_capture_on_commit_callbacks(execute=True):
                erase_address("ann@example.org", at=now)
        else:
            sweep(at=now + timedelta(days=8))

        assert not path.exists()

    def test_dry_run_writes_nothing(self, people, capsys):
        call_command("import_contacts", people, "--tag", "till", "--dry-run", "--json")

        answer = json.loads(capsys.readouterr().out)
        assert (answer["created"], answer["import"]) == (3, None)
        assert not Contact.objects.exists()
        assert not Import.objects.exists()
        assert not Tag.objects.exists()

    def test_personal_data_reaches_neither_output(self, people, capsys):
        call_command("import_contacts", people)

        output = "".join(capsys.readouterr())
        assert "Maria" not in output
        assert "@" not in output

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["missing.csv"], "cannot be read"),
            (["{people}", "--map", "Email Address"], "COLUMN=FIELD"),
            (["{people}", "--consent-at", "2999-01-01"], "in the future"),
            (["{people}", "--map", "Nope=email"], "no column 'Nope'"),
        ],
    )
    def test_says_what_is_wrong_and_changes_nothing(self, people, arguments, says):
        with pytest.raises(CommandError, match=says):
            call_command("import_contacts", *[argument.format(people=people) for argument in arguments])
        assert not Contact.objects.exists()

    def test_a_file_without_addresses_is_refused(self, tmp_path):
        path = tmp_path / "shoes.csv"
        path.write_text("Shoe size\n42\n")

        with pytest.raises(CommandError, match="No column of this file"):
            call_command("import_contacts", path)
