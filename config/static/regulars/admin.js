// Small helpers for every page. Each of them improves something that works without it.
"use strict";

(() => {
  // Ask before what cannot be undone.
  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
    if (question && !window.confirm(question)) {
      event.preventDefault();
    }
  });

  // The answer to a form is read from its top, where it says what happened: browsers would take the place along that a
  // link led to before.
  document.addEventListener("submit", () => {
    if (window.location.hash) {
      window.history.replaceState(window.history.state, "", window.location.pathname + window.location.search);
    }
  });

  // A second press of a slow button would do the work twice.
  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (event.defaultPrevented || !button || !button.dataset.busy) {
      return;
    }
    setTimeout(() => {
      button.disabled = true;
      button.textContent = button.dataset.busy;
    });
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      window.location.reload();
    }
  });

  // "Later" shows when, and the button says so; "Now" hides it again.
  const later = document.querySelector("[data-later]");
  const choices = document.querySelectorAll('input[name="when"]');
  if (later && choices.length) {
    const verb = document.querySelector("[data-verb-now]");
    const show = () => {
      const isLater = document.querySelector('input[name="when"]:checked')?.value === "later";
      later.hidden = !isLater;
      if (verb) {
        verb.textContent = isLater ? verb.dataset.verbLater : verb.dataset.verbNow;
      }
    };
    choices.forEach((choice) => choice.addEventListener("change", show));
    show();
  }

  // What is there to be copied is marked at a click.
  document.querySelectorAll("[data-select]").forEach((field) => field.addEventListener("focus", () => field.select()));

  // A filter closes at a click beside it, or with Escape.
  const filters = document.querySelectorAll("details.filter");
  document.addEventListener("click", (event) => {
    filters.forEach((filter) => {
      if (filter.open && !filter.contains(event.target)) {
        filter.open = false;
      }
    });
  });
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && document.querySelector("details.filter[open]");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  });

  // Django's picker of many says its help on a plain span, which may carry no name.
  window.addEventListener("load", () => {
    document.querySelectorAll("span.help-tooltip[aria-label]").forEach((node) => node.setAttribute("role", "img"));
  });

  // On a phone the rows of a list are cards: name each cell by its column.
  document.querySelectorAll("#result_list, table.stack").forEach((table) => {
    const labels = [...table.querySelectorAll("thead th")].map((cell) =>
      cell.classList.contains("action-checkbox-column") ? "" : (cell.querySelector(".text") ?? cell).textContent.trim(),
    );
    table.querySelectorAll("tbody tr").forEach((row) =>
      [...row.cells].forEach((cell, number) => {
        if (labels[number] && cell.tagName === "TD" && !cell.dataset.label) {
          cell.dataset.label = labels[number];
        }
      }),
    );
    table.classList.add("stack");
  });

  // What scrolls sideways can be reached by keyboard.
  document.querySelectorAll(".scroll, .results").forEach((place) => {
    const name = place.querySelector("caption")?.textContent || document.querySelector("h1")?.textContent.trim();
    const mark = () => {
      if (place.scrollWidth > place.clientWidth) {
        place.tabIndex = 0;
        place.setAttribute("role", "region");
        place.setAttribute("aria-label", name || document.title);
      } else {
        ["tabindex", "role", "aria-label"].forEach((attribute) => place.removeAttribute(attribute));
      }
    };
    new ResizeObserver(mark).observe(place);
  });

  // Follow a campaign on its way: once a second while somebody looks, slower where the answer takes long or fails, where
  // nothing moves, and where it starts on another day.
  const SECOND = 1000;
  const STILL = 3 * SECOND;
  const SLOW = 20 * SECOND;
  const REST = 5; // times what an answer took
  const format = (number) => Number(number).toLocaleString(document.documentElement.lang || "en");

  function follow(place) {
    const slowest = "slow" in place.dataset ? SLOW : STILL;
    let pause = "slow" in place.dataset ? SLOW : SECOND;
    let timer = 0;
    let isAsking = false;
    let before = "";

    // A state that had nobody at first gets its number too: together they are the audience.
    function showNumbers(shown) {
      place.querySelector("dl.numbers")?.replaceChildren(
        ...shown.map((number) => {
          const group = document.createElement("div");
          const label = document.createElement("dt");
          const text = document.createElement("dd");
          label.textContent = number.label;
          text.className = number.kind;
          text.dataset.number = number.key;
          if (number.url) {
            const link = document.createElement("a");
            link.href = number.url;
            link.textContent = number.text;
            text.append(link);
          } else {
            text.textContent = number.text;
          }
          group.append(label, text);
          return group;
        }),
      );
    }

    function showText(selector, text) {
      place.querySelectorAll(selector).forEach((node) => {
        if (node.textContent !== text) {
          node.textContent = text;
        }
        node.hidden = !text;
      });
    }

    function showLines(lines) {
      place.querySelectorAll("[data-live-waits]").forEach((list) => {
        list.hidden = !lines.length;
        list.replaceChildren(
          ...lines.map((line) => {
            const item = document.createElement("li");
            item.textContent = line;
            return item;
          }),
        );
      });
    }

    function showReasons(reasons) {
      place.querySelectorAll("[data-live-reasons]").forEach((part) => {
        part.hidden = !reasons.length;
        part.querySelector("tbody").replaceChildren(
          ...reasons.map((reason) => {
            const row = document.createElement("tr");
            [reason.state, reason.why, reason.text].forEach((text) => {
              row.insertCell().textContent = text;
            });
            row.lastChild.className = "number";
            return row;
          }),
        );
      });
    }

    function show(answer) {
      place.querySelectorAll("[data-progress-line]").forEach((node) => {
        if (node.textContent !== answer.line) {
          node.textContent = answer.line;
        }
      });
      place.querySelectorAll("progress").forEach((bar) => {
        bar.max = answer.audience || 1;
        bar.value = answer.done;
      });
      if (answer.shown) {
        showNumbers(answer.shown);
      }
      if (answer.reasons) {
        showReasons(answer.reasons);
      }
      if ("pace" in answer) {
        showText("[data-live-pace]", answer.pace);
        showText("[data-live-alarm]", answer.alarm);
        showLines(answer.waits);
      }
      const numbers = { ...answer.numbers, audience: answer.audience };
      place.querySelectorAll("[data-number]:not(dl.numbers *)").forEach((node) => {
        node.textContent = format(numbers[node.dataset.number] ?? 0);
      });
    }

    async function look() {
      clearTimeout(timer); // one question at a time, also where somebody comes back to the page meanwhile
      if (document.hidden || isAsking) {
        return;
      }
      isAsking = true;
      const asked = performance.now();
      try {
        const response = await fetch(place.dataset.poll, { headers: { Accept: "application/json" } });
        if (!response.ok || response.redirected) {
          throw new Error("no answer");
        }
        const text = await response.text();
        const answer = JSON.parse(text);
        const still = text === before ? Math.min(pause * 1.5, slowest) : SECOND;
        pause = Math.max("slow" in place.dataset ? SLOW : still, REST * (performance.now() - asked));
        before = text;
        if (answer.status !== place.dataset.status) {
          window.location.reload(); // other buttons belong to another state
          return;
        }
        show(answer);
        if (answer.final) {
          return;
        }
      } catch {
        pause = Math.min(pause * 2, 60 * SECOND);
      } finally {
        isAsking = false;
      }
      timer = setTimeout(look, pause);
    }

    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) {
        look();
      }
    });
    timer = setTimeout(look, pause);
  }

  document.querySelectorAll("[data-poll]").forEach(follow);

  /* Select2 puts a box of its own in the place of a list, which the list's label does not name. */
  function name(select) {
    const label = document.querySelector(`label[for="${select.id}"]`);
    const box = select.parentElement.querySelector(".select2-selection");
    if (label && box) {
      label.id = label.id || `${select.id}-label`;
      box.setAttribute("aria-labelledby", `${label.id} ${box.getAttribute("aria-labelledby") ?? ""}`.trim());
      box.querySelector("[role=textbox]")?.setAttribute("aria-labelledby", label.id);
    }
  }

  window.django?.jQuery?.(() => document.querySelectorAll("select.admin-autocomplete").forEach(name)); // after Select2's

  // A day and a time are two fields, and their label names at most one.
  document.querySelectorAll(".datetime input:not([type=hidden])").forEach((input) => {
    const row = input.closest(".form-row, .field, fieldset");
    const label = row?.querySelector("label, legend")?.textContent.trim() ?? "";
    const part = input.previousSibling?.textContent.trim() ?? "";
    if (!input.labels.length) {
      input.setAttribute("aria-label", `${label} ${part}`.replaceAll(":", "").trim() || input.name);
    }
  });
})();
