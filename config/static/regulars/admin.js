// Small helpers for every page. Each of them improves something that works without it.
"use strict";

(() => {
  // Ask before what cannot be undone.
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.confirm;
    if (question && !window.confirm(question)) {
      event.preventDefault();
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

  // "Later" shows when; "Now" hides it again.
  const later = document.querySelector("[data-later]");
  const choices = document.querySelectorAll('input[name="when"]');
  if (later && choices.length) {
    const show = () => {
      later.hidden = document.querySelector('input[name="when"]:checked')?.value !== "later";
    };
    choices.forEach((choice) => choice.addEventListener("change", show));
    show();
  }

  // Follow a campaign on its way: once a second while somebody looks, slower after a failure, until it ends.
  const SECOND = 1000;
  const format = (number) => Number(number).toLocaleString(document.documentElement.lang || "en");

  function follow(place) {
    let pause = SECOND;

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
      const numbers = { ...answer.numbers, audience: answer.audience };
      place.querySelectorAll("[data-number]").forEach((node) => {
        node.textContent = format(numbers[node.dataset.number] ?? 0);
      });
    }

    async function look() {
      if (document.hidden) {
        return;
      }
      try {
        const response = await fetch(place.dataset.poll, { headers: { Accept: "application/json" } });
        if (!response.ok || response.redirected) {
          throw new Error("no answer");
        }
        const answer = await response.json();
        pause = SECOND;
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
      }
      setTimeout(look, pause);
    }

    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) {
        look();
      }
    });
    setTimeout(look, pause);
  }

  document.querySelectorAll("[data-poll]").forEach(follow);
})();
