/* Hand scanners that type: a burst of keys with Enter behind it, whatever has the focus. */

const GAP_MS = 60; // people take longer between two keys, these devices a tenth of it
const LEAST = 8; // characters

/* Feeds key presses in; returns what was scanned when Enter ends a burst, else null. Pure: the time comes in. */
export class Burst {
  constructor() {
    this.text = "";
    this.lastAt = -Infinity;
  }

  press(key, now) {
    const quick = now - this.lastAt <= GAP_MS;
    this.lastAt = now;
    if (!quick) this.text = "";
    if (key.length === 1) this.text += key; // Shift and the like have longer names
    if (key !== "Enter") return null;
    const { text } = this;
    this.text = "";
    return text.length >= LEAST ? text : null;
  }
}

/* Calls `scanned(text)` for each burst. What it typed into a field is taken out again; `own`, the field for codes, takes
 * it as typed. */
export function listen(target, own, scanned) {
  const burst = new Burst();
  target.addEventListener(
    "keydown",
    (event) => {
      if (event.target === own) return;
      const text = burst.press(event.key, event.timeStamp);
      if (text === null) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.target instanceof HTMLInputElement) event.target.value = "";
      scanned(text);
    },
    { capture: true },
  );
}
