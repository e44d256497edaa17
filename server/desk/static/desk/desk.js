// Names for what the theme and Django's widgets leave without one; readers of the screen hear no names of icons.
"use strict";

const DESK_PARTS = { vDateField: "date", vTimeField: "time" };

function nameAll() {
  for (const icon of document.querySelectorAll(".material-symbols-outlined:not([aria-hidden])")) icon.setAttribute("aria-hidden", "true");
  for (const [kind, part] of Object.entries(DESK_PARTS)) {
    for (const field of document.querySelectorAll(`input.${kind}:not([aria-label])`)) {
      const label = field.closest(".field-row, .field-line, .form-row, fieldset")?.querySelector("label");
      field.setAttribute("aria-label", `${label?.textContent.replace("*", "").trim() ?? ""} (${part})`.trim());
    }
  }
  // Rows of a table within a form are named by the heads of their columns; a row that is added is a copy of the last one.
  for (const field of document.querySelectorAll("td :is(input:not([type=hidden]), select, textarea):not([aria-label])")) {
    const cell = field.closest("td"), head = cell.closest("table").tHead?.rows[0]?.cells[cell.cellIndex];
    if (!field.labels?.length) field.setAttribute("aria-label", head?.textContent.replace("*", "").trim() || field.name);
  }
  for (const link of document.querySelectorAll("a:has(> .date-icon), a:has(> .clock-icon)")) link.setAttribute("aria-label", link.firstElementChild.title);
  for (const link of document.querySelectorAll("#changelist a[title='']")) if (!link.textContent.trim()) link.textContent = "(empty)";
  for (const field of document.querySelectorAll("input.hidden:not([aria-label])")) field.setAttribute("aria-label", field.name);
}

// After the scripts of the widgets, which begin with the page's load.
addEventListener("load", () => setTimeout(nameAll));
