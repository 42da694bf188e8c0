"use strict";
// Any study's grid: the reader chooses axes and a metric, the page averages over seeds and draws.

const explorerForm = document.getElementById("explorer");
const EVERY = "*"; // of an axis: the mean over all its values
let exploring; // the rows of all studies
let explored; // the study that is drawn

const tableOf = (metric) => metric.split(":");
const axisTitle = (axis) => axis.replace(/^axis\./, "");
const fieldOf = (axis) => axis.replaceAll(/\W/g, "_");
const option = (value, text) => Object.assign(document.createElement("option"), { value, textContent: text });

function offer(select, choices, wanted) {
  select.replaceChildren(...choices.map(([value, text]) => option(value, text)));
  select.value = choices.some(([value]) => value === wanted) ? wanted : (choices[0]?.[0] ?? "");
}

// What the explorer shows now, without what the reader left open.
function choices() {
  const found = Object.fromEntries(["study", "metric", "draw", "x", "row", "colour"].map((name) => [name, explorerForm.elements[name].value]));
  found.hold = [...document.querySelectorAll("#held select")].map((select) => `${select.name}=${select.value}`);
  return found;
}

// Names of axes that still differ within a group of these axes and a seed.
function unnamed(table, places, named) {
  const { columns, axes } = table;
  return Object.keys(axes).filter((axis) => {
    if (named.includes(axis)) return false;
    const known = new Map();
    return places.some((place) => {
      const key = [columns.seed[place], ...named.map((name) => columns[name][place])].join();
      if (!known.has(key)) known.set(key, columns[axis][place]);
      return known.get(key) !== columns[axis][place];
    });
  });
}

// The selects of the axes that nobody named, each at the wanted value or the one with most runs; returns the rows left.
function offerHeld(table, named, wanted) {
  const fold = document.getElementById("held");
  fold.querySelectorAll("label").forEach((label) => label.remove());
  const { columns, axes } = table;
  let places = columns.seed.map((_, place) => place);
  const settled = [...named];
  for (let axis; (axis = unnamed(table, places, settled)[0]); ) {
    const there = new Set(places.map((place) => columns[axis][place]));
    const values = axes[axis].map((value, index) => [String(index), String(value)]).filter(([index]) => there.has(Number(index)));
    const select = Object.assign(document.createElement("select"), { name: axis });
    const label = Object.assign(document.createElement("label"), { textContent: `${axisTitle(axis)} ` });
    // The address has the value itself, which stays true when the study grows.
    const done = (index) => places.filter((place) => columns[axis][place] === index && columns.outcome[place] === "completed").length;
    const fullest = values.reduce((best, one) => (done(Number(one[0])) > done(Number(best[0])) ? one : best));
    const known = wanted[axis] === EVERY || values.some(([, text]) => text === wanted[axis]);
    offer(select, [...values.map(([, text]) => [text, text]), [EVERY, "mean over all"]], known ? wanted[axis] : fullest[1]);
    label.append(select);
    fold.append(label);
    if (select.value !== EVERY) places = places.filter((place) => String(axes[axis][columns[axis][place]]) === select.value);
    settled.push(axis);
  }
  fold.hidden = !fold.querySelector("label");
  return places;
}

