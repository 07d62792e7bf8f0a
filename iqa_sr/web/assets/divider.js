// A boundary to move between two images at one place: the first one at its left, the second one, in `.half`, at its right.

class Divider {
  /**
   * stage: the element with both images, which gets `--split`.
   * handle: the slider in it, moved by keys; a pointer moves it where the stage hands its events to `follow`.
   * say: gives the text of a place in percent, for who does not see it.
   */
  constructor(stage, handle, say) {
    Object.assign(this, { stage, handle, say });
    this.follow = (event) => {
      const box = stage.getBoundingClientRect();
      this.set(((event.clientX - box.left) / box.width) * 100);
    };
    handle.addEventListener("keydown", (event) => {
      if (this.moveByKey(event)) event.preventDefault();
    });
    this.split = 50;
  }

  set(percent) {
    this.split = clamp(percent, 0, 100);
    this.stage.style.setProperty("--split", `${this.split}%`);
    this.describe();
  }

  /** Say it anew, as when other images are shown. */
  describe() {
    this.handle.setAttribute("aria-valuenow", Math.round(this.split));
    this.handle.setAttribute("aria-valuetext", this.say(Math.round(this.split)));
  }

  moveByKey(event) {
    if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return false;
    const by = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageUp: 10, PageDown: -10 }[event.key];
    if (by) this.set(this.split + by);
    else if (event.key === "Home" || event.key === "End") this.set(event.key === "Home" ? 0 : 100);
    else return false;
    return true;
  }
}
