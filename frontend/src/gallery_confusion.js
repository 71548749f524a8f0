// @ts-check
/** A gallery's confusion matrix: which label a model takes for which, to click on. */

/** @import { Label } from "./types.js" */
/** @import { Texts } from "./texts.js" */
/** @import { Cell, Query, Rows } from "./gallery_rows.js" */
import { h } from "./dom.js";
import { Choice } from "./gallery_filters.js";
import { chip } from "./marks.js";
import { clamp } from "./numbers.js";

/** Beyond so many labels, those with the commonest errors are shown. */
export const MAX_LABELS = 30;

/** A cell's shade, in percent: numbers on the darkest are still easy to read. */
const [FAINTEST, DARKEST] = [10, 55];

/**
 * @typedef {object} Confusion
 * @property {string[]} labels      true ones down, predicted ones across
 * @property {number[][]} counts    clips by true and predicted label
 * @property {number[]} totals      clips by true label, with those taken for a label not shown
 * @property {number} numLabels     with those that are not shown
 * @property {number} numClips      that have a label and an answer
 * @property {number} numErrors     of these
 * @property {number} numErrorsShown  of these
 */

/**
 * Count what a model takes for what.
 * @param {Rows} rows
 * @param {number[]} among  the rows that count
 * @param {number} model
 * @returns {Confusion}
 */
export function confusionOf(rows, among, model) {
  const { label, models } = rows.info;
  /** @type {Map<string, Map<string, number>>} */
  const found = new Map();
  /** @type {Set<string>} */
  const known = new Set();
  let [numClips, numErrors] = [0, 0];
  for (const row of among) {
    const truth = rows.text(label, row);
    const said = rows.text(models[model]?.predicted ?? null, row);
    if (truth === null || said === null) continue;
    const line = found.get(truth) ?? new Map();
    found.set(truth, line.set(said, (line.get(said) ?? 0) + 1));
    known.add(truth).add(said);
    numClips += 1;
    numErrors += Number(truth !== said);
  }
  const { compare } = new Intl.Collator();
  const all = [...known].sort((a, b) => compare(rows.nameOf(a), rows.nameOf(b)));
  const labels = all.length > MAX_LABELS ? inWorstErrors(all, found) : all;
  const counts = labels.map((truth) => labels.map((said) => found.get(truth)?.get(said) ?? 0));
  const sum = (/** @type {Iterable<number>} */ numbers) => [...numbers].reduce((a, b) => a + b, 0);
  return {
    labels,
    counts,
    totals: labels.map((truth) => sum(found.get(truth)?.values() ?? [])),
    numLabels: all.length,
    numClips,
    numErrors,
    numErrorsShown: sum(counts.flatMap((line, at) => line.toSpliced(at, 1))),
  };
}

/**
 * Labels of the commonest errors, these first, as many as there is room for.
 * @param {string[]} all
 * @param {Map<string, Map<string, number>>} found  clips by true and predicted label
 */
function inWorstErrors(all, found) {
  /** @type {Set<string>} */
  const labels = new Set();
  const errors = all
    .flatMap((truth) => [...(found.get(truth) ?? [])].map(([said, count]) => ({ truth, said, count })))
    .filter(({ truth, said }) => truth !== said)
    .sort((a, b) => b.count - a.count);
  for (const { truth, said } of errors) {
    const more = new Set([...labels, truth, said]);
    if (more.size <= MAX_LABELS) labels.add(truth).add(said);
  }
  return [...labels];
}

