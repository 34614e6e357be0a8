/* What staff hear and feel, and a screen that stays on. */

import { read, write } from "./settings.js";

// Frequency in Hz and length in ms of each tone; told apart in a loud room by rhythm, not by pitch alone.
const SOUNDS = {
  good: [[880, 90], [1320, 160]],
  amber: [[520, 130], [0, 60], [520, 130]],
  ask: [[660, 90], [990, 90], [660, 90]],
  bad: [[220, 450]],
  unsure: [[440, 120], [0, 80], [440, 120], [0, 80], [440, 120]],
};
const BUZZES = { good: [60], amber: [80, 60, 80], ask: [40, 40, 40], bad: [400], unsure: [60, 60, 60, 60, 60] };

let audio = null;

/* Browsers play nothing before the first tap. */
export function unlockSound() {
  const Context = window.AudioContext ?? window.webkitAudioContext;
  audio ??= Context ? new Context() : null;
  if (audio?.state === "suspended") audio.resume().catch(() => {});
}

export const isMuted = () => read("muted", false);
export const setMuted = (muted) => write("muted", muted);

export function signal(tone) {
  if (BUZZES[tone] && navigator.userActivation?.hasBeenActive !== false) navigator.vibrate?.(BUZZES[tone]);
  if (!audio || !SOUNDS[tone] || isMuted()) return;
  let at = audio.currentTime;
  for (const [frequency, ms] of SOUNDS[tone]) {
    if (frequency) beep(frequency, at, ms / 1000);
    at += ms / 1000;
  }
}

function beep(frequency, at, lengthS) {
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.type = "square";
  tone.frequency.value = frequency;
  volume.gain.setValueAtTime(0.25, at);
  volume.gain.exponentialRampToValueAtTime(0.001, at + lengthS);
  tone.connect(volume).connect(audio.destination);
  tone.start(at);
  tone.stop(at + lengthS);
}

let lock = null;

export async function keepAwake(on) {
  if (!on) {
    lock?.release().catch(() => {});
    lock = null;
  } else if (navigator.wakeLock && !(lock && !lock.released)) {
    lock = await navigator.wakeLock.request("screen").catch(() => null);
  }
}
