// One question after the other: what is shown, what the keys do, what became of an answer.

const MODES = {
  pairs: {
    names: { left: "A", right: "B" },
    order: ["left", "right"],
    question: "Which image looks better?",
    answers: [
      { choice: "left", text: "A is better", help: "A is better", keys: ["ArrowLeft", "1"], shown: ["←", "1"] },
      { choice: "same", text: "Same", help: "both look the same", keys: ["ArrowDown", "0"], shown: ["↓", "0"] },
      { choice: "right", text: "B is better", help: "B is better", keys: ["ArrowRight", "2"], shown: ["→", "2"] },
    ],
  },
  groups: {
    names: { left: "Version", right: "Original" },
    order: ["right", "left"],
    question: "Is the version better than the original?",
    answers: [
      { choice: "better", text: "Better", help: "the version is better than the original", keys: ["b"], shown: ["B"] },
      { choice: "similar", text: "Similar", help: "both are about the same", keys: ["s"], shown: ["S"] },
      { choice: "worse", text: "Worse", help: "the version is worse than the original", keys: ["w"], shown: ["W"] },
    ],
  },
};
MODES.checkpoints = MODES.pairs;

const HOLD = 300; // milliseconds from which a key that switches the image was held, and not tapped
const STEP = 48; // px of the page
const isTouch = matchMedia("(pointer: coarse)");
const page = { state: null, mode: null, seen: new Set(), busy: false, sending: false, pressed: null, peeked: null, loading: null };
const keys = new Map(); // name of a key: { down, up, repeats }
const stage = new Stage(showName);

// --- The image that is shown -----------------------------------------------------------------------------------------

function showName(name) {
  for (const side of name === "both" ? ["left", "right"] : [name]) page.seen.add(side);
  const names = { ...page.mode.names, lq: "LQ", original: "Original" };
  const [one, two] = page.mode.order;
  const both = name === "both";
  byId("tag-left").textContent = both ? names[one] : name === two ? "" : names[name];
  byId("tag-right").textContent = both || name === two ? names[two] : "";
  byId("pane").setAttribute("aria-label", both ? `${names[one]}, left of the boundary` : names[name]);
  byId("pane-right").setAttribute("aria-label", `${names[two]}, right of the boundary`);
  for (const [number, id] of ["show-one", "show-two"].entries()) {
    byId(id).setAttribute("aria-pressed", both || page.mode.order[number] === name);
  }
  for (const button of byId("answers").children) button.setAttribute("aria-disabled", !haveSeenBoth());
  byId("slider").setAttribute("aria-pressed", stage.split);
  if (page.state && !page.busy) guide();
}

const haveSeenBoth = () => page.seen.has("left") && page.seen.has("right");

function say(text, isHint = false) {
  if (byId("status").textContent !== text) byId("status").textContent = text;
  byId("status").classList.toggle("hint", isHint);
}

function guide() {
  const how = isTouch.matches ? "Tap the image to see the other one." : "Space: the other image; held, only until you let go.";
  const slider = isTouch.matches ? "" : " The arrows move the boundary" + (page.mode === MODES.groups ? "." : "; 1, 2 and 0 answer.");
  say(page.mode.question + (stage.divided ? slider : haveSeenBoth() ? "" : ` ${how}`));
}

function switchImage() {
  if (stage.split) stage.setSplit(false);
  const [one, two] = page.mode.order;
  stage.show(stage.now === two ? one : two);
}

/** A tap leaves the other image there, holding shows it until it is let go. */
function press() {
  if (page.pressed === null && page.peeked === null) {
    page.pressed = performance.now();
    switchImage();
  }
}

function release() {
  const wasHeld = page.pressed !== null && performance.now() - page.pressed > HOLD;
  page.pressed = null;
  if (wasHeld) switchImage();
}

/** Show another image of the question while a key or a button is held. */
function peek(name) {
  if (page.peeked !== null || page.pressed !== null || !stage.images[name]) return;
  page.peeked = stage.now;
  stage.show(name);
}

function unpeek() {
  if (page.peeked !== null) stage.show(page.peeked);
  page.peeked = null;
}

function toggleSlider() {
  unpeek();
  stage.setSplit(!stage.split);
  if (stage.split) byId("divider").focus();
  else byId("divider").blur();
}

// --- Questions -------------------------------------------------------------------------------------------------------

function showProgress({ progress, question, rater }) {
  const { answered, planned, message } = progress;
  const number = question ? answered + 1 : answered;
  byId("count").textContent = `${question ? "Question" : "Answers:"} ${number}${planned === null ? "" : ` of ${planned}`}`;
  byId("worth").textContent = message;
  byId("rater").textContent = rater;
  const share = progress.finished ? 1 : planned ? Math.min(1, answered / planned) : 0;
  byId("bar-done").style.width = `${share * 100}%`;
  byId("bar").setAttribute("aria-valuemax", planned ?? Math.max(1, answered));
  byId("bar").setAttribute("aria-valuenow", answered);
  byId("undo").disabled = answered === 0;
}

