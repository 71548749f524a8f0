// @ts-check
/** Where a gallery's cards lie, so that only those in sight need be made. */

import { clamp } from "./numbers.js";

const MIN_CARD_PX = 200;
const GAP_PX = 8;

/** Rows of cards made above and below those in sight. */
const ROWS_BEYOND = 1;

/** Of a card's picture. */
const RATIO = 16 / 9;

export class Layout {
  /**
   * @param {number} width  px there are
   * @param {number} count  cards
   * @param {number} words  px of words under a picture
   */
  constructor(width, count, words) {
    this.count = count;
    this.columns = Math.max(1, Math.floor((width + GAP_PX) / (MIN_CARD_PX + GAP_PX)));
    this.cardWidth = Math.max(0, Math.floor((width + GAP_PX) / this.columns) - GAP_PX);
    this.pictureHeight = Math.round(this.cardWidth / RATIO);
    this.cardHeight = this.pictureHeight + words;
    this.rowHeight = this.cardHeight + GAP_PX;
    this.height = Math.max(0, Math.ceil(count / this.columns) * this.rowHeight - GAP_PX);
  }

  /** @param {number} place  0-based, among the cards that are shown */
  position(place) {
    const row = Math.floor(place / this.columns);
    return {
      left: (place - row * this.columns) * (this.cardWidth + GAP_PX),
      top: row * this.rowHeight,
    };
  }

  /**
   * Places of the cards to make, half-open.
   * @param {number} scrolled  px
   * @param {number} height    px in sight
   * @returns {[number, number]}
   */
  range(scrolled, height) {
    const first = Math.floor(scrolled / this.rowHeight) - ROWS_BEYOND;
    const last = Math.ceil((scrolled + height) / this.rowHeight) + ROWS_BEYOND;
    const place = (/** @type {number} */ row) => clamp(row * this.columns, 0, this.count);
    return [place(first), place(last)];
  }

  /** How far to scroll so that a card is in sight. @param {number} place @param {number} scrolled @param {number} height */
  scrollTo(place, scrolled, height) {
    const { top } = this.position(place);
    return clamp(scrolled, top + this.cardHeight - height, Math.max(0, top));
  }

  /**
   * The place that a key moves to, or null where it is none of the keys that move.
   * @param {string} key
   * @param {number} place
   * @param {number} height  px in sight
   */
  move(key, place, height) {
    const page = Math.max(1, Math.floor(height / this.rowHeight)) * this.columns;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -this.columns,
      ArrowDown: this.columns,
      PageUp: -page,
      PageDown: page,
      Home: -Infinity,
      End: Infinity,
    };
    const step = steps[key];
    return step === undefined ? null : clamp(place + step, 0, this.count - 1);
  }
}
