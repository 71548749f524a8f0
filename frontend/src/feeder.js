// @ts-check
/** Feeds a <video> with pieces of a long video through Media Source Extensions. */

/** @import { Clock } from "./clock.js" */
/** @import { Progress } from "./types.js" */
import { CancelledError } from "./channel.js";
import { KernelEndedError } from "./kernel.js";
import { clamp, lastAtMost } from "./numbers.js";

const LIMIT_BYTES = 64 << 20;

const AHEAD_SECONDS = 10;

// The kernel makes one piece at a time; a second request keeps the line busy meanwhile.
const REQUESTS_AHEAD = 2;

// Of the limit: what is wanted must fit with room to spare, or pieces would chase one another out.
const WANTED_SHARE = 0.75;

const LATE_MS = 700;

// The file's times are whole microseconds: a range to remove starts and ends just before its
// frames do, so that rounding never takes a frame (and with it a whole group) of a neighbour.
const ROUNDING_SECONDS = 2e-6;

// How much less than before may be buffered of a piece that counts as still there.
const LOST_SECONDS = 0.02;

const EVENTS = ["seeking", "seeked", "timeupdate", "play", "pause", "ratechange", "waiting"];

/** @typedef {{bytes: ArrayBuffer, num_frames: number, stopped: string}} Piece */

/** @typedef {{num_bytes: number, seconds: number}} Held  what was appended, and how much of it could be played */

/** @returns {typeof MediaSource | undefined} */
function sourceClass() {
  const page = /** @type {any} */ (globalThis);
  return page.ManagedMediaSource ?? page.MediaSource;
}

/** Whether this browser takes pieces of such a video. @param {string} mime */
export function canFeed(mime) {
  return sourceClass()?.isTypeSupported(mime) ?? false;
}

/** Keeps the pieces round the playhead in one <video>'s buffer, and asks for no others. */
export class Feeder {
  /**
   * @param {object} options
   * @param {Clock} options.clock
   * @param {Int32Array} options.starts  first frame of each segment
   * @param {string} options.mime        with codecs
   * @param {(number: number, signal: AbortSignal, onProgress: (progress: Progress) => void) => Promise<Piece>} options.fetch
   * @param {(error: Error) => void} options.onFailed
   * @param {(num_frames: number, why: string) => void} options.onStopped  the video ends after so many frames
   * @param {(progress: Progress | null) => void} options.onWait  the wanted piece is late; null: it is there
   * @param {number} [options.limit_bytes]
   */
  constructor({ clock, starts, mime, fetch, onFailed, onStopped, onWait, limit_bytes }) {
    this.clock = clock;
    this.starts = starts;
    this.mime = mime;
    this.fetch = fetch;
    this.onFailed = onFailed;
    this.onStopped = onStopped;
    this.onWait = onWait;
    this.limit = limit_bytes ?? LIMIT_BYTES;
    this.target = 0;
    /** @type {[number, number] | null} frames that are played over and over */
    this.loop = null;
    /** @type {Map<number, AbortController>} */
    this.asked = new Map();
    /** @type {Map<number, ArrayBuffer>} fetched, waiting for the buffer to be free */
    this.pieces = new Map();
    /** @type {Map<number, Held>} */
    this.held = new Map();
    /** @type {Map<number, Error>} what could not be fetched; told once it is needed */
    this.broken = new Map();
    /** @type {{number: number, num_bytes: number} | null} */
    this.appending = null;
    this.isCut = false;
    this.isClosed = false;
    this.isTold = false;
    this.late = 0;
    this.url = "";
    /** @type {HTMLVideoElement | null} */
    this.video = null;
    /** @type {MediaSource | null} */
    this.source = null;
    /** @type {SourceBuffer | null} */
    this.buffer = null;
    this.onEvent = () => this.follow();
  }

  // ------------------------------------------------------------ the <video>

