// The campaign page. Everything here improves a form that works without it.
import { startAutosave } from "./autosave.js";
import { startBlocks } from "./blocks.js";
import { startCountdowns } from "./countdown.js";
import { startPreview, startShownAs } from "./preview.js";

startCountdowns();
startShownAs();

const root = document.querySelector("[data-campaign]");
const form = document.getElementById("campaign_form");
const config = document.getElementById("campaign-editor");

if (root && form && config) {
  const { kinds, words, insert } = JSON.parse(config.textContent);
  const editor = startBlocks({ root, form, kinds, words, insert });
  startPreview({ root, form, words, editor });
  startAutosave({ root, form, words });
}
