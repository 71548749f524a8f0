// @ts-check
/**
 * What a study's report does when a cell of a confusion matrix is clicked: its clips alone stay in
 * the table. Without JavaScript the cell's link leads to the first of them, and all are there.
 *
 * Every word is in the page already, or is a title that the page gave.
 */

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

const [told, what, all] = ["clips-told", "clips-what", "clips-all"].map(byId);
const table = byId("clips");
const rows = [...table.querySelectorAll("tr[data-cells]")].filter(
  (row) => row instanceof HTMLElement,
);
const cells = [...document.querySelectorAll("a[data-cell]")].filter(
  (link) => link instanceof HTMLElement,
);
const NUM_FIRST = Number(table.dataset["first"]);

/**
 * @param {string | null} cell  null for no cell's clips alone
 * @param {string} title
 * @param {number} most
 */
function show(cell, title, most) {
  let count = 0;
  for (const row of rows) {
    const fits = cell === null || (row.dataset["cells"] ?? "").split(",").includes(cell);
    row.hidden = !fits || count >= most;
    if (fits) count += 1;
  }
  for (const each of cells)
    each.setAttribute("aria-current", String(cell !== null && each.dataset["cell"] === cell));
  if (what) what.textContent = title;
  if (told) told.hidden = cell === null && count <= most;
}

for (const link of cells)
  link.addEventListener("click", (event) => {
    event.preventDefault();
    show(link.dataset["cell"] ?? "", link.title, Infinity);
    told?.scrollIntoView({ block: "start" });
    all?.focus({ preventScroll: true });
  });
all?.addEventListener("click", () => {
  show(null, "", Infinity);
  table.scrollIntoView({ block: "nearest" });
});
show(null, "", NUM_FIRST);
