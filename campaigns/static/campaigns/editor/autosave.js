// A draft saves itself while it is written. Where somebody else saved it meanwhile it stops, and says so.
import { fill, renewToken } from "./dom.js";

const DELAY = 1500;
const AGAIN = 10_000;
const PATIENCE = 20_000; // a network that hangs never says so

export function startAutosave({ root, form, words }) {
  const status = document.querySelector("[data-save-status]");
  const seen = form.elements.namedItem("seen");
  if (!root.dataset.autosaveUrl || !status || !seen) {
    return;
  }
  let timer = 0;
  let running = null; // the saving on its way
  let lost = null; // what was sent and not answered: it may have been saved
  let isDirty = false; // something was typed since the last saving
  let isKept = true; // all that was typed is on the server
  let isAway = false; // nobody took the last saving: signed out, or no network
  let isStopped = false;
  let isLeaving = false;

  const say = (text) => {
    status.textContent = text;
  };

  function typed() {
    const data = new FormData(form);
    data.delete("test_to");
    return data;
  }

  // What was not answered is sent again as it was, so that the server can tell whether it has it already.
  function save() {
    clearTimeout(timer);
    if (isStopped || running || !(isDirty || lost)) {
      return running;
    }
    renewToken();
    let data = typed();
    if (lost) {
      lost.set("csrfmiddlewaretoken", data.get("csrfmiddlewaretoken"));
      lost.set("again", "1");
      data = lost;
    } else {
      isDirty = false;
    }
    say(words.saving);
    running = send(data).finally(() => {
      running = null;
      if (isDirty && !isAway && !isStopped) {
        later(DELAY);
      }
    });
    return running;
  }

  async function send(data) {
    try {
      const leaving = document.visibilityState === "hidden";
      const response = await fetch(root.dataset.autosaveUrl, {
        method: "POST",
        body: data,
        keepalive: leaving && data.get("blocks").length + data.get("html").length + data.get("body").length < 30_000,
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (response.redirected || response.status === 403) {
        away(words.signedOut);
        return;
      }
      if (response.status >= 500) {
        throw new Error("no answer");
      }
      lost = null;
      isAway = false;
      if (!response.ok) {
        say(words.refused);
        return;
      }
      const answer = await response.json();
      if (answer.conflict) {
        conflict(answer);
      } else if (answer.saved) {
        saved(answer);
      } else {
        say(fill(words.notSaved, { why: answer.why }));
      }
    } catch {
      lost = data;
      away(words.offline);
      later(AGAIN);
    }
  }

  function away(text) {
    isAway = isDirty = true;
    say(text);
  }

  function saved(answer) {
    seen.value = answer.seen;
    root.dataset.autosaveUrl = answer.autosave;
    if (window.location.pathname !== answer.page) {
      window.history.replaceState(null, "", answer.page); // a new campaign has an address of its own now
    }
    isKept = !isDirty;
    say(isDirty ? words.unsaved : fill(words.saved, { at: answer.at }));
  }

  function conflict({ why, page }) {
    isStopped = true;
    say("");
    const notice = document.querySelector("[data-conflict]");
    notice.querySelector("[data-conflict-words]").textContent = why;
    notice.querySelector("[data-theirs]").href = page;
    notice.querySelector("button").disabled = false;
    notice.hidden = false;
    notice.scrollIntoView({ block: "center" });
  }

  function later(delay) {
    clearTimeout(timer);
    timer = setTimeout(save, delay);
  }

  const changed = (event) => {
    if (event.target.closest("[data-no-preview]") || isLeaving) {
      return;
    }
    isDirty = true;
    isKept = false;
    if (isStopped) {
      return;
    }
    if (!running && !isAway) {
      say(words.unsaved);
    }
    later(DELAY);
  };
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);

  // Pressing a button saves too: not before the saving on its way is over, which would look like somebody else's; and
  // not while nobody would take it, which would lose what was written.
  async function submitAfterwards(button) {
    await running;
    if (isAway) {
      await save();
    }
    if (isAway) {
      status.scrollIntoView({ block: "center" });
    } else {
      form.requestSubmit(button);
    }
  }
  form.addEventListener("submit", (event) => {
    clearTimeout(timer);
    renewToken();
    if (isLeaving) {
      event.preventDefault(); // pressed twice
    } else if (running || isAway) {
      event.preventDefault();
      submitAfterwards(event.submitter);
    } else {
      isStopped = isLeaving = true;
    }
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      isStopped = isLeaving = false; // somebody came back
    }
  });
  window.addEventListener("beforeunload", (event) => {
    if (!isKept && !isLeaving && navigator.userActivation?.hasBeenActive !== false) {
      event.preventDefault(); // browsers refuse to ask whoever has touched nothing
    }
  });
  document.querySelector("[data-theirs]")?.addEventListener("click", () => {
    isLeaving = true;
  });
  window.addEventListener("online", save);
  document.addEventListener("visibilitychange", () => {
    if (isAway || document.visibilityState === "hidden") {
      save(); // leaving, or coming back from signing in in another tab
    }
  });
}
