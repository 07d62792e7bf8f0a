// Names beside the points of a plot, as many as find room: those that come first choose first.

const LETTER = 6.6; // mean width in px
const SIDES = { // where the middle of a text is, in halves of its width and in px
  "top center": [0, -15], "bottom center": [0, 15], "middle right": [1, 0], "middle left": [-1, 0],
};

/** What plotly shows of an axis by itself: all points and 6 % at each end. */
function rangesOf(points) {
  const of = (key) => {
    const values = points.map((point) => point[key]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const edge = high > low ? (high - low) * 0.068 : 1;
    return [low - edge, high + edge];
  };
  return { x: of("x"), y: of("y") };
}

/** The side on which each point's name goes, by row; points outside and those without room are left out. */
function placeLabels(points, ranges, width, height) {
  const along = ([low, high], length) => (value) => ((value - low) / (high - low)) * length;
  const [toX, toY] = [along(ranges.x, width), along(ranges.y, height)];
  const boxes = points.map((point) => ({ row: point.row, x: toX(point.x), y: height - toY(point.y), w: 12, h: 12 }))
    .filter(({ x, y }) => x >= 0 && x <= width && y >= 0 && y <= height);
  const taken = [...boxes]; // the points themselves
  const places = new Map();
  for (const point of boxes) {
    const w = entries[point.row].name.length * LETTER;
    for (const [side, [halves, down]] of Object.entries(SIDES)) {
      const box = { x: point.x + halves * (w / 2 + 10), y: point.y + down, w, h: 14 };
      const inside = box.x - w / 2 > 0 && box.x + w / 2 < width + 20;
      if (!inside || taken.some((other) => other !== point && overlap(box, other))) continue;
      taken.push(box);
      places.set(point.row, side);
      break;
    }
  }
  return places;
}

const overlap = (a, b) => Math.abs(a.x - b.x) < (a.w + b.w) / 2 && Math.abs(a.y - b.y) < (a.h + b.h) / 2;
