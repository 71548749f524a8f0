// @ts-check
/** The row under the timeline: what is selected, and the way from disagreement to disagreement. */

/** @import { Info, Told } from "./types.js" */
/** @import { Texts } from "./texts.js" */
import { button, h } from "./dom.js";

export class Foot {
  /**
   * @param {Info} info
   * @param {Texts} texts
   * @param {{find: (direction: 1 | -1) => void, clear: () => void}} commands
   */
  constructor(info, texts, commands) {
    this.texts = texts;
    this.hint = matchMedia("(pointer: coarse)").matches ? texts.touchHint : texts.timelineHint;
    this.words = h("span", { class: "vl-muted vl-ellipsis", text: this.hint });
    this.clear = button("close", texts.clearSelection, commands.clear);
    this.clear.hidden = true;
    this.most = h("span", { class: "vl-muted vl-ellipsis vl-find-most" });
    this.text = h("span", { class: "vl-muted vl-find-text" });
    this.previous = button("left", texts.previousDisagreement, () => commands.find(-1));
    this.next = button("right", texts.nextDisagreement, () => commands.find(1));
    this.element = h("div", { class: "vl-foot" }, [
      h("span", { class: "vl-selected" }, [this.words, this.clear]),
      h("span", { class: "vl-finder", hidden: info.models.length < 2 }, [
        this.most,
        this.text,
        this.previous,
        this.next,
      ]),
    ]);
  }

  /** @param {number} count  selected frames, 0 for none @param {number} seconds */
  showSelection(count, seconds) {
    const { texts } = this;
    this.clear.hidden = count === 0;
    this.words.textContent = count ? texts.selected(count, seconds.toFixed(3)) : this.hint;
    this.words.title = this.words.textContent;
  }

  /** @param {Told} told @param {number} frame */
  showFound({ disagreements: all, divergence }, frame) {
    const { texts } = this;
    const here = all.findIndex(({ start, stop }) => start <= frame && frame < stop);
    const peak = divergence?.most;
    this.most.textContent =
      peak === undefined ? "" : texts.divergencePeak(peak.toFixed(peak < 0.1 ? 3 : 2));
    if (here >= 0) this.text.textContent = texts.disagreementOf(here + 1, all.length);
    else this.text.textContent = all.length ? texts.disagreements(all.length) : texts.agree;
    // aria-disabled, not disabled: a disabled button would lose the keyboard's focus.
    const hasPrevious = all.some(({ start }) => start < frame);
    const hasNext = all.some(({ start }) => start > frame);
    this.previous.setAttribute("aria-disabled", String(!hasPrevious));
    this.next.setAttribute("aria-disabled", String(!hasNext));
  }
}