  /** @param {HTMLVideoElement} video */
  attach(video) {
    const Source = sourceClass();
    if (!Source) throw new Error("This browser has no Media Source Extensions.");
    this.video = video;
    this.source = new Source();
    this.source.addEventListener("sourceopen", () => this.open(), { once: true });
    // ManagedMediaSource opens only where the picture cannot be sent to another screen.
    video.disableRemotePlayback = true;
    this.url = URL.createObjectURL(this.source);
    video.src = this.url;
    for (const name of EVENTS) video.addEventListener(name, this.onEvent);
    this.plan();
  }

  open() {
    const { source } = this;
    if (!source || this.isClosed) return;
    URL.revokeObjectURL(this.url);
    try {
      this.buffer = source.addSourceBuffer(this.mime);
      source.duration = this.clock.duration;
    } catch (error) {
      this.fail(/** @type {Error} */ (error));
      return;
    }
    this.buffer.addEventListener("updateend", () => this.updated());
    this.turn();
  }

  /** The playhead moved, or playing began or ended. */
  follow() {
    const { video } = this;
    if (video && video.readyState > 0) {
      this.target = this.clock.at(video.currentTime + this.clock.offset);
    }
    this.plan();
  }

  /** This frame is about to be shown. @param {number} frame */
  want(frame) {
    this.target = frame;
    this.plan();
  }

