// @ts-check
/** A gallery's rows: what they hold, which of them fit a query, and in what order. */

/** @import { Label } from "./types.js" */

/**
 * @typedef {{name: string, kind: "text", texts: string[], codes: number[]}
 *   | {name: string, kind: "number", values: (number | null)[]}
 *   | {name: string, kind: "flag", values: (boolean | null)[]}} Column  a value for each row
 */

/** @typedef {{title: string, letter: string, predicted: string, probability: string | null, correct: string | null}} Answers  names of the columns with what one model said */

/**
 * @typedef {object} GalleryInfo  as the kernel tells it
 * @property {number} num_rows
 * @property {Column[]} columns
 * @property {Answers[]} models
 * @property {string | null} label       names of columns, where there are any
 * @property {string | null} divergence
 * @property {string | null} start
 * @property {string | null} end
 * @property {string[]} told             further columns that each card tells
 * @property {Label[]} labels            how labels look; empty where there are too many
 * @property {string} [model_id]         the widget's id, as its kept output names it
 * @property {Record<string, string>} names  what labels are called here, where that is not themselves
 */

/** @typedef {{title: string, letter: string, predicted: string | null, probability: number | null, correct: boolean | null}} Answer  of one model, of one row */

/** @typedef {{model: number, label: string, predicted: string}} Cell  of a confusion matrix: what is taken for what */

/**
 * @typedef {object} Query
 * @property {string} search
 * @property {string | null} label
 * @property {number | null} model  whose answer the next four are about; null is any model's
 * @property {string | null} predicted
 * @property {boolean | null} verdict
 * @property {number | null} low
 * @property {number | null} high
 * @property {Cell | null} cell
 * @property {number | null} matrix  the model whose confusion matrix is open; filters nothing
 * @property {string | null} sort  a column; null leaves rows as given
 * @property {boolean} descending
 */

/** @type {Readonly<Query>} all rows, as given */
export const ALL = Object.freeze({
  search: "",
  label: null,
  model: null,
  predicted: null,
  verdict: null,
  low: null,
  high: null,
  cell: null,
  matrix: null,
  sort: null,
  descending: false,
});

/** Whether a query leaves any row out. @param {Query} query */
export const isFiltering = (query) =>
  query.search.trim() !== "" ||
  [query.label, query.predicted, query.verdict, query.low, query.high, query.cell].some(
    (each) => each !== null,
  );

/** As words are compared: macOS takes file names apart into base letters and accents. @param {string} text */
const folded = (text) => text.normalize("NFC").toLowerCase();

export class Rows {
  /** @param {GalleryInfo} info */
  constructor(info) {
    this.info = info;
    this.columns = new Map(info.columns.map((column) => [column.name, column]));
    this.names = new Map(Object.entries(info.names));
    /** Columns of labels. */
    this.labelled = new Set([info.label, ...info.models.map(({ predicted }) => predicted)]);
    /** @type {string[] | null} each row's text columns, made when first searched */
    this.haystacks = null;
  }

  get length() {
    return this.info.num_rows;
  }

  /**
   * @param {string | null} name  of a column
   * @param {number} row
   * @returns {string | number | boolean | null} null where there is none
   */
  value(name, row) {
    const column = name === null ? undefined : this.columns.get(name);
    if (!column) return null;
    if (column.kind !== "text") return column.values[row] ?? null;
    return column.texts[column.codes[row] ?? -1] ?? null;
  }

  /** @param {string | null} name @param {number} row */
  text(name, row) {
    const value = this.value(name, row);
    return value === null ? null : String(value);
  }

  /** @param {string | null} name @param {number} row */
  number(name, row) {
    const value = this.value(name, row);
    return typeof value === "number" ? value : null;
  }

  /** @param {number} row @returns {Answer[]} one a model */
  answers(row) {
    return this.info.models.map(({ title, letter, predicted, probability, correct }) => {
      const verdict = this.value(correct, row);
      return {
        title,
        letter,
        predicted: this.text(predicted, row),
        probability: this.number(probability, row),
        correct: typeof verdict === "boolean" ? verdict : null,
      };
    });
  }

