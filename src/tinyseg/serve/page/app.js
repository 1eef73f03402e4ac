// The server's page: pictures are sent, stages told, answers shown on the stage that the report has.

const TINY = 16; // px: the square root of a tiny instance's area is below
const shots = [];
let names = [];

/** A request with the token, if one was given; a problem becomes an error that says the rule. */
async function ask(path, options = {}) {
  const token = $("#token").value;
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(path, { ...options, headers });
  if (answer.ok) return answer;
  if (answer.status === 401) $("#token-row").hidden = false;
  throw await problemOf(answer);
}

async function problemOf(answer) {
  const problem = await answer.json().catch(() => ({ detail: `status ${answer.status}` }));
  const error = new Error(problem.detail);
  error.again = answer.status === 503 ? Number(answer.headers.get("Retry-After")) || 5 : 0;
  return error;
}

/** Server-sent events of an answer: [name, data]. */
async function* eventsOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const [name, data] = block.split("\n");
      yield [name.slice(7), JSON.parse(data.slice(6))];
    }
  }
}

const pause = (seconds) => new Promise((then) => setTimeout(then, seconds * 1000));

/** How often a busy server, or one that lost its worker, is asked. */
const TURNS = 5;

/** What a plan finds on a picture; asked once, told to `tell` as it comes, again while the server is busy. */
function look(shot, plan, tell) {
  shot.answers[plan] ??= askFor(shot, plan, tell).catch((error) => {
    delete shot.answers[plan];
    throw error;
  });
  return shot.answers[plan];
}

async function askFor(shot, plan, tell) {
  const query = `?masks=polygons${plan ? `&plan=${plan}` : ""}`;
  for (let turn = 1; ; turn += 1) {
    try {
      const answer = await ask(`v1/predict${query}`, { method: "POST", body: formOf(shot), headers: { Accept: "text/event-stream" } });
      for await (const [name, data] of eventsOf(answer)) {
        if (name === "stage") tell(data);
        else if (name === "result") return answerOf(data);
        else throw Object.assign(new Error(data.detail), { again: data.status === 503 ? 5 : 0 });
      }
      throw new Error("the connection was lost");
    } catch (error) {
      if (!error.again || turn === TURNS) throw error;
      tell({ stage: "the server is busy", done: 0, of: 1 });
      await pause(Math.min(error.again, 30));
    }
  }
}

function formOf(shot) {
  const form = new FormData();
  form.append("image", shot.file, shot.name);
  return form;
}

/** An answer as the stage draws it: outlines as paths, smallest instances first. */
function answerOf(document) {
  const items = document.annotations.map((row) => ({
    class: row.category_id - 1,
    box: cornersOf(row.bbox),
    area: row.area,
    score: row.score,
    path: row.segmentation.map(pathOf).join(""),
  }));
  items.sort((a, b) => a.area - b.area);
  const views = document.views.map((view) => {
    const [x0, y0, x1, y1] = view.rect;
    return { ...view, box: view.rect, path: `M${x0} ${y0}H${x1}V${y1}H${x0}z` };
  });
  return { items, views, seconds: document.seconds, remarks: document.remarks };
}

const cornersOf = ([x, y, width, height]) => [x, y, x + width, y + height].map(Math.round);

function pathOf(ring) {
  let path = `M${ring[0]} ${ring[1]}`;
  for (let i = 2; i < ring.length; i += 2) path += `L${ring[i]} ${ring[i + 1]}`;
  return `${path}z`;
}

class PhotoStage extends Stage {
  shot = null;
  found = []; // answers in the panes, from left to right; undefined while they are awaited
  hidden = new Set();
  chosen = null;
  tinyOnly = false;

  open(shot) {
    this.shot = shot;
    this.frame = shot.frame;
    this.chosen = null;
    $("#look").hidden = false;
    $("#drop").classList.add("small");
    for (const one of shots) one.button.ariaPressed = String(one === shot);
    this.setPanes(1);
    this.fit();
    this.update();
  }

  get plans() {
    const other = $("#beside").value;
    return [this.shot.plan, ...(other === "none" ? [] : [other])];
  }

  /** Asks for what the panes are to show, and draws what there is. */
  async update() {
    const { shot, plans } = this;
    this.setPanes(plans.length);
    this.found = plans.map(() => undefined);
    this.redraw();
    this.keepMiddle();
    await Promise.all(plans.map(async (plan, place) => {
      const answer = await look(shot, plan, (stage) => follow(shot, stage)).catch((error) => fail(shot, error));
      if (!answer) return;
      finish(shot);
      if (this.shot !== shot || this.plans[place] !== plan) return;
      this.found[place] = answer;
      this.redraw();
    }));
  }

