// Checks the form for a new task while it is filled in. Without scripts its button "Check" does the same.
"use strict";

const WAIT = 400; // milliseconds after the last change
const LARGE = 200000; // characters; a longer list is sent only when it has changed itself

const form = document.getElementById("wizard");
const told = document.getElementById("checking");
let timer = 0;
let asked = 0;
const touched = new Set();
const changed = new Set();

function body() {
  const said = new FormData(form);
  const sent = new URLSearchParams();
  for (const [name, value] of said) {
    const text = String(value);
    if (text.length > LARGE && !changed.has(name)) continue;
    sent.append(name, text);
  }
  // As it is sent: a letter beyond the plain ones takes several bytes.
  return sent.toString().length > Number(form.dataset.most) ? null : sent;
}

function put(kind, name, text) {
  const place = form.querySelector(`[data-${kind}="${CSS.escape(name)}"]`);
  if (!place) return;
  place.textContent = text || "";
  if (kind === "slip") place.closest(".field").classList.toggle("bad", Boolean(text));
}

function show(found, sent) {
  for (const place of form.querySelectorAll("[data-slip]")) {
    const name = place.dataset.slip;
    // What is missing is told by the button; a list that was not sent has been told of before.
    if (sent.has(name) || found.slips[name]) {
      if (touched.has(name) || !found.slips[name]) put("slip", name, found.slips[name]);
      put("note", name, found.notes[name]);
    }
  }
  const rows = form.querySelector("#names tbody");
  rows.replaceChildren(...found.names.map(([what, name]) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    const cell = document.createElement("td");
    const code = document.createElement("code");
    head.scope = "row";
    head.textContent = what;
    cell.className = "path";
    code.textContent = name;
    cell.append(code);
    row.append(head, cell);
    return row;
  }));
  document.getElementById("no-names").hidden = found.names.length > 0;
}

async function check() {
  const sent = body();
  if (!sent) {
    told.textContent = "this is more than the server takes in one go: split it into several tasks";
    return;
  }
  const mine = ++asked;
  changed.clear();
  told.textContent = "checking …";
  try {
    const answer = await fetch(form.dataset.check, { method: "POST", body: sent, credentials: "same-origin" });
    const found = await answer.json();
    if (mine !== asked) return; // a later one is on its way
    if (!found.success) throw new Error(found.message);
    show(found.data, sent);
    told.textContent = "";
  } catch (error) {
    if (mine === asked) told.textContent = `not checked: ${error.message}`;
  }
}

if (form) {
  form.addEventListener("change", (event) => {
    touched.add(event.target.name);
    changed.add(event.target.name);
    clearTimeout(timer);
    timer = setTimeout(check, WAIT);
  });
  // Names of a form that is filled in already.
  for (const [name, value] of new FormData(form)) if (value) changed.add(name);
  check();
}
