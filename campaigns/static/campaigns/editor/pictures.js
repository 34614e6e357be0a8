// Choosing the picture of an image block: upload one, or take one that was uploaded before.
import { make, renewToken } from "./dom.js";

let earlier = null; // asked for once a page

async function askEarlier(url) {
  if (!earlier) {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    earlier = response.ok && !response.redirected ? (await response.json()).pictures : [];
  }
  return earlier;
}

const known = new Map();

export async function knowPictures(url) {
  (await askEarlier(url)).forEach((picture) => known.set(picture.name, picture));
}

export function pictureField({ id, name, url, words, onChange }) {
  const shown = make("div", { class: "picture-shown" });
  const status = make("p", { class: "quiet", role: "status" });
  const grid = make("ul", { class: "picture-grid", hidden: true });
  const file = make("input", {
    type: "file",
    id: `${id}-file`,
    class: "visually-hidden",
    accept: "image/jpeg,image/png,image/webp,image/gif",
    "data-no-preview": true,
    tabindex: "-1",
    "aria-hidden": "true",
  });
  const press = make("button", { type: "button", id, class: "button secondary small", onclick: () => file.click() });
  const more = make("button", {
    type: "button",
    class: "button secondary small",
    text: words.earlierPictures,
    "aria-expanded": "false",
    onclick: () => toggle(),
  });

  const show = (picture) => {
    shown.replaceChildren();
    press.textContent = picture ? words.otherPicture : words.choosePicture;
    if (picture) {
      const address = picture.src ?? `/i/${picture.name}`;
      shown.append(make("img", { src: address, alt: "", width: picture.width, height: picture.height }));
    }
  };
  const take = (picture) => {
    known.set(picture.name, picture);
    show(picture);
    onChange(picture.name);
  };

  async function toggle() {
    grid.hidden = !grid.hidden;
    more.setAttribute("aria-expanded", String(!grid.hidden));
    if (grid.hidden) {
      return;
    }
    const pictures = await askEarlier(url);
    status.textContent = pictures.length ? "" : "—";
    grid.replaceChildren(
      ...pictures.map((picture, number) =>
        make(
          "li",
          {},
          make(
            "button",
            {
              type: "button",
              "aria-label": `${words.picture} ${number + 1}, ${picture.width} × ${picture.height}`,
              onclick: () => {
                take(picture);
                toggle();
                press.focus();
              },
            },
            make("img", { src: picture.src, alt: "", loading: "lazy" }),
          ),
        ),
      ),
    );
  }

  file.addEventListener("change", async (event) => {
    event.stopPropagation();
    if (!file.files.length) {
      return;
    }
    const data = new FormData();
    data.append("picture", file.files[0]);
    data.append("csrfmiddlewaretoken", renewToken());
    status.textContent = words.uploading;
    press.disabled = true;
    try {
      const response = await fetch(url, { method: "POST", body: data });
      const answer = await response.json();
      if (answer.name) {
        earlier = earlier && [answer, ...earlier.filter((picture) => picture.name !== answer.name)];
        status.textContent = "";
        take(answer);
      } else {
        status.textContent = answer.why ?? words.uploadFailed;
      }
    } catch {
      status.textContent = words.uploadFailed;
    }
    press.disabled = false;
    file.value = "";
  });

  show(name ? (known.get(name) ?? { name }) : null);
  return make("div", { class: "picture-field" }, shown, make("div", { class: "buttons" }, press, more), file, status, grid);
}
