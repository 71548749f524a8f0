// @ts-check
/** The <video>: seeks to exact frames, tells which frame is on screen. */

/** @import { Media } from "./types.js" */
import { h } from "./dom.js";
import { clamp } from "./numbers.js";

const SHOWN_WITHIN_MS = 600;

// How often a seek that brought another frame is tried again.
const NUM_SEEKS_AGAIN = 2;

// A frame's timestamp is that of one of the video's frames, but for rounding. Some browsers put
// something else there: the position of playing, or nothing.
const TIMESTAMP_SLACK_SECONDS = 1e-3;

// A seek takes some of the loop's last frame.
const LOOP_EARLY_MS = 10;

// The browser shows frames whether or not the page has time: the picture is held on the loop's
// last frame, so that none after it can flash up. How long before its end; so much at least, also
// where several frames go by meanwhile.
const HOLD_LEAST_MS = 30;
const HOLD_MOST_MS = 250;
const LOOK_EVERY_MS = 500;

/**
 * The <video>: shows exact frames, and tells which one is on screen.
 *
 * A playing <video> shows frames whether or not the page has time to say what is on them. So what
 * is seen while it plays is a copy on a canvas over it, drawn together with the words about it.
 * Only pages that are secure (https, or this machine) may look at the frame that they draw, and not
 * every browser says which one it is; else the <video> itself is seen, and the words may be a frame
 * behind it.
 */
export class Picture {
  /**
   * @param {HTMLVideoElement} video
   * @param {(index: number) => void} onFrame  called when another frame is on screen
   */
  constructor(video, onFrame) {
    this.video = video;
    this.onFrame = onFrame;
    this.canvas = h("canvas", { class: "vl-playing", "aria-hidden": "true", hidden: true });
    this.context = this.canvas.getContext("2d", { alpha: false });
    /** @type {boolean | null} frames carry their own timestamps; null until that is known */
    this.hasTimestamps = null;
    /** @type {Set<(index: number) => void>} hear where this picture is sent to, before it is there */
    this.moveListeners = new Set();
    /** @type {Media | null} */
    this.media = null;
    /** @type {number | null} frame on screen */
    this.shown = null;
    /** @type {number | null} frame asked for and not yet there */
    this.wanted = null;
    this.inFlight = -1;
    /** @type {number | null} what came on screen since the last seek */
    this.came = null;
    this.seeksAgain = 0;
    this.callback = 0;
    this.fallback = 0;
    this.loopTimer = 0;
    /** @type {number | null} speed to go on with, while the loop's last frame is held */
    this.held = null;
    /** @type {[number, number] | true | null} */
    this.looped = null;
    video.addEventListener("seeked", () => this.arrived());
    video.addEventListener("pause", () => this.stopped());
    video.addEventListener("timeupdate", () => {
      if (!("requestVideoFrameCallback" in video)) this.report(this.atCurrentTime());
    });
    this.watch();
  }

  get clock() {
    return this.media?.clock ?? null;
  }

  /** Show another video from now on; nothing of the one before is on screen any more. @param {Media} media */
  use(media) {
    this.reset();
    this.media = media;
    this.loop = this.looped;
    media.onStopped(() => {
      if (this.wanted !== null) this.show(this.wanted);
    });
  }

  watch() {
    if (!("requestVideoFrameCallback" in this.video)) return;
    this.callback = this.video.requestVideoFrameCallback((_now, { mediaTime }) => {
      if (this.clock) this.presented(this.clock.ofMedia(mediaTime));
      this.watch();
    });
  }

  /** A new frame is in the <video>. @param {number} index  the browser's word, or a newer one */
  presented(index) {
    const { video, region } = this;
    this.came = index;
    const frame = video.paused ? null : this.look();
    const own = frame && this.indexOf(frame, index);
    if (!frame || own === null) {
      frame?.close();
      this.uncover();
      this.report(index);
      return;
    }
    // Past the loop's end nothing is shown: it is going back.
    const isPast = region && this.wanted === null && own >= region[1];
    if (!isPast) this.draw(frame);
    frame.close();
    if (isPast) this.keepInLoop(own, this.shown);
    else this.report(own);
  }

  /**
   * Which frame a frame says it is; null where this browser does not say.
   * @param {VideoFrame} frame
   * @param {number} told  what the browser told of
   */
  indexOf(frame, told) {
    const { clock } = this;
    if (!clock) return null;
    const seconds = frame.timestamp / 1e6;
    const own = clock.ofMedia(seconds);
    const off = Math.abs(seconds + clock.offset - clock.start(own));
    const isEmpty = this.hasTimestamps === null && own === 0 && told > 1;
    if (off > TIMESTAMP_SLACK_SECONDS || isEmpty) this.hasTimestamps = false;
    else if (own > 0) this.hasTimestamps = true;
    return this.hasTimestamps === false ? null : own;
  }

