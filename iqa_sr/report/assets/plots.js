// Plots in the page's colors, drawn when they come near the window.

const drawn = new Map(); // element -> what draws it
const near = new IntersectionObserver((seen) => {
  for (const one of seen) {
    if (one.isIntersecting) {
      near.unobserve(one.target);
      drawn.get(one.target).visible = true;
      redraw(one.target);
    }
  }
}, { rootMargin: "400px" });

/** Let `make` give traces and layout of a plot, now and whenever colors or data change. */
function plot(target, make) {
  const known = drawn.get(target);
  drawn.set(target, { make, visible: known?.visible ?? false });
  if (known?.visible) redraw(target);
  else near.observe(target);
}

function redraw(target) {
  const { traces, layout } = drawn.get(target).make(target);
  Plotly.react(target, traces, { ...baseLayout(), ...layout }, {
    responsive: true,
    displaylogo: false,
    displayModeBar: false,
  }).then(() => target.dispatchEvent(new Event("drawn")));
}

function redrawAll() {
  for (const [target, one] of drawn) if (one.visible && target.isConnected && !target.hidden) redraw(target);
}

/** A color of the page, as it is now. */
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function faint(name, share) {
  const hex = color(name);
  return `rgba(${[1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)).join(",")},${share})`;
}

/** Text as it stands: plotly takes some of HTML's tags as markup. */
const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function baseLayout() {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: "system-ui, 'Segoe UI', Roboto, sans-serif", size: 12, color: color("--muted") },
    hoverlabel: { bgcolor: color("--card"), bordercolor: color("--line"), font: { color: color("--text") } },
    margin: { l: 56, r: 16, t: 36, b: 44 },
    showlegend: false,
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
  };
}

const axis = (more = {}) => ({
  gridcolor: color("--line"), linecolor: color("--line"), zeroline: false, automargin: true, ...more,
});

const heading2 = (text) => ({ text: plain(text), x: 0, xanchor: "left", font: { size: 14, color: color("--text") } });

/** The colors of the trainings that have scores of the data set, above the plots, if there is more than one. */
function drawKeys() {
  const scored = (entry, row) => !entry.reserved && metrics.some((_, m) => scope().summaries[m][row]);
  const present = new Set(rows(scored).map((row) => seriesKey(entries[row])));
  const keys = allSeries.map((key, at) => [key, at]).filter(([key]) => present.has(key));
  for (const place of document.querySelectorAll("[data-keys]")) {
    place.replaceChildren(...(keys.length < 2 ? [] : keys).map(([key, at]) =>
      element("span", { class: "key" }, element("span", { class: "chip", style: `color: var(--c${at % 8})` }), seriesName(key))));
  }
}
