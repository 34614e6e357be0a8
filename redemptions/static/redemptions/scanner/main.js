/* The web scanner: what is tapped, read and typed, and what happens then. */

import { call, worth } from "./api.js";
import { Camera, CameraTrouble } from "./camera.js";
import { enrolTokenIn, kindOf, normalise } from "./codes.js";
import { decoder } from "./decoder.js";
import * as enrolment from "./enrolment.js";
import { isMuted, keepAwake, setMuted, unlockSound } from "./feedback.js";
import { Guard } from "./guard.js";
import { journal } from "./journal.js";
import * as pack from "./pack.js";
import * as screen from "./screen.js";
import { read } from "./settings.js";
import { hear, tell } from "./tabs.js";
import { texts } from "./texts.js";
import { Till } from "./till.js";
import { listen } from "./wedge.js";

const READ_EVERY_MS = 80;
const WATCH_EVERY_MS = 250; // while an answer is shown, only to know whether the code is still there
const REFRESH_EVERY_MS = 10 * 60 * 1000;

const { $ } = screen;
let hasQueue = false;
let notice = null; // {text, mayReload}: stays until the next scan
const camera = new Camera($("video"));
const guard = new Guard();
const till = new Till({
  show: screen.showResult,
  hide() {
    screen.hideResult();
    focusCode();
  },
  note: screen.noteRecent,
  timeOf: screen.timeOf,
  queueChanged() {
    tell({ kind: "changed" });
    return showQueue();
  },
  settled(lines) {
    tell({ kind: "settled", lines });
    return refreshToday();
  },
});

/* --- The device --- */

async function start() {
  enrolment.takeLink();
  await showQueue();
  if (read("enrolment")) await enrol();
  else showReady();
}

/* One that is set up already stays as it is, whatever link is opened, until the server has said yes to it. */
async function enrol() {
  const wasSetUp = Boolean(read("token"));
  showPart();
  if (wasSetUp) say(texts.settingUp);
  else screen.showSetup(texts.settingUp);
  const trouble = await enrolment.enrol();
  if (trouble && !wasSetUp) return screen.showSetup(trouble.text, trouble);
  say(trouble?.text, { mayReload: trouble?.mayRetry });
  return showReady();
}

function showReady() {
  showPart();
  return catchUp();
}

const lacksStaff = () => Boolean(read("device")?.policy?.asks_pin && !enrolment.staff());

/* Shows what this device is for just now: to be set up, to be told who scans, to scan. */
function showPart() {
  screen.showDevice(read("device"), enrolment.staff());
  if (!read("token")) {
    screen.showPart("setup");
    screen.showSetup(texts.notSetUp);
  } else if (lacksStaff()) {
    if (camera.isOpen) closeCamera();
    screen.showPart("pin");
    $("pin-code").focus();
  } else {
    screen.showPart("till");
    focusCode();
  }
}

/* Shows a notice, or takes it away. */
function say(text, { mayReload = false } = {}) {
  notice = text ? { text, mayReload } : null;
  return showQueue();
}

/* Asks for what may have changed, and sends what is waiting. */
async function catchUp() {
  if (!read("token")) return;
  const answer = await call("GET", "device");
  const isKnown = answer.status === 200 && Boolean(answer.body.device_id);
  till.queue.hears(answer, isKnown ? "answer" : worth(answer));
  if (isKnown) {
    enrolment.noteDevice(answer.body);
    screen.showDevice(answer.body, enrolment.staff());
  }
  // The owner may ask for PINs from now on, or no more, and a shift ends by itself.
  if (till.isFree && lacksStaff() === $("pin").hidden) showPart();
  const [isNews] = await Promise.all([till.queue.flush({ all: true }), pack.refresh()]);
  if (!isNews) await refreshToday();
  await showQueue();
}

async function refreshToday() {
  const answer = await call("GET", "stats/today");
  if (answer.status === 200 && read("token")) screen.showToday(answer.body);
}

async function showQueue() {
  const items = await journal.all().catch(() => []);
  hasQueue = items.length > 0;
  const { last } = till.queue;
  screen.showQueue(items, {
    away: !navigator.onLine || last === "gone" ? texts.noNetwork : last === "none" ? texts.noServer : "",
    resume: (key) => till.queue.resume(key),
    remove: (key) => till.queue.remove(key),
  });
  if (notice) screen.showBanner(notice.text, notice);
  else if (last === "stranger") screen.showBanner([till.queue.detail, texts.newLink].filter(Boolean).join(" "));
  else if (last === "old") screen.showBanner(texts.tooOld, { mayReload: true });
  else screen.showBanner("");
}

/* --- Reading --- */

/* A keyboard that pops up over the camera is in the way. */
function focusCode() {
  if (matchMedia("(pointer: fine)").matches) $("code").focus();
}

async function take(text, entry) {
  $("code-error").textContent = "";
  if (notice) say("");
  const link = enrolTokenIn(text);
  if (link) {
    enrolment.remember(link);
    return enrol();
  }
  if (!read("token")) return;
  if (lacksStaff()) return showPart();
  const kind = kindOf(text);
  if (kind === "code") return till.scan(text.trim(), entry);
  if (entry === "qr") return screen.showHint(texts.notOurs);
  $("code").value = text;
  $("code-error").textContent = kind === "mistyped" ? texts.mistyped : texts.notACode;
}

/* What is typed by a hand scanner is an address or a token, which nobody types by hand. */
const entryOf = (text) => (/[/]|.{26}/.test(text) ? "wedge" : "typed");

$("scan").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("code").value.trim();
  if (!text) return;
  $("code").value = "";
  take(text, entryOf(text));
});
listen(document, $("code"), (text) => take(text, "wedge"));

