// @ts-check
/** What the timeline draws from predictions: runs of one label, and marks along them. */

/** @import { Told, Track, TruthSegment, Runs, Verdicts } from "./types.js" */
/** @import { Clock } from "./clock.js" */
import { lastAtMost } from "./numbers.js";

/**
 * Neighbouring rows of the same top label, as one run each.
 * @param {Pick<Track, "frames" | "k" | "times" | "topLabels">} track
 * @param {number} end  seconds at which the last row ends
 * @returns {Runs}
 */
export function runsOf(track, end) {
  const rows = track.frames.length;
  /** @type {number[]} */
  const starts = [];
  /** @type {number[]} */
  const labels = [];
  for (let row = 0; row < rows; row++) {
    const label = track.k ? (track.topLabels[row * track.k] ?? -1) : -1;
    if (labels.length && labels[labels.length - 1] === label) continue;
    starts.push(track.times[row] ?? 0);
    labels.push(label);
  }
  return { starts: Float64Array.from(starts), labels: Int32Array.from(labels), end };
}

/**
 * The first and the last frame that the answer at a frame was given for; -1 where that is not known.
 * @param {Track} track
 * @param {number} frame
 * @returns {[number, number]}
 */
export function clipAt(track, frame) {
  const row = lastAtMost(track.frames, frame);
  return [track.clipStarts?.[row] ?? -1, track.frames[row] ?? -1];
}

/**
 * The truth as seconds, in order of time.
 * @param {TruthSegment[]} truth
 * @param {Clock} clock
 */
export function truthInSeconds(truth, clock) {
  return truth
    .map(({ start, stop, label }) => ({
      label,
      from: clock.start(start),
      to: stop < clock.length ? clock.start(stop) : clock.end,
    }))
    .sort((a, b) => a.from - b.from);
}

/**
 * The truth as far as a model has labels for it.
 * @param {TruthSegment[]} truth
 * @param {number} model
 */
export const truthFor = (truth, model) =>
  truth.filter(({ unknown_to }) => !unknown_to.includes(model));

/**
 * Labels of the truth that none of the models has: misspelt, or of another label map.
 * @param {Told} told
 */
export const unknownLabels = ({ truth, tracks }) =>
  new Set(
    truth
      .filter(({ unknown_to }) => tracks.length > 0 && unknown_to.length === tracks.length)
      .map(({ label }) => label),
  );

/**
 * The labels that are true at a frame; segments may overlap, and may leave gaps.
 * @param {TruthSegment[]} truth
 * @param {number} frame
 */
export const truthAt = (truth, frame) =>
  truth.filter(({ start, stop }) => start <= frame && frame < stop).map(({ label }) => label);

/**
 * Whether each prediction's top label is true: 1 right, 0 wrong, -1 not known.
 * @param {Track} track
 * @param {TruthSegment[]} truth
 * @returns {Verdicts}
 */
export function verdictsOf(track, truth) {
  const each = new Int8Array(track.frames.length).fill(-1);
  for (const { start, stop, label } of truth) {
    for (let row = lastAtMost(track.frames, start - 1) + 1; row < each.length; row++) {
      if ((track.frames[row] ?? 0) >= stop) break;
      const top = track.k ? track.topLabels[row * track.k] : -1;
      each[row] = Math.max(each[row] ?? -1, top === label ? 1 : 0);
    }
  }
  let right = 0;
  let known = 0;
  for (const verdict of each) {
    known += verdict >= 0 ? 1 : 0;
    right += verdict > 0 ? 1 : 0;
  }
  return { each, right, known };
}

/**
 * Rows for which something holds, joined to spans of time.
 * @param {ArrayLike<number>} times  start of each row, seconds
 * @param {number} end
 * @param {(row: number) => boolean} holds
 * @returns {{from: number, to: number}[]}
 */
export function spansWhere(times, end, holds) {
  const spans = [];
  for (let row = 0; row < times.length; row++) {
    if (!holds(row)) continue;
    const from = times[row] ?? 0;
    while (row + 1 < times.length && holds(row + 1)) row++;
    spans.push({ from, to: row + 1 < times.length ? (times[row + 1] ?? end) : end });
  }
  return spans;
}
