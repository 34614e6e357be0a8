// A text block: Squire with five buttons and the merge fields. What it returns is cleaned again on the server.
import Squire from "../vendor/squire.mjs";
import { make } from "./dom.js";

const KEPT = new Set(["A", "B", "BR", "EM", "I", "LI", "OL", "P", "STRONG", "U", "UL"]);
const DROPPED = new Set(["SCRIPT", "STYLE", "TITLE", "TEMPLATE", "IFRAME", "OBJECT", "SVG", "MATH", "NOSCRIPT"]);
const LINK = /^(https?:|mailto:|tel:|\{\{)/i;

// What Word writes before an item of a list, which is a paragraph to it.
const WORD_LIST = /\bMsoListParagraph/;
const WORD_BULLET = /^\s*(?:[·•§o-]|(\d+|[a-z])[.)])\s+/i;

// Styles and handlers go before the browser reads the rest: it would report each as refused.
function withoutStyles(html) {
  const bare = html.replace(/<style\b[\s\S]*?<\/style>/gi, "");
  return bare.replace(/<[a-z][^>]*>/gi, (tag) => tag.replace(/\s(?:style|on\w+)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/gi, ""));
}

// What is pasted: paragraphs, lists, links, bold and italics come through; everything else is plain text.
function plainFragment(html) {
  const parsed = new DOMParser().parseFromString(withoutStyles(html), "text/html");
  const fragment = document.createDocumentFragment();
  const copy = (from, to) => {
    for (const node of from.childNodes) {
      if (node.nodeType === Node.TEXT_NODE) {
        to.append(node.data);
      } else if (node.nodeType === Node.ELEMENT_NODE && !DROPPED.has(node.tagName)) {
        copyElement(node, to);
      }
    }
  };
  const copyElement = (node, to) => {
    const href = node.getAttribute("href") ?? "";
    const isBlock = /^(DIV|H[1-6]|BLOCKQUOTE|SECTION|ARTICLE|TR)$/.test(node.tagName);
    const isKept = KEPT.has(node.tagName) && (node.tagName !== "A" || LINK.test(href));
    let place = to;
    if (isKept || isBlock) {
      place = document.createElement(isBlock ? "p" : node.tagName);
      if (node.tagName === "A") {
        place.setAttribute("href", href);
      }
      to.append(place);
    }
    copy(node, place);
    if (WORD_LIST.test(node.className)) {
      intoList(place, to);
    } else if (/^T[DH]$/.test(node.tagName)) {
      to.append(" ");
    }
  };
  copy(parsed.body, fragment);
  return fragment;
}

// Makes an item of a paragraph that begins with a bullet or a number, in the list before it or in a new one.
function intoList(paragraph, to) {
  const [bullet, number] = paragraph.textContent.match(WORD_BULLET) ?? [];
  if (!bullet) {
    return;
  }
  const words = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT);
  for (let left = bullet.length; left > 0 && words.nextNode(); ) {
    const { length } = words.currentNode;
    words.currentNode.deleteData(0, left);
    left -= length;
  }
  const tag = number ? "OL" : "UL";
  let before = paragraph.previousSibling;
  while (before?.nodeType === Node.TEXT_NODE && !before.data.trim()) {
    before = before.previousSibling;
  }
  const list = before?.nodeName === tag ? before : document.createElement(tag);
  const item = document.createElement("li");
  item.append(...paragraph.childNodes);
  list.append(item);
  if (list === before) {
    paragraph.remove();
  } else {
    to.replaceChild(list, paragraph);
  }
}

// As people type an address: "corner-bar.com", "hello@corner-bar.com".
function linkOf(typed) {
  if (LINK.test(typed)) {
    return typed;
  }
  return /^[^\s@/]+@[^\s@/]+$/.test(typed) ? `mailto:${typed}` : `https://${typed}`;
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
  button("①", "numbers", has("OL"), (on) => (on ? squire.removeList() : squire.makeOrderedList()));

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
      squire.makeLink(linkOf(typed));
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
