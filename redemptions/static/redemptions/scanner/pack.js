/* The list for times without network: which deals may be given then, and short hashes of the codes that are good.
 *
 * The owner decides for each deal; this only keeps to it. What was given here is counted here, and taken off the list.
 */

import { call } from "./api.js";
import { isToken, shortHash } from "./codes.js";
import { dayOf, isOpen } from "./hours.js";
import { kept } from "./journal.js";
import { read } from "./settings.js";

// Until the next list leaves out what was taken; one that was made good again meanwhile is not held up for longer.
const KEEP_TAKEN_MS = 24 * 3600 * 1000;

/* Fetches the list, or what changed since the last one; forgets it where this device may not use one. */
export async function refresh() {
  if (!read("device")?.policy?.offline) return kept.forget("pack");
  const old = await kept.read("pack");
  const answer = await call("GET", old?.cursor ? `offline-pack?since=${encodeURIComponent(old.cursor)}` : "offline-pack");
  if (answer.status === 200 && answer.body.deals) await kept.write("pack", merge(old, answer.body));
}

/* Returns a list with the changes applied: all deals are always sent, codes are added and removed. One that is `full`
 * takes the old one's place: the server did not know where that one ended. */
export function merge(before, news) {
  const old = news.full ? null : before;
  const removed = new Set(news.removed ?? []);
  const join = (kind) =>
    Object.fromEntries(
      news.deals.map(({ id }) => {
        const codes = new Set([...(old?.[kind]?.[id] ?? []), ...(news[kind]?.[id] ?? [])]);
        return [id, [...codes].filter((code) => !removed.has(code))];
      }),
    );
  return { as_of: news.as_of, cursor: news.cursor, deals: news.deals, codes: join("codes"), typed: join("typed") };
}

/* Returns null where the page is not on https: nothing can be hashed there. */
export const hashOf = async (code) => (crypto.subtle ? shortHash(code) : null);

/* Notes a code as used up, or as good again. */
export const take = (hash) => kept.change("taken", (taken = {}) => ({ ...recent(taken), [hash]: Date.now() }));
export const giveBack = (hash) => kept.change("taken", ({ [hash]: _, ...others } = {}) => others);

const recent = (taken) => Object.fromEntries(Object.entries(taken).filter(([, at]) => Date.now() - at < KEEP_TAKEN_MS));

/* Counts what was given of a deal today on this device. */
export function count(deal, by, day) {
  return kept.change("given", (given) => {
    const today = given?.day === day ? given : { day, deals: {} };
    return { day, deals: { ...today.deals, [deal.id]: Math.max(0, (today.deals[deal.id] ?? 0) + by) } };
  });
}

/* Returns {take, why, deal, hash, day, asOf}: whether a code may be given without asking the server, else why not.
 * Null where there is no list. */
export async function judge(code, { at, zone, orderValue }) {
  const pack = await kept.read("pack");
  const hash = pack && (await hashOf(code));
  if (!hash) return null;
  const taken = (await kept.read("taken")) ?? {};
  const deal = dealOf(pack, hash, isToken(code) ? "codes" : "typed");
  const day = dayOf(at, zone);
  const given = await kept.read("given");
  const today = given?.day === day ? (given.deals[deal?.id] ?? 0) : 0;
  const why = hash in taken ? "taken" : deal ? forbids(deal, { at, zone, orderValue, today }) : "unknown";
  return { take: why === null, why, deal, hash, day, asOf: pack.as_of };
}

function dealOf(pack, hash, kind) {
  const known = pack.deals.find(({ id }) => pack[kind]?.[id]?.includes(hash));
  return known ?? pack.deals.find((deal) => deal.offline === "honour_wellformed") ?? null;
}

/* Returns the first rule that forbids to give a deal without network, or null. Pure. */
export function forbids(deal, { at, zone, orderValue, today }) {
  if (!["honour_known", "honour_wellformed"].includes(deal.offline)) return "policy";
  if (deal.starts_at && at < Date.parse(deal.starts_at)) return "notYet";
  if (deal.ends_at && at >= Date.parse(deal.ends_at)) return "over";
  if (!isOpen(deal.hours, at, zone)) return "closed";
  if (deal.offline_per_day != null && today >= deal.offline_per_day) return "enough";
  return forbidsByValue(deal, orderValue);
}

function forbidsByValue(deal, orderValue) {
  const least = amount(deal.min_spend);
  if (least !== null && orderValue == null) return "value";
  if (least !== null && orderValue < least) return "small";
  const most = amount(deal.offline_max_value);
  if (most === null || !["percent", "amount"].includes(deal.type)) return null;
  const discount = largestDiscount(deal, orderValue);
  if (discount === null) return "value";
  return discount > most ? "tooMuch" : null;
}

/* Returns null where it could be anything. */
function largestDiscount(deal, orderValue) {
  if (deal.type === "amount") return Number(deal.value);
  const cap = amount(deal.max_discount);
  if (orderValue == null) return cap;
  return Math.min((orderValue * Number(deal.value)) / 100, cap ?? Infinity);
}

/* Money comes as "5.00" or as {amount: "5.00", currency: "USD"}. */
const amount = (money) => (money == null ? null : Number(money.amount ?? money));
