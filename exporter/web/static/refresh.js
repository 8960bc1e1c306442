// Asks for the page again every few seconds and puts what is new in place. Without it the page is whole all the same.
"use strict";

const LONGEST = 60;
const main = document.querySelector("main[data-refresh]");
const control = document.getElementById("refresh");
const note = document.getElementById("refreshed");
let paused = false;
let wait = Number(main.dataset.refresh);

function isBusy(part) {
  const chosen = getSelection();
  return !chosen.isCollapsed && part.contains(chosen.anchorNode);
}

function replace(part, fresh) {
  const focused = part.contains(document.activeElement) && document.activeElement.getAttribute("href");
  part.replaceWith(fresh);
  if (focused) fresh.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
  if (!answer.ok) throw new Error(`answer ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = page.getElementById(part.id);
    if (fresh && !isBusy(part)) replace(part, fresh);
  }
  document.title = page.title;
  wait = Number(page.querySelector("main").dataset.refresh);
  note.textContent = wait ? `Refreshes itself every ${wait} s.` : "It does not change any more.";
}

async function turn() {
  if (!paused && !document.hidden) {
    try {
      await refresh();
    } catch (error) {
      wait = Math.min(LONGEST, 2 * wait);
      note.textContent = `Could not be refreshed (${error.message}); tried again in ${wait} s.`;
    }
  }
  if (wait) setTimeout(turn, 1000 * wait);
  else control.hidden = true;
}

control.addEventListener("click", () => {
  paused = !paused;
  control.textContent = paused ? "Go on refreshing" : "Pause refreshing";
  if (paused) note.textContent = "Paused.";
});

if (wait) {
  control.hidden = false;
  note.textContent = `Refreshes itself every ${wait} s.`;
  setTimeout(turn, 1000 * wait);
}
