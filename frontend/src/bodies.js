// @ts-check
/** People on the picture: skeletons, one a model and person, and how far two models part. */

/** @import { ColoredBy, Gaps, Keypoints, Overlays } from "./types.js" */
import { clamp, lastAtMost } from "./numbers.js";

const SHADE = "rgb(0 0 0 / 72%)";
// People, models, and things without a label of their own colour; as the kernel draws them.
export const COLORS = ["#E69F00", "#56B4E9", "#009E73", "#F0E442", "#CC79A7", "#D55E00", "#0072B2"];
// From little to much.
export const SHARES = ["#3B528B", "#21918C", "#5EC962", "#FDE725"];
const UNSURE = 0.3;
const FAINT = 0.35;

/** @typedef {{x: number, y: number, confidence: number}} Joint */

/** @param {number} number */
export const colorOf = (number) => COLORS[Math.max(number, 0) % COLORS.length] ?? "#E69F00";

/** The colour of a share from 0 to 1; what is not known counts as 1. @param {number} share */
export function shareColor(share) {
  const place = (Number.isNaN(share) ? 1 : clamp(share, 0, 1)) * (SHARES.length - 1);
  const below = Math.min(Math.floor(place), SHARES.length - 2);
  const upper = Math.round(100 * (place - below));
  return `color-mix(in srgb, ${SHARES[below + 1]} ${upper}%, ${SHARES[below]})`;
}

/** A capital letter for the n-th model. @param {number} number */
export const letterOf = (number) => String.fromCharCode(65 + (number % 26));

/**
 * The rows that hold at a frame: those of the last annotated frame, at most `hold` frames old.
 * @param {Int32Array} frames  increasing
 * @param {number} hold
 * @param {number} frame
 * @returns {[number, number]} half-open
 */
export function rowsAt(frames, hold, frame) {
  const last = lastAtMost(frames, frame);
  const annotated = frames[last];
  if (last < 0 || annotated === undefined || frame - annotated >= hold) return [0, 0];
  return [lastAtMost(frames, annotated - 1) + 1, last + 1];
}

/**
 * How far each joint of two models is apart at a frame, px; of several people the mean.
 * @param {Gaps} gaps
 * @param {number} frame
 * @returns {Float64Array} by number in names; NaN where there is none
 */
export function gapsAt(gaps, frame) {
  const [first, stop] = rowsAt(gaps.frames, gaps.hold, frame);
  const sums = new Float64Array(gaps.names.length);
  const counts = new Float64Array(gaps.names.length);
  for (let row = first; row < stop; row++) {
    const which = gaps.keypoint[row] ?? 0;
    const [x, y] = [0, 1].map((axis) => at(gaps.to, row, axis) - at(gaps.from, row, axis));
    sums[which] = (sums[which] ?? 0) + Math.hypot(x ?? 0, y ?? 0);
    counts[which] = (counts[which] ?? 0) + 1;
  }
  return sums.map((sum, which) => sum / (counts[which] ?? 0)); // 0 / 0 is NaN
}

/** @param {Float32Array} places @param {number} row @param {number} axis */
const at = (places, row, axis) => places[2 * row + axis] ?? 0;

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} font
 * @param {number} zoom  CSS px for a px of the frame
 * @param {Overlays} data
 * @param {number} frame
 * @param {ColoredBy} coloredBy
 */
export function drawBodies(context, font, zoom, { keypoints, gaps }, frame, coloredBy) {
  const isSeveral = keypoints.length > 1;
  context.lineCap = "round";
  keypoints.forEach((layer, number) => {
    const people = peopleAt(layer, frame, zoom);
    for (const [person, joints] of people) {
      const whole = colorOf(coloredBy === "model" ? number : person);
      const color = (/** @type {number} */ confidence) =>
        coloredBy === "confidence" ? shareColor(confidence) : whole;
      drawSkeleton(context, layer, joints, color, number > 0);
      const name = isSeveral ? letterOf(number) : people.size > 1 ? `#${person}` : "";
      if (name) drawName(context, font, name, joints, whole, number);
    }
  });
  if (gaps) drawGaps(context, gaps, frame, zoom);
}