  /** The frame that the <video> shows now; to be closed. @returns {VideoFrame | null} */
  look() {
    const canTell = "VideoFrame" in window && "requestVideoFrameCallback" in this.video;
    if (!canTell || this.hasTimestamps === false) return null;
    try {
      return new VideoFrame(this.video);
    } catch {
      return null; // there is none just now, as before the first one
    }
  }

  /** @param {VideoFrame} frame */
  draw(frame) {
    const { canvas, context } = this;
    const { videoWidth, videoHeight } = this.video;
    if (!context) return;
    if (canvas.width !== videoWidth || canvas.height !== videoHeight) {
      canvas.width = videoWidth;
      canvas.height = videoHeight;
    }
    context.drawImage(frame, 0, 0, videoWidth, videoHeight);
    canvas.hidden = false;
  }

  /** Show the <video> itself. */
  uncover() {
    this.canvas.hidden = true;
    this.canvas.width = this.canvas.height = 0; // pictures of 4K take 33 MB
  }

  /** Playing has stopped: the <video> may have gone on since the last frame that was told of. */
  stopped() {
    this.letGo();
    if (this.canvas.hidden || this.wanted !== null || !this.clock) return;
    const frame = this.hasTimestamps ? this.look() : null;
    const own = frame && this.indexOf(frame, this.shown ?? 0);
    this.report(own ?? this.atCurrentTime());
    frame?.close();
  }

  atCurrentTime() {
    return this.clock ? this.clock.at(this.video.currentTime + this.clock.offset) : 0;
  }

  /** @param {number} index */
  report(index) {
    const before = this.shown;
    this.shown = index;
    if (this.video.paused) this.uncover(); // nothing moves: the <video> is exact
    if (this.inFlight < 0 && this.wanted !== null && this.hasCome(this.wanted, index)) this.settle();
    if (index !== before) this.onFrame(index);
    this.keepInLoop(index, before);
  }

  /**
   * Whether a frame asked for has been on screen; playing goes on from it before it is told of.
   * @param {number} wanted
   * @param {number} index  on screen
   */
  hasCome(wanted, index) {
    if (index === wanted) return true;
    return !this.video.paused && index > wanted && index <= this.atCurrentTime() + 1;
  }

  settle() {
    this.wanted = null;
    clearTimeout(this.fallback);
  }

  /** The frame to step from: where we are going, else where we are. */
  get current() {
    return this.wanted ?? this.shown ?? 0;
  }

  /**
   * Show a frame. While a seek is under way only the newest wish is kept, unless the seek waits
   * for bytes that have to be fetched.
   * @param {number} index
   */
  show(index) {
    const { media, video, clock } = this;
    if (!media || !clock) return;
    const target = clamp(Math.round(index), 0, clock.length - 1);
    if (this.wanted !== null || target !== this.shown || !video.paused) {
      this.wanted = target;
      this.seeksAgain = 0;
      media.want(target);
      if (this.inFlight < 0 || !media.has(this.inFlight)) this.seek();
    }
    for (const listener of this.moveListeners) listener(target);
  }

  /** Play on from a media time, wherever that lies in a frame. @param {number} seconds */
  jump(seconds) {
    const { media, video, clock } = this;
    if (!media || !clock) return;
    this.settle();
    this.inFlight = -1;
    media.want(clock.at(seconds + clock.offset));
    video.currentTime = seconds;
  }

  /** Play at a rate for a while, to keep in step; 0 waits. @param {number} rate */
  setRate(rate) {
    if (this.held !== null) this.held = rate;
    else if (this.video.playbackRate !== rate) this.video.playbackRate = rate;
  }

  seek() {
    if (this.wanted === null || !this.clock) return;
    this.inFlight = this.wanted;
    this.came = null;
    clearTimeout(this.fallback);
    this.video.currentTime = this.clock.middle(this.wanted);
  }

  /** A seek has ended: go on to a newer wish, or see that the frame comes on screen. */
  arrived() {
    const landed = this.inFlight;
    this.inFlight = -1;
    this.letGo();
    if (landed < 0 || this.wanted === null) return;
    if (this.wanted !== landed) this.seek();
    else if (this.shown === landed) {
      this.settle();
      this.keepInLoop(landed, landed);
    } else this.waitFor(landed);
  }

