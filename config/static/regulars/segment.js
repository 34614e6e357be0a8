// The segment page: rules and groups come and go on the spot, and the numbers follow what is typed.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const DELAY = 400;
  const builder = document.querySelector("[data-builder]");
  const root = document.querySelector("[data-segment]");
  if (!builder || !root) {
    return;
  }
  const form = builder.closest("form");
  const live = root.querySelector("[data-live]");
  const status = root.querySelector("[data-live-status]");
  let last = 1000;

  // A row shows the fields its operator needs.
  function showKind(row) {
    const operator = row.querySelector("[data-op]");
    const kind = operator.selectedOptions[0]?.dataset.kind ?? "";
    row.querySelectorAll(".rule-value").forEach((value) => {
      value.hidden = value.dataset.kind !== kind;
    });
  }

  function cloned(template, number, group) {
    const place = document.createElement("div");
    place.innerHTML = template.innerHTML.replaceAll("__number__", number).replaceAll("__group__", group);
    return place.firstElementChild;
  }

  function addRow(button) {
    const box = button.closest("[data-box]");
    const field = box.querySelector("[data-new-field]").value;
    const template = builder.querySelector(`template[data-new-row="${field}"]`);
    last += 1;
    const row = cloned(template, String(last), box.dataset.box);
    box.querySelector("[data-rows]").append(row);
    showKind(row);
    row.querySelector("[data-op]").focus();
  }

  function addGroup() {
    last += 1;
    const group = cloned(builder.querySelector("template[data-new-group]"), String(last), "");
    builder.querySelector("[data-groups]").append(group);
    group.querySelector("[data-new-field]").focus();
  }

  function remove(node) {
    const next = node.closest("[data-box]")?.querySelector("[data-new-field]");
    node.remove();
    next?.focus();
  }

  builder.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) {
      return;
    }
    if ("add" in button.dataset) {
      addRow(button);
    } else if ("addGroup" in button.dataset) {
      addGroup();
    } else if ("remove" in button.dataset) {
      remove(button.closest("[data-row]"));
    } else if ("removeGroup" in button.dataset) {
      button.closest("[data-box]").remove();
      builder.querySelector("[data-add-group]").focus();
    } else {
      return;
    }
    event.preventDefault();
    soon();
  });

  // Enter in a field would press the first of those buttons.
  builder.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.tagName === "INPUT") {
      event.preventDefault();
    }
  });

  let asked = null;

  async function refresh() {
    asked?.abort();
    asked = new AbortController();
    status.textContent = root.dataset.counting;
    try {
      const response = await fetch(root.dataset.liveUrl, {
        method: "POST",
        body: new FormData(form),
        signal: asked.signal,
      });
      if (!response.ok || response.redirected) {
        throw new Error("no answer");
      }
      live.innerHTML = await response.text();
      status.textContent = "";
    } catch (error) {
      if (error.name !== "AbortError") {
        status.textContent = root.dataset.noAnswer;
      }
    }
  }

  let waiting = 0;
  function soon() {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, DELAY);
  }

  builder.addEventListener("input", soon);
  builder.addEventListener("change", (event) => {
    const row = event.target.closest("[data-row]");
    if (row && "op" in event.target.dataset) {
      showKind(row);
    }
    if (!("newField" in event.target.dataset)) {
      soon();
    }
  });

  builder.querySelectorAll("[data-row]").forEach(showKind);
});