/**
 * @param {Keypoints} layer
 * @param {number} frame
 * @param {number} zoom
 * @returns {Map<number, Map<number, Joint>>} by person, then by keypoint
 */
function peopleAt(layer, frame, zoom) {
  const [first, stop] = rowsAt(layer.frames, layer.hold, frame);
  /** @type {Map<number, Map<number, Joint>>} */
  const people = new Map();
  for (let row = first; row < stop; row++) {
    const person = layer.person[row] ?? 0;
    const joints = people.get(person) ?? new Map();
    people.set(person, joints);
    joints.set(layer.keypoint[row] ?? -1, {
      x: at(layer.xy, row, 0) * zoom,
      y: at(layer.xy, row, 1) * zoom,
      confidence: layer.confidence[row] ?? NaN,
    });
  }
  return people;
}

/**
 * The first model's limbs are whole and its joints round, the others' are dashed and square.
 * @param {CanvasRenderingContext2D} context
 * @param {Keypoints} layer
 * @param {Map<number, Joint>} joints
 * @param {(confidence: number) => string} color
 * @param {boolean} isDashed
 */
function drawSkeleton(context, layer, joints, color, isDashed) {
  const limbs = layer.skeleton.flatMap(([from, to]) => {
    const [a, b] = [joints.get(from), joints.get(to)];
    return a && b ? [{ a, b, confidence: Math.min(a.confidence, b.confidence) }] : [];
  });
  context.setLineDash(isDashed ? [5, 5] : []);
  for (const width of [5, 2.5]) {
    context.lineWidth = width;
    for (const { a, b, confidence } of limbs) {
      context.globalAlpha = confidence < UNSURE ? FAINT : 1;
      context.strokeStyle = width > 3 ? SHADE : color(confidence);
      context.beginPath();
      context.moveTo(a.x, a.y);
      context.lineTo(b.x, b.y);
      context.stroke();
    }
  }
  context.setLineDash([]);
  for (const { x, y, confidence } of joints.values()) {
    context.globalAlpha = confidence < UNSURE ? FAINT : 1;
    context.beginPath();
    if (isDashed) context.rect(x - 3, y - 3, 6, 6);
    else context.arc(x, y, 3.5, 0, 2 * Math.PI);
    context.fillStyle = "#fff";
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = color(confidence);
    context.stroke();
  }
  context.globalAlpha = 1;
}

/**
 * Whose skeleton it is, above its highest joint; the first model's at the left, the others' right.
 * @param {CanvasRenderingContext2D} context
 * @param {string} font
 * @param {string} name
 * @param {Map<number, Joint>} joints
 * @param {string} color
 * @param {number} number
 */
function drawName(context, font, name, joints, color, number) {
  const top = [...joints.values()].reduce((a, b) => (b.y < a.y ? b : a));
  context.font = `600 11px ${font}`;
  const width = context.measureText(name).width + 8;
  const left = number > 0 ? top.x + 4 : top.x - width - 4;
  const above = Math.max(top.y - 24, 2);
  context.fillStyle = color;
  context.fillRect(left, above, width, 16);
  context.fillStyle = "#000";
  context.fillText(name, left + 4, above + 8.5);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Gaps} gaps
 * @param {number} frame
 * @param {number} zoom
 */
function drawGaps(context, gaps, frame, zoom) {
  const [first, stop] = rowsAt(gaps.frames, gaps.hold, frame);
  for (const [width, color] of /** @type {[number, string][]} */ ([[3, SHADE], [1.5, "#fff"]])) {
    context.lineWidth = width;
    context.strokeStyle = color;
    context.beginPath();
    for (let row = first; row < stop; row++) {
      context.moveTo(at(gaps.from, row, 0) * zoom, at(gaps.from, row, 1) * zoom);
      context.lineTo(at(gaps.to, row, 0) * zoom, at(gaps.to, row, 1) * zoom);
    }
    context.stroke();
  }
}
