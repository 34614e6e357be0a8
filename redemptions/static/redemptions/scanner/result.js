/* From an answer to what staff see: tone, title and lines. Pure. Unknown codes are refusals in the server's words. */

import { texts } from "./texts.js";

const IN_AMBER = ["already_redeemed"];
const ASKS_FOR_VALUE = ["order_value_required", "min_spend_not_met"];

const lines = (...all) => all.filter(Boolean).join("\n");

export const tail = (code) => texts.tail(code.slice(-4));

export function money({ amount, currency }) {
  return new Intl.NumberFormat(undefined, { style: "currency", currency }).format(Number(amount));
}

/* Returns {tone, title, deal, detail, redemption, asksForValue}. */
export function present(item, { status, body }) {
  const which = lines(tail(item.code), item.tries > 0 && texts.confirmedNow);
  if (status === 409) return presentRefusal(body, which);
  if (!body.deal) return { tone: "noted", title: texts.noted, deal: "", detail: which };
  const { deal, discount, customer, uses } = body;
  return {
    tone: "good",
    title: texts.redeemed,
    deal: deal.title,
    detail: lines(
      discount && texts.off(money(discount)),
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
    tone: IN_AMBER.includes(body.code) ? "amber" : "bad",
    title: conflict || body.title || texts.refused,
    deal: "",
    detail: lines(ours, conflict && body.title, body.detail, which),
    asksForValue: ASKS_FOR_VALUE.includes(body.code),
  };
}

export function presentVoid(item, { status, body }) {
  if (status === 409) return { ...presentRefusal(body, tail(item.code)), asksForValue: false };
  const receipt = body.receipt && texts.receipt(body.receipt);
  return { tone: "noted", title: texts.takenBack, deal: "", detail: lines(texts.takenBackDetail, receipt, tail(item.code)) };
}
