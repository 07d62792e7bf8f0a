// One image at a time: two versions with a boundary to move, and all versions below, under one zoom.

const browsed = { image: 0, left: 0, right: 0 };
const zoom = new Zoom({ largest: 64, changed: drawZoom });
const divider = new Divider(byId("stage"), byId("divider"), (split) =>
  `${split} %: ${entries[browsed.left].name} left of it, ${entries[browsed.right].name} right of it`);
const withFiles = () => images.map((_, p) => p).filter((p) => images[p].files.some(Boolean));

function startBrowser() {
  const shown = rows((_, row) => isShown(row));
  const names = shown.map((row) => entries[row].name);
  const best = scope().best.find(Boolean)?.row;
  const checkpoints = shown.filter((row) => !entries[row].reserved);
  const right = checkpoints.includes(best) ? best : checkpoints.at(-1) ?? shown.at(-1);
  const start = ["bicubic", "input", "original"].map(reservedRow).find((row) => shown.includes(row) && row !== right) ?? shown[0];
  fill(byId("left"), names, start, shown);
  fill(byId("right"), names, right, shown);
  fill(byId("tile-metric"), metrics.map((metric) => `${metric.name} ${arrow(metric)}`));
  for (const side of ["left", "right"]) byId(side).addEventListener("change", () => choose(side, Number(byId(side).value)));
  byId("tile-metric").addEventListener("change", drawTiles);
  byId("image").addEventListener("change", () => showImage(Number(byId("image").value)));
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("swap").addEventListener("click", () => { const { left, right: other } = browsed; choose("left", other); choose("right", left); });
  byId("zoom-in").addEventListener("click", () => zoom.by(1.5));
  byId("zoom-out").addEventListener("click", () => zoom.by(1 / 1.5));
  byId("zoom-fit").addEventListener("click", () => zoom.set(1, 0.5, 0.5));
  startStage();
  Object.assign(browsed, { left: start, right });
}

/** The choice of images follows the data set. */
function listImages() {
  const found = withFiles().filter((p) => scope().images.includes(p));
  byId("browsing").hidden = !found.length;
  byId("browsing-none").hidden = found.length > 0;
  if (!found.length) return;
  fill(byId("image"), found.map(shortName), browsed.image, found);
  showImage(found.includes(browsed.image) ? browsed.image : found[0]);
}

function step(by) {
  const options = [...byId("image").options].map((option) => Number(option.value));
  const at = options.indexOf(browsed.image);
  showImage(options[(at + by + options.length) % options.length]);
}

function showImage(image) {
  const changed = browsed.image !== image;
  browsed.image = image;
  byId("image").value = image;
  const [width, height] = images[image]?.size ?? [3, 2];
  byId("browser").style.setProperty("--ratio", width / height);
  haveBoth();
  showSide("left");
  showSide("right");
  drawTiles();
  drawImageScores();
  if (changed) zoom.set(1, 0.5, 0.5);
  else showZoom();
}

/** Where a version was not made of this image, another one takes its side. */
function haveBoth() {
  const shown = rows((_, row) => images[browsed.image]?.files[row]);
  const checkpoints = shown.filter((row) => !entries[row].reserved);
  if (!shown.includes(browsed.right)) browsed.right = checkpoints.at(-1) ?? shown.at(-1) ?? browsed.right;
  if (!shown.includes(browsed.left)) browsed.left = shown.find((row) => row !== browsed.right) ?? browsed.right;
}

function choose(side, row) {
  browsed[side] = row;
  showSide(side);
  markTiles();
}

function showSide(side) {
  const row = browsed[side];
  byId(side).value = row;
  setImage(byId(`${side}-image`), row);
  byId(`${side}-name`).textContent = entries[row].name + (images[browsed.image]?.files[row] ? "" : " (no image)");
  divider.describe();
}

function setImage(image, row) {
  const address = images[browsed.image]?.files[row];
  image.hidden = !address;
  image.alt = `${entries[row].name}: ${images[browsed.image]?.name}`;
  if (address) image.src = address;
  else image.removeAttribute("src");
}

// --- The boundary and the zoom ---------------------------------------------------------------------------------------

function startStage() {
  const stage = byId("stage");
  // Where nothing is zoomed there is nothing to move but the boundary.
  zoom.listen(stage, { single: (event) => (event.target.closest("#divider") || zoom.factor === 1 ? divider.follow : null) });
  byId("divider").addEventListener("keydown", (event) => {
    if (zoomByKey(event, stage)) event.preventDefault();
  });
  divider.set(50);
}

function zoomByKey(event, stage) {
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (arrows && event.shiftKey) zoom.pan(stage, -40 * arrows[0], -40 * arrows[1]);
  else if (event.key === "+" || event.key === "=") zoom.by(1.5);
  else if (event.key === "-") zoom.by(1 / 1.5);
  else return false;
  return true;
}

function drawZoom() {
  const style = byId("browser").style;
  style.setProperty("--zoom", zoom.factor);
  style.setProperty("--move-x", `${(0.5 - zoom.x * zoom.factor) * 100}%`);
  style.setProperty("--move-y", `${(0.5 - zoom.y * zoom.factor) * 100}%`);
  showZoom();
}

/** The number, and pixels as squares where they are large enough to be seen. */
function showZoom() {
  const width = images[browsed.image]?.size?.[0] ?? 1;
  const scale = (byId("stage").clientWidth * zoom.factor) / width;
  byId("zoom-value").textContent = `${Math.round(scale * 100)} %`;
  byId("browser").classList.toggle("zoomed", zoom.factor > 1);
  byId("browser").classList.toggle("pixels", scale >= 2.5);
  byId("zoom-out").disabled = byId("zoom-fit").disabled = zoom.factor === 1;
}

// --- All versions ----------------------------------------------------------------------------------------------------

function drawTiles() {
  const m = Number(byId("tile-metric").value);
  byId("tiles").replaceChildren(...rows((_, row) => images[browsed.image]?.files[row]).map((row) => tile(row, m)));
  markTiles();
}

function tile(row, m) {
  const image = element("img", { class: "layer", draggable: "false", decoding: "async", loading: "lazy" });
  setImage(image, row);
  const view = element("div", { class: "view" }, image);
  zoom.listen(view);
  const button = (side) => element("button", {
    type: "button", "data-side": side, "data-row": row, "aria-label": `${entries[row].name} to the ${side}`, onclick: () => choose(side, row),
  }, side);
  const score = metrics.length ? number(m, content.scores[m][row][browsed.image]) : "";
  return element("div", { class: "tile" }, view,
    element("div", { class: "row" }, element("strong", { title: entries[row].name }, entries[row].name), element("span", { class: "value" }, score)),
    element("div", { class: "row" }, button("left"), button("right")));
}

function markTiles() {
  for (const button of byId("tiles").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", browsed[button.dataset.side] === Number(button.dataset.row));
  }
}

function drawImageScores() {
  const p = browsed.image;
  const known = rows((_, row) => metrics.some((_, m) => content.scores[m][row][p] !== null));
  const heads = ["checkpoint", ...metrics.map((metric) => `${metric.name} ${arrow(metric)}`)].map((text) => element("th", { scope: "col" }, text));
  const line = (row) => element("tr", { class: entries[row].reserved ? "reserved" : null }, element("th", { scope: "row" }, entries[row].name),
    ...metrics.map((_, m) => element("td", {}, number(m, content.scores[m][row][p]))));
  byId("image-scores").replaceChildren(element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...known.map(line))));
}
