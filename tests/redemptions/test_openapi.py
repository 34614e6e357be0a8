from pathlib import Path

import pytest
import yaml
from django.core.management import call_command
from rest_framework.test import APIClient

KEPT = Path(__file__).resolve().parent.parent.parent / "docs" / "openapi.yaml"


def test_the_kept_document_is_current(tmp_path):
    fresh = tmp_path / "openapi.yaml"

    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(fresh))

    assert fresh.read_text() == KEPT.read_text(), (
        "The API changed: run `python manage.py spectacular --file docs/openapi.yaml` and read the difference."
    )


def test_is_served_to_anybody(db):
    answer = APIClient().get("/api/v1/schema/", headers={"Authorization": "Token stale"})

    assert answer.status_code == 200
    assert yaml.safe_load(answer.content)["paths"].keys() == yaml.safe_load(KEPT.read_text())["paths"].keys()


def test_is_served_without_its_slash_too(db):
    assert APIClient().get("/api/v1/schema").status_code == 200


@pytest.mark.parametrize("status", ["400", "401", "403", "409", "413", "415", "422"])
def test_documents_refusals_as_problems(status):
    responses = yaml.safe_load(KEPT.read_text())["paths"]["/api/v1/redemptions"]["post"]["responses"]

    assert list(responses[status]["content"]) == ["application/problem+json"]


@pytest.mark.parametrize("path", ["devices/enrol", "validations", "redemptions"])
def test_documents_what_a_bad_body_gets(path):
    responses = yaml.safe_load(KEPT.read_text())["paths"][f"/api/v1/{path}"]["post"]["responses"]

    assert {"400", "413", "415"} <= responses.keys()
