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

  /** Media time at which the last frame ends. */
  get duration() {
    return this.end - this.offset;
  }

  /** @param {number} index */
  start(index) {
    return /** @type {number} */ (this.times[clamp(index, 0, this.length - 1)]);
  }

  /** When a frame gives way to the next one, seconds of the source. @param {number} index */
  stop(index) {
    return index + 1 < this.length ? this.start(index + 1) : this.end;
  }

  /** Media time in the middle of a frame's interval: no rounding can leave the frame. @param {number} index */
  middle(index) {
    return (this.start(index) + this.stop(index)) / 2 - this.offset;
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

  /** The video turned out to end after so many frames. @param {number} num_frames */
  cut(num_frames) {
    if (num_frames >= this.length) return;
    this.end = this.start(num_frames);
    this.times = this.times.subarray(0, num_frames);
  }
}
