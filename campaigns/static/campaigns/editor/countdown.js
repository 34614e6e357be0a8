// Seconds until a campaign starts, counted here: the page's clock and the server's may differ.
export function startCountdowns() {
  document.querySelectorAll("[data-countdown]").forEach((place) => {
    const end = performance.now() + 1000 * Number(place.dataset.countdown);
    const tick = () => {
      const left = Math.ceil((end - performance.now()) / 1000);
      place.textContent = left > 0 ? `Starts in ${left} s` : "Starting…";
      if (left > 0) {
        setTimeout(tick, 250);
      }
    };
    tick();
  });
}
