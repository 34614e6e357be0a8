// A mail in a frame that is asked for again and again. Each look comes in a new frame, shown once it is there: nothing
// flickers, the mail stays where it is read, and the browser's "back" leads to the page before, not through all that was
// typed.
export function startFrames(room) {
  const name = room.querySelector("iframe").name;
  let frames = 0;
  let place = 0; // how far down the mail is read
  const shown = () => room.querySelector("iframe:not(.coming)");
  const rootOf = (frame) => frame?.contentDocument?.scrollingElement; // none of a page that is not ours

  // The name of the frame to post into next.
  return () => {
    const next = shown().cloneNode(false);
    frames += 1;
    next.removeAttribute("src");
    next.name = `${name}-${frames}`;
    next.classList.add("coming");
    next.tabIndex = -1;
    room.querySelectorAll("iframe.coming").forEach((older) => older.remove());
    room.append(next);
    next.addEventListener("load", () => {
      const before = rootOf(shown());
      if (before && before.scrollHeight > before.clientHeight) {
        place = before.scrollTop; // what says what to mend has no place of its own
      }
      rootOf(next)?.scrollTo({ top: place, behavior: "instant" });
      room.querySelectorAll("iframe:not(.coming)").forEach((older) => older.remove());
      next.classList.remove("coming");
      next.removeAttribute("tabindex");
      next.name = name;
    });
    return next.name;
  };
}
