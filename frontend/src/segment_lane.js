// @ts-check
/** The timeline's lane of marked segments: drawn in as many rows as they overlap, edges draggable. */

/** @import { GivenLabel, Segment } from "./types.js" */
/** @import { Side } from "./segments.js" */
/** @import { Timeline } from "./timeline.js" */
import { roundRect } from "./marks.js";
import { rowsOf, segmentAt } from "./segments.js";

const ROW_PX = 22;
const GAP_PX = 2;

// A press that moves less is none.
const STILL_PX = 2;

/** @typedef {{segment: Segment, side: Side}} Edge */

/**
 * @typedef {object} Wishes
 * @property {(edge: Edge, boundary: number | null, final: boolean) => void} onMove  the edge goes
 *   to a boundary between two frames; null takes back what was not final
 */

export class SegmentLane {
  /** @param {Wishes} wishes */
  constructor(wishes) {
    this.wishes = wishes;
    /** @type {Segment[]} */
    this.segments = [];
    /** @type {number[]} */
    this.rows = [];
    /** @type {Map<string, GivenLabel>} by the kernel's word */
    this.labels = new Map();
    /** @type {Segment | null} the one that Delete would remove */
    this.current = null;
    /** @type {{label: string, from: number, to: number} | null} */
    this.begun = null;
    /** @type {(Edge & {x: number, shift: number, hasMoved: boolean}) | null} */
    this.held = null;
  }

  /** @param {Segment[]} segments  by time @param {Map<string, GivenLabel>} labels */
  use(segments, labels) {
    this.segments = segments;
    this.labels = labels;
    this.rows = rowsOf(segments);
  }

  get height() {
    const num_rows = Math.max(1, ...this.rows.map((row) => row + 1));
    return num_rows * (ROW_PX + GAP_PX) - GAP_PX;
  }

  /** @param {number} seconds */
  segmentsAt(seconds) {
    return this.segments.filter((segment) => segmentAt([segment], seconds));
  }

  /**
   * The edge that a press here takes hold of.
   * @param {Timeline} timeline
   * @param {number} x
   * @param {number} y  from the lane's top
   * @param {number} reach
   * @returns {(Edge & {at: number}) | null}
   */
  edgeAt(timeline, x, y, reach) {
    const row = Math.floor(y / (ROW_PX + GAP_PX));
    /** @type {(Edge & {at: number, far: number}) | null} */
    let found = null;
    this.segments.forEach((segment, index) => {
      if (this.rows[index] !== row) return;
      const [left, right] = [timeline.x(segment.from), timeline.x(segment.to)];
      // In a narrow one, the middle third is left to be clicked at.
      const inside = Math.min(reach, (right - left) / 3);
      for (const [side, at, depth] of /** @type {[Side, number, number][]} */ ([
        ["from", left, x - left],
        ["to", right, right - x],
      ])) {
        if (depth < -reach || depth > inside) continue;
        // Where two touch, the one under the pointer is meant.
        const far = Math.abs(depth) + (depth < 0 ? 0.5 : 0);
        if (!found || far < found.far) found = { segment, side, at, far };
      }
    });
    return found;
  }

  /** @param {Edge & {at: number}} edge @param {number} x */
  grab({ segment, side, at }, x) {
    this.held = { segment, side, x, shift: x - at, hasMoved: false };
  }

  /** @param {Timeline} timeline @param {number} x @param {boolean} final @returns {boolean} whether it moved */
  drag(timeline, x, final) {
    const { held } = this;
    if (!held) return false;
    held.hasMoved ||= Math.abs(x - held.x) >= STILL_PX;
    if (held.hasMoved) this.wishes.onMove(held, timeline.boundaryAt(x - held.shift), final);
    if (final) this.held = null;
    return held.hasMoved;
  }

  /** Let go of an edge that was not put anywhere. */
  drop() {
    if (this.held?.hasMoved) this.wishes.onMove(this.held, null, true);
    this.held = null;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {Timeline} timeline
   * @param {number} top
   */
  draw(context, theme, timeline, top) {
    context.fillStyle = theme.track;
    const { gutter, width } = timeline;
    roundRect(context, gutter, top, width - gutter, this.height, 3);
    this.segments.forEach((segment, index) => {
      const [left, right] = [timeline.x(segment.from), timeline.x(segment.to)];
      const label = this.labels.get(segment.label);
      if (!label || right < gutter || left > width) return;
      timeline.drawSegment(context, theme, label, left, right, this.y(index, top), ROW_PX);
    });
  }

  /**
   * What changes with the playhead: the one begun, and the current one's outline and grips.
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {Timeline} timeline
   * @param {number} top
   */
  paint(context, theme, timeline, top) {
    const { begun, current } = this;
    if (begun) {
      const left = timeline.x(begun.from);
      const size = Math.max(timeline.x(begun.to) - left, 2);
      context.fillStyle = this.labels.get(begun.label)?.color ?? theme.muted;
      context.globalAlpha = 0.55;
      context.fillRect(left, top, size, this.height);
      context.globalAlpha = 1;
      context.fillRect(left, top, 3, this.height);
    }
    const index = current ? this.segments.indexOf(current) : -1;
    if (!current || index < 0) return;
    const [left, right] = [timeline.x(current.from), timeline.x(current.to)];
    const y = this.y(index, top);
    context.lineWidth = 2;
    context.strokeStyle = context.fillStyle = theme.text;
    context.beginPath();
    context.roundRect(left, y - 1, Math.max(right - left - 1, 2), ROW_PX + 2, 4);
    context.stroke();
    if (right - left < 24) return;
    for (const x of [left, right - 1]) roundRect(context, x - 3, y + 4, 6, ROW_PX - 8, 3);
  }

  /** @param {number} index @param {number} top */
  y(index, top) {
    return top + (this.rows[index] ?? 0) * (ROW_PX + GAP_PX);
  }
}
