// @ts-check
/** The settings of a sampling lab: what was tried of each choice, and what they answered. */

/** @import { Label } from "./types.js" */
import { aligned, lastAtMost } from "./numbers.js";

/**
 * @typedef {object} Setting
 * @property {number} fps
 * @property {number | null} stride  null where it varies
 * @property {number} phase
 * @property {string} crop
 * @property {number[]} top            numbers of labels, the most probable first
 * @property {number[]} probabilities  theirs, of the whole video
 */

/** @typedef {"rate" | "phase" | "crop"} Choice  a rate is also a stride */

/**
 * @typedef {object} SamplingInfo  as the kernel tells it
 * @property {string} title   of the model
 * @property {string} video
 * @property {[number, number]} span  seconds: when the video begins and ends
 * @property {{jpeg: DataView, width: number, height: number}} picture
 * @property {Record<string, [number, number, number]>} crops  left, top and size, as shares
 * @property {(Label & {label: string})[]} labels  those with a band first; `name` is what is shown
 * @property {Setting[]} settings  the default first
 * @property {DataView} times
 * @property {DataView[]} bands
 * @property {{times: DataView, probabilities: DataView}[]} runs
 * @property {string} [model_id]  the widget's id, as its kept output names it
 */

/** @typedef {{low: Float32Array, median: Float32Array, high: Float32Array}} Band  at each of the times */

/** @typedef {{times: Float64Array, values: Float32Array}} Line  the answers of one setting */

const NOTHING = new Float32Array();

/** @type {Record<Choice, (setting: Setting) => string>} */
const KEYS = {
  rate: ({ fps, stride }) => `${fps} ${stride}`,
  phase: ({ phase }) => String(phase),
  crop: ({ crop }) => crop,
};

const CHOICES = /** @type {Choice[]} */ (Object.keys(KEYS));

/** @param {Choice} choice @param {Setting} one @param {Setting} other */
const isSame = (choice, one, other) => KEYS[choice](one) === KEYS[choice](other);

/**
 * What was tried of a choice, in order: for each the first setting that has it.
 * @param {Setting[]} settings
 * @param {Choice} choice
 */
export function stopsOf(settings, choice) {
  const stops = settings.filter(
    (setting, place) => settings.findIndex((each) => isSame(choice, each, setting)) === place,
  );
  if (choice === "rate") stops.sort((one, other) => one.fps - other.fps);
  if (choice === "phase") stops.sort((one, other) => one.phase - other.phase);
  return stops;
}

/** Which of the stops a setting has. @param {Setting[]} stops @param {Choice} choice @param {Setting} setting */
export const placeOf = (stops, choice, setting) =>
  stops.findIndex((stop) => isSame(choice, stop, setting));

/**
 * The number of the setting with another value of one choice, that is the same in the others or,
 * where that was not tried, in as many of them as there is one.
 * @param {Setting[]} settings
 * @param {Setting} from
 * @param {Choice} choice
 * @param {Setting} stop  has the value
 */
export function nearest(settings, from, choice, stop) {
  let best = -1;
  let most = -1;
  settings.forEach((setting, number) => {
    if (!isSame(choice, setting, stop)) return;
    const same = CHOICES.filter((each) => isSame(each, setting, from)).length;
    if (same > most) [best, most] = [number, same];
  });
  return best;
}

/** The answers of a lab, by time. */
export class Answers {
  /** @param {SamplingInfo} info */
  constructor(info) {
    this.times = new Float64Array(aligned(info.times));
    /** @type {Band[]} by label */
    this.bands = info.bands.map((bytes) => {
      const [low = NOTHING, median = NOTHING, high = NOTHING] = rowsOf(bytes, 3);
      return { low, median, high };
    });
    /** @type {Line[][]} by setting, then by label */
    this.lines = info.runs.map((run) => {
      const times = new Float64Array(aligned(run.times));
      return rowsOf(run.probabilities, this.bands.length).map((values) => ({ times, values }));
    });
  }
}

/** @param {DataView} bytes @param {number} count @returns {Float32Array[]} */
function rowsOf(bytes, count) {
  const all = new Float32Array(aligned(bytes));
  const length = all.length / count;
  return Array.from({ length: count }, (_, row) => all.subarray(row * length, (row + 1) * length));
}

/** What a line says at a time: its last answer; NaN before the first. @param {Line} line @param {number} seconds */
export const heldAt = ({ times, values }, seconds) => values[lastAtMost(times, seconds)] ?? NaN;

/** How many settings say a label of the whole video. @param {Setting[]} settings @param {number} label */
export const countOf = (settings, label) => settings.filter(({ top }) => top[0] === label).length;
