/* The parts of the page, and what each shows. Nothing here decides anything. */

import { isMuted, signal } from "./feedback.js";
import { tail } from "./result.js";
import { read } from "./settings.js";
import { texts } from "./texts.js";

export const $ = (id) => document.getElementById(id);

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
export const timeOf = (moment) => clock.format(new Date(moment));

/* Shows one of: setup, pin, till. */
export function showPart(name) {
  for (const part of ["setup", "pin", "till"]) $(part).hidden = part !== name;
  // Before a device is set up, its link can be read or typed here as well.
  const reads = name !== "pin";
  $("stage").hidden = $("scan").hidden = !reads;
}

export function showSetup(text, { mayRetry = false } = {}) {
  $("enrolment-status").textContent = text;
  $("enrolment-retry").hidden = !mayRetry;
}

export function showDevice(device, staff) {
  $("device").textContent = device ? `${device.name} · ${device.location}` : "";
  $("staff").textContent = staff ? texts.staff(staff.name) : "";
  $("change-staff").hidden = !device?.policy?.asks_pin;
  $("sign-out").hidden = !device;
  if (device?.business) $("business").textContent = device.business;
}

export function showToday(counts) {
  $("today").textContent = texts.today(counts.redeemed, counts.refused);
}

export function showBanner(text, { mayReload = false } = {}) {
  $("banner").hidden = !text;
  $("banner-text").textContent = text;
  $("reload").hidden = !mayReload;
}

/* --- The result --- */

export function showResult(view) {
  document.body.dataset.tone = view.tone;
  $("viewfinder").hidden = true;
  $("result").hidden = false;
  $("result-title").textContent = view.title;
  $("result-deal").textContent = view.deal ?? "";
  $("result-detail").textContent = view.detail;
  $("result-actions").hidden = view.tone === "busy";
  $("order-open").hidden = !view.mayOrder;
  $("void-open").hidden = !view.mayVoid;
  $("turn-down").hidden = !view.turnDown;
  $("turn-down").textContent = view.turnDown ?? "";
  showOrder(view.asksForValue ? texts.redeem : null);
  $("reasons").hidden = true;
  signal(view.tone);
}

export function hideResult() {
  delete document.body.dataset.tone;
  $("result").hidden = true;
  $("viewfinder").hidden = false;
}

/* Opens the field for the order's value with a button of this name, or closes it. */
export function showOrder(button) {
  $("order").hidden = !button;
  $("order-error").textContent = "";
  if (!button) return;
  $("order-value").value = "";
  $("order-save").textContent = button;
  $("order-value").focus();
}

export function showReasons(chosen) {
  $("reasons-list").replaceChildren(
    ...Object.entries(texts.reasons).map(([reason, words]) => button(words, () => chosen(reason))),
  );
  $("reasons").hidden = false;
  $("reasons-list").firstChild.focus();
}

/* --- The camera --- */

export function showCamera({ open, torch = false, trouble = "" }) {
  $("start").hidden = open;
  $("video").hidden = !open;
  $("torch").hidden = !torch;
  $("torch").setAttribute("aria-pressed", "false");
  $("hint").textContent = trouble || (open ? texts.point : "");
}

export const showHint = (text) => {
  if ($("hint").textContent !== text) $("hint").textContent = text;
};

export function showCameras(cameras, current) {
  $("cameras").hidden = cameras.length < 2;
  $("camera").replaceChildren(
    ...cameras.map(({ id, label }, index) => new Option(label || texts.cameraNumber(index + 1), id, false, id === current)),
  );
}

export function showSound() {
  $("sound").setAttribute("aria-pressed", String(!isMuted()));
}

/* --- The queue --- */

export function showQueue(items, { away, resume, remove }) {
  const open = items.filter((item) => !item.trouble);
  const troubled = items.filter((item) => item.trouble);
  const answered = read("answered");
  const parts = [
    open.length || !troubled.length ? (open.length ? texts.waiting(open.length) : texts.allSent) : "",
    troubled.length ? texts.troubled(troubled.length) : "",
    away,
    answered ? texts.lastSync(timeOf(answered)) : texts.neverSynced,
  ];
  $("status").textContent = parts.filter(Boolean).join(" · ");
  $("status").dataset.tone = troubled.length ? "bad" : open.length || away ? "unsure" : "good";
  $("pending").hidden = open.length === 0;
  $("pending-list").replaceChildren(...open.map((item) => row(describe(item))));
  $("troubled").hidden = troubled.length === 0;
  $("troubled-list").replaceChildren(
    ...troubled.map((item) => {
      const why = item.trouble.kind === "device" ? texts.otherDevice(item.trouble.name) : item.trouble.detail;
      const again = button(texts.again, () => resume(item.key));
      const away = button(texts.remove, () => window.confirm(texts.removeSure) && remove(item.key));
      return row(`${describe(item)}. ${why ?? ""}`, again, away);
    }),
  );
}

const describe = (item) =>
  `${tail(item.code)}, ${timeOf(item.at)}, ${texts.states[item.kind === "scan" ? item.decision : item.kind]}`;

/* Adds what was settled while something else was shown. */
export function noteRecent(view) {
  const words = [view.title, view.deal, view.detail.replaceAll("\n", ", ")].filter(Boolean).join(": ");
  const entry = row(`${timeOf(Date.now())} ${words}`);
  entry.dataset.tone = view.tone;
  $("recent").hidden = false;
  $("recent-list").prepend(entry);
  while ($("recent-list").children.length > 20) $("recent-list").lastChild.remove();
}

function row(text, ...buttons) {
  const item = document.createElement("li");
  item.append(Object.assign(document.createElement("span"), { textContent: text }), ...buttons);
  return item;
}

function button(text, clicked) {
  const made = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  made.addEventListener("click", clicked);
  return made;
}
