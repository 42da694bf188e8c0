"use strict";
// The view in the address, sorting of every table by its headers, filters of the verdicts, and
// everything unfolded on paper.

// --- the view in the address: #anchor?name=value&...

const wordsOfView = []; // one function per script: its [name, value] pairs

const wordsNow = () => new URLSearchParams(wordsOfView.flatMap((words) => words())).toString();

function readAddress() {
  const [anchor, text = ""] = location.hash.slice(1).split("?");
  return { anchor: decodeURIComponent(anchor), words: new URLSearchParams(text) };
}

function writeAddress() {
  const { anchor } = readAddress();
  const words = wordsNow();
  history.replaceState(null, "", words || anchor ? `#${anchor}${words ? `?${words}` : ""}` : location.pathname);
}

// A link within the page keeps the view; an address with another view shows that one.
window.addEventListener("hashchange", () => {
  const words = readAddress().words.toString();
  if (!words) writeAddress();
  else if (words !== wordsNow()) location.reload();
});

// --- tables

function keyOf(cell, numeric) {
  const text = (cell.dataset.value ?? cell.textContent).trim();
  const number = parseFloat(text.replaceAll(",", ""));
  return numeric ? (Number.isNaN(number) ? -Infinity : number) : text;
}

function isNumeric(rows, column) {
  const texts = rows.map((row) => (row.cells[column].dataset.value ?? row.cells[column].textContent).trim()).filter((text) => text && text !== "-" && text !== "nan");
  return texts.length > 0 && texts.every((text) => /^[+\-−]?[\d.,]+(e[+\-]?\d+)?\b/i.test(text));
}

function sortTable(table, header, column) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  const numeric = header.dataset.kind === "number" || isNumeric(rows, column);
  const keyed = rows.map((row) => ({ row, key: keyOf(row.cells[column], numeric) }));
  keyed.sort((a, b) => {
    const order = numeric ? a.key - b.key || 0 : a.key.localeCompare(b.key, "en", { numeric: true });
    return ascending ? order : -order;
  });
  body.append(...keyed.map((one) => one.row));
  for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.title = `Sort by ${header.textContent}`;
    header.replaceChildren(button);
    button.addEventListener("click", () => sortTable(table, header, column));
  });
}

// --- verdicts

const find = document.getElementById("find");
const byVerdict = document.getElementById("by-verdict");
const byPaper = document.getElementById("by-paper");

function filterClaims() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const cards = [...document.querySelectorAll(".claim")];
  let shown = 0;
  for (const card of cards) {
    const verdicts = [card.dataset.verdict, card.dataset.full];
    const matches =
      (!byVerdict.value || verdicts.includes(byVerdict.value)) &&
      (!byPaper?.value || card.dataset.paper === byPaper.value) &&
      words.every((word) => card.textContent.toLowerCase().includes(word));
    card.hidden = !matches;
    shown += matches;
  }
  const filtered = words.length || byVerdict.value;
  for (const fold of document.querySelectorAll("details.without")) {
    fold.hidden = !fold.querySelector(".claim:not([hidden])");
    fold.open = Boolean(filtered);
  }
  for (const paper of document.querySelectorAll("details.paper")) paper.hidden = !paper.querySelector(".claim:not([hidden])");
  document.getElementById("matching").textContent = `${shown} of ${cards.length} claims`;
}

const filters = Object.entries({ find, verdict: byVerdict, paper: byPaper }).filter(([, input]) => input);
wordsOfView.push(() => filters.map(([name, { value }]) => [name, value]).filter(([, value]) => value));
for (const [name, input] of filters) {
  input.value = readAddress().words.get(name) ?? "";
  input.addEventListener("input", () => { filterClaims(); writeAddress(); });
}
if (find) {
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !["INPUT", "SELECT"].includes(document.activeElement.tagName)) {
      event.preventDefault();
      find.focus();
    } else if (event.key === "Escape" && document.activeElement === find) {
      find.value = "";
      find.dispatchEvent(new Event("input"));
    }
  });
  filterClaims();
}

// Paper has everything unfolded.
let unfolded = [];
window.addEventListener("beforeprint", () => {
  unfolded = [...document.querySelectorAll("details:not([open])")];
  for (const one of unfolded) one.open = true;
});
window.addEventListener("afterprint", () => { for (const one of unfolded) one.open = false; });

// --- where the page opens

document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
{
  // Of a page that it loads again the browser knows where the reader was.
  const { anchor, words } = readAddress();
  const [{ type }] = performance.getEntriesByType("navigation");
  if (words.size && anchor && type !== "reload") document.getElementById(anchor)?.scrollIntoView();
}
