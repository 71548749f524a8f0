// @ts-check
/** Frame number <-> media time, from the exact frame times. */

import { clamp, lastAtMost } from "./numbers.js";

/** Frame numbers and times. `offset` is the source's time at media time zero. */
export class Clock {
  /**
   * @param {Float64Array} times  presentation time of each frame, seconds, increasing
   * @param {number} offset
   * @param {number} end          seconds at which the last frame ends
   */
  constructor(times, offset, end) {
    this.times = times;
    this.offset = offset;
    this.end = end;
  }

  get length() {
    return this.times.length;
  }

  /** @param {number} index */
  start(index) {
    return /** @type {number} */ (this.times[clamp(index, 0, this.length - 1)]);
  }

  /** Media time in the middle of a frame's interval: no rounding can leave the frame. @param {number} index */
  middle(index) {
    const stop = index + 1 < this.length ? this.start(index + 1) : this.end;
    return (this.start(index) + stop) / 2 - this.offset;
  }

  /** The frame on screen at a time of the source. @param {number} seconds */
  at(seconds) {
    return clamp(lastAtMost(this.times, seconds + 1e-6), 0, this.length - 1);
  }

  /** The frame whose start is nearest to a media time that the browser reports. @param {number} mediaSeconds */
  ofMedia(mediaSeconds) {
    const seconds = mediaSeconds + this.offset;
    const before = clamp(lastAtMost(this.times, seconds), 0, this.length - 1);
    const after = Math.min(before + 1, this.length - 1);
    return seconds - this.start(before) <= this.start(after) - seconds ? before : after;
  }
}
