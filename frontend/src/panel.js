// @ts-check
/** The top-k bars of the frame on screen. */

/** @import { Info, Told } from "./types.js" */
import { h } from "./dom.js";
import { chip } from "./marks.js";
import { lastAtMost, probText } from "./numbers.js";

/** The top-k of the frame on screen, one block a model. Rows are made once and refilled. */
export class Panel {
  /** @param {Info} info */
  constructor(info) {
    this.element = h("div", { class: "vl-panel" });
    /** @type {Told} */
    this.told = { labels: [], tracks: [], divergence: null, disagreements: [] };
    const compared = info.models.length > 1;
    this.blocks = info.models.map((title, index) => {
      const rows = Array.from({ length: info.top_k }, () => {
        const row = {
          chip: chip(undefined),
          name: h("span", { class: "vl-ellipsis" }),
          bar: h("span", { class: "vl-bar" }),
          value: h("span", { class: "vl-number" }),
        };
        const element = h("li", { class: "vl-row" }, [
          row.chip,
          row.name,
          h("span", { class: "vl-rail" }, [row.bar]),
          row.value,
        ]);
        return { ...row, element, which: -2 };
      });
      const head = h("div", { class: "vl-head", title }, [
        compared
          ? h("span", { class: "vl-letter", text: String.fromCharCode(65 + (index % 26)) })
          : null,
        h("span", { class: "vl-ellipsis", text: title }),
      ]);
      const list = h(
        "ol",
        { class: "vl-rows", "aria-label": `Top ${info.top_k} of ${title}` },
        rows.map((row) => row.element),
      );
      this.element.append(h("section", { class: "vl-block" }, [head, list]));
      return { rows, row: -2 };
    });
  }

  /** @param {number} frame */
  show(frame) {
    this.told.tracks.forEach((track, index) => {
      const block = this.blocks[index];
      if (!block) return;
      const row = lastAtMost(track.frames, frame);
      if (row === block.row) return; // the same prediction still holds
      block.row = row;
      block.rows.forEach((cells, rank) => {
        const which =
          row < 0 || rank >= track.k ? -1 : (track.topLabels[row * track.k + rank] ?? -1);
        const label = this.told.labels[which];
        const prob = label ? (track.topProbs[row * track.k + rank] ?? 0) : 0;
        if (which !== cells.which) {
          cells.which = which;
          cells.name.textContent = label
            ? label.name
            : rank === 0
              ? "no prediction for this frame"
              : "";
          cells.element.title = label ? label.name : "";
          const fresh = chip(label);
          cells.chip.replaceWith(fresh);
          cells.chip = fresh;
          cells.bar.style.background = label?.color ?? "";
        }
        cells.bar.style.width = `${(100 * prob).toFixed(2)}%`;
        cells.value.textContent = label ? probText(prob) : "";
      });
    });
  }

  /** Fill again although the frame is the same: the predictions have come. @param {Told} told */
  refill(told) {
    this.told = told;
    for (const block of this.blocks) block.row = -2;
  }
}
