// The live preview of what is typed, unsaved, and the checklist beside it.
import { startFrames } from "../../regulars/frames.js";
import { fill, make, renewToken } from "./dom.js";

const DELAY = 350;
const PATIENCE = 1000;
const DESKTOP_PX = 640; // what mail programs give a mail at least; narrower panels show it smaller
const FRAME_PX = 400;
const BELOW = window.matchMedia("(max-width: 1180px)"); // as in the style sheet: the preview is below the form

// Desktop, phone, plain text: on every page with a preview.
export function startShownAs() {
  const panel = document.querySelector("[data-preview]");
  const buttons = panel?.querySelectorAll("[data-show]") ?? [];
  const room = panel?.querySelector(".preview-mail");
  if (!room) {
    return;
  }
  const fit = () => {
    if (!room.clientWidth) {
      return; // not shown
    }
    const isDesktop = panel.dataset.shown === "desktop";
    const scale = isDesktop ? Math.min(1, room.clientWidth / DESKTOP_PX) : 1;
    room.classList.toggle("scaled", scale < 1);
    room.querySelectorAll("iframe").forEach((frame) => {
      frame.style.width = scale < 1 ? `${DESKTOP_PX}px` : "";
      frame.style.height = scale < 1 ? `${Math.round(FRAME_PX / scale)}px` : "";
      frame.style.transform = scale < 1 ? `scale(${scale})` : "";
    });
  };
  const show = (which) => {
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.show === which)));
    panel.dataset.shown = which;
    fit();
    const text = panel.querySelector("[data-text-only]");
    if (text && !panel.querySelector(".toggle").hidden) {
      text.hidden = which !== "text";
      room.hidden = which === "text";
    }
  };

  // Until somebody chooses: below the form a mail as on a desktop only where it need not be made smaller, which nobody
  // could read on a phone.
  let isChosen = false;
  const suit = () => {
    if (!isChosen) {
      show(BELOW.matches && panel.clientWidth < DESKTOP_PX ? "phone" : "desktop");
    }
  };
  buttons.forEach((button) =>
    button.addEventListener("click", () => {
      isChosen = true;
      show(button.dataset.show);
    }),
  );
  new ResizeObserver(fit).observe(room);
  window.addEventListener("resize", suit);
  suit();
  floatLink(panel);
}

// On a phone the preview is far below what is written: the link to it stays in sight until the preview is.
function floatLink(panel) {
  const link = document.querySelector(".to-preview");
  if (link) {
    new IntersectionObserver(([seen]) => link.classList.toggle("arrived", seen.isIntersecting)).observe(panel);
  }
}

