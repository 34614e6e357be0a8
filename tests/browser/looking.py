"""Look at a page as different people do: wide and narrow, light and dark, right to left, and with a screen reader."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Response, ViewportSize

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text()
WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 390, "height": 844}
# A folder for a picture of every page in each of its looks, for whoever wants to look at them all.
PICTURES = os.environ.get("SCREENSHOTS", "")

# Frames are pages of their own, and the frame of the admin, the same on each page, is looked at on the dashboard.
RUN_AXE = """async (rules) => {
  const same = document.body.matches(".front-page") ? [] : ["#nav-sidebar", "#header"];
  const place = { exclude: same.filter((part) => document.querySelector(part)).map((part) => [part]) };
  const options = { resultTypes: ["violations"], iframes: false, preload: false };
  const only = rules.length ? { runOnly: { type: "rule", values: rules } } : {};
  const found = await axe.run(place, { ...options, ...only });
  return found.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.slice(0, 3).map((node) => {
      const [why] = [...node.any, ...node.all, ...node.none];
      return `${id}: ${node.target.join(" ")} (${why ? why.message : ""})`;
    }));
}"""
# What the colours decide; all else is the same in the dark.
COLOUR_RULES = ["color-contrast", "link-in-text-block"]

# What sticks out where the page scrolls sideways. A part that scrolls by itself may hold what is wider.
STICKS_OUT = """() => {
  const root = document.documentElement;
  if (root.scrollWidth <= root.clientWidth) {
    return [];
  }
  const scrolls = (node) => {
    for (let up = node.parentElement; up && up !== document.body; up = up.parentElement) {
      if (getComputedStyle(up).overflowX !== "visible") {
        return true;
      }
    }
    return false;
  };
  const wide = [...document.body.querySelectorAll("*")].filter((node) => {
    const { left, right, width } = node.getBoundingClientRect();
    return width && (right > root.clientWidth + 0.5 || left < -0.5) && !scrolls(node);
  });
  const name = (node) => [node.tagName.toLowerCase(), node.id && `#${node.id}`, ...node.classList].join(".");
  return [`${root.scrollWidth} px wide: ${wide.slice(-4).map(name).join(", ")}`];
}"""
HEADINGS = """() => [...document.querySelectorAll("h1")]
  .filter((node) => node.getClientRects().length)
  .map((node) => node.innerText.trim())"""
# A name that is only a placeholder goes as soon as somebody types.
NAMELESS = """() => [...document.querySelectorAll("input, select, textarea, button")]
  .filter((node) => node.type !== "hidden" && node.getClientRects().length)
  .filter((node) => !node.labels?.length && !node.ariaLabel && !node.title && !node.getAttribute("aria-labelledby"))
  .filter((node) => !(node.tagName === "BUTTON" && node.textContent.trim()))
  .filter((node) => !(["submit", "button", "reset"].includes(node.type) && node.value))
  .map((node) => `no name: ${node.outerHTML.slice(0, 120)}`)"""
# Charts are drawn.
SETTLED = """() => !document.querySelector("figure[data-chart]:not([data-drawn])")"""

# As Django's admin and nobody else says it.
ODD_WORDS = re.compile(
    r"^Select |^Add |Are you sure|^Change history| to (change|view)\b| object \(|administration|\bNone\b|\w_\w"
)


@dataclass
class Watch:
    """What goes wrong in a context while somebody looks at its pages."""

    wrong: list[str] = field(default_factory=list)
    expected: int = 200  # what the page itself answers

    def on(self, context: BrowserContext) -> Watch:
        context.on("console", self._note_message)
        context.on("weberror", lambda error: self.wrong.append(f"script: {error.error}"))
        context.on("requestfailed", self._note_request)
        context.on("response", self._note_response)
        return self

    def _note_message(self, message: ConsoleMessage) -> None:
        # What could not be loaded is told by its answer, below.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.wrong.append(f"console: {message.text}")

    def _note_request(self, request: Request) -> None:
        # Whoever leaves a page drops what it was still asking for.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.wrong.append(f"request: {request.url} {request.failure}")

    def _note_response(self, response: Response) -> None:
        is_page = response.request.is_navigation_request()
        if response.status >= 400 and not (is_page and response.status == self.expected):
            self.wrong.append(f"answer: {response.status} {response.url}")

    def taken(self) -> list[str]:
        """Return what went wrong since the last time, and forget it."""
        found, self.wrong[:] = list(dict.fromkeys(self.wrong)), []
        return found


def look_at(page: Page, path: str, watch: Watch, *, name: str, is_ours: bool = True) -> list[str]:
    """Open a page and return what is wrong with it, a line each.

    Where it `is_ours`, it has one heading, a title in plain words, and names for all its controls. Let off that are a
    library's own lists, for whoever runs the machine.
    """
    watch.taken()
    found = []
    page.set_viewport_size(WIDE)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.goto(path)
    page.wait_for_function(SETTLED)
    page.evaluate(AXE)
    found += [f"wide: {line}" for line in page.evaluate(STICKS_OUT)]
    if is_ours:
        found += [f"light: {line}" for line in page.evaluate(RUN_AXE, [])] + page.evaluate(NAMELESS)
        found += wrong_names(page.title(), page.evaluate(HEADINGS))
    picture(page, f"{name}_wide_light")
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {line}" for line in page.evaluate(RUN_AXE, COLOUR_RULES)]
    picture(page, f"{name}_wide_dark")
    page.set_viewport_size(NARROW)
    found += [f"narrow: {line}" for line in page.evaluate(STICKS_OUT)]
    picture(page, f"{name}_narrow_dark")
    if PICTURES:
        page.emulate_media(color_scheme="light")
        picture(page, f"{name}_narrow_light")
    return found + watch.taken()


def look_from_the_right(page: Page, path: str, watch: Watch, *, name: str) -> list[str]:
    """Open a page as it is in Arabic or Hebrew, but for its words, and return what sticks out of it."""
    watch.taken()
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.set_viewport_size(NARROW)
    with patch("django.utils.translation.get_language_bidi", return_value=True):
        page.goto(path)
    page.evaluate("document.documentElement.dir = 'rtl'")
    page.wait_for_function(SETTLED)
    found = [f"right to left, narrow: {line}" for line in page.evaluate(STICKS_OUT)]
    picture(page, f"{name}_narrow_rtl")
    page.set_viewport_size(WIDE)
    found += [f"right to left, wide: {line}" for line in page.evaluate(STICKS_OUT)]
    picture(page, f"{name}_wide_rtl")
    return found + watch.taken()


def wrong_names(title: str, headings: list[str]) -> list[str]:
    """Say what is odd about how a page is called."""
    found = []
    if len(headings) != 1 or not headings[0]:
        found.append(f"headings: {headings}")
    if not title.strip() or title.startswith("|"):
        found.append("no title")
    return found + [f"named as a machine would: {text}" for text in (title, *headings) if ODD_WORDS.search(text)]


def picture(page: Page, name: str) -> None:
    """Take a picture of the whole page, where somebody asked for them."""
    if PICTURES:
        folder = Path(PICTURES)
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"{name}.png", full_page=True)