/** Show what the server says: the next question once its images are decoded, or that all is done. */
async function take(state, said = "") {
  if (page.mode !== MODES[state.mode]) setMode(MODES[state.mode]);
  const slow = setTimeout(() => say("Loading the images…"), 300);
  try {
    while (state.question) {
      const { left, right } = state.question;
      try {
        const [one, two] = await Promise.all([getImage(left), getImage(right)]);
        showQuestion(state, { left: one, right: two }, said);
        return;
      } catch (error) {
        if (error.status === 404) state = await getState(); // another page has answered in between
        else await complain(error);
      }
    }
    showEnd(state);
  } finally {
    clearTimeout(slow);
  }
}

function showQuestion(state, images, said) {
  byId("notice").hidden = true;
  byId("done").hidden = true;
  byId("asking").hidden = false;
  Object.assign(page, { state, pressed: null, peeked: null, seen: new Set() });
  for (const button of byId("answers").children) button.removeAttribute("aria-pressed");
  byId("skip").removeAttribute("aria-pressed");
  showProgress(state);
  stage.take(images, state.question.crop);
  stopwatch.start();
  if (said) say(`${said} ${byId("status").textContent}`);
  addOthers();
}

/** The LQ image and the original follow: nobody waits for them, and an answer breaks off their loading. */
function addOthers() {
  const { question } = page.state;
  const loading = new AbortController();
  page.loading = loading;
  for (const name of ["lq", "original"]) {
    byId(name).hidden = !question[name];
    byId(name).disabled = !stage.images[name];
    if (!question[name] || stage.images[name]) continue;
    getImage(question[name], { signal: loading.signal }).then((image) => {
      if (loading.signal.aborted) return image.close();
      stage.images[name] = image;
      byId(name).disabled = false;
    }).catch(() => {}); // the question can be answered without it
  }
}

function showEnd(state) {
  Object.assign(page, { state, pressed: null, peeked: null });
  byId("notice").hidden = true;
  byId("asking").hidden = true;
  byId("done").hidden = false;
  showProgress(state);
  byId("summary").textContent = state.summary.join("\n");
  byId("undo-last").disabled = state.progress.answered === 0;
}

/** Seconds since the question was shown, without the time in which the page was out of sight. */
const stopwatch = {
  before: 0, since: null,
  start() { Object.assign(this, { before: 0, since: document.hidden ? null : performance.now() }); },
  pause() { Object.assign(this, { before: this.seconds() * 1000, since: null }); },
  resume() { this.since ??= performance.now(); },
  seconds() { return (this.before + (this.since === null ? 0 : performance.now() - this.since)) / 1000; },
};

// --- Answers ---------------------------------------------------------------------------------------------------------

async function answer(choice) {
  const question = page.state?.question;
  if (page.busy || !question) return;
  if (choice !== "skip" && !haveSeenBoth()) {
    say(`Look at both images first: ${isTouch.matches ? "tap the image" : "press Space"} to switch.`, true);
    return;
  }
  const { number, question: digest } = question;
  document.querySelector(`[data-choice="${choice}"]`).setAttribute("aria-pressed", true);
  await change("/api/answer", { number, question: digest, choice, seconds: stopwatch.seconds() });
}

async function undo() {
  if (page.busy || !page.state) return;
  const { answered } = page.state.progress;
  if (answered) await change("/api/undo", { answered }, `Question ${answered} is asked again.`);
  else say("There is nothing to undo.", true);
}

/** Let the server change something, and show what it makes of it. The question stays until that is done. */
async function change(path, request, said = "") {
  page.busy = page.sending = true;
  page.loading?.abort();
  const losses = connection.losses;
  try {
    const state = await post(path, request);
    page.sending = false;
    const lost = connection.losses > losses;
    await take(state, lost ? "Connected again, your answer is kept." : state.stale ? "It was answered on another page." : said);
  } catch (error) {
    page.sending = false;
    for (const button of document.querySelectorAll("[data-choice]")) button.removeAttribute("aria-pressed");
    if (page.state.question) addOthers();
    await complain(error, false);
  } finally {
    page.busy = false;
  }
}

/** Say what the server has refused; `wait` before it is tried again. For a wrong token there is no again. */
async function complain(error, wait = true) {
  if (!(error instanceof Refused)) throw error;
  if (error.status === 403) {
    notify("The server does not know this page: it was started anew, at another address. Open the address that it "
      + "printed. What was answered is kept; if you have just answered, that question will be asked again.");
    await new Promise(() => {});
  }
  notify(`${error.message}${wait ? " (trying again)" : ""}`);
  if (wait) await pause(3000);
}

function notify(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = false;
}

Object.assign(connection, {
  losses: 0,
  lost(isAnswer) {
    this.losses++;
    notify(`No connection to the server. ${isAnswer ? "Your answer is kept here, and sent again until it is taken." : "Trying again."}`);
  },
  found() { byId("notice").hidden = true; },
});

// --- Keys and buttons ------------------------------------------------------------------------------------------------

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

async function start() {
  startTheme();
  startControls();
  for (;;) {
    try {
      await take(await getState());
      return;
    } catch (error) {
      await complain(error);
    }
  }
}

start();
