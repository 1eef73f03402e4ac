// One frame at any zoom, with outlines; two runs side by side share the place they look at.

const ZOOMS = { least: 0.05, most: 40 };

const viewer = {
  frame: null,
  view: { x: 0, y: 0, zoom: 1 },
  shown: { truth: true, found: true, region: true, errors: false },
  chosen: null,
  panes: [],
  lastSize: null,
  awaited: null,
  cameFrom: null,

  /** Shows a frame: whole, or around an item of it; `from` gets the focus back on Escape. */
  open(frame, item = null, from = null) {
    this.cameFrom = from;
    this.setFrame(frame);
    if (item) this.choose(item);
    $("#frames .tools").scrollIntoView({ block: "start" });
    $(".viewer").focus({ preventScroll: true });
  },

  setFrame(frame) {
    this.frame = frame;
    this.chosen = null;
    for (const button of $$(".strip button")) button.ariaPressed = String(button.frame === frame);
    this.redraw();
    this.fit();
  },

  step(by) {
    const place = data.frames.indexOf(this.frame) + by;
    this.setFrame(data.frames[(place + data.frames.length) % data.frames.length]);
    $$(".strip button")[data.frames.indexOf(this.frame)].scrollIntoView({ block: "nearest", inline: "nearest" });
  },

  get cut() {
    return Number($("#score").value);
  },

  /** The runs in the panes, from left to right. */
  get runs() {
    return $("#beside")?.ariaPressed === "true" ? [0, 1] : [state.run];
  },

  /** Rebuilds panes and outlines: after a change of frame, runs, toggles or score. */
  redraw() {
    if (this.panes.length !== this.runs.length) {
      const hosts = this.runs.map(() => document.createElement("div"));
      $(".panes").replaceChildren(...hosts);
      this.panes = hosts.map((host) => new Pane(host));
    }
    this.panes.forEach((pane, index) => this.fill(pane, this.runs[index]));
    const counts = this.runs.map((run) => this.visible(this.frame.found[run]).length);
    $("#shown-count").textContent = `predictions: ${counts.join(" and ")}`;
    this.show();
  },

  visible(items) {
    return items.filter((item) => item.score >= this.cut && (!this.shown.errors || item.error));
  },

  fill(pane, run) {
    const { frame, shown } = this;
    const truth = frame.truth.filter((label) => !shown.errors || fate(label, run).error);
    const mark = (item) => (item === this.chosen ? " chosen" : "");
    pane.host.dataset.caption = data.runs.length > 1 ? `${"AB"[run]}  ${data.runs[run]}` : "";
    pane.run = run;
    pane.setOutlines(frame, [
      [shown.region && frame.ignored ? [{ path: frame.ignored }] : [], () => "region"],
      [shown.truth ? truth : [], (one) => `truth${fate(one, run).error ? " error" : ""}${mark(one)}`],
      [shown.found ? this.visible(frame.found[run]) : [],
        (one) => `found${one.error ? " error" : ""}${mark(one)}`],
    ]);
  },

  /** Says at once where it is, and draws with the screen's next picture. */
  show() {
    const { x, y, zoom } = this.view;
    this.awaited ??= requestAnimationFrame(() => {
      this.awaited = null;
      for (const pane of this.panes) pane.show(this.view);
    });
    const [width, height] = this.size();
    const middle = [x + width / zoom / 2, y + height / zoom / 2].map(Math.round);
    $("#zoom").textContent = `${Math.round(zoom * 100)} %`;
    $("#place").textContent = `centre ${middle[0]}, ${middle[1]}`;
    $("#detail").textContent = this.isNative(...middle) ? "native pixels" : `pixels at 1 : ${Math.round(1 / this.frame.whole.scale)}`;
  },

  isNative(x, y) {
    const { native, whole } = this.frame;
    return whole.scale === 1 || native.some(({ box }) => x >= box[0] && x < box[2] && y >= box[1] && y < box[3]);
  },

  size() {
    const host = this.panes[0].host;
    return [host.clientWidth, host.clientHeight];
  },

  /** After a change of the pane's size the same place stays in its middle. */
  keepMiddle() {
    const size = this.size();
    if (this.lastSize) {
      this.view.x += (this.lastSize[0] - size[0]) / 2 / this.view.zoom;
      this.view.y += (this.lastSize[1] - size[1]) / 2 / this.view.zoom;
    }
    this.lastSize = size;
    this.show();
  },

  fit() {
    this.view = viewAround(this.frame, [0, 0, this.frame.width, this.frame.height], this.size());
    this.show();
  },

  /** Zooms so that the frame's point under (x, y) of the pane stays there; the middle if not given. */
  zoomTo(zoom, x = this.size()[0] / 2, y = this.size()[1] / 2) {
    const next = Math.min(Math.max(zoom, ZOOMS.least), ZOOMS.most);
    this.view.x += x / this.view.zoom - x / next;
    this.view.y += y / this.view.zoom - y / next;
    this.view.zoom = next;
    this.show();
  },

  /** Moves by screen pixels; the frame never leaves the pane's middle. */
  pan(dx, dy) {
    const { view, frame } = this;
    const [width, height] = this.size().map((side) => side / view.zoom / 2);
    view.x = Math.min(Math.max(view.x + dx / view.zoom, -width), frame.width - width);
    view.y = Math.min(Math.max(view.y + dy / view.zoom, -height), frame.height - height);
    this.show();
  },

  /** Looks at an item closely and says what it is. */
  choose(item) {
    this.chosen = item;
    if (item.score < this.cut) this.setCut(item.score);
    this.view = viewAround(this.frame, item.box, this.size(), { least: 120, times: 5 });
    this.redraw();
    this.tell(item);
  },

  /** The next (or previous) error of the frame, from left to right. */
  chooseNext(by) {
    const run = this.runs[0];
    const errors = [...this.frame.truth.filter((one) => fate(one, run).error),
      ...this.frame.found[run].filter((one) => one.error && one.score >= this.cut)];
    if (!errors.length) return;
    errors.sort((a, b) => a.box[0] - b.box[0]);
    const place = errors.indexOf(this.chosen);
    this.choose(errors[place < 0 ? 0 : (place + by + errors.length) % errors.length]);
  },

  tell(item, run = this.runs[0]) {
    const { kind, iou } = item.fates ? fate(item, run) : item;
    const what = item.fates ? "label" : `prediction, score ${figure(item.score)}`;
    const near = iou > 0.005 ? `, IoU ${figure(iou)}` : "";
    $("#told").replaceChildren(Object.assign(document.createElement("b"), { textContent: data.classes[item.class] }),
      ` ${what}, ${sizeOf(item.box)}, ${item.area.toLocaleString("en")} px\u00b2: ${kind}${near}`);
  },

  setCut(score) {
    $("#score").value = Math.floor(score * 100) / 100;
    $("#score-value").textContent = figure(this.cut);
  },

  toggle(name) {
    this.shown[name] = !this.shown[name];
    $(`[data-toggle="${name}"]`).ariaPressed = String(this.shown[name]);
    this.redraw();
  },
};

