/* The way of a scan: journalled, sent, answered or not, and what can still be done about it. */

import { call, newKey, TIMEOUT_MS, worth } from "./api.js";
import { normalise } from "./codes.js";
import { serverNow, staff } from "./enrolment.js";
import { dayOf } from "./hours.js";
import { journal } from "./journal.js";
import * as pack from "./pack.js";
import { Queue } from "./queue.js";
import { money, present, presentVoid, tail, worthOf } from "./result.js";
import { nextNumber, read } from "./settings.js";
import { texts } from "./texts.js";

const CLOSES_AFTER_MS = 15_000;
const WAITS_MS = TIMEOUT_MS + 2000; // whatever a call waits for, staff do not

export class Till {
  #shown = null; // {key, item, view}: what staff are looking at
  #closing = null;

  /* `show(view)`, `hide()`, `note(view)`, `queueChanged()`, `settled(lines)`. */
  constructor(screen) {
    this.screen = screen;
    this.queue = new Queue({
      follows: (item, answer) => this.#follows(item, answer),
      answered: (item, answer, next) => this.#answered(item, answer, next),
      changed: screen.queueChanged,
      settled: screen.settled,
    });
  }

  get isFree() {
    return this.#shown === null;
  }

  get redemption() {
    return this.#shown?.view.redemption ?? null;
  }

  /* --- Scanning --- */

  async scan(text, entry, { orderValue = null } = {}) {
    const code = normalise(text);
    const open = orderValue === null && (await this.#reopen(code));
    if (open) return this.#send(open);
    const item = this.#newItem("scan", "POST", "redemptions", code);
    item.decision = "undecided";
    item.body = { code: text.slice(0, 500), entry, scanned_at: new Date().toISOString() };
    if (staff()) item.body.staff = staff().id;
    if (orderValue !== null) item.body.order_value = orderValue;
    if (await this.#journals(item)) await this.#send(item);
  }

  /* A code that is scanned again before it was answered is the same scan. */
  async #reopen(code) {
    const open = (await journal.all()).find((item) => item.kind === "scan" && item.code === code && !item.trouble);
    return open?.decision === "refused" ? journal.change(open.key, { decision: "undecided" }) : open;
  }

  #newItem(kind, method, path, code) {
    const device = read("device");
    return {
      key: newKey(),
      kind,
      method,
      path,
      code,
      at: new Date().toISOString(),
      seq: nextNumber(),
      device: device?.device_id,
      deviceName: device?.name,
    };
  }

