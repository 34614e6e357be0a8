// A text block: Squire with five buttons and the merge fields. What it returns is cleaned again on the server.
import Squire from "../vendor/squire.mjs";
import { make } from "./dom.js";

const KEPT = new Set(["A", "B", "BR", "EM", "I", "LI", "OL", "P", "STRONG", "U", "UL"]);
const DROPPED = new Set(["SCRIPT", "STYLE", "TITLE", "TEMPLATE", "IFRAME", "OBJECT", "SVG", "MATH", "NOSCRIPT"]);
const LINK = /^(https?:|mailto:|tel:|\{\{)/i;

// What is pasted: paragraphs, lists, links, bold and italics come through; everything else is plain text.
function plainFragment(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  const fragment = document.createDocumentFragment();
  const copy = (from, to) => {
    for (const node of from.childNodes) {
      if (node.nodeType === Node.TEXT_NODE) {
        to.append(node.data);
      } else if (node.nodeType === Node.ELEMENT_NODE && !DROPPED.has(node.tagName)) {
        let place = to;
        const isBlock = /^(DIV|H[1-6]|BLOCKQUOTE|SECTION|ARTICLE|TR)$/.test(node.tagName);
        if (KEPT.has(node.tagName) || isBlock) {
          place = document.createElement(isBlock ? "p" : node.tagName);
          const href = node.getAttribute("href") ?? "";
          if (node.tagName === "A" && LINK.test(href)) {
            place.setAttribute("href", href);
          }
          to.append(place);
        }
        copy(node, place);
      }
    }
  };
  copy(parsed.body, fragment);
  return fragment;
}

export function wordsEditor({ id, html, label, words, insert, onChange }) {
  const area = make("div", {
    id,
    class: "words",
    contenteditable: "true",
    role: "textbox",
    "aria-multiline": "true",
    "aria-label": label,
  });
  const bar = make("div", { class: "words-bar", role: "toolbar", "aria-label": label });
  const linkRow = make("div", { class: "words-link", hidden: true });
  const box = make("div", { class: "words-box" }, bar, linkRow, area);

  const squire = new Squire(area, {
    blockTag: "P",
    sanitizeToDOMFragment: plainFragment,
    toPlainText: null,
    addLinks: false,
  });
  squire.setHTML(html || "<p><br></p>");

  const toggles = [];
  const button = (face, name, isOn, press) => {
    const node = make("button", {
      type: "button",
      class: `words-${name}`,
      text: face,
      title: words[name],
      "aria-label": words[name],
      "aria-pressed": "false",
      onclick: () => press(isOn()),
    });
    toggles.push([node, isOn]);
    bar.append(node);
  };
  const has = (...tags) => () => tags.some((tag) => squire.hasFormat(tag));
  button("B", "bold", has("B", "STRONG"), (on) => (on ? squire.removeBold() : squire.bold()));
  button("I", "italic", has("I", "EM"), (on) => (on ? squire.removeItalic() : squire.italic()));
  button("•", "bullets", has("UL"), (on) => (on ? squire.removeList() : squire.makeUnorderedList()));
  button("1.", "numbers", has("OL"), (on) => (on ? squire.removeList() : squire.makeOrderedList()));

  const address = make("input", {
    type: "text",
    inputmode: "url",
    "aria-label": words.askLink,
    placeholder: "https://",
    "data-no-preview": true,
  });
  const closeLink = () => {
    linkRow.hidden = true;
    squire.focus();
  };
  const setLink = () => {
    const typed = address.value.trim();
    if (typed) {
      squire.focus();
      squire.makeLink(LINK.test(typed) ? typed : `https://${typed}`);
    }
    closeLink();
  };
  address.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      setLink();
    } else if (event.key === "Escape") {
      closeLink();
    }
  });
  linkRow.append(
    address,
    make("button", { type: "button", text: words.setLink, onclick: setLink }),
    make("button", {
      type: "button",
      text: words.noLink,
      onclick: () => {
        squire.focus();
        squire.removeLink();
        closeLink();
      },
    }),
    make("button", { type: "button", text: words.cancel, onclick: closeLink }),
  );
  button(words.makeLink, "makeLink", has("A"), () => {
    const node = squire.getSelection().startContainer.parentElement?.closest("a");
    address.value = node?.getAttribute("href") ?? "";
    linkRow.hidden = false;
    address.focus();
  });

  const choose = make("select", { "aria-label": words.insert, "data-no-preview": true }, make("option", { value: "", text: words.insert }));
  insert.forEach(([code, name]) => choose.append(make("option", { value: code, text: name })));
  const put = (text) => {
    squire.focus();
    squire.insertPlainText(text, false);
  };
  choose.addEventListener("change", () => {
    if (choose.value) {
      put(choose.value);
      choose.value = "";
    }
  });
  bar.append(choose);

  // Squire reports its own tidying too: only what changed the words counts.
  let last = squire.getHTML();
  squire.addEventListener("input", () => {
    const now = squire.getHTML();
    if (now !== last) {
      last = now;
      onChange(now);
    }
  });
  squire.addEventListener("pathChange", () =>
    toggles.forEach(([node, isOn]) => node.setAttribute("aria-pressed", String(isOn()))),
  );
  return { box, area, put, destroy: () => squire.destroy() };
}
