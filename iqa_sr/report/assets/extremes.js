// The images on which a checkpoint does best and worst, alone or against another.

const MOST_EXTREMES = 6;

function startExtremes() {
  const names = entries.map((entry) => entry.name);
  const best = scope().best[0]?.row ?? 0;
  fill(byId("extremes-metric"), metrics.map((metric) => `${metric.name} ${arrow(metric)}`));
  fill(byId("extremes-entry"), names, best);
  fill(byId("extremes-other"), ["nothing", ...names], -1, [-1, ...names.map((_, row) => row)]);
  for (const name of ["metric", "entry", "other"]) byId(`extremes-${name}`).addEventListener("change", drawExtremes);
}

/** Where the chosen checkpoint has no scores of a data set, the best takes its place. */
function followScope() {
  const m = Number(byId("extremes-metric").value);
  const best = scope().best[m];
  if (best && !scope().summaries[m][Number(byId("extremes-entry").value)]) byId("extremes-entry").value = best.row;
  drawExtremes();
}

function drawExtremes() {
  const [m, row, other] = ["metric", "entry", "other"].map((name) => Number(byId(`extremes-${name}`).value));
  const scores = content.scores[m];
  const value = (p) => (other < 0 ? scores[row][p] : scores[row][p] - scores[other][p]);
  const known = scope().images.filter((p) => scores[row][p] !== null && (other < 0 || scores[other][p] !== null));
  const sign = metrics[m].higher ? -1 : 1;
  const order = known.sort((a, b) => sign * (value(a) - value(b)));
  const count = Math.min(MOST_EXTREMES, Math.ceil(order.length / 2));
  const list = (title, found) => found.length === 0 ? [] : [element("h3", {}, title), element("div", { class: "cards" }, ...found.map((p) => card(p, m, row, other, value(p))))];
  byId("extremes-list").replaceChildren(...(order.length
    ? [...list("Best", order.slice(0, count)), ...list("Worst", order.slice(count).slice(-count).reverse())]
    : [element("p", { class: "muted" }, "There are no scores to compare.")]));
}

function card(p, m, row, other, value) {
  const address = images[p].files[row];
  const image = address
    ? element("img", { src: address, alt: `${entries[row].name}: ${images[p].name}`, loading: "lazy", decoding: "async" })
    : null;
  const text = other < 0 ? number(m, value) : `${number(m, content.scores[m][row][p])} (${signed(m, value)})`;
  return element("button", { type: "button", class: "card", disabled: !address, title: images[p].name, onclick: () => openImage(p, row, other) },
    image, element("span", {}, shortName(p)), element("span", { class: "value" }, text));
}

function openImage(p, row, other) {
  if (other >= 0) choose("left", other);
  choose("right", row);
  showImage(p);
  byId("browser").scrollIntoView();
}
