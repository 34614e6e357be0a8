// The campaign pages: a count-down to the start, a live preview of what is typed, the checklist beside it, and merge
// fields at a click.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const DELAY = 350;

  // Seconds until it starts, counted here: the page's clock and the server's may differ.
  document.querySelectorAll("[data-countdown]").forEach((place) => {
    const end = performance.now() + 1000 * Number(place.dataset.countdown);
    const tick = () => {
      const left = Math.ceil((end - performance.now()) / 1000);
      place.textContent = left > 0 ? `Starts in ${left} s` : "Starting…";
      if (left > 0) {
        setTimeout(tick, 250);
      }
    };
    tick();
  });

  const panel = document.querySelector("[data-preview]");

  // Desktop, phone, plain text.
  if (panel) {
    const buttons = panel.querySelectorAll("[data-show]");
    buttons.forEach((button) =>
      button.addEventListener("click", () => {
        buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
        panel.dataset.shown = button.dataset.show;
        const text = panel.querySelector("[data-text-only]");
        if (text) {
          const isText = button.dataset.show === "text";
          text.hidden = !isText;
          panel.querySelector(".preview-mail").hidden = isText;
        }
      }),
    );
  }

  const root = document.querySelector("[data-campaign]");
  const form = document.getElementById("campaign_form");
  if (!root || !form || !panel) {
    return;
  }
  const channel = form.elements.namedItem("channel");
  const isSms = () => channel && channel.value === "sms";
  const rowOf = (name) => form.querySelector(`.field-${name}`);

  function showChannel() {
    const sms = isSms();
    [rowOf("subject"), rowOf("preheader"), form.querySelector(".only-email")].forEach((row) => {
      if (row) {
        row.hidden = sms;
      }
    });
    panel.querySelectorAll("[data-email-only]").forEach((node) => {
      node.hidden = sms;
    });
    root.querySelectorAll("[data-for]").forEach((node) => {
      node.hidden = (node.dataset.for === "sms") !== sms;
    });
    panel.querySelector(".toggle").hidden = sms;
    panel.querySelector("[data-sms-only]").hidden = !sms;
    if (sms) {
      panel.querySelector("[data-text-only]").hidden = true;
    } else {
      const isText = panel.dataset.shown === "text";
      panel.querySelector(".preview-mail").hidden = isText;
      panel.querySelector("[data-text-only]").hidden = !isText;
    }
  }

  // A form of its own posts what is typed into the frame; the address stays out of the history.
  const carrier = document.createElement("form");
  carrier.method = "post";
  carrier.action = root.dataset.previewUrl;
  carrier.target = "mail-preview";
  carrier.hidden = true;
  document.body.append(carrier);

  function typed() {
    const data = new FormData(form);
    data.delete("test_to");
    return data;
  }

  function postIntoFrame(data) {
    carrier.replaceChildren();
    for (const [name, value] of data) {
      const input = document.createElement("textarea");
      input.name = name;
      input.value = value;
      carrier.append(input);
    }
    carrier.submit();
  }

  const set = (name, text) => {
    const node = panel.querySelector(`[data-preview-${name}]`);
    if (node) {
      node.textContent = text;
    }
  };

  function showFacts(facts) {
    set("from", facts.from);
    set("error", facts.error ? `The preview comes back when this is mended: ${facts.error}` : "");
    panel.querySelector("[data-preview-error]").hidden = !facts.error || !isSms();
    if (!facts.error) {
      set("subject", facts.subject);
      set("preheader", facts.preheader);
      set("text", facts.text);
      set("bubble", facts.text);
      set("size", facts.size);
    }
    showChecks(facts.checks);
  }

  const WORDS = { ok: "Fine:", warn: "Worth a look:", block: "To fix:" };

  function showChecks(checks) {
    const list = document.createElement("ul");
    list.className = "checklist";
    for (const check of checks) {
      const item = document.createElement("li");
      item.className = `check-${check.level}`;
      const word = document.createElement("span");
      word.className = "visually-hidden";
      word.textContent = WORDS[check.level];
      const body = document.createElement("div");
      const title = document.createElement("strong");
      title.textContent = check.title;
      body.append(title);
      const target = check.level !== "ok" && check.field && document.getElementById(`id_${check.field}`);
      if (target) {
        const fix = document.createElement("button");
        fix.type = "button";
        fix.className = "linklike";
        fix.textContent = "Fix";
        fix.setAttribute("aria-label", `Fix: ${check.title}`);
        fix.addEventListener("click", () => {
          target.closest("details")?.setAttribute("open", "");
          target.focus();
        });
        body.append(" ", fix);
      } else if (check.level !== "ok" && check.url) {
        const page = document.createElement("a");
        page.href = check.url;
        page.textContent = check.label;
        body.append(" ", page);
      }
      if (check.detail) {
        const detail = document.createElement("span");
        detail.className = "quiet";
        detail.textContent = check.detail;
        body.append(detail);
      }
      item.append(word, body);
      list.append(item);
    }
    document.querySelector("[data-checks]").replaceChildren(list);
    const bad = checks.filter((check) => check.level === "block").length;
    const look = checks.filter((check) => check.level === "warn").length;
    document.querySelector("[data-checks-summary]").textContent = bad
      ? `${bad} to fix`
      : look
        ? `${look} to look at`
        : "All good";
  }

  let asked = null;

  async function refresh() {
    showChannel();
    const data = typed();
    if (!isSms()) {
      postIntoFrame(data);
    }
    asked?.abort();
    asked = new AbortController();
    try {
      const response = await fetch(root.dataset.factsUrl, { method: "POST", body: data, signal: asked.signal });
      if (response.ok && !response.redirected) {
        showFacts(await response.json());
      }
    } catch {
      // A newer question took over, or the server is away: the next letter asks again.
    }
  }

  let waiting = 0;
  const soon = (event) => {
    if (event.target.closest("[data-no-preview]")) {
      return;
    }
    clearTimeout(waiting);
    waiting = setTimeout(refresh, DELAY);
  };
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);

  // Merge fields go where the cursor was last.
  let last = form.elements.namedItem("body");
  form.addEventListener("focusin", (event) => {
    if ("insertInto" in event.target.dataset) {
      last = event.target;
    }
  });
  form.querySelectorAll("[data-insert]").forEach((button) =>
    button.addEventListener("click", () => {
      last.setRangeText(button.dataset.insert, last.selectionStart, last.selectionEnd, "end");
      last.focus();
      last.dispatchEvent(new Event("input", { bubbles: true }));
    }),
  );

  refresh();
});
