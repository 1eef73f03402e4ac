// The worst misses and false positives as pairs of crops: label beside prediction.

const PAGE_OF_CARDS = 24;
const SIZES = [["very tiny", 0, 64], ["tiny", 64, 256], ["small", 256, 1024], ["medium", 1024, 9216], ["large", 9216, Infinity]];
const gallery = { side: "missed", shown: PAGE_OF_CARDS };

/** All errors of the run, each with how bad it is: by size if missed, by score if falsely found. */
function errorsOf(run) {
  const found = [];
  for (const frame of data.frames) {
    for (const item of frame.truth) {
      const { kind, iou, error } = fate(item, run);
      if (error) found.push({ frame, item, kind, iou, side: "missed", badness: item.area });
    }
    for (const item of frame.found[run])
      if (item.error && item.score >= data.floor)
        found.push({ frame, item, kind: item.kind, iou: item.iou, side: "false", badness: item.score });
  }
  return found;
}

const ORDERS = {
  worst: (a, b) => b.badness - a.badness,
  smallest: (a, b) => a.item.area - b.item.area,
  largest: (a, b) => b.item.area - a.item.area,
  score: (a, b) => (b.item.score ?? 0) - (a.item.score ?? 0),
  iou: (a, b) => b.iou - a.iou,
  frame: (a, b) => a.frame.name.localeCompare(b.frame.name) || a.item.box[1] - b.item.box[1],
};

function matching(errors) {
  const [className, size, kind] = ["class", "size", "kind"].map((name) => $(`#by-${name}`).value);
  return errors.filter(({ item, side, kind: own }) => {
    const [, low, high] = SIZES.find(([name]) => name === size) ?? ["", 0, Infinity];
    return side === gallery.side && (!className || data.classes[item.class] === className)
      && item.area >= low && item.area < high && (!kind || own === kind);
  });
}

function words({ item, kind, iou, side }) {
  const name = data.classes[item.class];
  const score = side === "false" ? `score ${figure(item.score)}` : "";
  const near = iou > 0.005 ? `IoU ${figure(iou)}` : "";
  return { name, kind, details: [sizeOf(item.box), score, near].filter(Boolean).join(", ") };
}

/** A card; its pictures are drawn when it comes into sight. */
function cardOf(error) {
  const card = document.createElement("button");
  const { name, kind, details } = words(error);
  card.className = "card";
  card.innerHTML = `<div class="pair"><div class="pane" data-caption="label"></div><div class="pane"></div></div>
    <div class="what"><b></b><span class="tag"></span><span class="soft"></span></div><div class="where mono"></div>`;
  [$("b", card), $(".tag", card), $(".soft", card), $(".where", card)].forEach((element, index) => {
    element.textContent = [name, kind, details, error.frame.name][index];
  });
  card.ariaLabel = `${name}, ${kind}, ${details}, frame ${error.frame.name}: open in the viewer`;
  card.error = error;
  card.onclick = () => viewer.open(error.frame, error.item, card);
  $(".pair", card).lastElementChild.dataset.caption = `predicted${data.runs.length > 1 ? ` ${"AB"[state.run]}` : ""}`;
  return card;
}

async function drawCard(card) {
  if (card.drawn) return;
  card.drawn = true;
  const { frame, item } = card.error;
  const [left, right] = $$(".pair > div", card).map((host) => new Pane(host));
  const strong = (one) => (one === item ? " error chosen" : "");
  left.setOutlines(frame, [[frame.truth, (one) => `truth${strong(one)}`]]);
  const kept = frame.found[state.run].filter((one) => one.score >= data.cut || one === item);
  right.setOutlines(frame, [[kept, (one) => `found${one.error ? " error" : ""}${strong(one)}`]]);
  const view = viewAround(frame, item.box, [left.host.clientWidth, left.host.clientHeight]);
  await Promise.all([left.show(view), right.show(view)]);
}

const sight = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) drawCard(entry.target);
}, { rootMargin: "300px" });

function showGallery() {
  const found = matching(errorsOf(state.run)).sort(ORDERS[$("#by-order").value]);
  const cards = found.slice(0, gallery.shown).map(cardOf);
  sight.disconnect();
  $("#cards").replaceChildren(...cards);
  cards.forEach((card) => sight.observe(card));
  $("#gallery-count").textContent = `${cards.length} of ${found.length}`;
  $("#gallery .more").hidden = cards.length === found.length;
  $("#gallery-none").hidden = found.length > 0;
}

/** Fills a select with the values that occur, each with its count. */
function fillChoices(select, all, values) {
  const before = select.value;
  const counted = [...new Set(values)].sort().map((value) => [value, values.filter((v) => v === value).length]);
  select.replaceChildren(new Option(all, ""), ...counted.map(([value, n]) => new Option(`${value} (${n})`, value)));
  select.value = counted.some(([value]) => value === before) ? before : "";
}

function refillGallery() {
  const own = errorsOf(state.run).filter((error) => error.side === gallery.side);
  fillChoices($("#by-class"), "all classes", own.map(({ item }) => data.classes[item.class]));
  fillChoices($("#by-kind"), "all errors", own.map(({ kind }) => kind));
  gallery.shown = PAGE_OF_CARDS;
  showGallery();
}

function moveAmongCards(event) {
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns(), ArrowDown: columns() }[event.key];
  const cards = $$(".card");
  const next = cards[cards.indexOf(document.activeElement) + step];
  if (!step || !next) return;
  event.preventDefault();
  next.focus();
}

const columns = () => getComputedStyle($("#cards")).gridTemplateColumns.split(" ").length;

function startGallery() {
  for (const [name, low, high] of SIZES) {
    const range = high === Infinity ? `${Math.sqrt(low)} px and more` : `under ${Math.sqrt(high)} px`;
    $("#by-size").append(new Option(`${name}: ${range}`, name));
  }
  for (const button of $$("[data-side]"))
    button.onclick = () => {
      gallery.side = button.dataset.side;
      press(button.parentElement, button);
      refillGallery();
    };
  for (const select of $$("#gallery select"))
    select.onchange = () => {
      gallery.shown = PAGE_OF_CARDS;
      showGallery();
    };
  $("#gallery .more").onclick = () => {
    gallery.shown += PAGE_OF_CARDS;
    showGallery();
  };
  $("#cards").onkeydown = moveAmongCards;
  window.addEventListener("beforeprint", () => $$(".card").forEach(drawCard));
  onRun(refillGallery);
}
