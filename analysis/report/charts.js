"use strict";
// Charts of the figures' numbers: filters that a section shares, a log axis, the picture for print,
// the runs behind a point. The view is in the address.

const chartData = JSON.parse(document.getElementById("chart-data").textContent);
const bundle = document.getElementById("vega-bundle");
const TALLEST = 720; // pixels
const LACKING = "\u2013"; // the value of a cell that lacks the axis
const MOST_CHOICES = 12; // more values than this are not offered as a filter
// hidden: "section:field" -> values left out. log, pictures: names of charts. bare: no published values.
// explore: the choices of the explorer, once the reader has made one.
const view = { hidden: {}, log: {}, pictures: new Set(), bare: new Set(), explore: null };
let drawing; // the promise of Vega
let reading; // the promise of the rows

async function unpacked(id) {
  // The browser decodes base64 faster than a script does.
  const packed = await fetch(`data:application/octet-stream;base64,${document.getElementById(id).textContent.trim()}`);
  return new Response(packed.body.pipeThrough(new DecompressionStream("gzip"))).text();
}

function loadRows() {
  reading ??= unpacked("row-data").then(JSON.parse);
  return reading;
}

function loadVega() {
  drawing ??= (async () => {
    const source = await unpacked("vega-bundle");
    const script = document.createElement("script");
    script.type = "module";
    const ready = new Promise((resolve, reject) => {
      window.vegaIsReady = resolve;
      script.onerror = reject;
    });
    script.textContent = `${source};window.vegaIsReady();`;
    document.head.append(script);
    await ready;
    return window.vegaEmbed;
  })();
  return drawing;
}

const colourOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function configuration() {
  const [ink, soft, line] = ["--ink", "--soft", "--line"].map(colourOf);
  const text = { labelColor: ink, titleColor: ink, labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal" };
  return {
    background: "transparent",
    axis: { ...text, gridColor: line, domainColor: soft, tickColor: soft, gridOpacity: 0.6 },
    legend: { ...text, symbolStrokeWidth: 2, symbolOpacity: 1, labelLimit: 130, symbolBaseStrokeColor: ink, symbolBaseFillColor: ink },
    header: text,
    view: { stroke: line },
    point: { color: ink },
    // Their numbers are told by the points.
    rule: { aria: false },
    area: { aria: false },
    range: { category: ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#888888", "#332288"] },
  };
}

const unitsOf = (spec) => (spec.spec ?? spec).layer ?? [spec.spec ?? spec];
const sectionOf = (name) => document.getElementById(name)?.closest("section")?.id ?? "summary";

function fieldsOf(spec) {
  // Names that the reader can choose from: colours, panels, and axes with names instead of numbers.
  const fields = new Map();
  const add = (channel) => {
    if (channel?.field && ["nominal", "ordinal"].includes(channel.type)) fields.set(channel.field, channel.title || channel.field);
  };
  for (const { encoding = {} } of unitsOf(spec)) for (const name of ["color", "shape", "x", "y"]) add(encoding[name]);
  for (const channel of [spec.facet, spec.facet?.row, spec.facet?.column]) add(channel);
  return fields;
}

function shownSpec(name, width) {
  const spec = structuredClone(chartData[name].spec);
  const section = sectionOf(name);
  spec.data.values = spec.data.values.filter((row) =>
    Object.entries(view.hidden).every(([key, values]) => {
      const [of, field] = key.split(":");
      return of !== section || !(field in row) || !values.has(String(row[field]));
    }),
  );
  const units = unitsOf(spec);
  if (view.bare.has(name) && spec.layer) spec.layer = spec.layer.filter((layer) => layer.name !== "published");
  for (const axis of ["x", "y"]) {
    const chosen = view.log[`${name}:${axis}`];
    if (chosen === undefined) continue;
    for (const { encoding = {} } of units) {
      if (encoding[axis]?.type !== "quantitative") continue;
      const { zero, padding, ...scale } = encoding[axis].scale ?? {};
      encoding[axis].scale = chosen ? { ...scale, type: "log", nice: false, padding: 14 } : { ...scale, zero: zero ?? false, type: "linear", nice: true };
    }
  }
  const panels = (field) => new Set(spec.data.values.map((row) => row[field])).size || 1;
  const across = spec.facet?.column ? panels(spec.facet.column.field) : spec.facet?.row ? 1 : spec.facet ? Math.min(spec.columns, panels(spec.facet.field)) : 1;
  const body = spec.spec ?? spec;
  if (spec.columns && width < 700) spec.columns = 1;
  const columns = spec.columns ? Math.min(spec.columns, across) : across;
  body.width = Math.max(110, Math.floor((width - (width < 700 ? 120 : 215)) / columns) - 40);
  // Without a norm lines are black, which nobody sees in the dark.
  for (const { encoding = {} } of units) {
    const range = encoding.color?.scale?.range;
    if (range) encoding.color.scale.range = range.map((colour) => (/^#0{6}$/.test(colour) ? colourOf("--ink") : colour));
  }
  const cells = units[0].mark === "rect";
  // No chart is taller than a screen: rows of panels share its height, and so do rows of cells.
  const down = spec.facet?.row ? panels(spec.facet.row.field) : 1;
  const share = (most, least, parts) => Math.max(least, Math.min(most, Math.floor(TALLEST / parts)));
  if (cells) body.height = { step: share(34, 12, down * panels(units[0].encoding.y.field)) };
  else body.height = columns > 1 || spec.facet?.row ? share(190, 70, down) - (down > 3 ? 24 : 0) : 300;
  if (width < 700) spec.config = { legend: { orient: "bottom", columns: 2 } };
  return spec;
}

async function drawChart(place) {
  const name = place.closest("[data-name]").dataset.name;
  const embed = await loadVega();
  const figure = place.closest("figure");
  const asPicture = view.pictures.has(name);
  place.hidden = asPicture;
  const picture = figure.querySelector("img");
  if (picture) picture.hidden = !asPicture;
  if (asPicture) return;
  const spec = shownSpec(name, figure.clientWidth || 900);
  // Vega puts its description in the place of ours.
  spec.description = place.dataset.text ??= place.getAttribute("aria-label");
  const config = configuration();
  spec.config = { ...config, legend: { ...config.legend, ...(spec.config?.legend ?? {}) } };
  const result = await embed(place, spec, { actions: false, renderer: "svg", tooltip: { theme: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light" } });
  result.view.addEventListener("click", (_event, item) => item?.datum && showRuns(name, item.datum));
  place.dataset.drawn = "yes";
  // What scrolls can be scrolled with the keyboard.
  if (place.scrollWidth > place.clientWidth) place.tabIndex = 0;
  else place.removeAttribute("tabindex");
}

function redraw(section) {
  for (const place of document.querySelectorAll(".chart[data-drawn]"))
    if (!section || sectionOf(place.closest("[data-name]").dataset.name) === section) drawChart(place);
}

// --- the runs behind a point

// Places in the columns of `runs`. A figure of a paper shows its nets as printed.
function runsBehind(name, datum, runs) {
  const { columns, axes } = runs;
  const same = (label, value) => String(label) === String(value) || (value !== "" && Number(label) === value);
  const fits = (axis, place) => {
    const label = axes[axis][columns[axis][place]];
    const value = datum[axis.replaceAll(/\W/g, "_")];
    if (value === undefined || value === null) return axis !== "axis.variant" || ["printed", LACKING].includes(label);
    return same(label, value) || (label === LACKING && name !== "explore");
  };
  return columns.id.map((_, place) => place).filter((place) =>
    columns.outcome[place] !== "missing" && Object.keys(axes).every((axis) => fits(axis, place)));
}

async function showRuns(name, datum) {
  const study = (await loadRows()).studies[chartData[name].study];
  const runs = study?.tables.runs;
  const found = runs ? runsBehind(name, datum, runs) : [];
  const list = document.getElementById("runs-list");
  list.replaceChildren();
  const line = (tag, text) => list.appendChild(Object.assign(document.createElement(tag), { textContent: text }));
  const of = chartData[name].study || "several studies";
  line("p", found.length ? `${found.length} run${found.length === 1 ? "" : "s"} of ${of}.` : `The runs of ${of} are not listed here.`);
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const title of ["trial", "seed", "axes", "outcome", "accuracy", "code", "device", "log"]) {
    head.append(Object.assign(document.createElement("th"), { textContent: title }));
  }
  const body = table.createTBody();
  for (const place of found) {
    const { id, seed, outcome, accuracy_test, code, device, log } = runs.columns;
    const labels = Object.entries(runs.axes).map(([axis, values]) => [axis.slice(5), values[runs.columns[axis][place]]]);
    const axes = labels.filter(([, label]) => label !== LACKING).map((pair) => pair.join("=")).join(" ");
    const row = body.insertRow();
    for (const text of [id[place], seed[place], axes, outcome[place], accuracy_test?.[place]?.toFixed(4) ?? "", code[place], device[place], log[place]]) row.insertCell().textContent = text;
  }
  if (found.length) {
    list.append(table);
    line("p", "Train them, or what is missing of the study:");
    line("pre", study.command);
  }
  document.getElementById("runs").showModal();
}

// --- the view in the address: hide=section:field=a|b, log=name:x, linear=name:x, picture=name, and of
// the explorer study, metric, draw, x, row, colour and hold=axis=value

wordsOfView.push(() => [
  ...Object.entries(view.hidden).filter(([, values]) => values.size).map(([key, values]) => ["hide", `${key}=${[...values].join("|")}`]),
  ...Object.entries(view.log).map(([key, on]) => [on ? "log" : "linear", key]),
  ...[...view.pictures].map((name) => ["picture", name]),
  ...[...view.bare].map((name) => ["bare", name]),
  ...Object.entries(view.explore ?? {}).flatMap(([key, value]) => [value].flat().map((one) => [key, one])),
]);

function readView() {
  const { words } = readAddress();
  for (const word of words.getAll("hide")) {
    const cut = word.indexOf("=");
    view.hidden[word.slice(0, cut)] = new Set(word.slice(cut + 1).split("|"));
  }
  for (const key of words.getAll("log")) view.log[key] = true;
  for (const key of words.getAll("linear")) view.log[key] = false;
  for (const name of words.getAll("picture")) view.pictures.add(name);
  for (const name of words.getAll("bare")) view.bare.add(name);
  if (words.has("study")) {
    view.explore = { hold: words.getAll("hold") };
    for (const key of ["study", "metric", "draw", "x", "row", "colour"]) view.explore[key] = words.get(key) ?? "";
  }
}

// --- controls

function button(text, pressed, act) {
  const one = Object.assign(document.createElement("button"), { type: "button", textContent: text });
  one.setAttribute("aria-pressed", pressed);
  one.addEventListener("click", () => {
    const on = one.getAttribute("aria-pressed") !== "true";
    one.setAttribute("aria-pressed", on);
    act(on);
    writeAddress();
  });
  return one;
}

function toolsOf(tools) {
  const name = tools.dataset.chart;
  const { spec } = chartData[name];
  const place = () => document.querySelector(`#${CSS.escape(name)} .chart`);
  const units = unitsOf(spec);
  for (const axis of ["y", "x"]) {
    const channel = units.find((unit) => unit.encoding?.[axis]?.type === "quantitative")?.encoding[axis];
    if (!channel || units[0].mark === "bar") continue;
    const values = spec.data.values.map((row) => row[channel.field]).filter((value) => typeof value === "number");
    if (values.some((value) => value <= 0)) continue;
    const key = `${name}:${axis}`;
    tools.prepend(button(`log ${axis}`, view.log[key] ?? channel.scale?.type === "log", (on) => { view.log[key] = on; drawChart(place()); }));
  }
  if (units.some((unit) => unit.name === "published"))
    tools.prepend(button("published", !view.bare.has(name), (on) => { view.bare[on ? "delete" : "add"](name); drawChart(place()); }));
  tools.prepend(button("picture", view.pictures.has(name), (on) => { view.pictures[on ? "add" : "delete"](name); drawChart(place()); }));
}

function filtersOf(section) {
  const choices = new Map();
  for (const place of section.querySelectorAll(".item .tools[data-chart]")) {
    const { spec } = chartData[place.dataset.chart];
    for (const [field, title] of fieldsOf(spec)) {
      const known = choices.get(field) ?? { title, values: new Set(), charts: 0 };
      for (const row of spec.data.values) if (row[field] !== null && row[field] !== undefined) known.values.add(String(row[field]));
      known.charts += 1;
      choices.set(field, known);
    }
  }
  const bar = document.createElement("div");
  bar.className = "shared";
  for (const [field, { title, values }] of choices) {
    if (values.size < 2 || values.size > MOST_CHOICES) continue;
    const group = document.createElement("div");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", title);
    group.append(Object.assign(document.createElement("span"), { textContent: title }));
    const key = `${section.id}:${field}`;
    for (const value of values)
      group.append(button(value, !view.hidden[key]?.has(value), (on) => {
        const hidden = (view.hidden[key] ??= new Set());
        hidden[on ? "delete" : "add"](value);
        redraw(section.id);
      }));
    bar.append(group);
  }
  if (!bar.childElementCount) return;
  const fold = document.createElement("details");
  fold.className = "filter-fold";
  fold.open = Object.keys(view.hidden).some((key) => key.startsWith(`${section.id}:`));
  fold.append(Object.assign(document.createElement("summary"), { textContent: "Filter all charts of this section" }), bar);
  section.querySelector(".item")?.before(fold);
}

if (bundle && "DecompressionStream" in window) {
  readView();
  document.querySelectorAll(".tools[data-chart]").forEach(toolsOf);
  document.querySelectorAll(".paper-section").forEach(filtersOf);
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      drawChart(target.querySelector(".chart"));
    }
  }, { rootMargin: "400px" });
  for (const place of document.querySelectorAll("figure.drawn .chart")) watcher.observe(place.closest("figure"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraw());
  let waiting;
  window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(redraw, 200); });
  // Paper gets the picture, which is drawn for it.
  const onPaper = (printing) => {
    for (const place of document.querySelectorAll("figure.drawn .chart[data-drawn]")) {
      place.hidden = printing || view.pictures.has(place.closest("[data-name]").dataset.name);
      place.closest("figure").querySelector("img").hidden = !place.hidden;
    }
  };
  window.addEventListener("beforeprint", () => onPaper(true));
  window.addEventListener("afterprint", () => onPaper(false));
}
