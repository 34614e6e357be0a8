// A draft saves itself while it is written. Where somebody else saved it meanwhile it stops, and says so.
import { fill } from "./dom.js";

const DELAY = 1500;
const AGAIN = 10_000;

export function startAutosave({ root, form, words }) {
  const status = document.querySelector("[data-save-status]");
  const seen = form.elements.namedItem("seen");
  if (!root.dataset.autosaveUrl || !status || !seen) {
    return;
  }
  let timer = 0;
  let running = null; // the saving on its way
  let isDirty = false;
  let isStopped = false;

  const say = (text) => {
    status.textContent = text;
  };

  async function save() {
    clearTimeout(timer);
    if (isStopped || !isDirty || running) {
      return;
    }
    isDirty = false;
    const data = new FormData(form);
    data.delete("test_to");
    say(words.saving);
    running = send(data);
    await running;
    running = null;
    if (isDirty && !isStopped) {
      later(DELAY);
    }
  }

  async function send(data) {
    try {
      const response = await fetch(root.dataset.autosaveUrl, { method: "POST", body: data });
      if (response.redirected || response.status === 403) {
        isDirty = true;
        say(words.signedOut);
        return;
      }
      const answer = await response.json();
      if (answer.conflict) {
        conflict(answer.why);
      } else if (answer.saved) {
        saved(answer);
      } else {
        say(fill(words.notSaved, { why: answer.why }));
      }
    } catch {
      isDirty = true;
      say(words.offline);
      later(AGAIN);
    }
  }

  function saved(answer) {
    seen.value = answer.seen;
    root.dataset.autosaveUrl = answer.autosave;
    if (window.location.pathname !== answer.page) {
      window.history.replaceState(null, "", answer.page); // a new campaign has an address of its own now
    }
    say(isDirty ? words.unsaved : fill(words.saved, { at: answer.at }));
  }

  function conflict(why) {
    isStopped = true;
    say("");
    const notice = document.querySelector("[data-conflict]");
    if (notice) {
      notice.querySelector("[data-conflict-words]").textContent = why;
      notice.hidden = false;
      notice.scrollIntoView({ block: "center" });
    }
  }

  function later(delay) {
    clearTimeout(timer);
    timer = setTimeout(save, delay);
  }

  const typed = (event) => {
    if (event.target.closest("[data-no-preview]") || isStopped) {
      return;
    }
    isDirty = true;
    if (!running) {
      say(words.unsaved);
    }
    later(DELAY);
  };
  form.addEventListener("input", typed);
  form.addEventListener("change", typed);

  // Pressing a button saves too: not before the saving on its way is over, which would look like somebody else's.
  form.addEventListener("submit", async (event) => {
    clearTimeout(timer);
    if (running) {
      event.preventDefault();
      const button = event.submitter;
      await running;
      isStopped = true;
      form.requestSubmit(button);
      return;
    }
    isStopped = true;
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") {
      save();
    }
  });
}
