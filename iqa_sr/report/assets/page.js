// What the page holds, and the little that every part of it needs of that.

const content = JSON.parse(document.getElementById("content").textContent);
const { metrics, entries, images } = content;
const state = { scope: 0 };
const listeners = [];

/** The statistics of the chosen data set. */
const scope = () => content.scopes[state.scope];

/** Call `draw` now and whenever the data set changes. */
function onScope(draw) {
  listeners.push(draw);
  draw();
}

function setScope(number) {
  state.scope = number;
  listeners.forEach((draw) => draw());
}

/** Fill a select with texts; the values are their numbers, or those that are given. */
function fill(select, texts, chosen = 0, values = texts.map((_, number) => number)) {
  select.replaceChildren(...texts.map((text, place) => element("option", { value: values[place] }, text)));
  select.value = chosen;
}

const arrow = (metric) => (metric.higher ? "↑" : "↓");
const better = (metric) => (metric.higher ? "higher is better" : "lower is better");

const count = (size, word) => `${size} ${word}${size === 1 ? "" : "s"}`;

/** Digits behind the point that suit some numbers: four that count in the largest. */
function digitsFor(values) {
  const largest = Math.max(0, ...values.map(Math.abs));
  return largest > 0 ? Math.min(12, Math.max(1, 3 - Math.floor(Math.log10(largest)))) : 3;
}

/** The digits of each metric, by its means. */
const digits = metrics.map((_, m) => digitsFor(content.scopes.flatMap((one) => one.summaries[m]).map((one) => (one ? one.mean : 0))));

const withDigits = (value, places) => value.toFixed(places).replace("-", "−");
const number = (m, value) => (value === null || value === undefined ? "–" : withDigits(value, digits[m]));
const signed = (m, value) => (value > 0 ? "+" : "") + number(m, value);

/** What is drawn as one line: the checkpoints of one training. */
const seriesKey = (entry) => `${entry.run}\n${entry.series}`;
const allSeries = [...new Set(entries.filter((one) => !one.reserved).map(seriesKey))];

function seriesName(key) {
  const [run, path] = key.split("\n");
  if (allSeries.filter((other) => other.startsWith(`${run}\n`)).length === 1) return run;
  const name = path.split("/").filter((part) => part !== "models").at(-1) || path;
  return content.runs.length > 1 ? `${run}: ${name}` : name;
}

const seriesColor = (entry) => `--c${allSeries.indexOf(seriesKey(entry)) % 8}`;

/** The rows for which a condition holds. */
const rows = (condition) => entries.map((_, row) => row).filter((row) => condition(entries[row], row));
const isShown = (row) => images.some((image) => image.files[row]);
/** An image's name, without the data set where there is only one. */
const shortName = (p) => (content.scopes.length > 1 ? images[p].name : images[p].name.replace(/^[^/]*[/]/, ""));
const reservedRow = (label) => entries.findIndex((entry) => entry.reserved === label);
