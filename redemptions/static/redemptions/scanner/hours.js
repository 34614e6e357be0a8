/* When a deal is good: windows such as {days: [0, 1], from: "11:00", to: "15:00"} in the shop's time zone. Pure.
 *
 * Monday is 0. A window over midnight belongs to the day on which it starts. No windows: always. */

const DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

function local(at, zone) {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: zone,
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
  });
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]));
  return { day: DAYS.indexOf(parts.weekday), time: `${parts.hour}:${parts.minute}` };
}

export function isOpen(hours, at, zone) {
  if (!hours?.length) return true;
  const { day, time } = local(at, zone);
  const yesterday = (day + 6) % 7;
  return hours.some(({ days, from, to }) => {
    if (from < to) return days.includes(day) && from <= time && time < to;
    return (days.includes(day) && from <= time) || (days.includes(yesterday) && time < to);
  });
}

/* Returns the day of a moment in the shop's time zone, as 2026-11-21. */
export const dayOf = (at, zone) => new Intl.DateTimeFormat("en-CA", { timeZone: zone }).format(at);
