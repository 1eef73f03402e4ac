// The report's frames on the stage: labels and predictions of one run, or of two side by side.

class Viewer extends Stage {
  shown = { truth: true, found: true, region: true, errors: false };
  chosen = null;
  cameFrom = null;

  /** Shows a frame: whole, or around an item of it; `from` gets the focus back on Escape. */
  open(frame, item = null, from = null) {
    this.cameFrom = from;
    this.setFrame(frame);
    if (item) this.choose(item);
    $("#frames .tools").scrollIntoView({ block: "start" });
    $(".viewer").focus({ preventScroll: true });
  }

  setFrame(frame) {
    this.frame = frame;
    this.chosen = null;
    for (const button of $$(".strip button")) button.ariaPressed = String(button.frame === frame);
    this.redraw();
    this.fit();
  }

  step(by) {
    const place = data.frames.indexOf(this.frame) + by;
    this.setFrame(data.frames[(place + data.frames.length) % data.frames.length]);
    $$(".strip button")[data.frames.indexOf(this.frame)].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  get cut() {
    return Number($("#score").value);
  }

  /** The runs in the panes, from left to right. */
  get runs() {
    return $("#beside")?.ariaPressed === "true" ? [0, 1] : [state.run];
  }

  /** Rebuilds panes and outlines: after a change of frame, runs, toggles or score. */
  redraw() {
    this.setPanes(this.runs.length);
    this.panes.forEach((pane, index) => this.fill(pane, this.runs[index]));
    const counts = this.runs.map((run) => this.visible(this.frame.found[run]).length);
    $("#shown-count").textContent = `predictions: ${counts.join(" and ")}`;
    this.show();
  }

  visible(items) {
    return items.filter((item) => item.score >= this.cut && (!this.shown.errors || item.error));
  }

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
  }

  said(...middle) {
    $("#detail").textContent = this.isNative(...middle) ? "native pixels" : `pixels at 1 : ${Math.round(1 / this.frame.whole.scale)}`;
  }

  isNative(x, y) {
    const { native, whole } = this.frame;
    return whole.scale === 1 || native.some(({ box }) => x >= box[0] && x < box[2] && y >= box[1] && y < box[3]);
  }

  /** Looks at an item closely and says what it is. */
  choose(item) {
    this.chosen = item;
    if (item.score < this.cut) this.setCut(item.score);
    this.lookAt(item.box);
    this.redraw();
    this.tell(item);
  }

  /** The next (or previous) error of the frame, from left to right. */
  chooseNext(by) {
    const run = this.runs[0];
    const errors = [...this.frame.truth.filter((one) => fate(one, run).error),
      ...this.frame.found[run].filter((one) => one.error && one.score >= this.cut)];
    if (!errors.length) return;
    errors.sort((a, b) => a.box[0] - b.box[0]);
    const place = errors.indexOf(this.chosen);
    this.choose(errors[place < 0 ? 0 : (place + by + errors.length) % errors.length]);
  }

  tell(item, run = this.runs[0]) {
    const { kind, iou } = item.fates ? fate(item, run) : item;
    const what = item.fates ? "label" : `prediction, score ${figure(item.score)}`;
    const near = iou > 0.005 ? `, IoU ${figure(iou)}` : "";
    $("#told").replaceChildren(Object.assign(document.createElement("b"), { textContent: data.classes[item.class] }),
      ` ${what}, ${sizeOf(item.box)}, ${item.area.toLocaleString("en")} px\u00b2: ${kind}${near}`);
  }

  setCut(score) {
    $("#score").value = Math.floor(score * 100) / 100;
    $("#score-value").textContent = figure(this.cut);
  }

  toggle(name) {
    this.shown[name] = !this.shown[name];
    $(`[data-toggle="${name}"]`).ariaPressed = String(this.shown[name]);
    this.redraw();
  }

  met(item, pane) {
    this.tell(item, pane.run);
  }

  picked(item) {
    this.chosen = item;
    this.redraw();
    this.tell(item);
  }
}

const viewer = new Viewer($(".viewer"), {
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
  "]": () => moveCut(0.05),
  "[": () => moveCut(-0.05),
  Escape: () => viewer.cameFrom?.focus(),
});

function moveCut(by) {
  viewer.setCut(Math.min(Math.max(viewer.cut + by + 1e-9, 0), 1));
  viewer.redraw();
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
  if ($("#beside"))
    $("#beside").onclick = (event) => {
      event.currentTarget.ariaPressed = String(event.currentTarget.ariaPressed !== "true");
      viewer.redraw();
      viewer.keepMiddle();
    };
  viewer.setCut(data.cut);
  viewer.setFrame(data.frames[0]);
  onRun(() => viewer.redraw());
}

startPage();
startViewer();
startGallery();
