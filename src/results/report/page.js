// Sorting and tabs. Everything on the page can be read without.
"use strict";
document.documentElement.classList.add("scripted");

// A cell's number is what it begins with: "0.95 ± 0.01" is 0.95. Text after all numbers, nothing last.
function compareCells(a, b) {
  const [x, y] = [parseFloat(a), parseFloat(b)];
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y || a.localeCompare(b);
  if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
  return a.localeCompare(b);
}

function sortTable(table, column, head) {
  const descending = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const text = (row) => row.cells[column].textContent.trim();
  const full = [...body.rows].filter((row) => text(row) !== "");
  const empty = [...body.rows].filter((row) => text(row) === "");
  full.sort((a, b) => (descending ? -1 : 1) * compareCells(text(a), text(b)));
  body.append(...full, ...empty);
}

for (const table of document.querySelectorAll("table.sortable")) {
  if (table.tBodies[0].rows.length < 2) continue;
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortTable(table, column, head));
    head.append(button);
    head.setAttribute("aria-sort", "none");
  });
}

for (const tabs of document.querySelectorAll(".tabs")) {
  const buttons = [...tabs.querySelectorAll(":scope > [role=tablist] > [role=tab]")];
  const select = (chosen, focus) => {
    for (const button of buttons) {
      const on = button === chosen;
      button.setAttribute("aria-selected", on);
      button.tabIndex = on ? 0 : -1;
      document.getElementById(button.getAttribute("aria-controls")).hidden = !on;
    }
    if (focus) chosen.focus();
    tabs.dispatchEvent(new Event("shown"));
  };
  buttons.forEach((button, i) => {
    button.addEventListener("click", () => select(button, false));
    button.addEventListener("keydown", (event) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: buttons.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      select(buttons[(to + buttons.length) % buttons.length], true);
    });
  });
  select(buttons[0], false);
}

// Pictures are in the page once: their links take them from the drawing.
for (const link of document.querySelectorAll("a[data-picture]")) {
  const image = document.querySelector(`#${CSS.escape(link.dataset.picture)} image`);
  if (!image) continue;
  link.href = image.getAttribute("href");
  link.hidden = false;
}

// On paper nothing can be opened.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
