"""Pictures for the documents: `pytest tests/browser --docs-shots` writes them anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

SCREENS = Path(__file__).resolve().parent.parent.parent / "docs" / "screens"


@pytest.fixture
def shot(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Return a function that takes a picture where they are asked for."""

    def take(page: Page, name: str, *, width: int = 1280, height: int = 860) -> None:
        if not request.config.getoption("--docs-shots"):
            return
        SCREENS.mkdir(parents=True, exist_ok=True)
        before = page.viewport_size
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(300)  # charts and frames settle
        page.screenshot(path=SCREENS / f"{name}.png")
        if before:
            page.set_viewport_size(before)

    return take