/** The panel: a line that opens it, what of it is chosen, and the matrix. */
export class ConfusionPanel {
  /**
   * @param {Texts} texts
   * @param {Rows} rows
   * @param {Map<string, Label>} looks  how labels look
   * @param {(query: Query) => void} onChange
   * @param {() => Query} query  as it is now
   */
  constructor(texts, rows, looks, onChange, query) {
    const { gallery } = texts;
    const { models } = rows.info;
    this.texts = texts;
    this.rows = rows;
    this.looks = looks;
    this.query = query;
    this.change = (/** @type {Partial<Query>} */ part) => onChange({ ...query(), ...part });
    this.format = new Intl.NumberFormat(texts.language);
    /** What is drawn, as text. */
    this.drawn = "";
    this.confusion = confusionOf(rows, [], 0);
    /** @type {HTMLElement[][]} of the matrix */
    this.cells = [];
    /** Where the keys are: a row and a column of the matrix. */
    this.at = { row: 0, column: 0 };
    const id = Math.random().toString(36).slice(2);
    this.toggle = h(
      "button",
      { type: "button", class: "vl-link vl-confusion-toggle", "aria-controls": id },
      [
        h("span", { text: "▸", "aria-hidden": "true" }),
        document.createTextNode(gallery.confusion),
      ],
    );
    this.toggle.addEventListener("click", () =>
      this.change({ matrix: this.query().matrix === null ? 0 : null }),
    );
    this.model = new Choice(
      gallery.confusionModel,
      null,
      models.map(({ letter, title }, index) => [`${letter} ${title}`, index]),
      // Another model's cell would be of other clips.
      (matrix) => this.change({ matrix, cell: null }),
    );
    this.told = h("span", { class: "vl-muted vl-ellipsis vl-confusion-told" });
    this.chosen = h("button", { type: "button", class: "vl-link vl-confusion-chosen" });
    this.chosen.addEventListener("click", () => {
      this.change({ cell: null });
      this.toggle.focus();
    });
    this.table = h("table", { role: "grid", "aria-label": gallery.confusion });
    this.table.addEventListener("click", (event) => this.onClick(event));
    this.room = h("div", { class: "vl-confusion-room", id }, [this.table]);
    this.left = h("p", { class: "vl-gallery-hint vl-muted" });
    this.element = h("div", { class: "vl-confusion" }, [
      h("div", { class: "vl-controls vl-confusion-head" }, [
        this.toggle,
        models.length > 1 ? this.model.element : null,
        this.chosen,
        this.told,
      ]),
      this.room,
      this.left,
    ]);
  }

  /** Whether there is anything to confuse. @param {Rows} rows */
  static isFor({ info }) {
    return info.label !== null && info.models.length > 0;
  }

  show() {
    const { gallery } = this.texts;
    const query = this.query();
    const { matrix, cell } = query;
    const isOpen = matrix !== null;
    this.toggle.setAttribute("aria-expanded", String(isOpen));
    this.room.hidden = this.model.element.hidden = !isOpen;
    if (isOpen) this.model.show(matrix);
    this.chosen.hidden = cell === null;
    if (cell !== null) {
      const { models } = this.rows.info;
      const letter = models.length > 1 ? `${models[cell.model]?.letter ?? ""}: ` : "";
      const text = `${letter}${this.rows.nameOf(cell.label)} → ${this.rows.nameOf(cell.predicted)}`;
      this.chosen.replaceChildren(
        h("span", { class: "vl-ellipsis", text }),
        h("span", { text: "×", "aria-hidden": "true" }),
      );
      this.chosen.title = gallery.removeCell(text);
      this.chosen.setAttribute("aria-label", this.chosen.title);
    }
    // The cell chooses among what the other filters leave, and that is what is counted.
    const among = isOpen ? this.rows.find({ ...query, cell: null, sort: null }) : [];
    this.confusion = confusionOf(this.rows, among, matrix ?? 0);
    const { labels, numLabels, numClips, numErrors, numErrorsShown } = this.confusion;
    const [errors, clips, shown, kinds, all] = [
      numErrors, numClips, numErrorsShown, labels.length, numLabels,
    ].map((each) => this.format.format(each)); // prettier-ignore
    this.told.textContent = isOpen ? gallery.confused(errors ?? "", clips ?? "") : "";
    this.left.hidden = labels.length === numLabels;
    this.left.textContent = gallery.labelsLeftOut(kinds ?? "", all ?? "", shown ?? "", errors ?? "");
    this.table.hidden = !labels.length;
    const drawn = JSON.stringify([matrix, this.confusion]);
    if (drawn !== this.drawn) this.draw();
    this.drawn = drawn;
    this.mark();
  }

