// One zoom for all images: each shows the same part of its own. factor: enlargement against the whole image;
// x, y: the place of the whole image, 0 to 1, that is in the middle.

const zoom = { factor: 1, x: 0.5, y: 0.5 };
const LARGEST_ZOOM = 64;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

function setZoom(factor, x, y) {
  zoom.factor = clamp(factor, 1, LARGEST_ZOOM);
  const half = 0.5 / zoom.factor;
  zoom.x = clamp(x, half, 1 - half);
  zoom.y = clamp(y, half, 1 - half);
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

/** Zoom so that the place below the pointer stays where it is. */
function zoomAt(view, clientX, clientY, times) {
  const box = view.getBoundingClientRect();
  const [across, down] = [(clientX - box.left) / box.width - 0.5, (clientY - box.top) / box.height - 0.5];
  const [x, y] = [zoom.x + across / zoom.factor, zoom.y + down / zoom.factor];
  const factor = clamp(zoom.factor * times, 1, LARGEST_ZOOM);
  setZoom(factor, x - across / factor, y - down / factor);
}

const zoomBy = (times) => setZoom(zoom.factor * times, zoom.x, zoom.y);

function panBy(view, pixelsX, pixelsY) {
  const box = view.getBoundingClientRect();
  setZoom(zoom.factor, zoom.x - pixelsX / box.width / zoom.factor, zoom.y - pixelsY / box.height / zoom.factor);
}

/**
 * Let a view be zoomed and moved with a mouse, fingers and a wheel.
 * `single` is asked what a drag with one pointer does instead of moving: a function of its event, or null.
 */
function makeZoomable(view, single = () => null) {
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
    if (pointers.size === 2) pinch(view, [...pointers.values()].find((one) => one.pointerId !== event.pointerId), before, event);
    else if (other) {
      follows ||= Math.abs(event.clientX - start.clientX) > Math.abs(event.clientY - start.clientY);
      if (follows) other(event);
    }
    else panBy(view, event.clientX - before.clientX, event.clientY - before.clientY);
    pointers.set(event.pointerId, event);
  });
  view.addEventListener("pointerup", (event) => {
    if (pointers.delete(event.pointerId)) other?.(event); // a tap is no drag, and moves it, too
  });
  view.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
  view.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the wheel alone scrolls the page
    event.preventDefault();
    zoomAt(view, event.clientX, event.clientY, Math.exp(-clamp(event.deltaY, -50, 50) * 0.01));
  }, { passive: false });
  view.addEventListener("dblclick", (event) => zoomAt(view, event.clientX, event.clientY, event.shiftKey ? 0.5 : 2));
}

function pinch(view, fixed, before, after) {
  const apart = (one) => Math.hypot(one.clientX - fixed.clientX, one.clientY - fixed.clientY);
  panBy(view, (after.clientX - before.clientX) / 2, (after.clientY - before.clientY) / 2);
  zoomAt(view, (after.clientX + fixed.clientX) / 2, (after.clientY + fixed.clientY) / 2, apart(after) / Math.max(1, apart(before)));
}
