// Brings the page up to date every few seconds while somebody looks at it; without scripts the page stands still.
// Where a page marks parts as live, these alone are renewed, and forms beside them are left as they are.
"use strict";

const PERIOD = 3000; // milliseconds; a page that takes long to make is asked for less often
const SHARE = 10; // the server works a tenth of the time for a page that is open

function renew(part, fresh) {
  const open = [...part.querySelectorAll("details")].map((one) => one.open);
  const ticked = new Set([...part.querySelectorAll("input[type=checkbox]:checked")].map((one) => one.value));
  const focused = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  part.innerHTML = fresh.innerHTML;
  part.querySelectorAll("details").forEach((one, index) => { if (open[index]) one.open = true; });
  part.querySelectorAll("input[type=checkbox]").forEach((one) => { one.checked = ticked.has(one.value); });
  if (focused) part.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function parts() {
  const live = [...document.querySelectorAll("main [data-live]")];
  if (live.length) return live;
  // Who fills in a form is not interrupted.
  return document.querySelector("main form") ? [] : [document.getElementById("content")];
}

async function refresh() {
  const pulse = document.getElementById("pulse");
  const wanted = parts();
  if (document.hidden || getSelection()?.toString() || !wanted.length) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Compass-Refresh": "1" }, redirect: "error" });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of wanted) {
      const found = fresh.getElementById(part.id);
      // Somebody may have begun to write in it meanwhile.
      if (found && !(part.hasAttribute("data-live") && part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea"))) renew(part, found);
    }
    pulse.textContent = fresh.getElementById("pulse").textContent;
    pulse.classList.remove("lost");
  } catch (error) {
    pulse.textContent = `not up to date: ${error.message}`;
    pulse.classList.add("lost");
  }
}

let running = false;

async function turn() {
  if (running) return;
  running = true;
  const began = performance.now();
  await refresh();
  running = false;
  setTimeout(turn, Math.max(PERIOD, SHARE * (performance.now() - began)));
}

setTimeout(turn, PERIOD);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
