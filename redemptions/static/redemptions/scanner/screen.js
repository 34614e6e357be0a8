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
  // What was taken back is not given. Older servers do not say.
  $("today").textContent = texts.today(Math.max(0, counts.redeemed - (counts.voided ?? 0)), counts.refused);
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
  signal(view.tone);
}

export function hideResult() {
  delete document.body.dataset.tone;
  $("result").hidden = true;
  $("viewfinder").hidden = false;
  for (const part of ["title", "deal", "detail"]) $(`result-${part}`).textContent = "";
}

/* Takes everybody's name off the page. */
export function forgetGuests() {
  $("recent-list").replaceChildren();
  $("recent").hidden = true;
  $("today").textContent = "";
}

/* Opens the field for the order's value with a button of this name, or closes it. There is room for one question. */
export function showOrder(button) {
  $("order").hidden = !button;
  $("reasons").hidden = true;
  $("order-error").textContent = "";
  if (!button) return;
  $("order-value").value = "";
  $("order-save").textContent = button;
  $("order-value").focus();
}

export function showReasons(chosen) {
  showOrder(null);
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
      const isOver = item.trouble.kind === "redeemed"; // sending it once more is no use
      const sure = isOver ? texts.removeSeen : texts.removeSure;
      const words = isOver ? [`${texts.redeemedAnyway}.`, texts.redeemedAnywayDetail, why] : [why];
      const again = button(texts.again, () => resume(item.key));
      const gone = button(texts.remove, () => window.confirm(sure) && remove(item.key));
      return row([`${describe(item)}.`, ...words].filter(Boolean).join(" "), ...(isOver ? [] : [again]), gone);
    }),
  );
  showEmpty();
}

/* A list that is opened says so where there is nothing in it. */
function showEmpty() {
  $("queue-empty").hidden = ["pending", "troubled", "recent"].some((part) => !$(part).hidden);
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
  showEmpty();
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
