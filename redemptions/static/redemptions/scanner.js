/* The web scanner: enrols once, then redeems what is typed or read by a hand scanner.
 *
 * A scan is written to the journal before it is sent and leaves it only with an answer: a 2xx with a result, or a 409
 * problem with a code. Whatever else comes back (nothing, a login page of the Wi-Fi, a broken proxy) is no answer, and
 * the same key is sent again, so nothing is redeemed twice and nothing is lost.
 */
"use strict";

const API = "/api/v1/";
const TIMEOUT_MS = 8000;
const TOKEN = "scanner.token";
const ENROLMENT = "scanner.enrolment";
const JOURNAL = "scanner.journal";
const REFUSALS_IN_AMBER = ["already_redeemed"];

const $ = (id) => document.getElementById(id);
const read = (name, otherwise) => JSON.parse(localStorage.getItem(name)) ?? otherwise;
const write = (name, value) => localStorage.setItem(name, JSON.stringify(value));

/* randomUUID() exists on https only; this exists everywhere. */
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

/* Returns {status, type, body}; status 0 where nothing came back that is JSON. */
async function call(method, path, { key, body } = {}) {
  const headers = { Accept: "application/json" };
  if (read(TOKEN) && path !== "devices/enrol") headers.Authorization = `Token ${read(TOKEN)}`;
  if (key) headers["Idempotency-Key"] = key;
  if (body) headers["Content-Type"] = "application/json";
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS);
  try {
    const response = await fetch(API + path, { method, headers, body: body && JSON.stringify(body), signal: abort.signal });
    const type = response.headers.get("Content-Type") || "";
    return { status: response.status, type, body: await response.json() };
  } catch {
    return { status: 0, type: "", body: {} };
  } finally {
    clearTimeout(timer);
  }
}

const isProblem = (answer) => answer.type.startsWith("application/problem+json") && Boolean(answer.body?.code);
const isRefusal = (answer) => answer.status === 409 && isProblem(answer);
const isSuccess = (answer) => answer.status >= 200 && answer.status < 300 && Boolean(answer.body?.result);

/* --- Enrolment --- */

async function enrol() {
  const token = new URLSearchParams(location.hash.slice(1)).get("enrol");
  if (!token) return showReady();
  let enrolment = read(ENROLMENT);
  if (enrolment?.token !== token) write(ENROLMENT, (enrolment = { token, key: newKey() }));
  showEnrolment("Setting up this device …");
  const answer = await call("POST", "devices/enrol", {
    key: enrolment.key,
    body: { enrol_token: token, platform: navigator.userAgent.slice(0, 80), app_version: "web" },
  });
  if (answer.status === 201 && answer.body.token) {
    write(TOKEN, answer.body.token);
    forgetLink();
    return showReady();
  }
  if (isRefusal(answer)) {
    forgetLink();
    return showEnrolment(`${answer.body.title} ${answer.body.detail}`);
  }
  showEnrolment("No answer from the server. Check the connection.", true);
}

function forgetLink() {
  localStorage.removeItem(ENROLMENT);
  history.replaceState(null, "", location.pathname);
}

function showEnrolment(text, mayRetry = false) {
  $("enrolment").hidden = false;
  $("scan").hidden = !read(TOKEN);
  $("enrolment-status").textContent = text;
  $("enrolment-retry").hidden = !mayRetry;
}

async function showReady() {
  const enrolled = Boolean(read(TOKEN));
  $("enrolment").hidden = enrolled;
  $("scan").hidden = !enrolled;
  showPending();
  if (!enrolled) return;
  $("code").focus();
  const answer = await call("GET", "device");
  if (answer.status === 200) $("device").textContent = `${answer.body.name} · ${answer.body.location}`;
  else if ([401, 403].includes(answer.status) && isProblem(answer)) $("device").textContent = answer.body.detail;
}

/* --- Scans --- */

function journalled(code) {
  /* The same code scanned again while its first try is open is the same scan. */
  const journal = read(JOURNAL, []);
  const open = journal.find((item) => item.code === code);
  if (open) return open;
  const item = { key: newKey(), code, at: new Date().toISOString(), entry: /[/]|.{26}/.test(code) ? "wedge" : "typed" };
  write(JOURNAL, [...journal, item]);
  return item;
}

async function deliver(item, isRepeat) {
  const answer = await call("POST", "redemptions", {
    key: item.key,
    body: { code: item.code, entry: item.entry, scanned_at: item.at },
  });
  if (isSuccess(answer) || isRefusal(answer)) {
    write(JOURNAL, read(JOURNAL, []).filter((other) => other.key !== item.key));
    showAnswer(item, answer, isRepeat);
  } else {
    const why = isProblem(answer) ? answer.body.detail : "No answer from the server. The code may or may not be redeemed.";
    show("unsure", "Not confirmed", `${tail(item)}\n${why}`);
  }
  showPending();
}

async function deliverAll() {
  if (!read(TOKEN)) return;
  $("retry").disabled = true;
  for (const item of read(JOURNAL, [])) await deliver(item, true);
  $("retry").disabled = false;
}

/* --- What staff see --- */

const tail = (item) => `Code …${item.code.replace(/[\s-]/g, "").slice(-4).toUpperCase()}`;

const seconds = (count) => `${count} ${count === 1 ? "second" : "seconds"}`;

function showAnswer(item, { body, status }, isRepeat) {
  const which = isRepeat ? `${tail(item)}, confirmed now` : tail(item);
  if (status === 409) {
    const tone = REFUSALS_IN_AMBER.includes(body.code) ? "amber" : "bad";
    const ours = body.previous?.this_device ? `By this device, ${seconds(body.previous.seconds_ago)} before.` : "";
    return show(tone, body.title, [body.detail, ours, which].filter(Boolean).join("\n"));
  }
  const off = body.discount ? `${body.discount.amount} ${body.discount.currency} off` : "";
  const lines = [body.deal.title, off, body.deal.instructions, body.customer.display, which];
  show("good", "Redeemed", lines.filter(Boolean).join("\n"));
}

function show(tone, title, detail) {
  $("result").hidden = false;
  $("result").className = `state ${tone}`;
  $("result-title").textContent = title;
  $("result-detail").textContent = detail;
}

function showPending() {
  const journal = read(JOURNAL, []);
  $("pending").hidden = journal.length === 0;
  $("pending-title").textContent = `${journal.length} not confirmed`;
  $("pending-list").replaceChildren(
    ...journal.map((item) => {
      const line = document.createElement("li");
      line.textContent = `${tail(item)}, ${new Date(item.at).toLocaleTimeString()}`;
      return line;
    }),
  );
}

$("scan").addEventListener("submit", (event) => {
  event.preventDefault();
  const code = $("code").value.trim();
  if (!code) return;
  const wasOpen = read(JOURNAL, []).some((item) => item.code === code);
  const item = journalled(code);
  $("code").value = "";
  $("code").focus();
  show("busy", "Checking …", tail(item));
  deliver(item, wasOpen);
});
$("retry").addEventListener("click", deliverAll);
$("enrolment-retry").addEventListener("click", enrol);
window.addEventListener("online", deliverAll);
window.addEventListener("hashchange", enrol);
enrol().then(deliverAll);
