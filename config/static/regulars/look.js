// The look of mails: the preview follows what is typed, and the colour can be picked.
import { startFrames } from "./frames.js";

const form = document.querySelector("[data-look]");
const show = form.querySelector("[data-show]");
const typed = form.querySelector("[data-color]");
const dark = document.querySelector("[data-dark]");
const PAUSE_MS = 300;
let timer = 0;

const nextFrame = startFrames(document.querySelector(".preview-mail"));

// Written on its own: a form that waits for a file or a colour is not sent by accident.
const ask = () => {
  show.formTarget = nextFrame();
  form.requestSubmit(show);
};

const soon = () => {
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE_MS);
};

const picker = Object.assign(document.createElement("input"), { type: "color", value: typed.value });
picker.setAttribute("aria-label", form.dataset.pick);
typed.before(picker);
typed.parentElement.classList.add("colored");

picker.addEventListener("input", () => {
  typed.value = picker.value;
  soon();
});
typed.addEventListener("input", () => {
  if (/^#[0-9a-f]{6}$/i.test(typed.value)) {
    picker.value = typed.value;
  }
});
form.addEventListener("input", soon);

dark.hidden = false;
show.hidden = true;
dark.addEventListener("click", () => {
  const isDark = dark.getAttribute("aria-pressed") !== "true";
  dark.setAttribute("aria-pressed", String(isDark));
  form.querySelector("input[name=dark]")?.remove();
  if (isDark) {
    form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "dark", value: "1" }));
  }
  ask();
});
