// What becomes of an answer: it is sent until the server has it, and the question stays until then.

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
  const slow = setTimeout(() => say("Waiting for the server…"), 700);
  try {
    const state = await post(path, request);
    page.sending = false;
    clearTimeout(slow);
    const lost = connection.losses > losses;
    await take(state, lost ? "Connected again, your answer is kept." : state.stale ? "It was answered on another page." : said);
  } catch (error) {
    page.sending = false;
    for (const button of document.querySelectorAll("[data-choice]")) button.removeAttribute("aria-pressed");
    if (page.state.question) {
      addOthers();
      guide();
    }
    await complain(error, false);
  } finally {
    clearTimeout(slow);
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
