// The questions: how far the session is, the images of the next one, the end.

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
  guide(said);
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
