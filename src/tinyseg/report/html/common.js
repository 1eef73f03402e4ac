// What every page of ours shares: short words for the document, figures, theme.

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

const figure = (value) => (value >= 0.9995 ? "1.00" : value.toFixed(2).replace(/^0/, ""));
const sizeOf = (box) => `${box[2] - box[0]} \u00d7 ${box[3] - box[1]} px`;

/** Marks the one pressed button of a group. */
function press(group, chosen) {
  for (const button of $$("button", group)) button.ariaPressed = String(button === chosen);
}

function setTheme(name) {
  document.documentElement.style.colorScheme = name;
  $("#theme").textContent = name === "dark" ? "Light" : "Dark";
  $("#theme").dataset.now = name;
}

/** Theme and help, and keys for them and for `more`, wherever no field has the focus. */
function startCommon(more = {}) {
  setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  $("#theme").onclick = () => setTheme($("#theme").dataset.now === "dark" ? "light" : "dark");
  $("#help-button").onclick = () => $("#help").showModal();
  const keys = { "?": () => $("#help").showModal(), t: () => $("#theme").click(), ...more };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select")) return;
    keys[event.key]?.();
  });
}