  /** What a label is called here. @param {string} label */
  nameOf(label) {
    return this.names.get(label) ?? label;
  }

  /** The different labels in columns, with their names, sorted by these. @param {(string | null)[]} columns @returns {[string, string][]} */
  labels(columns) {
    const found = new Set(
      columns.flatMap((name) => {
        const column = name === null ? undefined : this.columns.get(name);
        return column?.kind === "text" ? column.texts : [];
      }),
    );
    const { compare } = new Intl.Collator();
    return [...found]
      .map((label) => /** @type {[string, string]} */ ([this.nameOf(label), label]))
      .sort(([one], [other]) => compare(one, other));
  }

  /**
   * Rows that fit, in order. Predicted label, verdict and probability are asked of one answer:
   * with any model, one of them must have given such a one.
   * @param {Query} query
   * @returns {number[]}
   */
  find(query) {
    const words = folded(query.search).split(/\s+/).filter(Boolean);
    const found = [];
    for (let row = 0; row < this.length; row++) {
      if (query.label !== null && this.text(this.info.label, row) !== query.label) continue;
      if (query.cell !== null && !this.isIn(query.cell, row)) continue;
      if (words.length && !words.every((word) => this.haystack(row).includes(word))) continue;
      if (this.isAnswered(row, query)) found.push(row);
    }
    return query.sort === null ? found : this.sorted(found, query.sort, query.descending);
  }

  /** @param {number} row @param {Query} query */
  isAnswered(row, { model, predicted, verdict, low, high }) {
    if (predicted === null && verdict === null && low === null && high === null) return true;
    const answers = this.answers(row);
    return (model === null ? answers : answers.slice(model, model + 1)).some(
      (answer) =>
        (predicted === null || answer.predicted === predicted) &&
        (verdict === null || answer.correct === verdict) &&
        (low === null || (answer.probability !== null && answer.probability >= low)) &&
        (high === null || (answer.probability !== null && answer.probability <= high)),
    );
  }

  /** Whether a model has taken a row's label for what the cell says. @param {Cell} cell @param {number} row */
  isIn({ model, label, predicted }, row) {
    const { info } = this;
    return (
      this.text(info.label, row) === label &&
      this.text(info.models[model]?.predicted ?? null, row) === predicted
    );
  }

  /** @param {number} row */
  haystack(row) {
    this.haystacks ??= Array.from({ length: this.length }, (_, each) =>
      this.info.columns
        .filter(({ kind }) => kind === "text")
        .flatMap(({ name }) => {
          const text = this.text(name, each) ?? "";
          const other = this.labelled.has(name) ? this.names.get(text) : undefined;
          return other === undefined ? [folded(text)] : [folded(text), folded(other)];
        })
        .join("\n"),
    );
    return this.haystacks[row] ?? "";
  }

  /**
   * Rows in order of a column, equal ones as they were; those without a value come last both ways.
   * @param {number[]} rows
   * @param {string} name
   * @param {boolean} descending
   */
  sorted(rows, name, descending) {
    const collator = new Intl.Collator(undefined, { numeric: true });
    const sign = descending ? -1 : 1;
    const shown = (/** @type {string} */ text) =>
      this.labelled.has(name) ? this.nameOf(text) : text;
    return rows.toSorted((a, b) => {
      const [one, other] = [this.value(name, a), this.value(name, b)];
      if (one === null || other === null) return Number(one === null) - Number(other === null);
      if (typeof one === "string")
        return sign * collator.compare(shown(one), shown(String(other)));
      return sign * (Number(one) - Number(other));
    });
  }
}

/** Rows from one to another, in the order shown. @param {number[]} shown @param {number} from @param {number} to */
export function between(shown, from, to) {
  const [a, b] = [shown.indexOf(from), shown.indexOf(to)];
  if (a < 0 || b < 0) return [to];
  return shown.slice(Math.min(a, b), Math.max(a, b) + 1);
}
