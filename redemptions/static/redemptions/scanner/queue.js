/* Sends what the journal holds, and takes a line out of it only when it is answered.
 *
 * Everything carries its own key, so sending it once more changes nothing. A line that the server cannot take is set
 * aside with the reason; nothing else is ever put away, whatever comes back.
 */

import { call, isRefusal, TIMEOUT_MS, worth } from "./api.js";
import { journal } from "./journal.js";
import { read, write } from "./settings.js";

const LOCK = "regulars-scanner-queue";
const LONGEST_PAUSE_MS = 60_000;
const TOGETHER = 100;

const shuffled = (items) => items.map((item) => [Math.random(), item]).sort(([a], [b]) => a - b).map(([, item]) => item);
const pauseMs = (tries, waitS) =>
  Math.max(waitS * 1000, Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** tries) * (0.5 + Math.random() / 2));
const isDecided = (item) => item.kind === "scan" && item.decision !== "undecided";

/* Several tabs share one journal: one of them sends. */
function alone(work) {
  if (!navigator.locks) return work();
  return navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => (lock ? work() : undefined));
}

export class Queue {
  #sending = new Map(); // by key: what it will have come to, and how to say so
  #settled = []; // what was settled and is not told of yet
  #timer = null;

  /* `follows(item, answer)` returns the line that follows from an answer, or null; `answered(item, answer, next)` for
   * each line that is settled; `changed()` after whatever may show; `settled(lines)` once for all that a call or a
   * flush has settled. */
  constructor({ follows, answered, changed, settled }) {
    this.follows = follows;
    this.answered = answered;
    this.changed = changed;
    this.settled = settled;
    this.last = null; // what the last call was worth
    this.detail = "";
  }

  /* Writes a line. It is nobody's to send before its first call can be over. */
  async add(item) {
    await journal.add(Object.assign(item, { tries: 0, trouble: null, due: Date.now() + TIMEOUT_MS + 2000 }));
    this.#shows();
  }

  /* Writes a line that may be sent at once. */
  async addDue(item) {
    await journal.add(due(item));
    this.#shows();
  }

  /* Sends one line; returns {value, answer}: what came back, and what that is worth. One that is on its way already is
   * waited for. */
  async send(item) {
    const running = this.#sending.get(item.key);
    if (running) return running.over;
    const result = await (isDecided(item) ? this.#sendTogether([item]) : this.#sendAlone(item));
    this.#tells();
    return result;
  }

  /* Sends what is due, or all there is; returns whether anything was settled. Stops where the next call would fare no
   * better. */
  async flush({ all = false } = {}) {
    await alone(async () => {
      const now = Date.now();
      // A clock that was put back must not hold anything up.
      const isDue = ({ due }) => all || due <= now || due > now + 10 * LONGEST_PAUSE_MS;
      const lines = (await journal.all()).filter((item) => !item.trouble && !this.#sending.has(item.key) && isDue(item));
      if (lines.length && read("token")) await this.#sendAll(shuffled(lines));
    });
    this.#plan();
    return this.#tells();
  }

  /* Tells of all that was settled since the last time; returns whether there was any. */
  #tells() {
    const lines = this.#settled;
    this.#settled = [];
    if (lines.length) this.settled(lines);
    return lines.length > 0;
  }

  /* In random order: a line the server cannot digest holds up no other. */
  async #sendAll(lines) {
    const scans = lines.filter((item) => item.kind === "scan" && this.#isOurs(item));
    const batched = scans.filter((item) => isDecided(item) || (this.knowsBatches && scans.length > 1));
    for (let start = 0; start < batched.length; start += TOGETHER) {
      if (this.#isOver(await this.#sendTogether(batched.slice(start, start + TOGETHER)))) return;
    }
    for (const item of lines.filter((line) => !batched.includes(line))) {
      if (this.#isOver(await this.#sendAlone(item))) return;
    }
  }

  #isOver({ value }) {
    return ["gone", "stranger", "old"].includes(value);
  }

  get knowsBatches() {
    return Boolean(read("device")?.policy);
  }

  #isOurs(item) {
    return !item.device || item.device === read("device")?.device_id;
  }

  async #sendAlone(item) {
    if (!this.#isOurs(item)) {
      // Keys are a device's own: sent as another, a scan that had arrived would count as a second one.
      await journal.change(item.key, { trouble: { kind: "device", name: item.deviceName } });
      return { value: "faulty", answer: null };
    }
    this.#begins([item]);
    const answer = await call(item.method, item.path, { key: item.key, body: item.body });
    const value = worth(answer);
    await this.#settle(item, answer, value);
    return { value, answer };
  }