// Fill every select for the study; what `wanted` names and the study has is chosen.
function offerAll(wanted) {
  const elements = explorerForm.elements;
  const ran = ({ tables }) => tables.runs?.columns.outcome.some((outcome) => outcome !== "missing");
  const studies = Object.keys(exploring.studies).filter((name) => ran(exploring.studies[name]));
  offer(elements.study, studies.map((name) => [name, name]), wanted.study);
  const study = exploring.studies[elements.study.value];
  const metrics = Object.entries(study.tables).flatMap(([table, { metrics: names }]) =>
    Object.entries(names).map(([metric, title]) => [`${table}:${metric}`, `${title}, ${exploring.tables[table]}`]));
  const usual = metrics.find(([value]) => value === "runs:accuracy_test") ?? metrics[0];
  offer(elements.metric, metrics, metrics.some(([value]) => value === wanted.metric) ? wanted.metric : usual[0]);
  const table = study.tables[tableOf(elements.metric.value)[0]];
  const axes = Object.keys(table.axes).filter((axis) => table.axes[axis].length > 1);
  const named = axes.map((axis) => [axis, axisTitle(axis)]);
  // The axes of another study mean something else.
  const fresh = explored && explored !== elements.study.value;
  explored = elements.study.value;
  const given = (role) => (!fresh && wanted[role] !== undefined && (wanted[role] === "" || axes.includes(wanted[role])) ? wanted[role] : null);
  elements.draw.value = ["heat", "curves", "points"].includes(wanted.draw) ? wanted.draw : axes.length > 1 ? "heat" : "points";
  const numbers = axes.filter((axis) => table.axes[axis].every((value) => typeof value === "number"));
  const x = given("x") || (elements.metric.value.startsWith("epochs") ? axes[0] : (numbers[0] ?? axes[0] ?? ""));
  offer(elements.x, named.length ? named : [["", "none"]], x);
  const rest = axes.filter((axis) => axis !== x);
  const none = [["", "none"]];
  const heat = elements.draw.value === "heat";
  document.getElementById("colour-role").textContent = heat ? "Panels" : "Colour";
  offer(elements.row, [...(heat && rest.length ? [] : none), ...named.filter(([axis]) => axis !== x)], given("row") ?? (heat ? rest[0] : ""));
  const others = rest.filter((axis) => axis !== elements.row.value);
  offer(elements.colour, [...none, ...named.filter(([axis]) => others.includes(axis))], given("colour") ?? (heat ? "" : (others[0] ?? "")));
  const roles = [elements.x, elements.row, elements.colour].map((select) => select.value).filter(Boolean);
  const held = Object.fromEntries((fresh ? [] : (wanted.hold ?? [])).map((word) => [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]));
  return { table, roles, places: offerHeld(table, roles, held) };
}

// One row per cell: the labels of its axes, mean and interval over seeds, n, failed and missing.
function cellsOf(table, roles, places, metric) {
  const { columns, axes } = table;
  const groups = new Map();
  for (const place of places) {
    const key = roles.map((axis) => columns[axis][place]).join();
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(place);
  }
  return [...groups.values()].map((group) => {
    const about = Object.fromEntries(roles.map((axis) => [fieldOf(axis), axes[axis][columns[axis][group[0]]]]));
    const ended = (outcome) => group.filter((place) => columns.outcome[place] === outcome).length;
    const missing = ended("missing");
    const failed = group.length - missing - ended("completed");
    if (metric === "failed") {
      const n = group.length - missing;
      return { ...about, mean: n ? failed / n : null, low: null, high: null, n, failed, missing };
    }
    const bySeed = new Map();
    for (const place of group) {
      const value = columns[metric][place];
      if (columns.outcome[place] !== "completed" || value === null) continue;
      if (!bySeed.has(columns.seed[place])) bySeed.set(columns.seed[place], []);
      bySeed.get(columns.seed[place]).push(value);
    }
    const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const values = [...bySeed.values()].map(meanOf);
    const n = values.length;
    const mean = n ? meanOf(values) : null;
    const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1));
    const quantile = n < exploring.quantiles.length ? exploring.quantiles[n] : 1.96;
    const half = quantile === null ? null : (quantile * spread) / Math.sqrt(n);
    const amount = /^nfe|seconds|_bytes$/.test(metric); // as in rows/stats.py
    const [least, most] = metric.startsWith("accuracy") ? [0, 1] : [amount ? 0 : -Infinity, Infinity];
    const ends = half === null ? { low: null, high: null } : { low: Math.max(least, mean - half), high: Math.min(most, mean + half) };
    return { ...about, mean, ...ends, n, failed, missing };
  });
}

