// What the whole report shares: its data and the chosen run.

const data = JSON.parse(document.getElementById("data").textContent);
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

/** What became of a label in the run. */
const fate = (label, run = state.run) => label.fates[run];

function startPage() {
  for (const button of $$("[data-run]")) button.onclick = () => setRun(Number(button.dataset.run));
  startCommon({ r: () => setRun(state.run + 1) });
}