  /** Whether a frame's piece is in the buffer. @param {number} frame */
  covers(frame) {
    return this.held.has(this.numberOf(frame));
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.late);
    for (const controller of this.asked.values()) controller.abort();
    this.asked.clear();
    this.pieces.clear();
    for (const name of EVENTS) this.video?.removeEventListener(name, this.onEvent);
    URL.revokeObjectURL(this.url);
    this.video = this.source = this.buffer = null;
  }

  // ------------------------------------------------------------ what is wanted

  /** How many segments can be read; fewer than planned where the video turned out damaged. */
  get count() {
    return lastAtMost(this.starts, this.clock.length - 1) + 1;
  }

  /** @param {number} frame */
  numberOf(frame) {
    return lastAtMost(this.starts, clamp(frame, 0, this.clock.length - 1));
  }

  /** First and last moment of a segment, media time. @param {number} number @returns {[number, number]} */
  span(number) {
    const { clock, starts } = this;
    const first = /** @type {number} */ (starts[number]);
    const next = starts[number + 1];
    const stop = next === undefined || next >= clock.length ? clock.end : clock.start(next);
    return [clock.start(first) - clock.offset, stop - clock.offset];
  }

  /** Segments to have, most urgent first. */
  wanted() {
    const { clock, video, loop } = this;
    const here = this.numberOf(this.target);
    const numbers = [here];
    const isPlaying = video !== null && !video.paused;
    const rate = Math.max(1, video?.playbackRate ?? 1);
    let left = isPlaying
      ? AHEAD_SECONDS * rate - (this.span(here)[1] - (clock.start(this.target) - clock.offset))
      : 0;
    let room = WANTED_SHARE * this.limit - this.bytesOf(here);
    let next = here;
    // While paused, the next one too: a decoder may want it to give out this one's last frames.
    for (let more = true; more; more = isPlaying && left > 0) {
      const isLoopsEnd =
        isPlaying && loop !== null && this.target < loop[1] && next === this.numberOf(loop[1] - 1);
      next = isLoopsEnd ? this.numberOf(loop[0]) : next + 1;
      room -= this.bytesOf(next);
      if (next >= this.count || numbers.includes(next) || room < 0) break;
      numbers.push(next);
      const [start, stop] = this.span(next);
      left -= stop - start;
    }
    return numbers;
  }

  /** Bytes of a segment, guessed from the others where it was not fetched yet. @param {number} number */
  bytesOf(number) {
    const known = this.held.get(number)?.num_bytes ?? this.pieces.get(number)?.byteLength;
    return known ?? (this.held.size ? this.total / this.held.size : 0);
  }

  get total() {
    let total = 0;
    for (const { num_bytes } of this.held.values()) total += num_bytes;
    return total;
  }

  /** Ask for what is wanted and missing, call off what is not wanted any more. */
  plan() {
    if (this.isClosed) return;
    this.forgetLost();
    const wanted = this.wanted();
    const here = /** @type {number} */ (wanted[0]);
    const failure = this.broken.get(here);
    if (failure instanceof KernelEndedError) {
      // What was loaded can still be shown: this lasts until the playhead is there again.
      clearTimeout(this.late);
      this.tell({ phase: "ended" });
    } else if (failure) {
      this.fail(failure);
      return;
    }
    for (const [number, controller] of this.asked) {
      if (wanted.includes(number)) continue;
      this.asked.delete(number);
      controller.abort();
    }
    for (const number of this.pieces.keys()) {
      if (!wanted.includes(number)) this.pieces.delete(number);
    }
    for (const number of wanted) {
      // The kernel takes the newest request first: nothing may overtake what is needed now.
      if (this.asked.has(here) || this.asked.size >= REQUESTS_AHEAD) break;
      if (!this.isHere(number) && !this.broken.has(number)) this.ask(number);
    }
    this.tellWait(here);
    this.turn();
  }

  /** @param {number} number */
  isHere(number) {
    return (
      this.held.has(number) ||
      this.pieces.has(number) ||
      this.asked.has(number) ||
      this.appending?.number === number
    );
  }

  /** @param {number} number */
  ask(number) {
    const controller = new AbortController();
    this.asked.set(number, controller);
    const isAsked = () => this.asked.get(number) === controller;
    /** @param {Progress} progress */
    const onProgress = (progress) => {
      if (isAsked() && number === this.numberOf(this.target)) this.tell(progress);
    };
    this.fetch(number, controller.signal, onProgress).then(
      (piece) => {
        if (!isAsked()) return;
        this.asked.delete(number);
        if (piece.bytes.byteLength) this.pieces.set(number, piece.bytes);
        if (piece.stopped) {
          const first = /** @type {number} */ (this.starts[number]);
          this.onStopped(first + piece.num_frames, piece.stopped);
        }
        this.plan();
      },
      (error) => {
        if (!isAsked() || error instanceof CancelledError) return;
        this.asked.delete(number);
        this.broken.set(number, error);
        this.plan();
      },
    );
  }

  /** The clock was cut: the video ends earlier than it said. */
  shorten() {
    this.isCut = true;
    this.target = Math.min(this.target, this.clock.length - 1);
    for (const number of this.held.keys()) if (number >= this.count) this.held.delete(number);
    this.plan();
  }

  /** Say that the piece under the playhead is late, and when it is there. @param {number} here */
  tellWait(here) {
    if (this.held.has(here)) {
      clearTimeout(this.late);
      this.late = 0;
      if (this.isTold) this.onWait(null);
      this.isTold = false;
    } else if (!this.late && !this.isTold) {
      this.late = Number(setTimeout(() => this.tell({ phase: "loading" }), LATE_MS));
    }
  }

  /** @param {Progress} progress */
  tell(progress) {
    this.late = 0;
    this.isTold = true;
    this.onWait(progress);
  }

  /** @param {Error} error */
  fail(error) {
    this.close();
    this.onFailed(error);
  }

  // ------------------------------------------------------------ the buffer

  /** Seconds of a segment that can be played now. @param {number} number */
  playable(number) {
    const [start, stop] = this.span(number);
    const buffered = this.buffer?.buffered;
    let seconds = 0;
    for (let at = 0; at < (buffered?.length ?? 0); at++) {
      const from = Math.max(start, buffered?.start(at) ?? 0);
      seconds += Math.max(0, Math.min(stop, buffered?.end(at) ?? 0) - from);
    }
    return seconds;
  }

  /** A browser may throw out what it likes; what it threw out is fetched again when wanted. */
  forgetLost() {
    for (const [number, { seconds }] of this.held) {
      if (this.playable(number) < seconds - LOST_SECONDS) this.held.delete(number);
    }
  }

  updated() {
    const done = this.appending;
    this.appending = null;
    if (this.isClosed || this.video?.error) return;
    if (done && done.number < this.count) {
      const seconds = this.playable(done.number);
      if (seconds <= 0) {
        this.fail(new Error("The browser could not use a piece of the video. Try again."));
        return;
      }
      this.held.set(done.number, { num_bytes: done.num_bytes, seconds });
    }
    this.plan();
  }

  /** Do the next thing to the buffer, which takes one at a time. */
  turn() {
    const { buffer, source, video } = this;
    if (!buffer || !source || !video || buffer.updating || this.appending) return;
    if (source.readyState === "closed" || video.error) return;
    if (this.isCut) this.shortenBuffer(buffer, source);
    else if (this.pieces.size) this.append(buffer);
    else this.end(source);
  }

  /** @param {SourceBuffer} buffer */
  append(buffer) {
    const here = this.numberOf(this.target);
    const number = this.pieces.has(here)
      ? here
      : /** @type {number} */ (this.pieces.keys().next().value);
    const bytes = /** @type {ArrayBuffer} */ (this.pieces.get(number));
    if (this.total + bytes.byteLength > this.limit && this.evict(buffer, number)) return;
    try {
      buffer.appendBuffer(bytes);
    } catch (error) {
      const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
      if (isFull) {
        this.limit = Math.min(this.limit, Math.max(this.total, bytes.byteLength));
        if (this.evict(buffer, number)) return;
        // What is only fetched ahead waits until there is room: this one plays.
        if (number !== here && this.held.has(here)) {
          this.pieces.delete(number);
          return;
        }
      }
      this.fail(
        isFull
          ? new Error("The browser has no room for this video. Close other videos, and try again.")
          : /** @type {Error} */ (error),
      );
      return;
    }
    this.pieces.delete(number);
    this.appending = { number, num_bytes: bytes.byteLength };
  }

  /**
   * Remove the piece farthest from the playhead, to make room for another.
   * @param {SourceBuffer} buffer
   * @param {number} coming
   * @returns {boolean} whether there was one
   */
  evict(buffer, coming) {
    const here = this.numberOf(this.target);
    const wanted = this.wanted();
    /** @param {number} number */
    const cost = (number) =>
      Math.abs(number - here) + (wanted.includes(number) ? 0 : this.starts.length);
    let worst = -1;
    for (const number of this.held.keys()) {
      if (number === here || number === coming) continue;
      if (worst < 0 || cost(number) > cost(worst)) worst = number;
    }
    if (worst < 0) return false;
    const [start, stop] = this.span(worst);
    this.held.delete(worst);
    buffer.remove(Math.max(0, start - ROUNDING_SECONDS), stop - ROUNDING_SECONDS);
    return true;
  }

  /**
   * @param {SourceBuffer} buffer
   * @param {MediaSource} source
   */
  shortenBuffer(buffer, source) {
    const { duration } = this.clock;
    const { buffered } = buffer;
    const end = buffered.length ? buffered.end(buffered.length - 1) : 0;
    if (this.lastHeldAfterEnd(end)) {
      buffer.remove(duration, Infinity);
      return;
    }
    this.isCut = false;
    if (source.readyState === "open") source.duration = Math.max(duration, end);
    this.turn();
  }

  /** Whether something is buffered that lies after the video's end. @param {number} end */
  lastHeldAfterEnd(end) {
    return end > this.clock.duration + LOST_SECONDS;
  }

  /** Once all up to the end is there, say so: only then is the last frame shown and played. */
  end(source = this.source) {
    if (source?.readyState !== "open") return;
    for (let number = this.numberOf(this.target); number < this.count; number++) {
      if (!this.held.has(number)) return;
    }
    source.endOfStream();
  }
}
