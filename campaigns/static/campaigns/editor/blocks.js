// The blocks of a mail: added, moved, copied, removed and undone, by mouse and by keyboard alone. What is written into
// the form is the JSON in `id_blocks`; everything shown is made from it.
import { fill, make } from "./dom.js";
import { knowPictures, pictureField } from "./pictures.js";
import { wordsEditor } from "./words.js";

const SIDES = ["left", "right"];
const SLOP_PX = 4; // a finger is never quite still
const EDGE_PX = 60;
const STEP_PX = 10;
const BLANK = {
  heading: { text: "", size: "large" },
  text: { html: "" },
  image: { picture: "", alt: "", link: "", width: "full" },
  button: { label: "", link: "" },
  deal: {},
  divider: {},
  columns: { left: [], right: [] },
};

const PATHS = {
  up: "M8 13V3M4 7l4-4 4 4",
  down: "M8 3v10M4 9l4 4 4-4",
  copy: "M6 6h7v7H6zM3 10V3h7",
  remove: "M4 4l8 8M12 4l-8 8",
};

// Drawn, not written: not every system has a letter for each.
function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

// Plain words as blocks: what was written before a mail had any.
function fromText(text) {
  const parts = text.split(/\n\s*\n/).filter((part) => part.trim());
  const blocks = [];
  for (const part of parts) {
    if (/^\s*\{\{-?\s*deal\s*-?\}\}\s*$/.test(part)) {
      blocks.push({ type: "deal" });
      continue;
    }
    const paragraph = make("p");
    part.split("\n").forEach((line, number) => paragraph.append(...(number ? [make("br"), line] : [line])));
    const last = blocks.at(-1);
    if (last?.type === "text") {
      last.html += paragraph.outerHTML;
    } else {
      blocks.push({ type: "text", html: paragraph.outerHTML });
    }
  }
  return blocks;
}

