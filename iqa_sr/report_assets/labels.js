// Names beside the points of a plot, as many as find room: those that come first choose first.

const LETTER = 6.6; // mean width in px
const SIDES = { // where the middle of a text is, in halves of its width and in px
  "top center": [0, -15], "bottom center": [0, 15], "middle right": [1, 0], "middle left": [-1, 0],
};

/** The side on which each point's name goes, by row; rows without room are left out. Points: row, x, y. */
function placeLabels(points, width, height) {
  const along = (key, length) => {
    const values = points.map((point) => point[key]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return (value) => (high > low ? ((value - low) / (high - low)) * 0.88 * length : length / 2); // plotly leaves 6 % at each end
  };
  const [toX, toY] = [along("x", width), along("y", height)];
  const taken = points.map((point) => ({ x: toX(point.x), y: -toY(point.y), w: 12, h: 12 })); // the points themselves
  const places = new Map();
  points.forEach((point, at) => {
    const [x, y, w] = [taken[at].x, taken[at].y, entries[point.row].name.length * LETTER];
    for (const [side, [halves, down]] of Object.entries(SIDES)) {
      const box = { x: x + halves * (w / 2 + 10), y: y + down, w, h: 14 };
      const inside = box.x - w / 2 > -0.1 * width && box.x + w / 2 < 1.0 * width;
      if (!inside || taken.some((other, of) => of !== at && overlap(box, other))) continue;
      taken.push(box);
      places.set(point.row, side);
      return;
    }
  });
  return places;
}

const overlap = (a, b) => Math.abs(a.x - b.x) < (a.w + b.w) / 2 && Math.abs(a.y - b.y) < (a.h + b.h) / 2;
