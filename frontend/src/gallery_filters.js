// @ts-check
/** A gallery's search, filters and order. */

/** @import { Texts } from "./texts.js" */
/** @import { Query, Rows } from "./gallery_rows.js" */
import { h } from "./dom.js";
import { ALL, isFiltering } from "./gallery_rows.js";
import { clamp } from "./numbers.js";

export class Filters {
  /**
   * @param {Texts} texts
   * @param {Rows} rows
   * @param {(query: Query) => void} onChange
   */
  constructor(texts, rows, onChange) {
    const { gallery } = texts;
    const { info } = rows;
    this.texts = texts;
    this.query = ALL;
    const change = (/** @type {Partial<Query>} */ part) => onChange({ ...this.query, ...part });
    const predicted = info.models.map((model) => model.predicted);
    const hasVerdicts = info.models.some(({ correct }) => correct !== null);
    const hasProbabilities = info.models.some(({ probability }) => probability !== null);

    this.search = h("input", {
      class: "vl-field vl-gallery-search",
      type: "search",
      placeholder: gallery.search,
      "aria-label": gallery.search,
      title: gallery.searchHint,
      autocomplete: "off",
      spellcheck: "false",
    });
    this.search.addEventListener("input", () => change({ search: this.search.value }));
    this.label = new Choice(
      gallery.label,
      gallery.anyLabel,
      rows.labels([info.label]),
      (label) => change({ label }),
    );
    this.predicted = new Choice(
      gallery.predicted,
      gallery.anyPredicted,
      rows.labels(predicted),
      (text) => change({ predicted: text }),
    );
    this.model = new Choice(
      gallery.model,
      gallery.anyModel,
      info.models.map(({ letter, title }, index) => [`${letter} ${title}`, index]),
      (model) => change({ model }),
    );
    this.verdict = new Choice(
      gallery.verdict,
      gallery.anyVerdict,
      [
        [gallery.rightOnly, true],
        [gallery.wrongOnly, false],
      ],
      (verdict) => change({ verdict }),
    );
    this.low = probabilityField(gallery.low, "0", (low) => change({ low }));
    this.high = probabilityField(gallery.high, "1", (high) => change({ high }));
    this.sort = new Choice(
      gallery.sort,
      gallery.asGiven,
      info.columns.map(({ name }) => [name, name]),
      (sort) => change({ sort }),
    );
    this.turn = h("button", { type: "button", class: "vl-link vl-gallery-turn" });
    this.turn.addEventListener("click", () => change({ descending: !this.query.descending }));
    this.clear = h("button", { type: "button", class: "vl-link", text: gallery.clear });
    this.clear.addEventListener("click", () => {
      const { matrix, sort, descending } = this.query;
      onChange({ ...ALL, matrix, sort, descending });
    });
    this.count = h("span", { class: "vl-gallery-count", role: "status" });
    const range = h("span", { class: "vl-group vl-gallery-range" }, [
      h("span", { class: "vl-muted", text: gallery.probability, "aria-hidden": "true" }),
      this.low,
      h("span", { class: "vl-muted", text: "–", "aria-hidden": "true" }),
      this.high,
    ]);
    this.element = h(
      "div",
      { class: "vl-controls vl-gallery-filters", role: "group", "aria-label": gallery.filters },
      [
        this.search,
        info.label === null ? null : this.label.element,
        info.models.length > 1 ? this.model.element : null,
        info.models.length ? this.predicted.element : null,
        hasVerdicts ? this.verdict.element : null,
        hasProbabilities ? range : null,
        h("span", { class: "vl-group" }, [this.sort.element, this.turn]),
        h("span", { class: "vl-group vl-end" }, [this.clear, this.count]),
      ],
    );
  }

  /** @param {Query} query @param {string} count */
  show(query, count) {
    const { gallery } = this.texts;
    this.query = query;
    if (this.search.value !== query.search) this.search.value = query.search;
    this.label.show(query.label);
    this.predicted.show(query.predicted);
    this.model.show(query.model);
    this.verdict.show(query.verdict);
    this.sort.show(query.sort);
    showNumber(this.low, query.low);
    showNumber(this.high, query.high);
    this.turn.disabled = query.sort === null;
    this.turn.textContent = query.descending ? "↓" : "↑";
    this.turn.title = query.descending ? gallery.descending : gallery.ascending;
    this.turn.setAttribute("aria-label", this.turn.title);
    this.clear.hidden = !isFiltering(query);
    if (this.count.textContent !== count) this.count.textContent = count;
  }
}

/**
 * One of several values, or, with a word for it, none of them.
 * @template T
 */
export class Choice {
  /**
   * @param {string} label
   * @param {string | null} none
   * @param {[string, T][]} options
   * @param {(value: T | null) => void} onChange
   */
  constructor(label, none, options, onChange) {
    /** @type {(T | null)[]} */
    this.values = [...(none === null ? [] : [null]), ...options.map(([, value]) => value)];
    this.element = h("select", { class: "vl-speed vl-choose", "aria-label": label, title: label }, [
      none === null ? null : h("option", { text: none }),
      ...options.map(([text]) => h("option", { text })),
    ]);
    this.element.addEventListener("change", () =>
      onChange(this.values[this.element.selectedIndex] ?? null),
    );
  }

  /** @param {T | null} value */
  show(value) {
    this.element.selectedIndex = this.values.indexOf(value);
  }
}

/** @param {string} label @param {string} placeholder @param {(value: number | null) => void} onChange */
function probabilityField(label, placeholder, onChange) {
  const field = h("input", {
    class: "vl-field vl-gallery-number",
    type: "number",
    min: 0,
    max: 1,
    step: 0.05,
    placeholder,
    "aria-label": label,
    title: label,
  });
  field.addEventListener("input", () => {
    const value = field.valueAsNumber;
    onChange(Number.isNaN(value) ? null : clamp(value, 0, 1));
  });
  return field;
}

/** What somebody types is left as it is. @param {HTMLInputElement} field @param {number | null} value */
function showNumber(field, value) {
  if (field.matches(":focus")) return;
  field.value = value === null ? "" : String(value);
}