export function startPreview({ root, form, words, editor }) {
  const panel = document.querySelector("[data-preview]");
  if (!panel) {
    return;
  }
  const channel = form.elements.namedItem("channel");
  const isSms = () => channel && channel.value === "sms";
  const room = panel.querySelector(".preview-mail");
  let readAs = "sample";
  let isDark = false;

  panel.querySelectorAll("[data-needs-script]").forEach((node) => {
    node.hidden = false;
  });

  function showChannel() {
    const sms = isSms();
    ["subject", "preheader", "mode"].forEach((name) => {
      const row = form.querySelector(`.field-${name}`);
      if (row) {
        row.hidden = sms;
      }
    });
    editor.showMode(sms);
    panel.querySelectorAll("[data-email-only]").forEach((node) => {
      node.hidden = sms;
    });
    root.querySelectorAll("[data-for]").forEach((node) => {
      node.hidden = (node.dataset.for === "sms") !== sms;
    });
    panel.querySelector(".toggle").hidden = sms;
    panel.querySelector("[data-sms-only]").hidden = !sms;
    const isText = panel.dataset.shown === "text";
    panel.querySelector(".preview-mail").hidden = sms || isText;
    panel.querySelector("[data-text-only]").hidden = sms || !isText;
  }

  // A form of its own posts what is typed into a frame.
  const carrier = make("form", { method: "post", action: root.dataset.previewUrl, hidden: true });
  document.body.append(carrier);

  function typed() {
    renewToken();
    const data = new FormData(form);
    data.delete("test_to");
    data.set("preview_as", readAs);
    data.set("preview_scheme", isDark ? "dark" : "light");
    return data;
  }

  const nextFrame = startFrames(room);
  function postIntoFrame(data) {
    carrier.target = nextFrame();
    carrier.replaceChildren();
    for (const [name, value] of data) {
      const input = make("textarea", { name });
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
    set("error", facts.error ? fill(words.mend, { why: facts.error }) : "");
    panel.querySelector("[data-preview-error]").hidden = !facts.error || !isSms();
    if (facts.error) {
      set("bubble", "…"); // what was there may be another text, or a mail's
      ["size", "cost"].forEach((name) => set(name, ""));
    } else {
      ["subject", "preheader", "text", "size", "cost"].forEach((name) => set(name, facts[name]));
      set("bubble", facts.text);
    }
    showChecks(facts.checks);
  }

  // The field that mends it, opened and in sight.
  function fixer(check) {
    const target = document.getElementById(check.field === "blocks" ? "blocks-editor" : `id_${check.field}`);
    if (!target) {
      return null;
    }
    return make("button", {
      type: "button",
      class: "linklike",
      text: words.fix,
      "aria-label": `${words.fix}: ${check.title}`,
      onclick: () => {
        const now = document.getElementById(target.id) ?? target;
        now.closest("details")?.setAttribute("open", "");
        const inside = now.id === "blocks-editor" ? now.querySelector("input, [contenteditable], button") : now;
        inside?.focus();
        inside?.scrollIntoView({ block: "center" });
      },
    });
  }

  function showChecks(checks) {
    const list = make("ul", { class: "checklist" });
    for (const check of checks) {
      const body = make("div", {}, make("strong", { text: check.title }));
      if (check.level !== "ok") {
        const fix = check.field ? fixer(check) : null;
        if (fix) {
          body.append(" ", fix);
        } else if (check.url) {
          body.append(" ", make("a", { href: check.url, text: check.label }));
        }
      }
      if (check.detail) {
        body.append(make("span", { class: "quiet", text: check.detail }));
      }
      list.append(make("li", { class: `check-${check.level}` }, make("span", { class: "visually-hidden", text: words[check.level] }), body));
    }
    document.querySelector("[data-checks]").replaceChildren(list);
    const count = (level) => checks.filter((check) => check.level === level).length;
    document.querySelector("[data-checks-summary]").textContent = count("block")
      ? fill(words.toFix, { count: count("block") })
      : count("warn")
        ? fill(words.toLook, { count: count("warn") })
        : words.allGood;
  }

  let asked = null;

  // The frame waits for the server's word on the rest, but not for long: signed out, or without network, it would show
  // the browser's own page for that.
  async function refresh() {
    showChannel();
    const data = typed();
    asked?.abort();
    const mine = (asked = new AbortController());
    const answer = ask(data, mine.signal);
    const patience = new Promise((done) => setTimeout(done, PATIENCE, "slow"));
    const facts = await Promise.race([answer, patience]);
    if (facts && !isSms() && mine === asked) {
      postIntoFrame(data);
    }
  }

  async function ask(data, signal) {
    try {
      const response = await fetch(root.dataset.factsUrl, { method: "POST", body: data, signal });
      if (response.ok && !response.redirected) {
        showFacts(await response.json());
        return true;
      }
    } catch {
      // A newer question took over, or the server is away: the next letter asks again.
    }
    return false;
  }

  let waiting = 0;
  const soon = (event) => {
    if (event.target.closest("[data-no-preview]")) {
      return;
    }
    showChannel();
    clearTimeout(waiting);
    waiting = setTimeout(refresh, DELAY);
  };
  form.addEventListener("input", soon);
  form.addEventListener("change", soon);

  // Dark, and as somebody else.
  panel.querySelector("[data-dark]")?.addEventListener("click", (event) => {
    isDark = !isDark;
    event.currentTarget.setAttribute("aria-pressed", String(isDark));
    refresh();
  });
  const chosen = document.getElementById("preview_as");
  chosen?.addEventListener("change", () => {
    readAs = chosen.value;
    refresh();
  });
  const search = document.getElementById("preview_search");
  const found = panel.querySelector("[data-readers-found]");
  let searching = 0;

  async function find() {
    const data = new FormData();
    data.append("q", search.value);
    data.append("csrfmiddlewaretoken", renewToken());
    const response = await fetch(root.dataset.readersUrl, { method: "POST", body: data });
    if (!response.ok || response.redirected) {
      return;
    }
    const { people, why } = await response.json();
    found.replaceChildren(
      ...people.map((person) =>
        make("li", {}, make("button", { type: "button", class: "linklike", text: person.name, onclick: () => take(person) })),
      ),
    );
    if (!people.length) {
      found.append(make("li", { class: "quiet", text: why ?? words.noneFound }));
    }
    found.hidden = false;
  }

  function take(person) {
    const value = String(person.pk);
    if (![...chosen.options].some((option) => option.value === value)) {
      chosen.append(make("option", { value, text: person.name }));
    }
    chosen.value = readAs = value;
    found.hidden = true;
    search.value = "";
    chosen.focus();
    refresh();
  }

  search?.addEventListener("input", () => {
    clearTimeout(searching);
    found.hidden = true;
    if (search.value.trim().length > 1) {
      searching = setTimeout(() => find().catch(() => {}), DELAY);
    }
  });
  search?.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      found.querySelector("button")?.click();
    } else if (event.key === "Escape") {
      found.hidden = true;
    }
  });

  refresh();
}
