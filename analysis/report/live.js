"use strict";
// A page of `odereport serve`: it loads its next version, and says when no server answers.

const live = document.getElementById("live");
const { version } = live.dataset; // when it was drawn, in milliseconds
const LOOK = 5000; // milliseconds
const PATIENCE = 20000; // a server that draws on a busy machine answers late
const QUIET = 3000; // so long nobody touched the page
let touched = 0;

function say(text, stopped) {
  live.classList.toggle("stopped", stopped);
  if (live.textContent !== text) live.textContent = text; // a screen reader reads each change
}

// --- what the address does not keep: unfolded parts, and where the keyboard is

function folds() {
  const name = (one) => [one.closest("[id]").id, one.className || one.querySelector("summary").textContent].join(" ");
  return [...document.querySelectorAll("details")].map((one) => [name(one), one]);
}

window.addEventListener("pagehide", () => {
  const open = folds().map(([name, one]) => [name, one.open]);
  sessionStorage.setItem("reader", JSON.stringify({ open, focus: document.activeElement.id }));
});

const { open = [], focus = "" } = JSON.parse(sessionStorage.getItem("reader") ?? "{}");
const wasOpen = new Map(open);
for (const [name, one] of folds()) one.open = wasOpen.get(name) ?? one.open;
document.getElementById(focus)?.focus({ preventScroll: true });

// --- the next version

for (const kind of ["keydown", "pointerdown", "wheel", "scroll", "input"])
  window.addEventListener(kind, () => { touched = Date.now(); }, { passive: true });

const drawn = new Date(Number(version)).toLocaleTimeString();
const follows = `Drawn at ${drawn}. New rows appear by themselves.`;
say(follows, false);

async function answered() {
  try {
    const answer = await fetch("version", { signal: AbortSignal.timeout(PATIENCE) });
    return answer.ok ? await answer.text() : null;
  } catch {
    return null;
  }
}

async function look() {
  const now = await answered();
  if (now === null) say(`The server has stopped. You see the rows of ${drawn}; this page is not up to date any more.`, true);
  else say(follows, false);
  const busy = document.querySelector("dialog[open]") || Date.now() - touched < QUIET;
  if (now !== null && now !== version && !busy) location.reload();
  else setTimeout(look, LOOK);
}

setTimeout(look, LOOK);
