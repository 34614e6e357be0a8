/* From an answer to what staff see: tone, title and lines. Pure. Unknown codes are refusals in the server's words. */

import { texts } from "./texts.js";

const TONES = { already_redeemed: "amber", order_value_required: "ask" };
const ASKS_FOR_VALUE = ["order_value_required", "min_spend_not_met"];

const lines = (...all) => all.filter(Boolean).join("\n");
const noted = (title, ...all) => ({ tone: "noted", title, deal: "", detail: lines(...all) });

export const tail = (code) => texts.tail(code.slice(-4));

export function money({ amount, currency }) {
  const style = currency ? { style: "currency", currency } : { minimumFractionDigits: 2 };
  return new Intl.NumberFormat(undefined, style).format(Number(amount));
}

/* Returns what a deal is worth and for which orders, a line each. */
export function worthOf({ type, value, currency, max_discount: most, min_spend: least }) {
  // Older servers say 5.00 without the currency beside it, newer ones {amount, currency}.
  const words = (sum) => money({ currency, ...(sum?.amount == null ? { amount: sum } : sum) });
  const worths = {
    percent: () => (most == null ? texts.percentOff(value) : texts.atMost(texts.percentOff(value), words(most))),
    amount: () => texts.off(words(value)),
  };
  return [worths[type]?.() ?? texts.kinds[type], least != null && texts.from(words(least))].filter(Boolean);
}

/* Returns {tone, title, deal, detail, redemption, asksForValue}. */
export function present(item, { status, body }) {
  const which = lines(tail(item.code), item.tries > 0 && texts.confirmedNow);
  if (status === 409) return presentRefusal(body, which);
  if (body.result === "recorded") return noted(texts.recorded, texts.recordedDetail, which);
  if (!body.deal) return noted(texts.noted, which);
  const { deal, discount, customer, uses } = body;
  if (body.voided_at) return noted(texts.takenBack, deal.title, texts.takenBackBefore, which);
  return {
    tone: "good",
    title: texts.redeemed,
    deal: deal.title,
    detail: lines(
      ...(discount ? [texts.off(money(discount))] : worthOf(deal)),
      deal.instructions,
      customer?.display,
      uses?.max > 1 && texts.uses(uses.used, uses.max),
      body.receipt && texts.receipt(body.receipt),
      which,
    ),
    redemption: { id: body.id, code: item.code, currency: deal.currency, voidUntil: body.void_until },
  };
}

function presentRefusal(body, which) {
  const { previous } = body;
  const ours = previous?.this_device && texts.ours(texts.ago(previous.seconds_ago));
  const conflict = body.honoured && texts.conflict;
  return {
    tone: TONES[body.code] ?? "bad",
    title: conflict || body.title || texts.refused,
    deal: body.deal?.title ?? "",
    detail: lines(ours, conflict && body.title, body.detail, ...(body.deal ? worthOf(body.deal) : []), which),
    asksForValue: ASKS_FOR_VALUE.includes(body.code),
  };
}

export function presentVoid(item, { status, body }) {
  if (status === 409) return { ...presentRefusal(body, tail(item.code)), asksForValue: false };
  const receipt = body.receipt && texts.receipt(body.receipt);
  return { tone: "noted", title: texts.takenBack, deal: "", detail: lines(texts.takenBackDetail, receipt, tail(item.code)) };
}
