// @ts-check
/** The video as one view plays it: whole from memory, or in segments. */

/** @import { Channel } from "./channel.js" */
/** @import { Clock } from "./clock.js" */
/** @import { Piece } from "./feeder.js" */
/** @import { Progress } from "./types.js" */
import { Feeder } from "./feeder.js";
import { aligned } from "./numbers.js";

/**
 * @typedef {object} About  the kernel's answer to "open"
 * @property {string} token
 * @property {"whole" | "segments"} delivery
 * @property {"direct" | "remux" | "transcode"} how
 * @property {string} mime           with codecs where it comes in segments
 * @property {number} num_bytes      of the whole
 * @property {string} codec          of the source, e.g. "HEVC"
 * @property {string} why            why the source itself is not played
 * @property {string} warning        what could not be read, or ""
 * @property {number} coded_width    px of the played picture, padding to even sizes included
 * @property {number} coded_height
 * @property {boolean} [scaled]      made smaller: the played picture fills the screen
 * @property {boolean} has_audio
 * @property {number} offset_seconds
 * @property {number} end_seconds
 */

/** A video that the kernel has opened; shared by all views of it. */
export class Opened {
  /**
   * @param {About} about
   * @param {Clock} clock
   * @param {Int32Array} starts  first frame of each segment; empty where it comes whole
   * @param {string} url         of the whole video, or ""
   */
  constructor(about, clock, starts, url) {
    this.about = about;
    this.clock = clock;
    this.starts = starts;
    this.url = url;
    /** Why the video ends earlier than it said, or "". */
    this.stopped = "";
    /** @type {Set<(why: string) => void>} */
    this.listeners = new Set();
  }

  /**
   * The video can be read so far and no further.
   * @param {number} num_frames
   * @param {string} why
   */
  stop(num_frames, why) {
    this.clock.cut(num_frames);
    this.stopped = why;
    for (const listener of this.listeners) listener(why);
  }
}

/** The video as one view plays it. */
export class Media {
  /**
   * @param {Opened} opened
   * @param {Channel} channel
   */
  constructor(opened, channel) {
    const { about } = opened;
    this.opened = opened;
    this.channel = channel;
    this.how = about.how;
    this.codec = about.codec;
    this.why = about.why;
    this.warning = about.warning;
    this.coded_width = about.coded_width;
    this.coded_height = about.coded_height;
    this.scaled = about.scaled ?? false;
    this.has_audio = about.has_audio;
    /** @type {Feeder | null} */
    this.feeder = null;
    /** @type {[number, number] | null} */
    this.looped = null;
    /** @type {(error: Error) => void} */
    this.failed = () => {};
    /** @type {(progress: Progress | null) => void} */
    this.wait = () => {};
    /** @type {((why: string) => void)[]} */
    this.listeners = [];
  }

  get clock() {
    return this.opened.clock;
  }

  /** Hear that the bytes cannot be had. @param {(error: Error) => void} listener */
  onFailed(listener) {
    this.failed = listener;
  }

  /** Hear that the wanted segment is late, and (null) that it has come. @param {(progress: Progress | null) => void} listener */
  onWait(listener) {
    this.wait = listener;
  }

  /** Hear, also later, that the video ends early: the clock was cut. @param {(why: string) => void} listener */
  onStopped(listener) {
    this.opened.listeners.add(listener);
    this.listeners.push(listener);
    if (this.opened.stopped) listener(this.opened.stopped);
  }

  /** Let a <video> play this. @param {HTMLVideoElement} video */
  attach(video) {
    const { opened } = this;
    if (opened.url) {
      video.src = opened.url;
      video.load();
      return;
    }
    const feeder = new Feeder({
      clock: opened.clock,
      starts: opened.starts,
      mime: opened.about.mime,
      fetch: (number, signal, onProgress) => this.fetch(number, signal, onProgress),
      onFailed: (error) => this.failed(error),
      onStopped: (num_frames, why) => opened.stop(num_frames, why),
      onWait: (progress) => this.wait(progress),
    });
    this.feeder = feeder;
    feeder.loop = this.looped;
    feeder.attach(video);
    this.onStopped(() => feeder.shorten());
  }

  /**
   * @param {number} number
   * @param {AbortSignal} signal
   * @param {(progress: Progress) => void} onProgress
   * @returns {Promise<Piece>}
   */
  async fetch(number, signal, onProgress) {
    const { content, buffers } = await this.channel.request(
      "segment",
      { token: this.opened.about.token, number },
      { signal, onProgress },
    );
    const { num_frames, stopped } = content;
    return { bytes: aligned(buffers[0]), num_frames, stopped };
  }

  /** A frame is about to be shown. @param {number} frame */
  want(frame) {
    this.feeder?.want(frame);
  }

  /** Whether a frame can be shown without asking the kernel. @param {number} frame */
  has(frame) {
    return this.feeder?.covers(frame) ?? true;
  }

  /** Frames [start, stop) that are played over and over, or null. */
  get loop() {
    return this.looped;
  }

  set loop(range) {
    this.looped = range;
    if (this.feeder) this.feeder.loop = range;
  }

  detach() {
    this.feeder?.close();
    this.feeder = null;
    for (const listener of this.listeners) this.opened.listeners.delete(listener);
    this.listeners = [];
  }
}
