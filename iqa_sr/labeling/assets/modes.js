// Kinds of question, and what the page knows of the one that is asked.

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

const isTouch = matchMedia("(pointer: coarse)");

/**
 * seen: sides of the question that were seen; busy: until the next question is shown; sending: until the server has the
 * answer; pressed: when the key that switches went down; peeked: the image that comes back after a peek; loading: what
 * breaks off the loading of further images.
 */
const page = { state: null, mode: null, seen: new Set(), busy: false, sending: false, pressed: null, peeked: null, loading: null };