  draw() {
    const { gallery } = this.texts;
    const { labels, counts, totals } = this.confusion;
    const hadFocus = this.table.matches(":focus-within");
    const last = Math.max(0, labels.length - 1);
    this.at = { row: clamp(this.at.row, 0, last), column: clamp(this.at.column, 0, last) };
    const name = (/** @type {string} */ label) => [
      this.looks.size ? chip(this.looks.get(label)) : null,
      h("span", { class: "vl-ellipsis", text: this.rows.nameOf(label) }),
    ];
    const head = (/** @type {string} */ label, /** @type {string} */ scope) =>
      h("th", { scope, title: this.rows.nameOf(label) }, [h("span", {}, name(label))]);
    const cells = counts.map((line, row) =>
      line.map((count, column) => {
        const share = count / (totals[row] || 1);
        const [truth, said] = [labels[row] ?? "", labels[column] ?? ""].map((each) =>
          this.rows.nameOf(each),
        );
        const title = gallery.takenFor(
          truth ?? "",
          said ?? "",
          this.format.format(count),
          this.format.format(totals[row] ?? 0),
        );
        const cell = h("td", {
          role: "gridcell",
          class: row === column ? "vl-right" : "vl-wrong",
          tabindex: -1,
          "aria-label": title,
          title,
          text: count ? this.format.format(count) : "",
        });
        if (count) {
          const shade = FAINTEST + (DARKEST - FAINTEST) * share;
          cell.style.setProperty("--vl-shade", `${shade.toFixed(1)}%`);
        }
        return cell;
      }),
    );
    this.table.replaceChildren(
      h("thead", {}, [
        h("tr", {}, [
          h("td", { class: "vl-muted", text: gallery.axes }),
          ...labels.map((label) => head(label, "col")),
        ]),
      ]),
      h(
        "tbody",
        {},
        cells.map((line, row) => h("tr", {}, [head(labels[row] ?? "", "row"), ...line])),
      ),
    );
    this.cells = cells;
    if (hadFocus) this.cellAt(this.at)?.focus();
  }

  /** Show which cell is chosen, and which one the keys are about. */
  mark() {
    const { cell, matrix } = this.query();
    const { labels } = this.confusion;
    this.cells.forEach((line, row) =>
      line.forEach((each, column) => {
        const isChosen =
          cell !== null &&
          cell.model === matrix &&
          cell.label === labels[row] &&
          cell.predicted === labels[column];
        each.setAttribute("aria-selected", String(isChosen));
        each.tabIndex = row === this.at.row && column === this.at.column ? 0 : -1;
      }),
    );
  }

  /** @param {{row: number, column: number}} at */
  cellAt({ row, column }) {
    return this.cells[row]?.[column];
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const cell = event.target instanceof Element ? event.target.closest("td") : null;
    this.cells.forEach((line, row) => {
      const column = line.findIndex((each) => each === cell);
      if (column < 0) return;
      this.moveTo({ row, column });
      this.choose();
    });
  }

  /** Show the clips of the cell that the keys are about, or, once more, all of them. */
  choose() {
    const { row, column } = this.at;
    const { labels, counts } = this.confusion;
    const [label, predicted] = [labels[row], labels[column]];
    if (!counts[row]?.[column] || label === undefined || predicted === undefined) return;
    const query = this.query();
    /** @type {Cell} */
    const cell = { model: query.matrix ?? 0, label, predicted };
    const isChosen = JSON.stringify(cell) === JSON.stringify(query.cell);
    this.change({ cell: isChosen ? null : cell });
  }

  /** @param {{row: number, column: number}} at */
  moveTo(at) {
    this.at = at;
    this.mark();
    this.cellAt(at)?.focus();
  }

  /** What a key does, or nothing where it is not about the matrix. @param {KeyboardEvent} event @param {Node} target @returns {(() => void) | undefined} */
  actionOf({ key, ctrlKey, altKey, metaKey }, target) {
    if (!this.table.contains(target) || ctrlKey || altKey || metaKey) return undefined;
    const { row, column } = this.at;
    const last = this.confusion.labels.length - 1;
    const go = (/** @type {number} */ down, /** @type {number} */ across) => () =>
      this.moveTo({ row: clamp(down, 0, last), column: clamp(across, 0, last) });
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowUp: go(row - 1, column),
      ArrowDown: go(row + 1, column),
      ArrowLeft: go(row, column - 1),
      ArrowRight: go(row, column + 1),
      Home: go(row, 0),
      End: go(row, last),
      Enter: () => this.choose(),
      " ": () => this.choose(),
    };
    if (this.query().cell !== null) actions["Escape"] = () => this.change({ cell: null });
    return actions[key];
  }
}
