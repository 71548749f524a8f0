// @ts-check
/** The <video>: seeks to exact frames, tells which frame is on screen. */

import { Clock } from "./clock.js";
import { clamp } from "./numbers.js";

const SHOWN_WITHIN_MS = 600;

/** The <video>: shows exact frames, and tells which one is on screen. */
export class Picture {
  /**
   * @param {HTMLVideoElement} video
   * @param {(index: number) => void} onFrame  called when another frame is on screen
   */
  constructor(video, onFrame) {
    this.video = video;
    this.onFrame = onFrame;
    /** @type {Clock | null} */
    this.clock = null;
    /** @type {number | null} frame on screen */
    this.shown = null;
    /** @type {number | null} frame asked for and not yet there */
    this.wanted = null;
    this.inFlight = -1;
    this.callback = 0;
    this.fallback = 0;
    video.addEventListener("seeked", () => this.arrived());
    video.addEventListener("timeupdate", () => {
      if (!("requestVideoFrameCallback" in video)) this.report(this.atCurrentTime());
    });
    this.watch();
  }

  watch() {
    if (!("requestVideoFrameCallback" in this.video)) return;
    this.callback = this.video.requestVideoFrameCallback((_now, { mediaTime }) => {
      if (this.clock) this.report(this.clock.ofMedia(mediaTime));
      this.watch();
    });
  }

  atCurrentTime() {
    return this.clock ? this.clock.at(this.video.currentTime + this.clock.offset) : 0;
  }

  /** @param {number} index */
  report(index) {
    const isNew = index !== this.shown;
    this.shown = index;
    if (this.inFlight < 0 && this.wanted === index) this.settle();
    if (isNew) this.onFrame(index);
  }

  settle() {
    this.wanted = null;
    clearTimeout(this.fallback);
  }

  /** The frame to step from: where we are going, else where we are. */
  get current() {
    return this.wanted ?? this.shown ?? 0;
  }

  /** Show a frame; while a seek is under way only the newest wish is kept. @param {number} index */
  show(index) {
    if (!this.clock) return;
    const target = clamp(Math.round(index), 0, this.clock.length - 1);
    if (this.wanted === null && target === this.shown && this.video.paused) return;
    this.wanted = target;
    if (this.inFlight < 0) this.seek();
  }

  seek() {
    if (this.wanted === null || !this.clock) return;
    this.inFlight = this.wanted;
    clearTimeout(this.fallback);
    this.video.currentTime = this.clock.middle(this.wanted);
  }

  /** A seek has ended: go on to a newer wish, or see that the frame comes on screen. */
  arrived() {
    const landed = this.inFlight;
    this.inFlight = -1;
    if (landed < 0 || this.wanted === null) return;
    if (this.wanted !== landed) this.seek();
    else if (this.shown === landed) this.settle();
    else {
      // No frame callback comes when the same picture is painted again, or nothing is (a
      // hidden tab); what the browser says it seeked to is the truth then.
      this.fallback = window.setTimeout(() => {
        if (this.wanted === landed && this.inFlight < 0) {
          this.settle();
          this.report(this.atCurrentTime());
        }
      }, SHOWN_WITHIN_MS);
    }
  }

  /** Forget what was on screen: the <video> gets other bytes. */
  reset() {
    this.settle();
    this.inFlight = -1;
    this.shown = null;
    this.clock = null;
  }

  close() {
    clearTimeout(this.fallback);
    if ("cancelVideoFrameCallback" in this.video)
      this.video.cancelVideoFrameCallback(this.callback);
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
  }
}