  async #sendTogether(items) {
    this.#begins(items);
    const body = { sent_at: new Date().toISOString(), items: items.map(line) };
    const answer = await call("POST", "redemptions/batch", { body });
    if (answer.status === 200 && Array.isArray(answer.body.results)) return this.#settleEach(items, answer.body.results);
    const value = worth(answer);
    if (value === "faulty" && items.length > 1) {
      // One of them spoils it for all. Each is sent by itself; where the network goes away meanwhile, that ends it.
      for (const item of items) {
        const alone = await this.#sendTogether([item]);
        if (this.#isOver(alone)) return this.#release(items, alone);
      }
      return { value: "none", answer };
    }
    for (const item of items) await this.#settle(item, answer, value === "answer" ? "none" : value);
    return { value, answer };
  }

  #begins(items) {
    for (const { key } of items) {
      if (this.#sending.has(key)) continue;
      const running = {};
      running.over = new Promise((ends) => Object.assign(running, { ends }));
      this.#sending.set(key, running);
    }
  }

  #ends(key, result) {
    this.#sending.get(key)?.ends(result);
    this.#sending.delete(key);
  }

  #release(items, result) {
    for (const { key } of items) this.#ends(key, result);
    return result;
  }

  async #settleEach(items, results) {
    const byKey = new Map(results.map((result) => [result.key, result]));
    let last = { value: "none", answer: null };
    for (const item of items) {
      const { status = 0, body } = byKey.get(item.key) ?? {};
      const type = status < 400 ? "application/json" : "application/problem+json";
      const answer = { status, type, waitS: 0, body: body ?? {} };
      last = { value: worthTogether(answer), answer };
      await this.#settle(item, answer, last.value);
    }
    return last;
  }

  async #settle(item, answer, value) {
    let settled = null;
    if (value === "answer") settled = await this.#close(item, answer);
    else if (value === "faulty") await journal.change(item.key, { trouble: { kind: "refused", ...answer.body } });
    else {
      const tries = item.tries + 1;
      await journal.change(item.key, { tries, due: Date.now() + pauseMs(tries, answer.waitS) });
    }
    this.hears(answer, value);
    this.#ends(item.key, { value, answer });
    if (settled) this.#settled.push(settled);
    if (value === "answer") this.answered(settled?.item ?? item, answer, settled?.next ?? null);
    this.#shows();
  }

  /* Closes a line as it is by now: meanwhile staff may have decided about it. Null where another tab was first. */
  async #close(sent, answer) {
    const { item, next } = await journal.settle(sent.key, (now) => {
      const line = this.follows(now, answer);
      return line && due(line);
    });
    return item && { item, answer, next };
  }

  /* Notes what a call was worth, this one's or another's: how things stand is shown at all times. */
  hears(answer, value) {
    this.last = value;
    this.detail = answer.body.detail ?? "";
    if (value === "answer") write("answered", Date.now());
  }

  /* Takes a line back in among those to be sent, as this device's. */
  async resume(key) {
    await journal.change(key, { trouble: null, device: read("device")?.device_id, due: 0 });
    await this.flush();
  }

  async remove(key) {
    await journal.remove(key);
    this.#shows();
  }

  #shows() {
    this.changed();
    this.#plan();
  }

  async #plan() {
    const open = (await journal.all()).filter((item) => !item.trouble);
    clearTimeout(this.#timer);
    if (!open.length) return;
    const waitMs = Math.min(...open.map(({ due }) => due)) - Date.now();
    this.#timer = setTimeout(() => this.flush(), Math.min(Math.max(waitMs, 1000), LONGEST_PAUSE_MS));
  }
}

const due = (item) => ({ tries: 0, trouble: null, due: 0, ...item });

/* Returns a scan as a line of a batch. */
const line = ({ key, body, decision, seq }) => ({ key, decision, seq, ...body });

/* In a batch the server has spoken of each line, so any 2xx and any refusal settles it. */
function worthTogether(answer) {
  if ((answer.status >= 200 && answer.status < 300) || isRefusal(answer)) return "answer";
  return [400, 413, 415, 422].includes(answer.status) ? "faulty" : "none";
}
