// The campaign page. Everything here improves a form that works without it.
import { startAutosave } from "./autosave.js";
import { startBlocks } from "./blocks.js";
import { startCountdowns } from "./countdown.js";
import { startPreview, startShownAs } from "./preview.js";

startCountdowns();
startShownAs();

const root = document.querySelector("[data-campaign]");
const form = document.getElementById("campaign_form");
const config = document.getElementById("campaign-editor");

if (root && form && config) {
  const { kinds, words, insert } = JSON.parse(config.textContent);
  const editor = startBlocks({ root, form, kinds, words, insert });
  startPreview({ root, form, words, editor });
  startAutosave({ root, form, words });
  tameEnter(form);
  beginWithTheName();
  unfold();
  window.addEventListener("hashchange", unfold);
}

// A link to a field that is folded away: not every browser unfolds it by itself.
function unfold() {
  const wanted = document.getElementById(window.location.hash.slice(1));
  const folded = wanted?.closest("details:not([open])");
  if (folded) {
    folded.open = true;
    wanted.focus();
    wanted.scrollIntoView({ block: "center" });
  }
}

// Where it can be typed at once. On a phone it would bring the keyboard up, over what a campaign can start from.
function beginWithTheName() {
  const isNew = window.location.pathname.endsWith("/add/");
  if (isNew && !window.matchMedia("(max-width: 767px), (pointer: coarse)").matches) {
    form.elements.namedItem("name").focus({ preventScroll: true });
  }
}

// "Enter" in a line would press whatever button comes first on the page; beside a test's address it sends the test.
function tameEnter(within) {
  within.addEventListener("keydown", (event) => {
    const isLine = event.target.matches("input:not([type=submit], [type=button], [type=radio], [type=checkbox])");
    if (event.key === "Enter" && isLine) {
      event.preventDefault();
    }
  });
  const to = document.getElementById("test_to");
  to?.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      to.closest("section").querySelector("button").click();
    }
  });
}
