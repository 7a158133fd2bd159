// Draws the pictures, and shows what the reader chooses. The data are in the element "charts".
"use strict";

const specs = JSON.parse(document.getElementById("charts").textContent);
const experiment = document.getElementById("experiment");
const by = document.getElementById("by");
const views = new Map();

// "ast": expressions are interpreted, because the page allows no eval. Level 1 is errors: Vega warns of a picture in which
// a choice leaves nothing.
const options = { mode: "vega", actions: false, renderer: "svg", ast: true, logLevel: 1 };

async function draw(element) {
  const name = element.dataset.chart;
  // In an element of its own, which Vega describes as it likes: the outer one has our description.
  const { view } = await vegaEmbed(element.appendChild(document.createElement("div")), specs[name], options);
  views.set(name, view);
  element.dataset.drawn = "";
}

function choose(parameter, value) {
  for (const [name, view] of views) {
    if (specs[name].signals.some((it) => it.name === parameter)) {
      view.signal(parameter, value).runAsync();
    }
  }
}

function chooseExperiment() {
  const rows = [...document.querySelectorAll("tr[data-experiment]")];
  for (const row of rows) {
    row.hidden = experiment.value !== "" && row.dataset.experiment !== experiment.value;
  }
  const shown = rows.filter((row) => !row.hidden).length;
  document.getElementById("shown").textContent = `${shown} of ${rows.length} rows about experiments are shown`;
  choose("experiment", experiment.value);
}

function compare() {
  for (const choice of document.querySelectorAll(".choice")) {
    choice.hidden = choice.dataset.by !== by.value;
    if (!choice.hidden) {
      document.getElementById("figure-sides").textContent = choice.dataset.title;
      document.querySelector("[data-chart=sides]").setAttribute("aria-label", choice.dataset.description);
    }
  }
  choose("by", by.value);
}

async function start() {
  const drawings = [...document.querySelectorAll(".chart")].map((element) =>
    draw(element).catch((error) => {
      element.textContent = `This picture could not be drawn (${error.message}). The table below holds its numbers.`;
      element.removeAttribute("role");
    }),
  );
  await Promise.all(drawings);
  if (experiment) {
    experiment.addEventListener("change", chooseExperiment);
  }
  if (by) {
    by.addEventListener("change", compare);
    compare();
  }
  document.documentElement.dataset.ready = "";
}

start();
