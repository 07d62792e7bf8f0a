// Metrics of sets: one number for all images of a data set.

const { sets } = content;

/** The columns of the chosen data set, or of all. */
const shownSets = () => (state.scope > 0 ? sets.filter((one) => one.dataset === scope().name) : sets);

function drawSets() {
  const columns = shownSets();
  const several = state.scope === 0 && content.scopes.length > 1;
  const body = rows((_, row) => columns.some((one) => one.values[row])).map((row) =>
    element("tr", { class: entries[row].reserved ? "reserved" : null },
      element("th", { scope: "row", title: entries[row].name }, entries[row].name), ...columns.map((one) => setCell(one, row))));
  const headings = columns.map((one) => element("th", { scope: "col", title: one.spec }, one.name,
    element("span", { class: "arrow" }, ` ${arrow(one)}`), several ? element("small", {}, one.dataset) : null));
  byId("sets-table").replaceChildren(element("table", {},
    element("caption", { class: "hidden" }, "Each metric of sets of each checkpoint."),
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "checkpoint"), ...headings)), element("tbody", {}, ...body)));
  byId("sets-shown").hidden = !columns.length;
  byId("sets-none").hidden = columns.length > 0;
  const cautions = columns.flatMap((one) => one.cautions.map((text) => (several ? `${one.dataset}: ${text}` : text)));
  byId("sets-few").hidden = !cautions.length;
  byId("sets-few").replaceChildren(...cautions.map((text) => element("li", {}, text)));
  byId("sets-specs").replaceChildren(...columns.filter((one, at) => columns.findIndex((other) => other.name === one.name && other.spec === one.spec) === at)
    .flatMap((one) => [element("dt", {}, `${one.name} ${arrow(one)} ${better(one)}`), element("dd", {}, one.spec)]));
  drawSetCurves(columns, several);
}

function setCell(one, row) {
  const found = one.values[row];
  if (!found) return element("td", {}, "–");
  const places = setDigits(one);
  const near = one.near.includes(row) ? element("span", { class: "near", title: `its interval reaches the number of ${entries[one.best].name}` }, "≈ ") : null;
  const ends = found.interval ? element("small", {}, found.interval.map((end) => withDigits(end, places)).join(" … ")) : null;
  const references = found.references === found.images ? "" : `, ${count(found.references, "reference")}`;
  return element("td", { class: one.best === row ? "best" : null }, near, withDigits(found.value, places), ends,
    element("small", {}, count(found.images, "image") + references));
}

const setDigits = (one) => digitsFor(one.values.filter(Boolean).map((found) => found.value));

function drawSetCurves(columns, several) {
  const place = byId("sets-plots");
  sets.forEach((one, at) => {
    const id = `set-curve-${at}`;
    if (!byId(id)) place.append(element("div", { class: "plot", id, role: "img", "aria-label": `${one.name} of ${one.dataset} over the iterations; the table holds the numbers` }));
    const known = rows((entry, row) => one.values[row]);
    const curve = {
      title: `${one.name} ${arrow(one)}${several ? ` ${one.dataset}` : ""}`,
      places: setDigits(one),
      points: known.filter((row) => !entries[row].reserved && entries[row].iteration !== null),
      levels: known.filter((row) => entries[row].reserved),
      summary: (row) => ({ mean: one.values[row].value, interval: one.values[row].interval }),
    };
    byId(id).hidden = !columns.includes(one) || !isCurve(curve);
    if (!byId(id).hidden) plot(byId(id), () => ({ traces: curveTraces(curve), layout: curveLayout(curve) }));
  });
}
