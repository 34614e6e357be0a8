// Draws each table of a chart: the table is what is true, the picture follows it, and the colours follow the page's.

const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const isRtl = document.documentElement.dir === "rtl";
const format = new Intl.NumberFormat(document.documentElement.lang || "en");
const drawn = [];

function read(table) {
  const heads = [...table.querySelectorAll("thead th[data-color]")];
  const rows = [...table.tBodies[0].rows];
  return {
    labels: rows.map((row) => row.cells[0].textContent.trim()),
    datasets: heads.map((head, number) => ({
      label: head.textContent.trim(),
      color: head.dataset.color,
      data: rows.map((row) => Number(row.cells[number + 1].dataset.value)),
    })),
  };
}

function paint({ data, options }, figure) {
  const style = getComputedStyle(figure);
  const color = (name) => style.getPropertyValue(name).trim();
  for (const dataset of data.datasets) {
    dataset.backgroundColor = dataset.borderColor = color(dataset.color);
  }
  const { scales, plugins } = options;
  for (const scale of Object.values(scales)) {
    scale.ticks.color = color("--quiet-fg");
    scale.grid.color = scale.border.color = color("--card-border");
  }
  plugins.legend.labels.color = color("--body-fg");
  plugins.tooltip.backgroundColor = color("--tooltip-bg");
  plugins.tooltip.titleColor = plugins.tooltip.bodyColor = color("--tooltip-fg");
}

function draw(figure) {
  const table = figure.querySelector("table");
  if (!table || !window.Chart) {
    return;
  }
  const lies = figure.dataset.chart === "rows";
  const data = read(table);
  const box = document.createElement("div");
  box.className = "chart-box";
  if (lies) {
    box.classList.add(data.labels.length > 6 ? "many-rows" : "few-rows");
  }
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", table.caption.textContent.trim());
  box.append(canvas);
  figure.querySelector("details").before(box);

  const counts = {
    beginAtZero: true,
    reverse: isRtl && lies,
    grid: {},
    border: {},
    ticks: { precision: 0, maxTicksLimit: 6, callback: (value) => format.format(value) },
  };
  const names = { reverse: isRtl && !lies, grid: { display: false }, border: {}, ticks: { autoSkip: true, maxRotation: 0 } };
  if (lies) {
    names.ticks.autoSkip = false;
    names.ticks.callback = (_value, index) => {
      const name = data.labels[index];
      return name.length > 22 ? `${name.slice(0, 21)}…` : name;
    };
  }
  const settings = {
    type: figure.dataset.chart === "line" ? "line" : "bar",
    data,
    options: {
      animation: calm.matches ? false : { duration: 250 },
      indexAxis: lies ? "y" : "x",
      interaction: { mode: "index", intersect: false, axis: lies ? "y" : "x" },
      maintainAspectRatio: false,
      datasets: { bar: { borderRadius: 2, maxBarThickness: 28, minBarLength: 0 } },
      scales: lies ? { x: counts, y: names } : { x: names, y: counts },
      plugins: {
        colors: { enabled: false }, // the page's own, not the library's
        legend: { display: data.datasets.length > 1, align: "end", rtl: isRtl, labels: { boxWidth: 12, boxHeight: 12 } },
        tooltip: {
          rtl: isRtl,
          callbacks: { label: (item) => `${item.dataset.label}: ${format.format(item.parsed[lies ? "x" : "y"])}` },
        },
      },
    },
  };
  paint(settings, figure);
  drawn.push([new window.Chart(canvas, settings), figure]);
  figure.dataset.drawn = "";
}

function repaint() {
  for (const [chart, figure] of drawn) {
    paint(chart.config, figure);
    chart.update();
  }
}

document.querySelectorAll("figure[data-chart]").forEach(draw);
dark.addEventListener("change", repaint);
new MutationObserver(repaint).observe(document.documentElement, { attributeFilter: ["data-theme"] });
calm.addEventListener("change", () => {
  for (const [chart] of drawn) {
    chart.options.animation = calm.matches ? false : { duration: 250 };
  }
});
// A chart keeps the size it was drawn with, and paper is narrower.
window.addEventListener("beforeprint", () => drawn.forEach(([chart]) => chart.resize()));
