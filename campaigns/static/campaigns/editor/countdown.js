// Seconds until a campaign starts, counted here: the page's clock and the server's may differ. The page brings the words.
export function startCountdowns() {
  document.querySelectorAll("[data-countdown]").forEach((place) => {
    const end = performance.now() + 1000 * Number(place.dataset.countdown);
    const tick = () => {
      const left = Math.ceil((end - performance.now()) / 1000);
      place.textContent = left > 0 ? place.dataset.left.replace("#", left) : place.dataset.over;
      if (left > 0) {
        setTimeout(tick, 250);
      }
    };
    tick();
  });
}
