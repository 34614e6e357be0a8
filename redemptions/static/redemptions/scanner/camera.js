/* The camera: opened by a tap, given back when the page is hidden, and opened again when it is seen. */

import { read, write } from "./settings.js";

const TROUBLES = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

/* Why there is no picture: insecure, denied, none, busy or broken. */
export class CameraTrouble extends Error {
  constructor(why) {
    super(why);
    this.why = why;
  }
}

export class Camera {
  constructor(video) {
    this.video = video;
    this.stream = null;
  }

  get isOpen() {
    return this.stream !== null;
  }

  /* Shows the picture. Raises CameraTrouble. */
  async open() {
    this.close();
    // Where the page is not on https the whole object is missing.
    if (!navigator.mediaDevices?.getUserMedia) throw new CameraTrouble(window.isSecureContext ? "none" : "insecure");
    this.stream = await this.#ask();
    this.video.srcObject = this.stream;
    await this.#play();
  }

  close() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.video.srcObject = null;
  }

  async #ask() {
    const size = { width: { ideal: 1280 }, height: { ideal: 720 } };
    const chosen = read("camera");
    // By what it faces, not by its label, which is in the phone's language.
    const wishes = [{ ...size, facingMode: "environment" }];
    if (chosen) wishes.unshift({ ...size, deviceId: { exact: chosen } });
    let trouble;
    for (const video of wishes) {
      try {
        return await navigator.mediaDevices.getUserMedia({ audio: false, video });
      } catch (error) {
        trouble = new CameraTrouble(TROUBLES[error.name] ?? "broken");
        if (trouble.why === "denied") break;
      }
    }
    throw trouble;
  }

  async #play() {
    // Some phones refuse the first time, right after the stream opens.
    await this.video.play().catch(() => this.video.play().catch(() => {}));
  }

  /* Returns [{id, label}], named once the camera was allowed. */
  async list() {
    const devices = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    return devices
      .filter(({ kind, deviceId }) => kind === "videoinput" && deviceId)
      .map(({ deviceId, label }) => ({ id: deviceId, label }));
  }

  get current() {
    return this.stream?.getVideoTracks()[0]?.getSettings().deviceId ?? null;
  }

  /* Takes this one from the next opening on. */
  choose(id) {
    write("camera", id);
  }

  get hasTorch() {
    return Boolean(this.stream?.getVideoTracks()[0]?.getCapabilities?.().torch);
  }

  async light(on) {
    await this.stream?.getVideoTracks()[0]?.applyConstraints({ advanced: [{ torch: on }] });
  }
}
