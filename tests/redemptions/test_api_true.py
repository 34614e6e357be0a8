"""The OpenAPI document is true: calls made up from it are answered by the running server as it says."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from redemptions.models import Device, Offer, Staff
from redemptions.services import complete_enrolment, create_offer, enrol_device_start, issue_sheet, redeem, set_pin

schemathesis: Any = pytest.importorskip("schemathesis", reason="Schemathesis is not installed")

KEPT = Path(__file__).resolve().parent.parent.parent / "docs" / "openapi.yaml"
CALLS = [
    (path, method)
    for path, methods in yaml.safe_load(KEPT.read_text())["paths"].items()
    for method in methods
    if not path.endswith("/schema/")
]
EXAMPLES = 12
IN_TIME = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Shop:
    """Codes, staff, and for each call a device that has made none yet."""

    def __init__(self) -> None:
        self.offer = create_offer(name="Free coffee", type=Offer.Type.ITEM, max_uses=30000)
        issue_sheet(offer=self.offer, count=1, name="Flyers")
        self.code = self.offer.codes.get()
        set_pin(staff=Staff(name="Ana"), pin="2468")
        self.numbers = count()

    def device(self) -> tuple[Device, str]:
        name, now = f"Phone {next(self.numbers)}", timezone.now()
        _, link = enrol_device_start(name=name, location_name="Bar", profile=Device.Profile.SCANNER, at=now)
        return complete_enrolment(enrol_token=link, key="an-enrolment", at=now)

    def redemption(self, device: Device) -> str:
        outcome = redeem(code_text=self.code.token, device=device, key="an-earlier-scan", at=timezone.now())
        assert outcome.redemption
        return f"rd_{outcome.redemption.public_id}"


@pytest.mark.parametrize(("path", "method"), CALLS)
@pytest.mark.parametrize("is_good", [True, False], ids=["good", "bad"])
def test_answers_as_documented(is_good, path, method, live_server, transactional_db, settings, tmp_path):
    settings.VAR_DIR = tmp_path
    shop = Shop()
    operation = schemathesis.openapi.from_url(f"{live_server.url}/api/v1/schema/")[path][method]
    mode = schemathesis.GenerationMode.POSITIVE if is_good else schemathesis.GenerationMode.NEGATIVE
    checks = schemathesis.checks
    # All checks but two, in both halves. What is well made may be refused by how things stand: a deal that is over, a
    # device that is locked. What is badly made may be taken: fields that are not known are ignored, "5" is 5 in an
    # order's value. What calls do to one another is test_api_model.py's, and refused bodies have tests of their own.
    left_out = [checks.positive_data_acceptance, checks.negative_data_rejection]
    answered: list[int] = []

    @IN_TIME
    @given(case=operation.as_strategy(generation_mode=mode), is_ours=st.booleans())
    def calls(case: Any, is_ours: bool) -> None:
        device, token = shop.device()
        if is_good and is_ours:
            aim(case, shop, device)
        response = case.call(headers={"Authorization": f"Token {token}"})
        answered.append(response.status_code)
        case.validate_response(response, excluded_checks=left_out)

    calls()
    assert answered


def aim(case: Any, shop: Shop, device: Device) -> None:
    """Name things that are there: chance would never."""
    if case.path_parameters and "public_id" in case.path_parameters:
        case.path_parameters["public_id"] = shop.redemption(device)
    if isinstance(case.body, dict) and "code" in case.body:
        case.body["code"] = shop.code.token
    if isinstance(case.body, dict) and "pin" in case.body:
        case.body["pin"] = "2468"