  /**
   * See to it that the frame of a seek that has ended comes on screen.
   *
   * No frame callback comes when the same picture is painted again, or nothing is (a hidden tab);
   * what the browser says it seeked to is the truth then. But where the bytes of a frame are still
   * to come, and those of one a little after it are there, Chromium shows that one.
   * @param {number} landed
   */
  waitFor(landed) {
    clearTimeout(this.fallback);
    this.fallback = window.setTimeout(() => {
      if (this.wanted !== landed || this.inFlight >= 0) return;
      const isOther = this.came !== null && this.came !== landed;
      if (isOther && !this.media?.has(landed)) this.waitFor(landed);
      else if (isOther && this.seeksAgain < NUM_SEEKS_AGAIN) {
        this.seeksAgain += 1;
        this.seek();
      } else {
        this.settle();
        this.report(this.atCurrentTime());
      }
    }, SHOWN_WITHIN_MS);
  }

  /** Play from here; from the start (of the loop) at the end, or outside the loop. */
  play() {
    const { clock, current } = this;
    if (clock) {
      const [start, stop] = this.region ?? [0, clock.length];
      if (current >= stop - 1 || (this.region && current < start)) this.show(start);
    }
    const frame = this.wanted === null ? this.look() : null;
    if (frame) this.draw(frame);
    frame?.close();
    const playing = this.video.play();
    // The frame it starts from is not told of again.
    if (this.shown !== null) this.keepInLoop(this.shown, this.shown);
    return playing;
  }

  // ------------------------------------------------------------ looping

  /** Frames [start, stop) to play over and over, true for all, null for none. */
  get loop() {
    return this.looped;
  }

  set loop(looped) {
    this.looped = looped;
    this.letGo();
    const { region, clock } = this;
    // The browser goes back at the end by itself, without an "ended" that would stop playing.
    this.video.loop = looped === true || Boolean(region && clock && region[1] >= clock.length);
    if (this.media && clock) this.media.loop = region ?? (looped ? [0, clock.length] : null);
  }

  /** The looped part, where it is not all. @returns {[number, number] | null} */
  get region() {
    return Array.isArray(this.looped) ? this.looped : null;
  }

  /**
   * @param {number} index
   * @param {number | null} before
   */
  keepInLoop(index, before) {
    const { region, clock, video } = this;
    if (this.held !== null) return;
    clearTimeout(this.loopTimer);
    if (!region || !clock || video.paused || this.wanted !== null) return;
    const [start, stop] = region;
    const again = () => {
      if (!video.paused && this.wanted === null) this.show(start);
      else this.letGo();
    };
    const hasWrapped = index < start && before !== null && before >= stop - 1;
    if (index >= stop || hasWrapped) {
      again();
      return;
    }
    if (video.loop && start === 0) return; // the browser goes from the last frame to the first
    const end = clock.stop(stop - 1) - clock.offset;
    const left = () => (1000 * (end - video.currentTime)) / video.playbackRate;
    const last = (1000 * (clock.stop(stop - 1) - clock.start(stop - 1))) / video.playbackRate;
    const early = clamp(0.75 * last, HOLD_LEAST_MS, HOLD_MOST_MS);
    const wait = () => {
      if (video.paused || video.playbackRate === 0 || this.wanted !== null) return;
      const now = left();
      if (now > early) {
        this.loopTimer = window.setTimeout(wait, Math.min(now - early, LOOK_EVERY_MS));
        return;
      }
      this.held = video.playbackRate;
      video.playbackRate = 0;
      this.loopTimer = window.setTimeout(again, now - LOOP_EARLY_MS);
    };
    wait();
  }

  /** The picture is not held at the loop's end any more. */
  letGo() {
    clearTimeout(this.loopTimer);
    if (this.held === null) return;
    this.video.playbackRate = this.held;
    this.held = null;
  }

  // ------------------------------------------------------------ life

  /** Forget what was on screen: the <video> gets other bytes. */
  reset() {
    this.settle();
    this.letGo();
    this.inFlight = -1;
    this.shown = null;
    this.media = null;
    this.uncover();
  }

  close() {
    clearTimeout(this.fallback);
    clearTimeout(this.loopTimer);
    if ("cancelVideoFrameCallback" in this.video)
      this.video.cancelVideoFrameCallback(this.callback);
    this.uncover();
    this.video.pause();
    this.video.removeAttribute("src");
    this.video.load();
  }
}