const VIEWER_KEYS = {
  "+": () => viewer.zoomTo(viewer.view.zoom * 1.5),
  "=": () => viewer.zoomTo(viewer.view.zoom * 1.5),
  "-": () => viewer.zoomTo(viewer.view.zoom / 1.5),
  0: () => viewer.fit(),
  1: () => viewer.zoomTo(1),
  2: () => viewer.zoomTo(4),
  ArrowLeft: () => viewer.pan(-80, 0),
  ArrowRight: () => viewer.pan(80, 0),
  ArrowUp: () => viewer.pan(0, -80),
  ArrowDown: () => viewer.pan(0, 80),
  ".": () => viewer.chooseNext(1),
  ",": () => viewer.chooseNext(-1),
  n: () => viewer.step(1),
  b: () => viewer.step(-1),
  l: () => viewer.toggle("truth"),
  p: () => viewer.toggle("found"),
  i: () => viewer.toggle("region"),
  e: () => viewer.toggle("errors"),
  g: () => $("#bright").click(),
  s: () => $("#beside")?.click(),
  f: () => $("#full").click(),
  "]": () => moveCut(0.05),
  "[": () => moveCut(-0.05),
  Escape: () => viewer.cameFrom?.focus(),
};

function moveCut(by) {
  viewer.setCut(Math.min(Math.max(viewer.cut + by + 1e-9, 0), 1));
  viewer.redraw();
}

