// @ts-check
/** Numbers over time, such as angles of joints: a lane each under the picture, one line a person. */

/** @import { Curve, Line } from "./types.js" */
/** @import { Clock } from "./clock.js" */
/** @import { Timeline } from "./timeline.js" */
import { colorOf } from "./bodies.js";
import { DASHES, fit, roundRect } from "./marks.js";
import { lastAtMost } from "./numbers.js";

const WORDS_PX = 16;
const LANE_PX = 32;
const GAP_PX = 4;
const WHOLE_PX = WORDS_PX + LANE_PX + GAP_PX;

/** @typedef {{times: Float64Array, values: Float32Array, end: number}} Piece  of a line, without holes */

/** A number as dense places show it. @param {number} value */
export function numberText(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** What a line says at a frame; NaN where it says nothing. @param {Line} line @param {number} frame */
export function valueAt(line, frame) {
  const row = lastAtMost(line.frames, frame);
  if (row < 0 || frame - (line.frames[row] ?? 0) >= line.hold) return NaN;
  return line.values[row] ?? NaN;
}

/** What a curve says at a frame, of each person there. @param {Curve} curve @param {number} frame */
export function valuesText({ lines }, frame) {
  const [only] = lines;
  if (only && lines.length === 1) return numberText(valueAt(only, frame));
  const said = lines
    .map((line) => ({ person: line.person, value: valueAt(line, frame) }))
    .filter(({ value }) => !Number.isNaN(value));
  return said.map(({ person, value }) => `#${person} ${numberText(value)}`).join("  ") || "–";
}

/**
 * A line without its holes: where there is no value, and where frames are missing.
 * @param {Line} line
 * @param {Clock} clock
 * @returns {Piece[]}
 */
export function piecesOf({ frames, values, hold }, clock) {
  const pieces = [];
  const edge = (/** @type {number} */ frame) =>
    frame < clock.length ? clock.start(frame) : clock.end;
  for (let first = 0; first < frames.length; first++) {
    if (Number.isNaN(values[first] ?? NaN)) continue;
    let last = first;
    while (
      last + 1 < frames.length &&
      !Number.isNaN(values[last + 1] ?? NaN) &&
      (frames[last + 1] ?? 0) - (frames[last] ?? 0) <= hold
    )
      last++;
    pieces.push({
      times: Float64Array.from(frames.subarray(first, last + 1), edge),
      values: values.subarray(first, last + 1),
      end: edge((frames[last] ?? 0) + hold),
    });
    first = last;
  }
  return pieces;
}

export class CurveLanes {
  constructor() {
    /** @type {Curve[]} */
    this.curves = [];
    /** @type {Piece[][][]} by curve, then by line */
    this.pieces = [];
  }

  /** @param {Clock | null} clock */
  prepare(clock) {
    this.pieces = this.curves.map(({ lines }) =>
      clock ? lines.map((line) => piecesOf(line, clock)) : [],
    );
  }

  get height() {
    return this.curves.length * WHOLE_PX;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {Timeline} timeline
   * @param {number} top
   */
  draw(context, theme, timeline, top) {
    this.curves.forEach((curve, index) => {
      const y = top + index * WHOLE_PX + WORDS_PX;
      context.fillStyle = theme.track;
      roundRect(context, timeline.gutter, y, timeline.width - timeline.gutter, LANE_PX, 3);
      const span = Math.max(curve.high - curve.low, 1e-9);
      const rowOf = (/** @type {number} */ value) =>
        y + 4 + (1 - (value - curve.low) / span) * (LANE_PX - 8);
      curve.lines.forEach((line, which) => {
        // A line alone is of the text's colour, which is seen on any ground.
        const isAlone = curve.lines.length === 1;
        context.strokeStyle = isAlone ? theme.text : colorOf(line.person);
        context.lineWidth = isAlone ? 1.25 : 1.75;
        context.setLineDash(isAlone ? [] : (DASHES[which % DASHES.length] ?? []));
        context.beginPath();
        for (const { times, values, end } of this.pieces[index]?.[which] ?? [])
          timeline.traceSteps(context, times, values, rowOf, end);
        context.stroke();
        context.setLineDash([]);
      });
      this.drawWords(context, theme, timeline, curve, y - WORDS_PX / 2 + 0.5);
    });
  }

  /**
   * The name, and the values at the lane's lower and upper edge.
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {Timeline} timeline
   * @param {Curve} curve
   * @param {number} middle
   */
  drawWords(context, theme, timeline, { name, low, high }, middle) {
    context.textBaseline = "middle";
    context.fillStyle = theme.muted;
    const range = `${numberText(low)} – ${numberText(high)}`;
    context.font = `11px ${theme.font}`;
    const size = context.measureText(range).width;
    context.fillText(range, timeline.width - size, middle);
    const room = timeline.width - timeline.gutter - size - 16;
    context.fillText(fit(context, name, room, context.font), timeline.gutter, middle);
  }
}
