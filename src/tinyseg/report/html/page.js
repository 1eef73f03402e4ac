// What the whole page shares: its data, the chosen run, words for figures, theme and keys.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const state = { run: 0 };
const listeners = [];

/** Calls `react` now and whenever the run changes. */
function onRun(react) {
  listeners.push(react);
  react(state.run);
}

function setRun(run) {
  state.run = run % data.runs.length;
  for (const button of $$("[data-run]")) button.ariaPressed = String(Number(button.dataset.run) === state.run);
  for (const react of listeners) react(state.run);
}

const figure = (value) => (value >= 0.9995 ? "1.00" : value.toFixed(2).replace(/^0/, ""));
const sizeOf = (box) => `${box[2] - box[0]} \u00d7 ${box[3] - box[1]} px`;
/** What became of a label in the run. */
const fate = (label, run = state.run) => label.fates[run];

/** Marks the one pressed button of a group. */
function press(group, chosen) {
  for (const button of $$("button", group)) button.ariaPressed = String(button === chosen);
}

function setTheme(name) {
  document.documentElement.style.colorScheme = name;
  $("#theme").textContent = name === "dark" ? "Light" : "Dark";
  $("#theme").dataset.now = name;
}

function startPage() {
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  $("#theme").onclick = () => setTheme($("#theme").dataset.now === "dark" ? "light" : "dark");
  for (const button of $$("[data-run]")) button.onclick = () => setRun(Number(button.dataset.run));
  $("#help-button").onclick = () => $("#help").showModal();
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
    if (event.key === "?") $("#help").showModal();
    else if (event.key === "t") $("#theme").click();
    else if (event.key === "r") setRun(state.run + 1);
  });
}
