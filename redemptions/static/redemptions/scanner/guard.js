/* Keeps a code that stays in view from being scanned again and again. Pure: the time comes in. */

export class Guard {
  constructor(holdMs = 3000) {
    this.holdMs = holdMs;
    this.code = null;
    this.seenAt = -Infinity;
  }

  /* Says whether this reading is a new scan. Seen again, the last code is held for as long again. */
  passes(code, now) {
    const held = this.holds(code, now);
    this.code = code;
    this.seenAt = now;
    return !held;
  }

  holds(code, now) {
    return code === this.code && now - this.seenAt < this.holdMs;
  }

  /* Notes a reading that is not acted upon, while an answer is shown; another code is not marked as seen by it. */
  sees(code, now) {
    if (this.holds(code, now)) this.seenAt = now;
  }
}
