// One zoom for all images of a page: each shows the same part of its own.

class Zoom {
  /**
   * factor: enlargement, from 1 on; x, y: the place of the whole image, 0 to 1, that is in the middle of every view.
   *
   * largest: the largest factor.
   * whole: only whole factors.
   * shares: gives which part of the whole image a view is as wide and as high as at factor 1.
   * changed: called after each change.
   */
  constructor({ largest, changed, whole = false, shares = () => [1, 1] }) {
    Object.assign(this, { largest, changed, whole, shares, factor: 1, wanted: 1, x: 0.5, y: 0.5 });
  }

  set(factor, x, y) {
    this.wanted = clamp(factor, 1, this.largest);
    this.factor = this.rounded(this.wanted);
    const [halfX, halfY] = this.shares().map((share) => Math.min(0.5, (0.5 * share) / this.factor));
    this.x = clamp(x, halfX, 1 - halfX);
    this.y = clamp(y, halfY, 1 - halfY);
    this.changed();
  }

  rounded(factor) {
    return this.whole ? Math.round(factor) : factor;
  }

  by(times) {
    this.set(this.wanted * times, this.x, this.y);
  }

  /** Zoom so that the place below the pointer stays where it is. */
  at(view, clientX, clientY, times) {
    const box = view.getBoundingClientRect();
    const [wide, high] = this.shares();
    const across = ((clientX - box.left) / box.width - 0.5) * wide;
    const down = ((clientY - box.top) / box.height - 0.5) * high;
    const [x, y] = [this.x + across / this.factor, this.y + down / this.factor];
    const wanted = clamp(this.wanted * times, 1, this.largest);
    const factor = this.rounded(wanted);
    this.set(wanted, x - across / factor, y - down / factor);
  }

  pan(view, pixelsX, pixelsY) {
    const box = view.getBoundingClientRect();
    const [wide, high] = this.shares();
    const x = this.x - ((pixelsX / box.width) * wide) / this.factor;
    this.set(this.wanted, x, this.y - ((pixelsY / box.height) * high) / this.factor);
  }

  /**
   * Let a view be zoomed and moved with a mouse, fingers and a wheel.
   * `single` is asked what a drag with one pointer does instead of moving: a function of its event, or null.
   * `doubleClick`: whether one zooms.
   */
  listen(view, { single = () => null, doubleClick = true } = {}) {
    const pointers = new Map();
    let [other, start, follows] = [null, null, false];
    view.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      view.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, event);
      other = pointers.size === 1 ? single(event) : null;
      start = event;
      follows = event.pointerType !== "touch"; // a finger may be about to scroll the page, or to pinch
      if (follows) other?.(event);
    });
    view.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      if (pointers.size === 2) {
        this.pinch(view, [...pointers.values()].find((one) => one.pointerId !== event.pointerId), before, event);
      } else if (other) {
        follows ||= Math.abs(event.clientX - start.clientX) > Math.abs(event.clientY - start.clientY);
        if (follows) other(event);
      } else this.pan(view, event.clientX - before.clientX, event.clientY - before.clientY);
      pointers.set(event.pointerId, event);
    });
    view.addEventListener("pointerup", (event) => {
      if (pointers.delete(event.pointerId)) other?.(event); // a tap is no drag, and moves it, too
    });
    view.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
    view.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the wheel alone scrolls the page
      event.preventDefault();
      this.at(view, event.clientX, event.clientY, Math.exp(-clamp(event.deltaY, -50, 50) * 0.01));
    }, { passive: false });
    if (!doubleClick) return;
    view.addEventListener("dblclick", (event) => this.at(view, event.clientX, event.clientY, event.shiftKey ? 0.5 : 2));
  }

  pinch(view, fixed, before, after) {
    const apart = (one) => Math.hypot(one.clientX - fixed.clientX, one.clientY - fixed.clientY);
    this.pan(view, (after.clientX - before.clientX) / 2, (after.clientY - before.clientY) / 2);
    const middle = [(after.clientX + fixed.clientX) / 2, (after.clientY + fixed.clientY) / 2];
    this.at(view, ...middle, apart(after) / Math.max(1, apart(before)));
  }
}
