// Keys and buttons; every key has a button, and every button can be reached by keys.

const STEP = 48; // px of the page that the images are moved by
const keys = new Map(); // name of a key: { down, up, repeats }

function setMode(mode) {
  page.mode = mode;
  stage.call(mode.names, mode.order);
  keys.clear();
  const asking = (act) => () => { if (page.state?.question) act(); };
  const add = (names, down, more = {}) => names.forEach((name) => keys.set(name, { down, ...more }));
  add([" "], asking(press), { up: release });
  add(["l"], asking(() => peek("lq")), { up: unpeek });
  add(["o"], asking(() => peek("original")), { up: unpeek });
  add(["u", "Backspace"], undo);
  add(["+", "="], asking(() => zoomBy(1)), { repeats: true });
  add(["-"], asking(() => zoomBy(-1)), { repeats: true });
  add(["d"], asking(toggleSlider));
  add(["?"], () => byId("help").showModal());
  for (const one of mode.answers) add(one.keys, () => answer(one.choice));
  byId("skip").hidden = mode === MODES.groups;
  if (mode !== MODES.groups) add(["s"], () => answer("skip"));
  byId("answers").replaceChildren(...mode.answers.map((one) => button(one)));
  mode.order.forEach((side, number) => { byId(["show-one", "show-two"][number]).textContent = mode.names[side]; });
  drawKeys();
}

function button({ choice, text, shown }) {
  return element("button", { type: "button", "data-choice": choice, onclick: () => answer(choice) },
    text, element("span", { class: "caps" }, ...shown.map((key) => element("kbd", {}, key))));
}

function drawKeys() {
  const rows = [
    [["Space"], "the other image: tapped, it stays; held, it is shown until you let go"],
    ...page.mode.answers.map((one) => [one.shown, one.help]),
    ...(page.mode === MODES.groups ? [] : [[["S"], "skip this question"]]),
    [["U", "Backspace"], "undo the last answer"],
    [["D"], `slider on and off; its arrows move the boundary${page.mode === MODES.groups ? "" : ", and 1, 2, 0 answer"}`],
    [["L"], "the LQ image while held, where there is one"],
    [["O"], "the original while held, where there is one to compare with"],
    [["+", "−"], "zoom, by whole factors"],
    [["Shift + arrows"], "move both images"],
    [["Tab", "Enter"], "choose a button, press it"],
    [["?"], "this help"],
  ].filter(([shown]) => page.mode !== MODES.groups || !["O"].includes(shown[0]));
  byId("keys").replaceChildren(...rows.flatMap(([shown, text]) =>
    [element("dt", {}, ...shown.map((key) => element("kbd", {}, key))), element("dd", {}, text)]));
}

function zoomBy(by) {
  const { factor, x, y } = stage.zoom;
  stage.zoom.set(factor + by, x, y);
}

/** A key's name; of a letter that is no Latin one, the letter of that key on a Latin keyboard. */
function keyOf({ key, code }) {
  if (key.length === 1 && key > "~" && /^Key[A-Z]$/.test(code)) return code.at(-1).toLowerCase();
  return key.length === 1 ? key.toLowerCase() : key;
}

const held = new Map();

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || byId("help").open) return;
  const arrow = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (arrow && event.shiftKey && page.state?.question) {
    stage.zoom.pan(byId("stage"), STEP * arrow[0], STEP * arrow[1]);
    event.preventDefault();
    return;
  }
  // Wherever the focus is: a boundary that was hidden by a peek, or a click, has lost it.
  if (arrow && stage.divided && page.state?.question && stage.divider.moveByKey(event)) {
    event.preventDefault();
    return;
  }
  const action = keys.get(keyOf(event));
  if (!action) return;
  event.preventDefault();
  if (event.repeat && !action.repeats) return;
  held.set(event.code, action);
  action.down();
});

addEventListener("keyup", (event) => {
  const action = held.get(event.code);
  if (!action) return;
  held.delete(event.code);
  event.preventDefault(); // else Space would press the button that has the focus
  action.up?.();
});

addEventListener("blur", () => {
  held.forEach((action) => action.up?.());
  held.clear();
});

/** A button that does something while it is held; a click by keys or a screen reader does `click`. */
function holdable(id, down, up, click) {
  const one = byId(id);
  one.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    one.setPointerCapture(event.pointerId);
    down();
  });
  for (const kind of ["pointerup", "pointercancel"]) one.addEventListener(kind, up);
  one.addEventListener("contextmenu", (event) => event.preventDefault());
  one.addEventListener("click", (event) => { if (event.detail === 0) click(); });
}

/** A tap on the image switches it; a drag moves it, and the boundary is no part of it. */
function listenToTaps() {
  let start = null;
  byId("stage").addEventListener("pointerdown", (event) => {
    start = event.isPrimary && event.button === 0 && !event.target.closest("#divider") ? event : null;
  });
  byId("stage").addEventListener("pointermove", (event) => {
    if (start && Math.hypot(event.clientX - start.clientX, event.clientY - start.clientY) > 8) start = null;
  });
  byId("stage").addEventListener("pointerup", () => {
    if (start && !stage.split) switchImage();
    start = null;
  });
  byId("stage").addEventListener("pointercancel", () => { start = null; });
}

function startControls() {
  const toggled = (name) => () => (page.peeked === null ? peek(name) : unpeek());
  holdable("lq", () => peek("lq"), unpeek, toggled("lq"));
  holdable("original", () => peek("original"), unpeek, toggled("original"));
  holdable("switch", press, release, switchImage);
  listenToTaps();
  const clicks = {
    "show-one": () => show(0), "show-two": () => show(1), slider: toggleSlider, "zoom-in": () => zoomBy(1),
    "zoom-out": () => zoomBy(-1), undo, "undo-last": undo, skip: () => answer("skip"),
    "help-open": () => byId("help").showModal(),
  };
  for (const [id, act] of Object.entries(clicks)) byId(id).addEventListener("click", act);
  const show = (number) => {
    if (stage.split) stage.setSplit(false);
    stage.show(page.mode.order[number]);
  };
  byId("skip").dataset.choice = "skip";
  // A button that was clicked keeps the focus: Enter would press it again, for another question.
  addEventListener("click", (event) => { if (event.detail) event.target.closest?.(".answers button, .controls button")?.blur(); });
  addEventListener("visibilitychange", () => (document.hidden ? stopwatch.pause() : stopwatch.resume()));
  addEventListener("beforeunload", (event) => { if (page.sending) event.preventDefault(); });
}
