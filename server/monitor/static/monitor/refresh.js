// Brings the page up to date every few seconds while somebody looks at it; without scripts the page stands still.
"use strict";

const PERIOD = 3000; // milliseconds

async function refresh() {
  // Who fills in a form is not interrupted.
  if (document.hidden || getSelection()?.toString() || document.querySelector("main form")) return;
  const pulse = document.getElementById("pulse");
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const focused = document.activeElement?.getAttribute("href");
    document.getElementById("content").innerHTML = fresh.getElementById("content").innerHTML;
    if (focused) document.querySelector(`main a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    pulse.textContent = fresh.getElementById("pulse").textContent;
    pulse.classList.remove("lost");
  } catch (error) {
    pulse.textContent = `not up to date: ${error.message}`;
    pulse.classList.add("lost");
  }
}

setInterval(refresh, PERIOD);
document.addEventListener("visibilitychange", refresh);
