// Which of a question's images is seen: by taps, by holding, with the boundary.

const HOLD = 300; // milliseconds from which a key that switches the image was held, and not tapped
const stage = new Stage(showName);

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

/** Say what is asked, and how to go about it; `said`: what is to be told before. */
function guide(said = "") {
  const how = isTouch.matches ? "Tap the image to see the other one." : "Space: the other image; held, only until you let go.";
  const slider = isTouch.matches ? "" : " The arrows move the boundary" + (page.mode === MODES.groups ? "." : "; 1, 2 and 0 answer.");
  say((said && `${said} `) + page.mode.question + (stage.divided ? slider : haveSeenBoth() ? "" : ` ${how}`));
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