function explorerSpec(table, chosen, cells, title) {
  const { x, row, colour, draw } = chosen;
  const shown = cells.filter((cell) => cell.mean !== null);
  const channel = (axis, more = {}) => ({ field: fieldOf(axis), title: axisTitle(axis), type: "nominal", sort: table.axes[axis].filter((value) => shown.some((cell) => cell[fieldOf(axis)] === value)), ...more });
  const value = { field: "mean", title, type: "quantitative" };
  const told = Object.keys(shown[0]).map((field) => ({ field, type: typeof shown[0][field] === "number" && !field.startsWith("axis") ? "quantitative" : "nominal", ...(["mean", "low", "high"].includes(field) ? { format: ".4~g", type: "quantitative" } : {}) }));
  const spec = { $schema: "https://vega.github.io/schema/vega-lite/v6.json", data: { values: shown } };
  const one = { field: "all", title: "", type: "nominal" };
  if (draw === "heat") {
    const means = shown.map((cell) => cell.mean);
    const [least, most] = [Math.min(...means), Math.max(...means)];
    // Cells that have not run keep their place.
    const planned = (axis) => table.axes[axis].filter((label) => cells.some((cell) => cell[fieldOf(axis)] === label));
    const side = (axis) => (axis ? channel(axis, { sort: planned(axis), scale: { domain: planned(axis) } }) : one);
    // Names are level where a panel has room for them: about 8 pixels a letter.
    const room = document.getElementById("explore").clientWidth / (colour ? 6 : 2);
    const level = x && 8 * planned(x).join("  ").length < room ? { axis: { labelAngle: 0 } } : {};
    const place = { x: { ...side(x), ...level }, y: side(row) };
    const scale = { scheme: "viridis", domain: least < most ? [least, most] : [Math.min(0, least), Math.max(0, least) || 1] };
    const largest = Math.max(Math.abs(least), Math.abs(most));
    const digits = largest < 0.05 ? ".2~g" : largest < 10 ? ".3~f" : largest < 1000 ? ".3~g" : ".3~s"; // as in vega.py
    const word = { calculate: `isValid(datum.mean) ? format(datum.mean, '${digits}') : datum.failed ? 'failed' : ''`, as: "word" };
    const middle = (scale.domain[0] + scale.domain[1]) / 2;
    const ink = { condition: [{ test: "!isValid(datum.mean)", value: colourOf("--ink") }, { test: `datum.mean > ${middle}`, value: "black" }], value: "white" };
    const body = { layer: [
      { name: "values", mark: "rect", transform: [{ filter: "isValid(datum.mean)" }], encoding: { ...place, color: { ...value, scale }, tooltip: told } },
      { name: "text", mark: { type: "text", fontSize: 10 }, transform: [word], encoding: { ...place, text: { field: "word" }, color: ink } },
    ] };
    const all = { ...spec, data: { values: cells } };
    return colour ? { ...all, facet: channel(colour), columns: 3, spec: body } : { ...all, ...body };
  }
  const values = x ? shown.map((cell) => cell[fieldOf(x)]) : [];
  const numeric = values.length && values.every((number) => typeof number === "number");
  const wide = numeric && Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) >= 16 && !["epoch", "iteration"].includes(x);
  const across = !x ? one : numeric ? channel(x, { type: "quantitative", sort: undefined, scale: wide ? { type: "log", nice: false, padding: 14 } : { zero: false } }) : channel(x);
  const labels = colour ? channel(colour).sort : [];
  const known = labels.every((label) => exploring.colours[label]);
  const scale = known ? { scale: { domain: labels, range: labels.map((label) => exploring.colours[label]) } } : {};
  const ordinal = labels.length > 2 && labels.every((label) => typeof label === "number") ? { type: "ordinal", scale: { scheme: "viridis" } } : {};
  const shared = { x: across, ...(colour ? { color: channel(colour, { ...ordinal, ...scale }) } : {}) };
  const mark = draw === "curves" ? { type: "line", point: { size: 32 }, strokeWidth: 1.6 } : { type: "point", filled: true, size: 42 };
  const layer = [{ name: "values", mark, params: numeric ? [{ name: "zoom", select: { type: "interval", encodings: ["x", "y"] }, bind: "scales" }] : [], encoding: { ...shared, y: { ...value, scale: { zero: false } }, tooltip: told } }];
  if (shown.some((cell) => cell.low !== null))
    layer.unshift({ name: "interval", mark: { type: "rule", opacity: 0.45 }, encoding: { ...shared, y: { ...value, field: "low" }, y2: { field: "high" } } });
  return row ? { ...spec, facet: { row: channel(row) }, spec: { layer } } : { ...spec, layer };
}

