// Pixels and outlines of a part of a frame: loadFrame() fetches the pictures, a Pane draws them.

const SVG = "http://www.w3.org/2000/svg";
const loaded = new WeakMap();
const SMALLEST_LEVEL = 700;

/** The picture, and halves of it down to some hundred pixels: a small one draws sooner. */
async function levelsOf(image) {
  const levels = [{ image, width: image.naturalWidth }];
  let [width, height] = [image.naturalWidth, image.naturalHeight];
  while (width > 2 * SMALLEST_LEVEL) {
    [width, height] = [Math.round(width / 2), Math.round(height / 2)];
    const half = await createImageBitmap(levels.at(-1).image, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
    levels.push({ image: half, width });
  }
  return levels;
}

/** The frame's decoded pictures: a promise of [{levels, box}], the whole frame first. */
function loadFrame(frame) {
  if (!loaded.has(frame)) {
    const patches = [frame.whole, ...frame.native].map(async ({ box, source }) => {
      const image = new Image();
      image.src = source;
      await image.decode();
      return { levels: await levelsOf(image), box };
    });
    loaded.set(frame, Promise.all(patches));
  }
  return loaded.get(frame);
}

/** Draws the rectangle of `view` ({x, y, zoom}: frame pixel at the left top, screen per frame pixel). */
async function drawPixels(canvas, frame, view) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((n) => Math.round(n * ratio));
  const ticket = (canvas.ticket = {});
  const patches = await loadFrame(frame);
  if (canvas.ticket !== ticket) return; // a later call has overtaken this one
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const pen = canvas.getContext("2d");
  const zoom = view.zoom * ratio;
  pen.fillStyle = "#08090a";
  pen.fillRect(0, 0, width, height);
  pen.imageSmoothingQuality = "high";
  for (const { levels, box } of patches) {
    const wanted = zoom * (box[2] - box[0]);
    const perSource = wanted / levels[0].width;
    const { image } = levels.findLast((level) => level.width >= wanted) ?? levels[0];
    pen.imageSmoothingEnabled = perSource < 3; // magnified pixels are shown as what they are
    const [left, top, right, bottom] = [0, 1, 2, 3].map((i) =>
      Math.round((box[i] - (i % 2 ? view.y : view.x)) * zoom));
    if (right > 0 && bottom > 0 && left < width && top < height)
      pen.drawImage(image, left, top, right - left, bottom - top);
  }
  canvas.dataset.drawn = `${frame.name} ${view.x.toFixed(1)} ${view.y.toFixed(1)} ${view.zoom.toFixed(3)}`;
}

function svgElement(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** One outline: a dark line under a light one, and an area to point at. */
function outline(item, classes) {
  const group = svgElement("g", { class: "item" });
  group.append(svgElement("path", { class: "under", d: item.path }));
  group.append(svgElement("path", { class: classes, d: item.path }));
  group.append(svgElement("path", { class: "hit", d: item.path }));
  group.item = item;
  return group;
}

class Pane {
  /** A picture with outlines inside `host`, which gives it its size. */
  constructor(host) {
    this.host = host;
    host.classList.add("pane");
    this.canvas = host.appendChild(document.createElement("canvas"));
    this.svg = host.appendChild(svgElement("svg", { "aria-hidden": "true" }));
    this.group = this.svg.appendChild(svgElement("g", {}));
  }

  /** Outlines from bottom to top; `layers` is [[items, css classes of an item], ...]. */
  setOutlines(frame, layers) {
    this.frame = frame;
    this.group.replaceChildren();
    for (const [items, classesOf] of layers)
      for (const item of items) if (item.path) this.group.append(outline(item, classesOf(item)));
  }

  show(view) {
    this.group.setAttribute("transform", `scale(${view.zoom}) translate(${-view.x} ${-view.y})`);
    return drawPixels(this.canvas, this.frame, view);
  }
}

/** A place such that `span` of a side of the frame lies in it, or the whole side in the middle. */
function within(start, span, side) {
  return span >= side ? (side - span) / 2 : Math.min(Math.max(start, 0), side - span);
}

/** The view of a pane (of `size`, width and height) that shows a box and some of its surroundings. */
function viewAround(frame, box, size, { least = 56, times = 2.6 } = {}) {
  const side = Math.max(least, times * Math.max(box[2] - box[0], box[3] - box[1]));
  const whole = Math.min(size[0] / frame.width, size[1] / frame.height);
  const zoom = Math.max(Math.min(...size) / side, whole);
  const [x, y] = [0, 1].map((axis) => {
    const span = size[axis] / zoom;
    return within((box[axis] + box[axis + 2]) / 2 - span / 2, span, axis ? frame.height : frame.width);
  });
  return { x, y, zoom };
}
