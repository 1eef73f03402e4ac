// Panes that look at one place of a frame: zoom, drag, pinch, wheel. Two panes share the place.

const ZOOMS = { least: 0.05, most: 40 };
const RESTS_AFTER = 250; // milliseconds

class Stage {
  frame = null;
  view = { x: 0, y: 0, zoom: 1 };
  panes = [];
  lastSize = null;
  awaited = null;
  resting = null;

  /** `box` holds `.panes` and is what the keyboard is heard in, by `keys` of functions. */
  constructor(box, keys) {
    this.box = box;
    this.setPanes(1);
    this.startPointer();
    const own = { ...this.zoomKeys(), ...keys };
    box.addEventListener("keydown", (event) => {
      if (!own[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation();
      own[event.key]();
    });
    for (const [id, key] of [["#fit", "0"], ["#one", "1"], ["#four", "2"], ["#in", "+"], ["#out", "-"]])
      $(id).onclick = own[key];
    $("#full").onclick = () => (document.fullscreenElement ? document.exitFullscreen() : box.requestFullscreen());
    new ResizeObserver(() => this.frame && this.keepMiddle()).observe(box);
  }

  zoomKeys() {
    const by = (factor) => () => this.zoomTo(this.view.zoom * factor);
    return {
      "+": by(1.5), "=": by(1.5), "-": by(1 / 1.5),
      0: () => this.fit(), 1: () => this.zoomTo(1), 2: () => this.zoomTo(4),
      ArrowLeft: () => this.pan(-80, 0), ArrowRight: () => this.pan(80, 0),
      ArrowUp: () => this.pan(0, -80), ArrowDown: () => this.pan(0, 80),
      f: () => $("#full").click(),
    };
  }

  setPanes(count) {
    if (this.panes.length === count) return;
    const hosts = Array.from({ length: count }, () => document.createElement("div"));
    $(".panes", this.box).replaceChildren(...hosts);
    this.panes = hosts.map((host) => new Pane(host));
  }

  /** Says at once where it is, and draws with the screen's next picture; while it moves, plainer. */
  show() {
    const { x, y, zoom } = this.view;
    const moving = $(".panes", this.box).classList;
    moving.add("moved");
    clearTimeout(this.resting);
    this.resting = setTimeout(() => moving.remove("moved"), RESTS_AFTER);
    this.awaited ??= requestAnimationFrame(() => {
      this.awaited = null;
      for (const pane of this.panes) pane.show(this.view);
    });
    const [width, height] = this.size();
    const middle = [x + width / zoom / 2, y + height / zoom / 2].map(Math.round);
    $("#zoom").textContent = `${Math.round(zoom * 100)} %`;
    $("#place").textContent = `centre ${middle[0]}, ${middle[1]}`;
    this.said(...middle);
  }

  /** What is at hand has moved: the frame's point in the middle is x, y. For who extends this. */
  said() {}

  /** The pointer is over an item of a pane, or has picked it. For who extends this. */
  met() {}
  picked() {}

  size() {
    const host = this.panes[0].host;
    return [host.clientWidth, host.clientHeight];
  }

  /** After a change of the pane's size the same place stays in its middle. */
  keepMiddle() {
    const size = this.size();
    if (this.lastSize) {
      this.view.x += (this.lastSize[0] - size[0]) / 2 / this.view.zoom;
      this.view.y += (this.lastSize[1] - size[1]) / 2 / this.view.zoom;
    }
    this.lastSize = size;
    this.show();
  }

  fit() {
    this.lookAt([0, 0, this.frame.width, this.frame.height], {});
  }

  lookAt(box, room = { least: 120, times: 5 }) {
    this.view = viewAround(this.frame, box, this.size(), room);
    this.show();
  }

  /** Zooms so that the frame's point under (x, y) of the pane stays there; the middle if not given. */
  zoomTo(zoom, x = this.size()[0] / 2, y = this.size()[1] / 2) {
    const next = Math.min(Math.max(zoom, ZOOMS.least), ZOOMS.most);
    this.view.x += x / this.view.zoom - x / next;
    this.view.y += y / this.view.zoom - y / next;
    this.view.zoom = next;
    this.show();
  }

  /** Moves by screen pixels; the frame never leaves the pane's middle. */
  pan(dx, dy) {
    const { view, frame } = this;
    const [width, height] = this.size().map((side) => side / view.zoom / 2);
    view.x = Math.min(Math.max(view.x + dx / view.zoom, -width), frame.width - width);
    view.y = Math.min(Math.max(view.y + dy / view.zoom, -height), frame.height - height);
    this.show();
  }

  paneOf(target) {
    return this.panes.find((one) => one.host.contains(target));
  }

  /** Drag with one pointer, pinch with two. */
  startPointer() {
    const { box } = this;
    const held = new Map();
    let travelled = 0;
    const spread = () => {
      const [a, b] = [...held.values()];
      return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, apart: Math.hypot(a[0] - b[0], a[1] - b[1]) };
    };
    box.addEventListener("pointerdown", (event) => {
      if (!held.size) travelled = 0;
      held.set(event.pointerId, [event.clientX, event.clientY]);
    });
    window.addEventListener("pointermove", (event) => {
      const last = held.get(event.pointerId);
      if (!last || !event.buttons || !this.frame) return;
      const before = held.size === 2 ? spread() : null;
      held.set(event.pointerId, [event.clientX, event.clientY]);
      travelled += Math.abs(event.clientX - last[0]) + Math.abs(event.clientY - last[1]);
      for (const pane of this.panes) pane.host.classList.add("dragged");
      if (!before) return this.pan(last[0] - event.clientX, last[1] - event.clientY);
      const now = spread();
      const place = this.panes[0].host.getBoundingClientRect();
      this.pan(before.x - now.x, before.y - now.y);
      if (before.apart > 0) this.zoomTo((this.view.zoom * now.apart) / before.apart, now.x - place.x, now.y - place.y);
    });
    for (const name of ["pointerup", "pointercancel"])
      window.addEventListener(name, (event) => {
        held.delete(event.pointerId);
        for (const pane of this.panes) pane.host.classList.remove("dragged");
      });
    box.addEventListener("wheel", (event) => {
      if (!box.matches(":focus-within") && !event.ctrlKey) return; // until it is chosen, the page scrolls
      event.preventDefault();
      const place = this.paneOf(event.target)?.host.getBoundingClientRect();
      if (place) this.zoomTo(this.view.zoom * Math.exp(-event.deltaY * 0.0022), event.clientX - place.x, event.clientY - place.y);
    }, { passive: false });
    box.addEventListener("dblclick", (event) => {
      const place = this.paneOf(event.target)?.host.getBoundingClientRect();
      if (place) this.zoomTo(this.view.zoom * 2, event.clientX - place.x, event.clientY - place.y);
    });
    box.addEventListener("mouseover", (event) => {
      const item = event.target.closest(".item")?.item;
      if (item?.box) this.met(item, this.paneOf(event.target));
    });
    box.addEventListener("click", (event) => {
      const item = event.target.closest(".item")?.item;
      if (travelled < 4 && item?.box) this.picked(item, this.paneOf(event.target));
    });
  }
}