  async #journals(item) {
    try {
      await this.queue.add(item);
      return true;
    } catch {
      this.#show(item, { tone: "bad", title: texts.notConfirmed, detail: texts.noJournal });
      return false;
    }
  }

  async #send(item) {
    this.#show(item, { tone: "busy", title: texts.checking, detail: tail(item.code) });
    const { value, answer } = await this.queue.send(item);
    if (value === "answer" || this.#shown?.key !== item.key) return;
    this.#show(item, await this.#unanswered(item, value, answer));
  }

  /* --- No answer --- */

  async #unanswered(item, value, answer) {
    const because = answer?.body.detail;
    const plain = { tone: "unsure", title: texts.notConfirmed };
    if (value === "faulty") return { ...plain, tone: "bad", detail: join(because, tail(item.code)) };
    if (value === "stranger") return { ...plain, detail: join(because, texts.newLink, tail(item.code)) };
    if (value === "old") return { ...plain, detail: join(texts.tooOld, tail(item.code)) };
    if (item.decision === "honoured") {
      return { ...plain, detail: join(texts.alreadyHere(this.screen.timeOf(item.at)), tail(item.code)) };
    }
    const away = navigator.onLine ? (because ?? texts.noAnswer) : texts.offline;
    if (item.kind !== "scan") return { ...plain, detail: join(away, tail(item.code)) };
    return this.#offline(item, away, answer.status === 429 ? null : await this.#judge(item));
  }

  #judge(item) {
    const zone = read("device")?.time_zone;
    const orderValue = item.body.order_value == null ? null : Number(item.body.order_value);
    return zone ? pack.judge(item.code, { at: serverNow(), zone, orderValue }) : null;
  }

  async #offline(item, away, verdict) {
    const asOf = verdict && texts.listOf(this.screen.timeOf(verdict.asOf));
    if (verdict?.take) {
      // On record before anybody reads it: what staff give away then is not forgotten, whatever happens to the phone.
      const honoured = await journal.change(item.key, { decision: "honoured", dealId: verdict.deal.id, hash: verdict.hash });
      if (honoured) {
        await pack.take(verdict.hash);
        await pack.count(verdict.deal, 1, verdict.day);
        const { title, instructions } = verdict.deal;
        const detail = join(...worthOf(verdict.deal), texts.takeItDetail, instructions, asOf, tail(item.code));
        return { tone: "unsure", title: texts.takeIt, deal: title, detail, turnDown: texts.notGiven };
      }
    }
    const asksForValue = verdict?.why === "value";
    const terms = asksForValue ? worthOf(verdict.deal) : [];
    const rule = verdict && texts.localRules[verdict.why];
    return {
      tone: "unsure",
      title: texts.notConfirmed,
      deal: verdict?.deal?.title,
      detail: join(...terms, away, rule, rule && asOf, texts.wait, tail(item.code)),
      asksForValue,
      turnDown: this.queue.knowsBatches ? texts.sentAway : null,
    };
  }

  /* Notes that nothing was given for what is shown. */
  async turnDown() {
    const { item } = this.#shown;
    const before = (await journal.all()).find(({ key }) => key === item.key);
    const changed = before && (await journal.change(item.key, { decision: "refused" }));
    if (!changed) return this.#turnDownLate({ ...item, decision: "refused" });
    if (before.decision === "honoured") {
      await pack.giveBack(before.hash);
      await pack.count({ id: before.dealId }, -1, this.#today());
    }
    if (this.#shown?.key !== item.key) return; // answered at this very moment
    this.#show(changed, { tone: "noted", title: texts.sentAway, detail: join(texts.sentAwayDetail, tail(item.code)) });
    this.queue.changed();
  }

  /* The answer was there first, perhaps in another tab: what it is decides what is to be done. */
  async #turnDownLate(item) {
    this.#show(item, { tone: "busy", title: texts.checking, detail: tail(item.code) });
    const answer = await call("GET", `redemptions/by-key/${item.key}`);
    if (this.#shown?.key !== item.key) return;
    const detail = join(texts.answeredElsewhere, tail(item.code));
    if (worth(answer) !== "answer") return this.#show(item, { tone: "unsure", title: texts.notConfirmed, detail });
    const next = this.#follows(item, answer);
    if (next) await this.queue.addDue(next);
    this.#show(next ?? item, next ? this.#viewOfNext(next) : this.#viewOf(item, answer));
  }

  #today() {
    return dayOf(serverNow(), read("device").time_zone);
  }

  /* --- Answers --- */

  #answered(item, answer, next) {
    if (!read("token")) return; // out of use meanwhile: no more of anybody's name
    this.#remembers(item, answer);
    if (this.hears({ item, answer, next }) || next?.kind === "scan") return;
    const view = next ? this.#viewOfNext(next) : this.#viewOf(item, answer);
    // A guest may be waiting for it; what was given or turned down is settled, and nobody waits.
    if (this.isFree && item.decision === "undecided") this.#show(item, view);
    else this.screen.note(view);
  }

  /* Shows the answer, which may have come to another tab, to what is shown here; returns whether it is. */
  hears({ item, answer, next }) {
    if (this.#shown?.key !== item.key) return false;
    if (next?.kind === "scan") this.#send(next);
    else this.#show(next ?? item, next ? this.#viewOfNext(next) : this.#viewOf(item, answer));
    return true;
  }

  /* Returns the line that follows from an answer, or null. What staff turned down and the server redeemed all the same
   * is taken back; what they turned down first and then scanned again is a new scan. */
  #follows(item, { status, body }) {
    if (item.kind === "void") {
      const isLeft = item.turnedDown && status === 409 && body.code !== "already_voided";
      return isLeft ? { ...item, trouble: { kind: "redeemed", detail: join(body.title, body.detail) } } : null;
    }
    if (item.kind !== "scan") return null;
    if (item.decision !== "refused") {
      return body.result === "recorded" ? { ...item, key: newKey(), seq: nextNumber(), tries: 0, due: 0 } : null;
    }
    const isGiven = body.id && !body.voided_at && (status < 300 || body.honoured);
    if (!isGiven) return null;
    const line = this.#newItem("void", "POST", `redemptions/${body.id}/void`, item.code);
    const trouble = read("device")?.policy?.voids === false ? { kind: "redeemed", detail: "" } : null;
    return { ...line, body: { reason: "scanned_by_mistake" }, turnedDown: true, trouble };
  }

  #viewOfNext({ code, trouble }) {
    if (!trouble) return { tone: "noted", title: texts.sentAway, detail: join(texts.takingBack, tail(code)) };
    const detail = join(texts.redeemedAnywayDetail, trouble.detail, tail(code));
    return { tone: "bad", title: texts.redeemedAnyway, detail };
  }

  #viewOf(item, answer) {
    if (item.kind === "void") return presentVoid(item, answer);
    const view = present(item, answer);
    if (item.kind === "order" && view.tone === "good") view.detail = join(texts.orderOf(money(item.money)), view.detail);
    const may = this.queue.knowsBatches && view.redemption?.id; // older servers know neither
    view.mayOrder = Boolean(may);
    const until = Date.parse(view.redemption?.voidUntil ?? "");
    view.mayVoid = Boolean(may && read("device").policy.voids !== false && until > serverNow());
    return view;
  }

  /* What the server said of a code outlives the network. */
  async #remembers(item, { status, body }) {
    const isUsed = body.code === "already_redeemed" || (body.uses && body.uses.used >= body.uses.max);
    const isBack = (item.kind === "void" && status < 300) || Boolean(body.voided_at);
    const hash = (isUsed || isBack) && (await pack.hashOf(item.code));
    if (hash) await (isBack ? pack.giveBack(hash) : pack.take(hash));
  }

  /* --- After a good scan --- */

  /* Adds the order's value to what is shown; returns whether it was an amount. */
  async order(text) {
    const value = /^\d{1,8}(?:[.,]\d{1,2})?$/.test(text.trim()) ? text.trim().replace(",", ".") : null;
    if (value === null) return false;
    const { item } = this.#shown;
    if (!this.redemption) {
      // Asked for before it can be redeemed. A refusal is the answer to its key for good, so this is a new scan; one
      // without an answer goes on under its own.
      const open = await journal.change(item.key, { body: { ...item.body, order_value: value } });
      await (open ? this.#send(open) : this.scan(item.body.code, item.body.entry, { orderValue: value }));
      return true;
    }
    const { id, code, currency } = this.redemption;
    const line = this.#newItem("order", "PATCH", `redemptions/${id}`, code);
    line.body = { order_value: value };
    line.money = { amount: value, currency };
    if (await this.#journals(line)) await this.#send(line);
    return true;
  }

  async takeBack(reason) {
    const { id, code } = this.redemption;
    const item = this.#newItem("void", "POST", `redemptions/${id}/void`, code);
    item.body = { reason };
    if (await this.#journals(item)) await this.#send(item);
  }

  /* --- What is shown --- */

  #show(item, view) {
    this.#shown = { key: item.key, item, view };
    this.screen.show(view);
    this.hold();
    // A guest waits for "not confirmed"; everything else makes room for the next by itself.
    if (!["busy", "unsure"].includes(view.tone) && !view.asksForValue) {
      this.#closing = setTimeout(() => this.next(), CLOSES_AFTER_MS);
    }
    if (view.tone === "busy") {
      const late = { tone: "unsure", title: texts.notConfirmed, detail: join(texts.noAnswer, tail(item.code)) };
      this.#closing = setTimeout(() => this.#show(item, late), WAITS_MS);
    }
  }

  /* Keeps what is shown open: staff are typing. */
  hold() {
    clearTimeout(this.#closing);
  }

  /* Makes room for the next scan. What is being asked goes on. */
  next() {
    this.hold();
    this.#shown = null;
    this.screen.hide();
  }
}

const join = (...lines) => lines.filter(Boolean).join("\n");