export function startBlocks({ root, form, kinds, words, insert }) {
  const store = form.elements.namedItem("blocks");
  const kindOf = Object.fromEntries(kinds.map((kind) => [kind.type, kind]));
  let blocks = [];
  let editors = [];
  let lastWords = null; // the text block that was written in last

  const list = make("ol", { class: "blocks", role: "group", "aria-label": words.text });
  const empty = make("p", { class: "quiet", text: words.empty });
  const undoBar = make("p", { class: "undo-bar", hidden: true });
  const said = make("p", { class: "visually-hidden", role: "status" });
  const place = make("div", { class: "blocks-editor", id: "blocks-editor" }, list, empty, undoBar, adder("", words.add), said);

  store.hidden = true;
  store.setAttribute("aria-hidden", "true");
  store.tabIndex = -1;
  (store.closest(".flex-container") ?? store.parentElement).after(place);

  function load() {
    try {
      blocks = JSON.parse(store.value || "{}").blocks ?? [];
    } catch {
      blocks = [];
    }
  }

  function keep() {
    store.value = JSON.stringify({ version: 1, blocks });
    store.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // Where a list of blocks is: "" is the mail, "3-left" a column.
  function listAt(path) {
    if (!path) {
      return blocks;
    }
    const [number, side] = path.split("-");
    return blocks[Number(number)][side];
  }

  const labelOf = (block) => kindOf[block.type]?.label ?? block.type;
  const say = (text, block, number) => {
    said.textContent = fill(text, { block: labelOf(block), number });
  };

  function change(focus) {
    keep();
    draw();
    document.getElementById(focus)?.focus();
  }

  // --- What may be done with a block ---

  function add(path, type) {
    const target = listAt(path);
    const block = { type, ...structuredClone(BLANK[type]) };
    const at = insertionPoint(path, target);
    target.splice(at, 0, block);
    change(firstInput(block, path ? `${path}-${at}` : String(at)));
    say(words.added, block);
  }

  // After the block that is being worked on, otherwise at the end.
  function insertionPoint(path, target) {
    const active = place.dataset.active ?? "";
    const [head, tail] = [active.slice(0, active.lastIndexOf("-") + 1), Number(active.slice(active.lastIndexOf("-") + 1))];
    return active && head === (path ? `${path}-` : "") && tail < target.length ? tail + 1 : target.length;
  }

  function firstInput(block, at) {
    const first = { heading: "text", text: "html", image: "picture", button: "label" }[block.type];
    return first ? `id_blocks-${at}-${first}` : `blocks-${at}-up`;
  }

  function move(path, from, to) {
    const target = listAt(path);
    if (to < 0 || to >= target.length) {
      return;
    }
    const [block] = target.splice(from, 1);
    target.splice(to, 0, block);
    const prefix = path ? `${path}-` : "";
    place.dataset.active = `${prefix}${to}`;
    const wanted = to < from ? "up" : "down";
    change(`blocks-${prefix}${to}-${wanted}`);
    if (document.activeElement?.id !== `blocks-${prefix}${to}-${wanted}`) {
      document.getElementById(`blocks-${prefix}${to}-${wanted === "up" ? "down" : "up"}`)?.focus(); // it is at an end
    }
    say(words.moved, block, to + 1);
  }

  function copy(path, number) {
    const target = listAt(path);
    target.splice(number + 1, 0, structuredClone(target[number]));
    change(`blocks-${path ? `${path}-` : ""}${number + 1}-copy`);
    say(words.added, target[number]);
  }

  function remove(path, number) {
    const target = listAt(path); // keeps being the same list, wherever its columns are moved meanwhile
    const [block] = target.splice(number, 1);
    delete place.dataset.active;
    keep();
    draw();
    const undo = make("button", {
      type: "button",
      class: "linklike",
      text: words.undo,
      onclick: () => {
        target.splice(number, 0, block);
        undoBar.hidden = true;
        change(`blocks-${whereIs(block)}-remove`);
        say(words.added, block);
      },
    });
    undoBar.replaceChildren(fill(words.removed, { block: labelOf(block) }), " ", undo);
    undoBar.hidden = false;
    undo.focus();
    say(words.removed, block);
  }

  // The place of a block as it stands in ids: "2", "3-left-0".
  function whereIs(wanted) {
    for (const [number, block] of blocks.entries()) {
      const inside = SIDES.flatMap((side) => (block[side] ?? []).map((one, inner) => [one, `${number}-${side}-${inner}`]));
      const found = [[block, String(number)], ...inside].find(([one]) => one === wanted);
      if (found) {
        return found[1];
      }
    }
    return "";
  }

  // --- How it is shown ---

  function adder(path, label) {
    const group = make("div", { class: "adder", role: "group", "aria-label": label });
    group.append(make("span", { class: "quiet", text: `${label}:`, "aria-hidden": "true" }));
    for (const kind of kinds) {
      if (!path || kind.inColumns) {
        group.append(
          make("button", { type: "button", class: "add-block", text: `+ ${kind.label}`, "data-add": kind.type, onclick: () => add(path, kind.type) }),
        );
      }
    }
    return group;
  }

  function field(at, block, name, label, { help = "", long = false, ...attributes } = {}) {
    const id = `id_blocks-${at}-${name}`;
    const input = make(long ? "textarea" : "input", {
      id,
      class: "vTextField",
      autocomplete: "off",
      "data-insert-into": "",
      "aria-describedby": help ? `${id}-help` : null,
      ...(long ? {} : { type: "text" }),
      ...attributes,
    });
    input.value = block[name] ?? "";
    input.addEventListener("input", (event) => {
      event.stopPropagation();
      block[name] = input.value;
      keep();
    });
    const helper = help ? [make("p", { class: "help", id: `${id}-help`, text: help })] : [];
    return make("div", { class: "block-field" }, make("label", { for: id, text: label }), input, ...helper);
  }

  function choice(at, block, name, label, options) {
    const id = `id_blocks-${at}-${name}`;
    const select = make("select", { id });
    options.forEach(([value, text]) => select.append(make("option", { value, text, selected: block[name] === value })));
    select.addEventListener("change", (event) => {
      event.stopPropagation();
      block[name] = select.value;
      keep();
    });
    return make("div", { class: "block-field short" }, make("label", { for: id, text: label }), select);
  }

  const BODIES = {
    heading: (block, at) => [
      field(at, block, "text", words.text, { maxlength: 300 }),
      choice(at, block, "size", words.size, [["large", words.large], ["small", words.small]]),
    ],
    text: (block, at, name) => {
      const editor = wordsEditor({
        id: `id_blocks-${at}-html`,
        html: block.html,
        label: name,
        words,
        insert,
        onChange: (html) => {
          block.html = html;
          keep();
        },
      });
      editor.area.addEventListener("focus", () => {
        lastWords = editor;
      });
      editors.push(editor);
      return [editor.box];
    },
    image: (block, at) => [
      pictureField({
        id: `id_blocks-${at}-picture`,
        name: block.picture,
        url: root.dataset.picturesUrl,
        words,
        onChange: (name) => {
          block.picture = name;
          keep();
        },
      }),
      field(at, block, "alt", words.alt, { help: words.altHelp, maxlength: 300 }),
      field(at, block, "link", words.linkOptional, { inputmode: "url" }),
      choice(at, block, "width", words.width, [["full", words.full], ["half", words.half]]),
    ],
    button: (block, at) => [
      field(at, block, "label", words.label, { maxlength: 100 }),
      field(at, block, "link", words.link, { inputmode: "url", placeholder: "https://" }),
    ],
    deal: () => [make("p", { class: "quiet", text: words.dealHelp })],
    divider: () => [make("p", { class: "quiet", text: words.dividerHelp })],
    columns: (block, at) => [
      make(
        "div",
        { class: "block-columns" },
        ...SIDES.map((side) => {
          const inner = make("ol", { class: "blocks", role: "presentation" });
          block[side].forEach((one, number) => inner.append(item(one, `${at}-${side}`, number, block[side].length)));
          return make("div", {}, inner, adder(`${at}-${side}`, fill(words.addTo, { side: words[side] })));
        }),
      ),
    ],
  };

  function tool(at, name, label, press, off = false) {
    const face = icon(name);
    return make("button", { type: "button", id: `blocks-${at}-${name}`, title: words[name], "aria-label": label, disabled: off, onclick: press }, face);
  }

  function item(block, path, number, count) {
    const at = path ? `${path}-${number}` : String(number);
    const name = `${labelOf(block)} ${number + 1}`;
    const handle = make("span", { class: "drag", title: words.drag, text: "⠿", "aria-hidden": "true" });
    const head = make(
      "div",
      { class: "block-head" },
      handle,
      make("strong", { text: labelOf(block) }),
      tool(at, "up", `${words.up}: ${name}`, () => move(path, number, number - 1), number === 0),
      tool(at, "down", `${words.down}: ${name}`, () => move(path, number, number + 1), number === count - 1),
      tool(at, "copy", `${words.copy}: ${name}`, () => copy(path, number)),
      tool(at, "remove", `${words.remove}: ${name}`, () => remove(path, number)),
    );
    const body = make("div", { class: "block-body" }, ...(BODIES[block.type]?.(block, at, name) ?? []));
    const node = make("li", { class: `block block-${block.type}`, role: "group", "aria-label": name, "data-at": at }, head, body);
    node.addEventListener("focusin", (event) => {
      event.stopPropagation();
      place.dataset.active = at;
      if ("insertInto" in event.target.dataset) {
        lastWords = null;
        remembered.last = event.target;
      }
    });
    dragging(node, handle, path, number);
    return node;
  }

  // --- Dragging by mouse, pen or finger; the buttons do the same ---

  function dragging(node, handle, path, number) {
    let from = 0; // where it was taken, and where it is held now
    let y = 0;
    let frame = 0;
    let gone = null;
    let isHeld = false;

    const others = () => [...node.parentElement.children].filter((other) => other !== node);
    const target = () => {
      const isAbove = (other) => {
        const { top, height } = other.getBoundingClientRect();
        return top + height / 2 < y;
      };
      return others().filter(isAbove).length;
    };
    function mark(to) {
      const rest = others();
      rest.forEach((other, at) => {
        other.classList.toggle("drop-before", to !== number && at === to);
        other.classList.toggle("drop-after", to !== number && to === rest.length && at === to - 1);
      });
    }
    // Held near an edge of the window, it takes the page along.
    function follow() {
      const step = y < EDGE_PX ? -STEP_PX : y > window.innerHeight - EDGE_PX ? STEP_PX : 0;
      if (step) {
        window.scrollBy({ top: step, behavior: "instant" });
      }
      mark(target());
      frame = requestAnimationFrame(follow);
    }
    function begin() {
      node.classList.add("dragged");
      gone = new AbortController();
      document.addEventListener("keydown", (event) => event.key === "Escape" && end(false), { signal: gone.signal });
      follow();
    }
    function end(isDropped) {
      isHeld = false;
      if (!frame) {
        return;
      }
      cancelAnimationFrame(frame);
      frame = 0;
      gone.abort();
      mark(number);
      node.classList.remove("dragged");
      const to = target();
      if (isDropped && to !== number) {
        move(path, number, to);
      }
    }

    handle.addEventListener("pointerdown", (event) => {
      if (event.isPrimary && event.button === 0) {
        event.preventDefault(); // no text is marked on the way
        handle.setPointerCapture(event.pointerId);
        isHeld = true;
        from = y = event.clientY;
      }
    });
    handle.addEventListener("pointermove", (event) => {
      if (isHeld) {
        y = event.clientY;
        if (!frame && Math.abs(y - from) > SLOP_PX) {
          begin();
        }
      }
    });
    handle.addEventListener("pointerup", () => end(true));
    handle.addEventListener("lostpointercapture", () => end(false));
  }

  function draw() {
    editors.forEach((editor) => editor.destroy());
    editors = [];
    lastWords = null;
    list.replaceChildren(...blocks.map((block, number) => item(block, "", number, blocks.length)));
    empty.hidden = blocks.length > 0;
  }

  // Merge fields go where the cursor was last: into an input, or into a text block.
  const remembered = { last: form.elements.namedItem("subject") };
  form.addEventListener("focusin", (event) => {
    if (!place.contains(event.target) && "insertInto" in event.target.dataset) {
      remembered.last = event.target;
      lastWords = null;
    }
  });
  function put(text) {
    if (lastWords) {
      lastWords.put(text);
      return;
    }
    const input = remembered.last?.isConnected && remembered.last.offsetParent ? remembered.last : null;
    if (!input) {
      editors.at(-1)?.put(text);
      return;
    }
    input.setRangeText(text, input.selectionStart, input.selectionEnd, "end");
    input.focus();
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  form.querySelectorAll("[data-insert]").forEach((button) => button.addEventListener("click", () => put(button.dataset.insert)));

  // Blocks, plain words or own HTML.
  const body = form.elements.namedItem("body");
  function showMode(isSms) {
    const mode = isSms ? "sms" : form.querySelector('input[name="mode"]:checked')?.value || "text";
    const shown = { blocks: ["blocks"], text: ["body"], html: ["html", "body"], sms: ["body"] }[mode];
    ["blocks", "body", "html"].forEach((name) => {
      const node = form.querySelector(`.field-${name}`);
      if (node) {
        node.hidden = !shown.includes(name);
      }
    });
    document.querySelectorAll("[data-blocks-only]").forEach((node) => {
      node.hidden = mode !== "blocks";
    });
  }
  form.querySelectorAll('input[name="mode"]').forEach((radio) =>
    radio.addEventListener("change", () => {
      const isBlank = !blocks.some((block) => Object.entries(block).some(([key, value]) => key !== "type" && value.length && !["large", "small", "full", "half", "<p></p>", "<p><br></p>"].includes(value)));
      if (radio.value === "blocks" && radio.checked && isBlank && body.value.trim()) {
        blocks = fromText(body.value);
        undoBar.hidden = true;
        change("");
      }
    }),
  );

  load();
  draw();
  // Thumbnails need nothing but the name; sizes come with the list, so that nothing jumps.
  if (store.value.includes('"picture": "') || store.value.includes('"picture":"')) {
    knowPictures(root.dataset.picturesUrl).catch(() => {});
  }
  // "Fix" on the review page leads here.
  const wanted = window.location.hash.slice(1);
  if (wanted === "id_blocks") {
    place.querySelector("input, [contenteditable], button")?.focus();
  } else if (wanted.startsWith("id_blocks-")) {
    document.getElementById(wanted)?.focus();
  }
  return { showMode };
}
