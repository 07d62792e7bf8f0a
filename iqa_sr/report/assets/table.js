// The table of means.

const FEW_IMAGES = 10;
const sorting = { column: null, descending: false };

function drawTable() {
  const withIterations = entries.some(({ iteration, name }) => iteration !== null && !name.endsWith(iteration));
  const columns = [{ title: "checkpoint", value: (row) => entries[row].name, text: true }];
  if (withIterations) columns.push({ title: "iteration", value: (row) => entries[row].iteration });
  metrics.forEach((metric, m) => columns.push({ metric, m, title: metric.name, value: (row) => scope().summaries[m][row]?.mean }));
  if (withPeople) columns.push({ people: true, metric: PEOPLE, title: PEOPLE.name, value: (row) => scope().people?.rows[row]?.score });
  const body = sortedRows(columns).map((row) =>
    element("tr", { class: entries[row].reserved ? "reserved" : null },
      element("th", { scope: "row", title: entries[row].name }, entries[row].name),
      ...columns.slice(1).map((column) => (column.people ? peopleCell(row) : column.metric ? cell(column.m, row) : plainCell(row)))));
  const table = element("table", {},
    element("caption", { class: "hidden" }, "Mean score of each checkpoint and metric. The headings sort."),
    element("thead", {}, element("tr", {}, ...columns.map(heading))), element("tbody", {}, ...body));
  byId("table").replaceChildren(table);
  byId("people-legend").hidden = !scope().people;
  byId("people-legend").textContent = scope().people ? `people: ${scope().people.about}; the interval is over the contents, and so are the draws in which a checkpoint is the best` : "";
  drawCautions();
}

const withPeople = content.scopes.some((one) => one.people);
const PEOPLE = {
  name: "people",
  higher: true,
  spec: "Bradley-Terry scores of people who compared the images without knowing whose they were, in logits: what is 1 above another was preferred to it in 73 % of the pairs",
};

/** A score, its interval, and how often it is the best when contents are drawn. */
function peopleCell(row) {
  const { people } = scope();
  const found = people?.rows[row];
  if (!found) return element("td", {}, "–");
  const text = (value) => value.toFixed(2).replace("-", "−").replace("−0.00", "0.00");
  const near = people.near.includes(row) ? element("span", { class: "near", title: `people cannot tell it from ${entries[people.best].name}` }, "≈ ") : null;
  const ends = found.interval ? element("small", {}, found.interval.map(text).join(" … ")) : null;
  const chance = found.chance === null ? null : element("small", {}, `best in ${percent(found.chance)} %`);
  return element("td", { class: people.best === row ? "best" : null }, near, text(found.score), ends, chance);
}

/** Whole percents; never 0 or 100 for what only comes near. */
const percent = (share) => (share > 0 && share < 0.01 ? "< 1" : share < 1 && share > 0.99 ? "> 99" : (100 * share).toFixed(0));

function drawCautions() {
  const apart = rows((_, row) => metrics.some((_, m) => scope().summaries[m][row] && !scope().compared[m].includes(row)));
  const { length } = scope().images;
  const cautions = [
    length < FEW_IMAGES ? `${count(length, "image")} ${length === 1 ? "is" : "are"} few: intervals and ≈ are rough here.` : null,
    apart.length ? `Not scored on the same images as the others, and not compared with them: ${apart.map((row) => entries[row].name).join(", ")}.` : null,
    ...(scope().people?.cautions ?? []),
    apart.length && content.scopes.length > 1 ? "Compare within one data set." : null,
  ].filter(Boolean);
  byId("few").hidden = !cautions.length;
  byId("few").textContent = cautions.join(" ");
}

function heading(column, place) {
  const active = sorting.column === place;
  const sign = element("span", { class: "sorted", "aria-hidden": "true" }, active ? (sorting.descending ? "▼" : "▲") : "");
  const direction = column.metric ? element("span", { class: "arrow" }, ` ${arrow(column.metric)}`) : null;
  const label = column.metric ? `${column.title}, ${better(column.metric)}: sort` : `${column.title}: sort`;
  const button = element("button", { type: "button", "aria-label": label, title: column.metric ? column.metric.spec : null, onclick: () => sortBy(column, place) },
    column.title, direction, sign);
  const order = active ? (sorting.descending ? "descending" : "ascending") : "none";
  return element("th", { scope: "col", "aria-sort": order }, button);
}

/** First the best on top, then the worst. */
function sortBy(column, place) {
  const first = column.metric ? column.metric.higher : false;
  sorting.descending = sorting.column === place ? !sorting.descending : first;
  sorting.column = place;
  drawTable();
  byId("table").querySelectorAll("thead button")[place].focus();
}

function sortedRows(columns) {
  const order = rows((_, row) => scope().people?.rows[row] || metrics.some((_, m) => scope().summaries[m][row]));
  if (sorting.column === null) return order;
  const column = columns[sorting.column];
  const sign = sorting.descending ? -1 : 1;
  const compare = column.text ? (a, b) => a.localeCompare(b, undefined, { numeric: true }) : (a, b) => a - b;
  return order.sort((one, other) => {
    const [a, b] = [column.value(one) ?? null, column.value(other) ?? null];
    if (a === null || b === null) return (a === null) - (b === null); // what has no score goes to the end
    return sign * compare(a, b) || one - other;
  });
}

const plainCell = (row) => element("td", {}, entries[row].iteration === null ? "" : entries[row].iteration.toLocaleString("en"));

function cell(m, row) {
  const found = scope().summaries[m][row];
  if (!found) return element("td", {}, "–");
  const best = scope().best[m];
  const isBest = best?.row === row;
  const near = best?.near.includes(row) ? element("span", { class: "near", title: `cannot be told from ${entries[best.row].name}` }, "≈ ") : null;
  const ends = found.interval ? element("small", {}, found.interval.map((end) => number(m, end)).join(" … ")) : null;
  const fewer = found.images < scope().images.length ? element("small", {}, `${found.images} of ${scope().images.length} images`) : null;
  return element("td", { class: isBest ? "best" : null }, near, number(m, found.mean), ends, fewer);
}

function drawSpecs() {
  byId("specs").replaceChildren(...[...metrics, ...(withPeople ? [PEOPLE] : [])].flatMap((metric) => [
    element("dt", {}, `${metric.name} ${arrow(metric)} ${better(metric)}`),
    element("dd", {}, metric.spec || "no variant was written down"),
  ]));
}
