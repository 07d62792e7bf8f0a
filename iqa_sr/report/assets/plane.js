// Any two metrics against each other, with the Pareto front of the checkpoints.

function drawPlane() {
  const [x, y] = [Number(byId("plane-x").value), Number(byId("plane-y").value)];
  const target = byId("plane-plot");
  target.setAttribute("aria-label", `${metrics[x].name} against ${metrics[y].name}; the table above holds the numbers`);
  const front = frontOf(x, y);
  byId("plane-front").textContent = front.length
    ? `On the front: ${front.map((row) => entries[row].name).join(", ")}.`
    : "No checkpoint was scored by both metrics on the same images.";
  plot(target, () => ({ traces: planeTraces(x, y, front, target), layout: planeLayout(x, y) }));
}

function frontOf(x, y) {
  if (x === y) return scope().best[x] ? [scope().best[x].row] : [];
  return scope().fronts[x < y ? `${x},${y}` : `${y},${x}`];
}

const inPlane = (x, y) => scope().compared[x].filter((row) => scope().compared[y].includes(row));
const meanOf = (m, row) => scope().summaries[m][row]?.mean;

const labels = (known, places) => ({
  text: known.map((row) => (places.has(row) ? plain(entries[row].name) : "")),
  textposition: known.map((row) => places.get(row) ?? "top center"),
});

/** Where names go: those of the front choose first. */
function placesOf(x, y, known, inFront, target, ranges = null) {
  const order = [...inFront, ...known.filter((row) => !inFront.includes(row))];
  const points = order.map((row) => ({ row, x: seen(x, row), y: seen(y, row) }));
  return placeLabels(points, ranges ?? rangesOf(points), target.clientWidth - 90, target.clientHeight - 80);
}

/** After zooming into the plot there may be room for other names. */
function labelAgain() {
  const target = byId("plane-plot");
  const [x, y] = [Number(byId("plane-x").value), Number(byId("plane-y").value)];
  const known = inPlane(x, y);
  const range = (m, name) => target.layout[name].range.map((end) => (metrics[m].higher ? end : -end));
  const whole = target.layout.xaxis.autorange && target.layout.yaxis.autorange;
  const ranges = whole ? null : { x: range(x, "xaxis"), y: range(y, "yaxis") };
  const { text, textposition } = labels(known, placesOf(x, y, known, frontOf(x, y), target, ranges));
  Plotly.restyle(target, { text: [text], textposition: [textposition] }, [1]);
}

/** As the axes are turned: larger is further right and up. */
const seen = (m, row) => (metrics[m].higher ? 1 : -1) * meanOf(m, row);

function planeTraces(x, y, front, target) {
  const known = inPlane(x, y);
  const inFront = front.filter((row) => known.includes(row));
  const line = {
    x: inFront.map((row) => meanOf(x, row)), y: inFront.map((row) => meanOf(y, row)), mode: "lines",
    line: { color: color("--muted"), width: 1.5, dash: "dot" }, hoverinfo: "skip",
  };
  const places = placesOf(x, y, known, inFront, target);
  const points = {
    x: known.map((row) => meanOf(x, row)), y: known.map((row) => meanOf(y, row)), mode: "markers+text",
    ...labels(known, places), textfont: { color: color("--text"), size: 12 }, cliponaxis: false,
    error_x: whiskers(x, known), error_y: whiskers(y, known),
    marker: {
      opacity: 1,
      size: known.map((row) => (inFront.includes(row) ? 12 : 9)),
      symbol: known.map((row) => (entries[row].reserved ? "diamond-open" : inFront.includes(row) ? "circle" : "circle-open")),
      color: known.map((row) => color(entries[row].reserved ? "--muted" : seriesColor(entries[row]))),
      line: { width: 2 },
    },
    customdata: known.map((row) => `${plain(entries[row].name)}<br>${plain(metrics[x].name)} ${number(x, meanOf(x, row))}<br>${plain(metrics[y].name)} ${number(y, meanOf(y, row))}`),
    hovertemplate: "%{customdata}<extra></extra>",
  };
  return [line, points];
}

function whiskers(m, known) {
  const one = (row, end) => {
    const { mean, interval } = scope().summaries[m][row];
    return interval ? Math.abs(interval[end] - mean) : 0;
  };
  return {
    type: "data", symmetric: false, array: known.map((row) => one(row, 1)), arrayminus: known.map((row) => one(row, 0)),
    color: faint("--muted", 0.55), thickness: 1, width: 4, visible: byId("plane-whiskers").checked,
  };
}

function planeLayout(x, y) {
  const one = (m) => axis({
    title: { text: `${plain(metrics[m].name)} ${arrow(metrics[m])}` }, autorange: metrics[m].higher ? true : "reversed",
  });
  return { xaxis: one(x), yaxis: one(y), margin: { l: 60, r: 28, t: 24, b: 52 } };
}

/** At first a metric that looks at the image alone against one that compares. */
function startPlane() {
  const names = metrics.map((metric) => `${metric.name} ${arrow(metric)}`);
  const distortion = Math.max(0, metrics.findIndex((metric) => metric.compared));
  const perception = metrics.findIndex((metric, m) => m !== distortion && !metric.compared);
  fill(byId("plane-x"), names, distortion);
  fill(byId("plane-y"), names, perception < 0 ? (distortion + 1) % metrics.length : perception);
  byId("plane-plot").addEventListener("drawn", () => byId("plane-plot").on("plotly_relayout", labelAgain), { once: true });
  for (const id of ["plane-x", "plane-y", "plane-whiskers"]) byId(id).addEventListener("change", drawPlane);
}
