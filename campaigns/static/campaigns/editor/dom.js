// Making elements, filling words, and the token every form needs.
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") {
      node.textContent = value;
    } else if (name.startsWith("on")) {
      node.addEventListener(name.slice(2), value);
    } else if (value === true) {
      node.setAttribute(name, "");
    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children);
  return node;
}

export const fill = (text, values) => text.replace(/%\((\w+)\)[sd]/g, (_match, name) => String(values[name] ?? ""));

// Whoever signs in again in another tab gets a new token; the forms of this page still have the old one.
export function renewToken() {
  const found = document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/);
  const inputs = document.querySelectorAll('input[name="csrfmiddlewaretoken"]');
  if (found) {
    inputs.forEach((input) => {
      input.value = found[1];
    });
  }
  return inputs[0]?.value ?? "";
}