/* --- The camera --- */

let round = 0; // the loop that reads; another start ends the one before

async function openCamera() {
  screen.showCamera({ open: false, trouble: texts.camera.starting });
  try {
    await camera.open();
  } catch (error) {
    if (!(error instanceof CameraTrouble)) throw error;
    return screen.showCamera({ open: false, trouble: texts.camera[error.why] });
  }
  for (const track of camera.stream.getVideoTracks()) track.onended = closeCamera;
  screen.showCamera({ open: true, torch: camera.hasTorch });
  screen.showCameras(await camera.list(), camera.current);
  keepAwake(true);
  return readFrames();
}

function closeCamera() {
  round += 1;
  camera.close();
  keepAwake(false);
  screen.showCamera({ open: false });
}

async function readFrames() {
  const mine = ++round;
  let reader;
  try {
    reader = await decoder();
  } catch {
    return screen.showHint(texts.camera.decoder);
  }
  while (mine === round) {
    // A frame that is not there yet, or one the reader stumbles over, is as good as an empty one.
    const found = await reader.detect($("video")).catch(() => []);
    if (mine === round) seen(found.map(({ rawValue }) => rawValue));
    await new Promise((done) => setTimeout(done, till.isFree ? READ_EVERY_MS : WATCH_EVERY_MS));
  }
}

/* Of several codes in the picture, ours counts. */
function seen(codes) {
  const text = codes.find((code) => enrolTokenIn(code) || kindOf(code) === "code") ?? codes[0];
  if (!text) return;
  const now = performance.now();
  const code = normalise(text);
  if (!till.isFree) guard.sees(code, now);
  else if (guard.passes(code, now)) take(text, "qr");
  else if (kindOf(text) === "code") screen.showHint(texts.stillInView);
}

$("start").addEventListener("click", openCamera);
$("camera").addEventListener("change", async () => {
  camera.choose($("camera").value);
  await openCamera();
});
$("torch").addEventListener("click", async () => {
  const on = $("torch").getAttribute("aria-pressed") !== "true";
  await camera.light(on).then(
    () => $("torch").setAttribute("aria-pressed", String(on)),
    () => {},
  );
});

/* --- The result --- */

$("next").addEventListener("click", () => till.next());
$("result").addEventListener("click", (event) => {
  if (!event.target.closest("button, input, form") && document.body.dataset.tone !== "busy") till.next();
});
$("turn-down").addEventListener("click", () => till.turnDown());
$("order-open").addEventListener("click", () => {
  till.hold();
  screen.showOrder(texts.save);
});
$("order").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!(await till.order($("order-value").value))) $("order-error").textContent = texts.orderValueBad;
});
$("void-open").addEventListener("click", () => {
  till.hold();
  screen.showReasons((reason) => till.takeBack(reason));
});

/* --- Everything around --- */

function toggles(button, panel) {
  $(button).addEventListener("click", () => {
    $(panel).hidden = !$(panel).hidden;
    $(button).setAttribute("aria-expanded", String(!$(panel).hidden));
  });
}
toggles("status", "queue");
toggles("menu-open", "menu");

$("retry").addEventListener("click", async () => {
  $("retry").disabled = true;
  await till.queue.flush({ all: true });
  $("retry").disabled = false;
});
$("enrolment-retry").addEventListener("click", enrol);
$("reload").addEventListener("click", () => location.reload());
$("sound").addEventListener("click", () => {
  setMuted(!isMuted());
  screen.showSound();
});
$("pin").addEventListener("submit", async (event) => {
  event.preventDefault();
  const pin = $("pin-code").value;
  $("pin-code").value = "";
  const trouble = await enrolment.signIn(pin);
  $("pin-error").textContent = trouble ?? "";
  if (!trouble) showReady();
});
$("change-staff").addEventListener("click", () => {
  enrolment.handOver();
  $("menu").hidden = true;
  showReady();
});
$("sign-out").addEventListener("click", async () => {
  const count = (await journal.all()).length;
  if (!window.confirm(count ? texts.signOutQueue(count) : texts.signOutSure)) return;
  if (!(await enrolment.signOut())) return say(texts.signOutUnanswered);
  tell({ kind: "signed out" });
  await leave();
});

/* Out of use, the phone shows nothing of those who were here. */
async function leave() {
  closeCamera();
  till.next();
  screen.forgetGuests();
  $("menu").hidden = true;
  await say("");
  showPart();
  screen.showSetup(`${texts.signedOut} ${texts.notSetUp}`);
}

/* --- Other tabs of this phone --- */

hear(({ kind, lines = [] }) => {
  if (kind === "signed out") return leave();
  for (const line of lines) {
    till.queue.hears(line.answer, "answer");
    till.hears(line);
  }
  if (lines.length && !document.hidden) refreshToday();
  return showQueue();
});

window.addEventListener("beforeunload", (event) => {
  if (hasQueue) event.preventDefault();
});
window.addEventListener("pointerdown", unlockSound);
window.addEventListener("keydown", unlockSound);
window.addEventListener("online", catchUp);
window.addEventListener("offline", showQueue);
window.addEventListener("hashchange", start);

// Hidden, a phone may hand the camera to another app, and back with another lens: it is opened anew.
let wasOpen = false;
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    wasOpen = camera.isOpen;
    closeCamera();
  } else {
    if (wasOpen && !lacksStaff()) openCamera();
    catchUp();
  }
});
setInterval(catchUp, REFRESH_EVERY_MS);

if ("serviceWorker" in navigator) {
  const { worker, scope } = $("scanner").dataset;
  navigator.serviceWorker.register(worker, { scope }).catch(() => {});
}
screen.showSound();
start();