function startPointer(box) {
  let last = null;
  let travelled = 0;
  box.addEventListener("pointerdown", (event) => {
    last = [event.clientX, event.clientY];
    travelled = 0;
  });
  window.addEventListener("pointermove", (event) => {
    if (!last || !event.buttons) return;
    travelled += Math.abs(event.clientX - last[0]) + Math.abs(event.clientY - last[1]);
    for (const pane of viewer.panes) pane.host.classList.add("dragged");
    viewer.pan(last[0] - event.clientX, last[1] - event.clientY);
    last = [event.clientX, event.clientY];
  });
  window.addEventListener("pointerup", () => {
    last = null;
    for (const pane of viewer.panes) pane.host.classList.remove("dragged");
  });
  box.addEventListener("wheel", (event) => {
    if (!box.matches(":focus-within") && !event.ctrlKey) return; // until it is chosen, the page scrolls
    event.preventDefault();
    const place = viewer.panes.find((pane) => pane.host.contains(event.target))?.host.getBoundingClientRect();
    if (place) viewer.zoomTo(viewer.view.zoom * Math.exp(-event.deltaY * 0.0022), event.clientX - place.x, event.clientY - place.y);
  }, { passive: false });
  box.addEventListener("dblclick", (event) => {
    const place = event.target.closest(".pane")?.getBoundingClientRect();
    if (place) viewer.zoomTo(viewer.view.zoom * 2, event.clientX - place.x, event.clientY - place.y);
  });
  box.addEventListener("mouseover", (event) => {
    const [item, pane] = [event.target.closest(".item")?.item, event.target.closest(".pane")];
    if (item?.box) viewer.tell(item, viewer.panes.find((one) => one.host === pane).run);
  });
  box.addEventListener("click", (event) => {
    const item = event.target.closest(".item")?.item;
    if (travelled < 4 && item?.box) {
      viewer.chosen = item;
      viewer.redraw();
      viewer.tell(item);
    }
  });
}

function thumbnail(frame) {
  const button = document.createElement("button");
  const canvas = button.appendChild(document.createElement("canvas"));
  canvas.style.aspectRatio = `${frame.width} / ${frame.height}`;
  const caption = button.appendChild(document.createElement("span"));
  button.frame = frame;
  button.title = frame.name;
  button.onclick = () => viewer.setFrame(frame);
  onRun((run) => {
    const missed = frame.truth.filter((label) => fate(label, run).error).length;
    caption.textContent = `${missed} of ${frame.truth.length} not found`;
    button.ariaLabel = `frame ${frame.name}, ${caption.textContent}`;
  });
  return button;
}

function startViewer() {
  const box = $(".viewer");
  $(".strip").append(...data.frames.map(thumbnail));
  for (const button of $$(".strip button"))
    drawPixels($("canvas", button), button.frame, { x: 0, y: 0, zoom: 132 / button.frame.width });
  for (const button of $$("[data-toggle]")) button.onclick = () => viewer.toggle(button.dataset.toggle);
  $("#score").oninput = () => {
    viewer.setCut(viewer.cut + 1e-9);
    viewer.redraw();
  };
  $("#bright").onclick = (event) => {
    event.currentTarget.ariaPressed = String(document.body.classList.toggle("bright"));
  };
  $("#full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : box.requestFullscreen());
  if ($("#beside"))
    $("#beside").onclick = (event) => {
      event.currentTarget.ariaPressed = String(event.currentTarget.ariaPressed !== "true");
      viewer.redraw();
      viewer.keepMiddle();
    };
  for (const [id, key] of [["#fit", "0"], ["#one", "1"], ["#four", "2"], ["#in", "+"], ["#out", "-"]])
    $(id).onclick = VIEWER_KEYS[key];
  box.addEventListener("keydown", (event) => {
    const act = VIEWER_KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  startPointer(box);
  viewer.setCut(data.cut);
  viewer.setFrame(data.frames[0]);
  onRun(() => viewer.redraw());
  new ResizeObserver(() => viewer.keepMiddle()).observe(box);
}

startPage();
startViewer();
startGallery();