  get cut() {
    return Number($("#score").value);
  }

  visible(answer) {
    return answer ? answer.items.filter((one) => one.score >= this.cut && !this.hidden.has(one.class)
      && (!this.tinyOnly || one.area < TINY * TINY)) : [];
  }

  redraw() {
    $("#score-value").textContent = figure(this.cut);
    this.panes.forEach((pane, place) => {
      const answer = this.found[place];
      const views = answer && $("#views").ariaPressed === "true" ? answer.views : [];
      pane.answer = answer;
      pane.host.dataset.caption = this.captionOf(place);
      pane.setOutlines(this.frame, [
        [views, (view) => `view${view.pass > 1 ? " second" : ""}`],
        [this.visible(answer), (one) => `found c${one.class % 8}${one === this.chosen ? " chosen" : ""}`],
      ]);
    });
    this.list();
    this.show();
  }

  captionOf(place) {
    const plan = this.plans[place] || "the server's plan";
    const answer = this.found[place];
    if (!answer) return `${plan}: waiting`;
    const pixels = answer.views.reduce((sum, view) => sum + view.pixels, 0);
    return `${plan}: ${this.visible(answer).length} in ${answer.views.length} views, ${(pixels / 1e6).toFixed(1)} MP`;
  }

  /** The legend and the list of the first pane. */
  list() {
    const answer = this.found[0];
    const sure = answer ? answer.items.filter((one) => one.score >= this.cut) : [];
    $("#classes").replaceChildren(...names.map((name, index) => {
      const count = sure.filter((one) => one.class === index).length;
      const button = made("button", "", [swatch(index), `${name} ${count}`]);
      button.ariaPressed = String(!this.hidden.has(index));
      button.disabled = !count;
      button.onclick = () => this.toggle(index);
      return button;
    }));
    const items = this.visible(answer);
    $("#list").replaceChildren(...items.map((item) => {
      const button = made("button", "", [swatch(item.class), names[item.class], made("span", "size", [sizeOf(item.box)]), made("span", "score", [figure(item.score)])]);
      button.onclick = () => this.choose(item);
      if (item === this.chosen) button.ariaCurrent = "true";
      return made("li", "", [button]);
    }));
    const tiny = items.filter((one) => one.area < TINY * TINY).length;
    $("#shown-count").textContent = `${items.length} instances, ${tiny} tiny`;
    const seconds = answer ? Object.values(answer.seconds).reduce((a, b) => a + b, 0) : 0;
    $("#cost").textContent = answer ? [`${seconds.toFixed(1)} s`, ...answer.remarks].join("; ") : "";
  }

  toggle(index) {
    if (!this.hidden.delete(index)) this.hidden.add(index);
    this.redraw();
  }

  choose(item) {
    this.chosen = item;
    this.lookAt(item.box);
    this.redraw();
    this.met(item);
    $("#list [aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  /** The next larger instance, or the smallest. */
  step(by) {
    const items = this.visible(this.found[0]);
    const place = items.indexOf(this.chosen);
    if (items.length) this.choose(items[place < 0 ? 0 : (place + by + items.length) % items.length]);
  }

  met(item) {
    const what = item.rect
      ? [`view at zoom ${item.zoom.toFixed(2)}`, `, ${(item.pixels / 1e6).toFixed(1)} MP, ${item.pass > 1 ? "second look" : "first look"}`]
      : [names[item.class], ` score ${figure(item.score)}, ${sizeOf(item.box)}, ${item.area.toLocaleString("en")} px\u00b2`];
    $("#told").replaceChildren(made("b", "", [what[0]]), what[1]);
  }

  picked(item) {
    if (item.rect) return;
    this.chosen = item;
    this.redraw();
    this.met(item);
  }
}

const stage = new PhotoStage($(".viewer"), {
  ".": () => stage.step(1),
  ",": () => stage.step(-1),
  w: () => $("#views").click(),
  s: () => $("#tiny").click(),
  n: () => turn(1),
  b: () => turn(-1),
  "]": () => moveCut(0.05),
  "[": () => moveCut(-0.05),
});

function made(tag, kind, children) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(...children);
  return element;
}

const swatch = (index) => made("i", `c${index % 8}`, []);

function moveCut(by) {
  $("#score").value = Math.min(Math.max(stage.cut + by, 0), 1);
  stage.redraw();
}

function turn(by) {
  if (shots.length) stage.open(shots[(shots.indexOf(stage.shot) + by + shots.length) % shots.length]);
}

function say(text, bad = false) {
  $("#news").textContent = text;
  $("#news").classList.toggle("bad", bad);
}

/** A stage of a picture, in its place of the strip and aloud. */
function follow(shot, { stage: name, done, of }) {
  const share = { waiting: 0.02, "first look": 0.05, "closer looks": 0.35, merging: 0.95 }[name] ?? 0;
  const span = { "first look": 0.3, "closer looks": 0.6 }[name] ?? 0;
  shot.bar.hidden = false;
  shot.bar.value = share + (of ? (span * done) / of : span);
  const told = of > 1 ? `${name} ${done} of ${of}` : name;
  shot.words.textContent = told;
  if (stage.shot === shot) say(`${shot.name}: ${told}`);
}

function finish(shot) {
  shot.bar.hidden = true;
  shot.words.textContent = shot.name;
  if (stage.shot === shot) say("");
}

function fail(shot, error) {
  shot.bar.hidden = true;
  shot.words.textContent = "not looked at";
  say(`${shot.name}: ${error.message}`, true);
}

async function add(file, name = file.name || "pasted") {
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    return say(`${name}: this browser cannot show it`, true);
  }
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const frame = { name, width, height, whole: { box: [0, 0, width, height], scale: 1, source: image.src }, native: [] };
  const button = document.createElement("button");
  const canvas = button.appendChild(document.createElement("canvas"));
  const bar = button.appendChild(Object.assign(document.createElement("progress"), { max: 1, value: 0 }));
  const words = button.appendChild(made("span", "", [name]));
  bar.ariaLabel = `progress of ${name}`;
  const shot = { file, name, frame, button, bar, words, answers: {}, plan: $("#plan").value };
  button.title = name;
  button.onclick = () => stage.open(shot);
  shots.push(shot);
  $(".strip").append(button);
  drawPixels(canvas, frame, { x: 0, y: 0, zoom: 132 / width });
  if (!stage.shot || stage.found[0]) stage.open(shot);
  else look(shot, shot.plan, (told) => follow(shot, told)).then(() => finish(shot), (error) => fail(shot, error));
}

