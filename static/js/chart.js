// Explains the day of a chart one points at, or goes to with the arrow keys. Without it the table below the chart does.

const SPACE_PX = 8;

function explain(chart, bar) {
  const tip = chart.querySelector("[data-tip]");
  const row = chart.querySelector(`tr[data-day="${bar.dataset.day}"]`);
  if (!row) return hide(chart);
  const heads = [...row.closest("table").querySelectorAll("thead th")];
  const [name, ...amounts] = [...row.cells].map((cell) => cell.textContent);
  const lines = amounts.slice(0, -1).map((amount, index) => [heads[index + 1], amount]);
  tip.replaceChildren(
    line(Object.assign(document.createElement("b"), { textContent: name }), amounts.at(-1)),
    // As the bar is stacked: the top piece first.
    ...lines
      .filter(([, amount]) => amount !== "–")
      .reverse()
      .map(([head, amount]) => line(named(head), amount)),
  );
  for (const other of chart.querySelectorAll("[data-chosen]")) delete other.dataset.chosen;
  bar.dataset.chosen = "";
  tip.hidden = false;
  place(chart, tip, bar);
}

function line(what, amount) {
  const row = document.createElement("p");
  row.append(...[what].flat(), Object.assign(document.createElement("span"), { textContent: amount }));
  return row;
}

function named(head) {
  const swatch = document.createElement("span");
  swatch.dataset.series = head.dataset.series;
  return [swatch, Object.assign(document.createElement("span"), { textContent: head.textContent })];
}

function place(chart, tip, bar) {
  // Beside the day, on the side with room.
  const plot = chart.querySelector("[data-plot]").getBoundingClientRect();
  const day = bar.getBoundingClientRect();
  const right = day.right - plot.left + SPACE_PX;
  const left = day.left - plot.left - tip.offsetWidth - SPACE_PX;
  const fits = right + tip.offsetWidth <= plot.width;
  tip.style.left = `${Math.max(0, fits ? right : Math.min(left, plot.width - tip.offsetWidth))}px`;
}

function hide(chart) {
  chart.querySelector("[data-tip]").hidden = true;
  for (const bar of chart.querySelectorAll("[data-chosen]")) delete bar.dataset.chosen;
}

function step(chart, by) {
  const bars = [...chart.querySelectorAll("rect[data-day]")];
  const chosen = bars.findIndex((bar) => "chosen" in bar.dataset);
  const next = chosen < 0 ? bars.length - 1 : Math.min(bars.length - 1, Math.max(0, chosen + by));
  if (bars[next]) explain(chart, bars[next]);
}

function enliven(chart) {
  const plot = chart.querySelector("[data-plot]");
  plot.tabIndex = 0;
  plot.setAttribute("role", "group");
  plot.setAttribute("aria-label", "Days. The left and right arrow keys read one out.");
  chart.querySelector("[data-tip]").setAttribute("role", "status");
  plot.addEventListener("pointerover", (event) => {
    if (event.target.matches("rect[data-day]")) explain(chart, event.target);
    else hide(chart);
  });
  plot.addEventListener("pointerleave", () => hide(chart));
  plot.addEventListener("blur", () => hide(chart));
  plot.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) {
      event.preventDefault();
      step(chart, by);
    } else if (event.key === "Escape") hide(chart);
  });
}

function enlivenAll() {
  for (const chart of document.querySelectorAll("[data-chart]:not([data-alive])")) {
    chart.dataset.alive = "";
    enliven(chart);
  }
}

enlivenAll();
document.addEventListener("htmx:after:swap", enlivenAll);
