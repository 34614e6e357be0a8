/* Making this browser one of the owner's devices, who holds it, and giving it up again. */

import { APP_VERSION, call, isRefusal, newKey } from "./api.js";
import { enrolTokenIn } from "./codes.js";
import { journal, kept } from "./journal.js";
import { forget, read, write } from "./settings.js";
import { texts } from "./texts.js";

const STAFF_FOR_MS = 12 * 3600 * 1000; // a shift

/* Takes the one-time token out of the address, where it would stay in the history, and keeps it until it is answered. */
export function takeLink() {
  const token = enrolTokenIn(location.hash);
  if (token) {
    history.replaceState(null, "", location.pathname);
    remember(token);
  }
}

/* The key goes with the token: repeated after a lost answer, the same device token comes back. */
export function remember(token) {
  if (read("enrolment")?.token !== token) write("enrolment", { token, key: newKey() });
}

/* Sends what is remembered; returns null when the device is set up, else {text, mayRetry}. */
export async function enrol() {
  const { token, key } = read("enrolment");
  const answer = await call("POST", "devices/enrol", {
    key,
    anonymous: true,
    body: { enrol_token: token, platform: navigator.userAgent.slice(0, 80), app_version: `web ${APP_VERSION}` },
  });
  if (answer.status === 201 && answer.body.token) {
    const { token: deviceToken, ...device } = answer.body;
    write("token", deviceToken);
    noteDevice(device);
    forget("enrolment");
    forget("staff");
    // Asked for here, so that the browser does not clear away what is not sent yet.
    navigator.storage?.persist?.().catch(() => {});
    return null;
  }
  if (isRefusal(answer)) {
    forget("enrolment");
    return { text: [answer.body.title, answer.body.detail].filter(Boolean).join(" "), mayRetry: false };
  }
  const faulty = answer.status === 400;
  if (faulty) forget("enrolment");
  return { text: faulty ? texts.linkWrong : texts.setUpUnanswered, mayRetry: !faulty };
}

export function noteDevice(device) {
  write("device", device);
  if (device.server_time) write("skew", Date.parse(device.server_time) - Date.now());
}

/* The server's time, as near as this device can tell. */
export const serverNow = () => Date.now() + read("skew", 0);

/* Returns who signed in during this shift, {id, name}, or null. */
export function staff() {
  const person = read("staff");
  return person && Date.now() - person.at < STAFF_FOR_MS ? person : null;
}

/* Returns null when signed in, else why not. */
export async function signIn(pin) {
  if (!/^\d{4,6}$/.test(pin)) return texts.pinWrong;
  const answer = await call("POST", "staff/sign-in", { body: { pin } });
  if (answer.status === 200 && answer.body.staff) {
    write("staff", { ...answer.body.staff, at: Date.now() });
    return null;
  }
  return isRefusal(answer) ? answer.body.detail || answer.body.title : texts.pinUnanswered;
}

/* Ends a shift: the next asks for a PIN. */
export const handOver = () => forget("staff");

/* Gives the device up; returns whether it is. A device the server no longer knows is given up already. */
export async function signOut() {
  const answer = await call("DELETE", "device");
  if (![204, 401, 403].includes(answer.status)) return false;
  for (const name of ["token", "device", "staff", "answered"]) forget(name);
  for (const item of await journal.all()) await journal.remove(item.key);
  for (const name of ["pack", "taken", "given"]) await kept.forget(name);
  return true;
}