function listNumbers(cells) {
  const fields = Object.keys(cells[0] ?? {});
  const table = document.getElementById("explored-numbers");
  table.replaceChildren();
  const head = table.createTHead().insertRow();
  for (const field of fields) head.append(Object.assign(document.createElement("th"), { textContent: field.replace(/^axis_/, "") }));
  const body = table.createTBody();
  for (const cell of cells) {
    const row = body.insertRow();
    for (const field of fields) row.insertCell().textContent = typeof cell[field] === "number" ? Number(cell[field].toPrecision(6)) : (cell[field] ?? LACKING);
  }
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const lines = [fields, ...cells.map((cell) => fields.map((field) => cell[field] ?? ""))].map((line) => line.map((word) => quoted(String(word))).join(","));
  document.querySelector("#explore .csv").href = `data:text/csv;charset=utf-8,${encodeURIComponent(`${lines.join("\n")}\n`)}`;
}

// Draw what is chosen. wanted: what the reader, or the address, asks for.
async function explore(wanted) {
  exploring = await loadRows();
  const { table, roles, places } = offerAll(wanted);
  const chosen = choices();
  const metric = tableOf(chosen.metric)[1];
  const cells = cellsOf(table, roles, places, metric);
  const held = Object.fromEntries(chosen.hold.filter((word) => !word.endsWith(`=${EVERY}`)).map((word) => [fieldOf(word.slice(0, word.indexOf("="))), word.slice(word.indexOf("=") + 1)]));
  for (const cell of cells) Object.assign(cell, held, { ...cell });
  const title = explorerForm.elements.metric.selectedOptions[0].textContent;
  const place = document.querySelector("#explore .chart");
  const shown = cells.some((cell) => cell.mean !== null);
  const pooled = chosen.hold.filter((word) => word.endsWith(`=${EVERY}`)).map((word) => axisTitle(word.slice(0, -2)));
  const { plan, left_out } = exploring.studies[chosen.study];
  const counts = cells.filter((cell) => cell.n).map((cell) => cell.n);
  const n = counts.length ? `n = ${[...new Set([Math.min(...counts), Math.max(...counts)])].join(" to ")}` : "n = 0";
  const left = ["failed", "missing"].map((name) => [cells.reduce((sum, cell) => sum + cell[name], 0), name]).filter(([count]) => count);
  const sentences = [
    `Plan ${plan}: ${title}. Mean over seeds, ${n} per cell${metric === "failed" ? "" : ", 95 % Student t interval from n = 3 on"}.`,
    pooled.length ? `Each mean is also over ${pooled.join(" and ")}.` : "",
    cells.some(({ low, high }) => low === 0 || high === 1) ? "Intervals of shares end at 0 and 1." : "",
    left.length ? `Not averaged: ${left.map((pair) => pair.join(" ")).join(", ")}.` : "",
    left_out.length ? `Too large for this page: numbers ${left_out.join(" and ")}; odereport plot draws them.` : "",
  ];
  document.getElementById("explored").textContent = shown ? sentences.filter(Boolean).join(" ") : "No completed run has this number.";
  listNumbers(cells);
  place.hidden = !shown;
  if (!shown) return;
  chartData.explore = { spec: explorerSpec(table, chosen, cells, title), study: chosen.study, name: "explore" };
  await drawChart(place);
}

if (explorerForm && bundle && "DecompressionStream" in window) {
  const section = document.getElementById("explore");
  section.hidden = false;
  explorerForm.addEventListener("submit", (event) => event.preventDefault());
  explorerForm.addEventListener("change", async () => {
    const wanted = choices();
    await explore(wanted);
    view.explore = choices();
    writeAddress();
  });
  const watcher = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    watcher.disconnect();
    explore(view.explore ?? {});
  }, { rootMargin: "400px" });
  watcher.observe(section);
}