function addAll(files) {
  for (const file of files) add(file);
}

async function addScene(number) {
  say(`scene ${number} is rendered`);
  try {
    const answer = await ask(`v1/scene/${number}`);
    await add(await answer.blob(), `scene-${number}.jpg`);
  } catch (error) {
    say(error.message, true);
  }
}

async function download(button) {
  const { shot } = stage;
  const query = new URLSearchParams({ min_score: stage.cut });
  if (shot.plan) query.set("plan", shot.plan);
  const wanted = names.filter((_, index) => !stage.hidden.has(index));
  if (!wanted.length) return say("all classes are hidden: there is nothing to download", true);
  if (wanted.length < names.length) query.set("classes", wanted.join(","));
  try {
    const answer = await ask(`v1/predict?${query}`, { method: "POST", body: formOf(shot), headers: { Accept: button.dataset.form } });
    const link = made("a", "", []);
    link.href = URL.createObjectURL(await answer.blob());
    link.download = shot.name.replace(/\.\w+$/, "") + button.dataset.ending;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  } catch (error) {
    say(error.message, true);
  }
}

async function startModel() {
  try {
    const about = await (await ask("v1/model")).json();
    names = about.classes;
    $("#model").textContent = [about.card.name, about.device, names.join(", ")].filter(Boolean).join(" \u00b7 ");
    if (stage.shot) stage.update();
  } catch (error) {
    say(error.message, true);
  }
}

function startPhotos() {
  startCommon();
  const drop = $("#drop");
  for (const name of ["dragover", "dragleave", "drop"])
    document.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop") addAll(event.dataTransfer.files);
    });
  document.addEventListener("paste", (event) => addAll(event.clipboardData.files));
  $("#files").onchange = (event) => addAll(event.target.files);
  $("#scenes").append(...[1, 2, 3, 4].map((number) => {
    const button = made("button", "", [`Scene ${number}`]);
    button.onclick = () => addScene(number);
    return button;
  }));
  $("#plan").onchange = () => {
    if (!stage.shot) return;
    stage.shot.plan = $("#plan").value;
    stage.update();
  };
  $("#beside").onchange = () => stage.update();
  $("#score").oninput = () => stage.redraw();
  $("#token").onchange = startModel;
  for (const id of ["#views", "#tiny"])
    $(id).addEventListener("click", (event) => {
      const now = event.currentTarget.ariaPressed !== "true";
      event.currentTarget.ariaPressed = String(now);
      if (id === "#tiny") {
        stage.tinyOnly = now;
        if (now) stage.step(0);
      }
      stage.redraw();
    });
  $("#next").onclick = () => stage.step(1);
  $("#previous").onclick = () => stage.step(-1);
  for (const button of $$("[data-form]")) button.onclick = () => download(button);
  startModel();
}

startPhotos();
