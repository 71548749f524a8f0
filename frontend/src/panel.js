// @ts-check
/** The top-k bars of the frame on screen. */

/** @import { Info, Told, Verdicts } from "./types.js" */
/** @import { Texts } from "./texts.js" */
import { h } from "./dom.js";
import { truthAt, truthFor, unknownLabels } from "./lanes.js";
import { chip } from "./marks.js";
import { lastAtMost, probText } from "./numbers.js";

/** The top-k of the frame on screen, one block a model. Rows are made once and refilled. */
export class Panel {
  /**
   * @param {Info} info
   * @param {Texts} texts
   */
  constructor(info, texts) {
    this.texts = texts;
    this.element = h("div", { class: "vl-panel" });
    /** @type {Told} */
    this.told = { labels: [], tracks: [], divergence: null, disagreements: [], truth: [] };
    /** @type {Set<number>} labels of the truth that no model has */
    this.unknown = new Set();
    /** @type {number | null} */
    this.threshold = null;
    const compared = info.models.length > 1;
    this.truthChip = chip(undefined);
    this.truthName = h("span", { class: "vl-ellipsis" });
    if (info.has_truth)
      this.element.append(
        h("div", { class: "vl-truth" }, [
          h("span", { class: "vl-muted vl-truth-word", text: texts.truth }),
          this.truthChip,
          this.truthName,
        ]),
      );
    this.blocks = info.models.map((title, index) => {
      const rows = Array.from({ length: info.top_k }, () => this.makeRow());
      const share = h("span", { class: "vl-share", hidden: true });
      const head = h("div", { class: "vl-head", title }, [
        compared
          ? h("span", { class: "vl-letter", text: String.fromCharCode(65 + (index % 26)) })
          : null,
        h("span", { class: "vl-ellipsis", text: title }),
        share,
      ]);
      const list = h(
        "ol",
        { class: "vl-rows", "aria-label": texts.topOf(info.top_k, title) },
        rows.map((row) => row.element),
      );
      this.element.append(h("section", { class: "vl-block" }, [head, list]));
      return { rows, share, key: "" };
    });
  }

  makeRow() {
    const row = {
      chip: chip(undefined),
      name: h("span", { class: "vl-ellipsis" }),
      bar: h("span", { class: "vl-bar" }),
      mark: h("span", { class: "vl-mark", role: "img", hidden: true }),
      value: h("span", { class: "vl-number" }),
      line: h("span", { class: "vl-threshold", hidden: true }),
    };
    const element = h("li", { class: "vl-row" }, [
      row.chip,
      row.name,
      h("span", { class: "vl-rail" }, [row.bar, row.line]),
      h("span", { class: "vl-mark-place" }, [row.mark]),
      row.value,
    ]);
    return { ...row, element, which: -2 };
  }

  /** @param {number} frame */
  show(frame) {
    this.showTruth(truthAt(this.told.truth, frame));
    this.told.tracks.forEach((track, index) => {
      const block = this.blocks[index];
      if (!block) return;
      const known = truthAt(truthFor(this.told.truth, index), frame);
      const row = lastAtMost(track.frames, frame);
      const key = `${row} ${known}`;
      if (key === block.key) return; // the same prediction still holds
      block.key = key;
      block.rows.forEach((cells, rank) => {
        const which =
          row < 0 || rank >= track.k ? -1 : (track.topLabels[row * track.k + rank] ?? -1);
        const prob = which < 0 ? 0 : (track.topProbs[row * track.k + rank] ?? 0);
        this.fill(cells, which, rank);
        cells.bar.style.width = `${(100 * prob).toFixed(2)}%`;
        cells.value.textContent = which < 0 ? "" : probText(prob);
        const isUnder = this.threshold !== null && which >= 0 && prob < this.threshold;
        cells.element.classList.toggle("vl-under", isUnder);
        // The first answer is right or wrong; of the others, a right one is worth knowing.
        const isRight = known.includes(which);
        cells.mark.hidden = !known.length || which < 0 || (rank > 0 && !isRight);
        cells.mark.textContent = isRight ? "✓" : "✗";
        cells.mark.setAttribute("aria-label", isRight ? this.texts.right : this.texts.wrong);
      });
    });
  }

  /**
   * @param {ReturnType<Panel["makeRow"]>} cells
   * @param {number} which
   * @param {number} rank
   */
  fill(cells, which, rank) {
    if (which === cells.which) return;
    cells.which = which;
    const label = this.told.labels[which];
    cells.name.textContent = label?.name ?? (rank === 0 ? this.texts.noPredictionHere : "");
    cells.element.title = label?.name ?? "";
    const fresh = chip(label);
    cells.chip.replaceWith(fresh);
    cells.chip = fresh;
    cells.bar.style.background = label?.color ?? "";
  }

  /** @param {number[]} known  labels that are true now */
  showTruth(known) {
    const names = known.map((which) => this.told.labels[which]?.name ?? "").join(", ");
    const isUnknown = known.some((which) => this.unknown.has(which));
    const text = names ? (isUnknown ? this.texts.unknownTruth(names) : names) : this.texts.noTruthHere;
    if (this.truthName.textContent === text) return;
    this.truthName.textContent = this.truthName.title = text;
    this.truthName.classList.toggle("vl-muted", !names);
    const fresh = chip(isUnknown ? undefined : this.told.labels[known[0] ?? -1]);
    this.truthChip.replaceWith(fresh);
    this.truthChip = fresh;
  }

  /**
   * Fill again although the frame is the same: the predictions have come.
   * @param {Told} told
   * @param {Verdicts[]} verdicts  one a model
   */
  refill(told, verdicts) {
    this.told = told;
    this.unknown = unknownLabels(told);
    this.blocks.forEach((block, index) => {
      block.key = "";
      const { right = 0, known = 0 } = verdicts[index] ?? {};
      block.share.hidden = known === 0;
      if (known === 0) return;
      block.share.textContent = this.texts.rightShare(`${Math.round((100 * right) / known)} %`);
      block.share.title = this.texts.rightShareHint(right, known);
    });
  }

  /** @param {number | null} threshold */
  setThreshold(threshold) {
    this.threshold = threshold;
    for (const block of this.blocks) {
      block.key = "";
      for (const { line } of block.rows) {
        line.hidden = threshold === null;
        line.style.left = `${100 * (threshold ?? 0)}%`;
      }
    }
  }
}
