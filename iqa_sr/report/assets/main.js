// What is shown, and in which order it is drawn.

function hide(id, unless) {
  byId(id).hidden = !unless;
}

function drawSummary() {
  const checkpoints = entries.filter((entry) => !entry.reserved).length;
  byId("summary").textContent = `${count(checkpoints, "checkpoint")}, ${count(images.length, "image")}, ${count(metrics.length, "metric")}; made ${content.made}`;
  if (content.notes.length) {
    byId("notes").append(element("div", { class: "note" }, element("ul", {}, ...content.notes.map((note) => element("li", {}, note)))));
  }
}

function drawContents() {
  const sections = [...document.querySelectorAll("main > section")].filter((section) => !section.hidden);
  byId("contents").append(element("ul", {}, ...sections.map((section) => element("li", {}, element("a", { href: `#${section.id}` }, section.dataset.title)))));
}

function drawRuns() {
  const list = (details) => element("dl", { class: "details" }, ...Object.entries(details).flatMap(([title, text]) => [element("dt", {}, title), element("dd", {}, text)]));
  for (const run of content.runs) {
    const own = entries.filter((entry) => entry.run === run.name && Object.keys(entry.details).length);
    byId("runs-list").append(element("h3", {}, run.name), list(run.details), ...own.map((entry) =>
      element("details", {}, element("summary", {}, entry.name), list(entry.details))));
  }
}

// --- Start -----------------------------------------------------------------------------------------------------------

const haveScores = metrics.length > 0 && images.length > 0;
startTheme(redrawAll);
drawSummary();
hide("scope-label", content.scopes.length > 1);
hide("scores", haveScores);
hide("plane", haveScores && metrics.length > 1);
hide("sets", sets.length > 0);
hide("curves", haveScores && withIteration().length > 1);
hide("extremes", haveScores && images.length > 1);
hide("browser", withFiles().length > 0);
hide("history", content.histories.length > 0);
// Where the checkpoints have different data sets, all together say little: begin with one.
const mixed = metrics.some((_, m) => rows((entry, row) => !entry.reserved && content.scopes[0].summaries[m][row]).some((row) => !content.scopes[0].compared[m].includes(row)));
state.scope = mixed && content.scopes.length > 1 ? 1 : 0;
fill(byId("scope"), content.scopes.map((one) => one.name), state.scope);
byId("scope").addEventListener("change", () => setScope(Number(byId("scope").value)));
if (haveScores) {
  onScope(drawKeys);
  drawSpecs();
  onScope(drawTable);
}
if (!byId("sets").hidden) onScope(drawSets);
if (!byId("plane").hidden) {
  startPlane();
  onScope(drawPlane);
}
if (!byId("curves").hidden) onScope(drawCurves);
if (!byId("extremes").hidden) {
  startExtremes();
  onScope(followScope);
}
if (!byId("browser").hidden) {
  startBrowser();
  onScope(listImages);
  addEventListener("resize", showZoom);
}
drawHistory();
drawRuns();
drawContents();
