// Both images at one place, in true pixels: each pixel of an image is a square of 1 to 4 pixels of the screen.

const LARGEST_ZOOM = 4;

class Stage {
  /** shown: called with the name of the image after it was drawn, `both` with the boundary between them. */
  constructor(shown) {
    Object.assign(this, { shown, images: {}, order: ["left", "right"], labels: {}, now: "left", split: false, size: [1, 1] });
    this.panes = [byId("pane"), byId("pane-right")];
    this.contexts = this.panes.map((pane) => pane.getContext("2d", { alpha: false }));
    this.zoom = new Zoom({
      largest: LARGEST_ZOOM,
      whole: true,
      shares: () => [this.panes[0].width / this.size[0], this.panes[0].height / this.size[1]],
      changed: () => this.draw(),
    });
    this.divider = new Divider(byId("stage"), byId("divider"), (percent) => {
      const [one, two] = this.order.map((name) => this.labels[name]);
      return `${percent} %: ${one} left of it, ${two} right of it`;
    });
    this.zoom.listen(byId("stage"), {
      single: (event) => (event.target.closest("#divider") ? this.divider.follow : null),
      doubleClick: false, // two taps are two switches
    });
    this.divider.set(50);
    this.zoom.set(Math.round(devicePixelRatio), 0.5, 0.5); // as large as images are in other pages
    this.watch();
  }

  /** Fit the panes whenever the stage, the screen or the browser's own zoom is another one. */
  watch() {
    new ResizeObserver(() => this.fit()).observe(byId("stage"));
    const listen = () => matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener("change", () => {
      this.fit();
      listen();
    }, { once: true });
    listen();
  }

  /** The panes begin and end with whole pixels of the screen, and have as many of their own: nothing is resampled. */
  fit() {
    const box = byId("stage").getBoundingClientRect();
    if (!box.width || !box.height) return;
    const [left, top] = [box.left, box.top].map((place) => Math.ceil(place * devicePixelRatio - 0.01));
    const [right, bottom] = [box.right, box.bottom].map((place) => Math.floor(place * devicePixelRatio + 0.01));
    for (const pane of this.panes) {
      Object.assign(pane, { width: right - left, height: bottom - top });
      pane.style.left = `${left / devicePixelRatio - box.left}px`;
      pane.style.top = `${top / devicePixelRatio - box.top}px`;
      pane.style.width = `${(right - left) / devicePixelRatio}px`;
      pane.style.height = `${(bottom - top) / devicePixelRatio}px`;
    }
    this.zoom.set(this.zoom.factor, this.zoom.x, this.zoom.y);
  }

  /** What the images are called, and in which order they come. */
  call(labels, order) {
    Object.assign(this, { labels, order });
    this.divider.describe();
  }

  /** Show another question's images, from the place where they differ most; the former ones are let go. */
  take(images, crop) {
    for (const image of Object.values(this.images)) image.close();
    Object.assign(this, { images, now: this.order[0], size: [images.left.width, images.left.height] });
    const [top, left, height, width] = crop;
    this.zoom.set(this.zoom.factor, (left + width / 2) / this.size[0], (top + height / 2) / this.size[1]);
  }

  show(name) {
    if (!this.images[name]) return;
    this.now = name;
    this.draw();
  }

  setSplit(split) {
    this.split = split;
    byId("half").hidden = byId("divider").hidden = !split;
    this.draw();
  }

  /** Whether the boundary is seen now, and not an image alone. */
  get divided() {
    return this.split && this.order.includes(this.now);
  }

  draw() {
    if (!this.images[this.now]) return;
    byId("half").hidden = byId("divider").hidden = !this.divided;
    this.paint(0, this.images[this.divided ? this.order[0] : this.now]);
    if (this.divided) this.paint(1, this.images[this.order[1]]);
    byId("zoom-value").textContent = `${this.zoom.factor}×`;
    byId("zoom-out").disabled = this.zoom.factor === 1;
    byId("zoom-in").disabled = this.zoom.factor === LARGEST_ZOOM;
    this.shown(this.divided ? "both" : this.now);
  }

  paint(number, image) {
    const { width, height } = this.panes[number];
    const context = this.contexts[number];
    const [wide, high] = this.size.map((length) => length * this.zoom.factor);
    context.fillStyle = "#1f1f1f";
    context.fillRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    // An LQ image has fewer pixels; they are larger.
    context.drawImage(image, Math.round(width / 2 - this.zoom.x * wide), Math.round(height / 2 - this.zoom.y * high), wide, high);
  }
}
