// While an order is carried out its form says for how long, and nobody gives it twice; without scripts the browser alone shows it.
"use strict";

const AFTER = 300; // milliseconds: what is quicker needs no words

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented) return;
  if (form.dataset.working) { event.preventDefault(); return; }
  form.querySelector(".working")?.remove(); // what was said of an order before
  const began = performance.now();
  const words = Object.assign(document.createElement("span"), { className: "dim working" });
  words.setAttribute("role", "status");
  const say = () => {
    const seconds = Math.floor((performance.now() - began) / 1000);
    words.textContent = seconds ? `working for ${seconds} s…` : "working…";
    if (!words.isConnected) (event.submitter ?? form.lastElementChild).after(words);
  };
  form.setAttribute("aria-busy", "true");
  form.dataset.working = setTimeout(() => {
    say();
    // A screen reader is told once; the seconds are for the eye.
    words.setAttribute("aria-live", "off");
    form.dataset.working = setInterval(say, 1000);
  }, AFTER);
});

function release(form) {
  clearInterval(Number(form.dataset.working));
  form.querySelector(".working")?.remove();
  form.removeAttribute("aria-busy");
  delete form.dataset.working;
}

const working = () => document.querySelectorAll("form[data-working]");

// Who comes back by the browser's history finds the form as it was.
addEventListener("pageshow", (event) => {
  if (event.persisted) working().forEach(release);
});

// Esc makes the browser wait no more; the server may have carried the order out all the same.
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented) return;
  working().forEach((form) => {
    release(form);
    stop(); // not every browser does so by itself
    const words = Object.assign(document.createElement("span"), { className: "dim working" });
    words.setAttribute("role", "status");
    words.textContent = "you have stopped waiting; it may be done all the same: look before you do it again";
    form.lastElementChild.after(words);
  });
});
