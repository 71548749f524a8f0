// @ts-check
/**
 * The front end of vidlab's player and comparison view: one self-contained module.
 *
 * How it hangs together, top to bottom:
 *   Channel   asks the kernel over the widget's custom messages, one reply per id
 *   Session   what all views of one widget share: the bytes of the video, the predictions
 *   Clock     frame number <-> media time, from the exact frame times
 *   Picture   the <video>: seeks to exact frames, tells which frame is on screen
 *   Timeline  the canvases under the picture
 *   Panel     the top-k bars of the frame on screen
 *   View      one view: puts them together, with controls and keys
 *
 * Whatever comes from files or models (labels, names, errors) reaches the page through
 * textContent or canvas text only.
 */

/**
 * @typedef {object} Model  the part of anywidget's model that is used here
 * @property {(name: string) => any} get
 * @property {(name: string, value: any) => void} set
 * @property {() => void} save_changes
 * @property {(content: any, callbacks?: any, buffers?: ArrayBuffer[]) => void} send
 * @property {(name: string, callback: (...args: any[]) => void) => void} on
 * @property {(name: string, callback: (...args: any[]) => void) => void} off
 */
/** @typedef {{name: string, width: number, height: number, top_k: number, models: string[], has_audio: boolean}} Info */
/** @typedef {{phase: string, codec?: string, fraction?: number}} Progress */
/** @typedef {{content: any, buffers: DataView[]}} Reply */
/**
 * @typedef {object} Media  the video as the browser plays it
 * @property {string} url
 * @property {Clock} clock
 * @property {"direct" | "remux" | "transcode"} how
 * @property {string} codec          codec of the source, e.g. "HEVC"
 * @property {string} why            why the source itself is not played
 * @property {string} warning        what could not be read, or ""
 * @property {number} coded_width    px of the played picture, padding to even sizes included
 * @property {number} coded_height
 * @property {boolean} has_audio
 */
/** @typedef {{name: string, letter: string, color: string | null, ink: string, pattern: number}} Label */
/**
 * @typedef {object} Track  the predictions of one model
 * @property {string} title
 * @property {string} letter
 * @property {number} k
 * @property {Int32Array} frames     frame index of each prediction, increasing
 * @property {Float64Array} times    seconds
 * @property {Int32Array} topLabels  [rows * k], index into labels, -1 where there is none
 * @property {Float32Array} topProbs [rows * k]
 * @property {number[]} curveLabels
 * @property {Float32Array} curveProbs [curveLabels.length * rows]
 */
/** @typedef {{start: number, stop: number}} FrameRange  half-open */
/** @typedef {{times: Float64Array, values: Float32Array, most: number}} Divergence  over the models, in nats */
/** @typedef {{labels: Label[], tracks: Track[], divergence: Divergence | null, disagreements: FrameRange[]}} Told */

const PIECE_BYTES = 1 << 20;
const PIECES_IN_FLIGHT = 3;
const POST_EVERY_MS = 100;
const PATIENCE_MS = 4000;
const SHOWN_WITHIN_MS = 600;
const JUMP_SECONDS = 1;
const SPEEDS = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4];
const MAX_PICTURE_HEIGHT_PX = 520;

/** @type {[string, string][]} */
const KEYS = [
  ["Space", "play or pause"],
  [",  .", "one frame back or on"],
  ["←  →", "one second back or on"],
  ["Home  End", "first or last frame"],
  ["[  ]", "selection starts or ends at this frame; Esc clears it"],
  ["n  p", "next or previous disagreement"],
  ["?", "show or hide these keys"],
];

// ---------------------------------------------------------------- small things

/**
 * Make an element. `text` goes in as text, never as markup.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {{class?: string, text?: string, title?: string, [attribute: string]: string | number | boolean | undefined}} [attributes]
 * @param {(Node | null)[]} [children]
 * @returns {HTMLElementTagNameMap[T]}
 */
function h(tag, attributes = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name === "text") element.textContent = String(value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/** @type {Record<string, string>} 16 x 16 paths */
const ICONS = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  first: "M3 3h1.8v10H3zM13 3v10L5.6 8z",
  previous: "M11 3v10L4.5 8zM12 3h1.5v10H12z",
  next: "M5 3v10l6.5-5zM2.5 3H4v10H2.5z",
  last: "M11.2 3H13v10h-1.8zM3 3v10l7.4-5z",
  left: "M10.3 2.7 5 8l5.3 5.3 1.1-1.1L7.2 8l4.2-4.2z",
  right: "M5.7 2.7 11 8l-5.3 5.3-1.1-1.1L8.8 8 4.6 3.8z",
  sound:
    "M2 6h2.5L8 3v10L4.5 10H2zM9.5 5.2c1.9.9 1.9 4.7 0 5.6zM11 2.8c3.6 2 3.6 8.4 0 10.4l-.6-1c2.7-1.6 2.7-6.8 0-8.4z",
  mute: "M2 6h2.5L8 3v10L4.5 10H2zM9.7 6.5l.8-.8L12 7.2l1.5-1.5.8.8L12.8 8l1.5 1.5-.8.8L12 8.8l-1.5 1.5-.8-.8L11.2 8z",
};

/**
 * @param {string} name
 * @returns {SVGSVGElement}
 */
function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name] ?? "");
  svg.append(path);
  return svg;
}

/**
 * @param {string} name
 * @param {string} label
 * @param {() => void} onClick
 * @returns {HTMLButtonElement}
 */
function button(name, label, onClick) {
  const element = h("button", {
    type: "button",
    class: "vl-button",
    title: label,
    "aria-label": label,
  });
  element.append(icon(name));
  element.addEventListener("click", onClick);
  return element;
}

/** @param {number} seconds */
function clockText(seconds) {
  const milliseconds = Math.round(Math.abs(seconds) * 1000);
  const pad = (/** @type {number} */ value, /** @type {number} */ width) =>
    String(value).padStart(width, "0");
  const minutes = Math.floor(milliseconds / 60000);
  const sign = seconds < 0 && milliseconds > 0 ? "-" : "";
  return `${sign}${pad(minutes, 2)}:${pad(Math.floor(milliseconds / 1000) % 60, 2)}.${pad(milliseconds % 1000, 3)}`;
}

/**
 * A tick of the axis: no more digits than the step needs.
 * @param {number} seconds
 * @param {number} step
 */
function tickText(seconds, step) {
  const text = clockText(seconds);
  return step >= 1 ? text.slice(0, -4) : text.slice(0, step >= 0.1 ? -2 : -1);
}

/** Probability for dense places: ".984", "1.00", "<.001". @param {number} value */
function probText(value) {
  if (value > 0.9995) return "1.00";
  if (value < 0.0005) return "<.001";
  return value.toFixed(3).slice(1);
}

/** @param {number} num_bytes */
function megabytes(num_bytes) {
  const value = num_bytes / 1e6;
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

/**
 * Index of the last value that is at most `wanted`, or -1.
 * @param {ArrayLike<number>} sorted
 * @param {number} wanted
 */
function lastAtMost(sorted, wanted) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (/** @type {number} */ (sorted[middle]) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * A typed view of a buffer that may not be aligned: copied, which is cheap here.
 * @param {DataView | undefined} view
 * @returns {ArrayBuffer}
 */
function aligned(view) {
  if (!view) throw new Error("The kernel's answer lacks a buffer. Run the cell again.");
  return /** @type {ArrayBuffer} */ (view.buffer).slice(
    view.byteOffset,
    view.byteOffset + view.byteLength,
  );
}

/** @param {unknown} error */
const sentence = (error) => (error instanceof Error ? error.message : String(error));

// ---------------------------------------------------------------- talking to the kernel

/** Asks the kernel: every request has an id, every reply carries it back. */
class Channel {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.serial = 0;
    // Replies reach every page that shows this kernel's widgets; the prefix is this page's own.
    this.prefix = Math.random().toString(36).slice(2);
    /** @type {Map<string, {resolve: (reply: Reply) => void, reject: (error: Error) => void, onProgress: (progress: Progress) => void}>} */
    this.waiting = new Map();
    this.receive = this.receive.bind(this);
    model.on("msg:custom", this.receive);
  }

  /**
   * @param {any} content
   * @param {(DataView | ArrayBuffer)[]} [buffers]
   */
  receive(content, buffers = []) {
    const request = this.waiting.get(content?.id);
    if (!request) return;
    if (content.progress) {
      request.onProgress(content.progress);
      return;
    }
    this.waiting.delete(content.id);
    if (content.error) request.reject(new Error(String(content.error.message)));
    else {
      request.resolve({
        content: content.result ?? {},
        buffers: buffers.map((buffer) =>
          buffer instanceof ArrayBuffer
            ? new DataView(buffer)
            : new DataView(
                /** @type {ArrayBuffer} */ (buffer.buffer),
                buffer.byteOffset,
                buffer.byteLength,
              ),
        ),
      });
    }
  }

  /**
   * @param {string} op
   * @param {object} [args]
   * @param {(progress: Progress) => void} [onProgress]
   * @returns {Promise<Reply>}
   */
  request(op, args = {}, onProgress = () => {}) {
    const id = `${this.prefix}-${this.serial++}`;
    return new Promise((resolve, reject) => {
      const asked = performance.now();
      let heard = false;
      const impatience = setInterval(() => {
        if (!heard) onProgress({ phase: "kernel", fraction: (performance.now() - asked) / 1000 });
      }, PATIENCE_MS);
      const done = () => clearInterval(impatience);
      this.waiting.set(id, {
        resolve: (reply) => (done(), resolve(reply)),
        reject: (error) => (done(), reject(error)),
        onProgress: (progress) => {
          heard = true;
          onProgress(progress);
        },
      });
      try {
        this.model.send({ id, op, ...args });
      } catch (error) {
        this.waiting.delete(id);
        done();
        reject(new Error(`The kernel cannot be reached (${sentence(error)}). Run the cell again.`));
      }
    });
  }

  close() {
    this.model.off("msg:custom", this.receive);
    for (const { reject } of this.waiting.values()) reject(new Error("The player was closed."));
    this.waiting.clear();
  }
}

/** What all views of one widget share, let go when the last view is gone. */
class Session {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.channel = new Channel(model);
    this.views = 0;
    /** @type {View | null} the view that plays; the others follow it */
    this.driver = null;
    /** @type {Promise<Media> | null} */
    this.opening = null;
    /** @type {Promise<Told> | null} */
    this.asking = null;
    /** @type {Set<(progress: Progress) => void>} */
    this.listeners = new Set();
    /** @type {string[]} */
    this.urls = [];
  }

  /** @param {Progress} progress */
  announce(progress) {
    for (const listener of this.listeners) listener(progress);
  }

  /**
   * The video's bytes and frame times, fetched once.
   * @param {{transcode?: boolean, again?: boolean}} [options]
   * @returns {Promise<Media>}
   */
  media({ transcode = false, again = false } = {}) {
    if (!this.opening || again) {
      this.opening = this.fetchMedia(transcode);
      this.opening.catch(() => {}); // each view shows the error; this only marks it as seen
    }
    return this.opening;
  }

  /** @param {boolean} transcode */
  async fetchMedia(transcode) {
    this.announce({ phase: "kernel", fraction: 0 });
    const opened = await this.channel.request(
      "open",
      { transcode, page: this.channel.prefix },
      (p) => this.announce(p),
    );
    const about = opened.content;
    const times = new Float64Array(aligned(opened.buffers[0]));
    const pieces = await this.fetchBytes(about.token, about.num_bytes);
    const url = URL.createObjectURL(new Blob(pieces, { type: about.mime }));
    this.urls.push(url);
    return { ...about, url, clock: new Clock(times, about.offset_seconds, about.end_seconds) };
  }

  /**
   * @param {string} token
   * @param {number} total
   */
  async fetchBytes(token, total) {
    /** @type {ArrayBuffer[]} */
    const pieces = new Array(Math.ceil(total / PIECE_BYTES));
    let next = 0;
    let loaded = 0;
    const worker = async () => {
      while (next < pieces.length) {
        const index = next++;
        const { buffers } = await this.channel.request("read", {
          token,
          offset: index * PIECE_BYTES,
          length: PIECE_BYTES,
        });
        const piece = aligned(buffers[0]);
        pieces[index] = piece;
        loaded += piece.byteLength;
        this.announce({
          phase: "loading",
          fraction: loaded / total,
          codec: `${megabytes(loaded)} of ${megabytes(total)} MB`,
        });
      }
    };
    await Promise.all(Array.from({ length: PIECES_IN_FLIGHT }, worker));
    if (loaded !== total)
      throw new Error("The video changed while it was read. Run the cell again.");
    return pieces;
  }

  /** @returns {Promise<Told>} */
  told() {
    this.asking ??= this.channel.request("predictions").then(readPredictions);
    return this.asking;
  }

  release() {
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.channel.close();
    try {
      this.model.send({ op: "release", page: this.channel.prefix });
    } catch {
      // The widget was closed in the kernel first, which has let go of everything already.
    }
  }
}

/**
 * @param {Reply} reply
 * @returns {Told}
 */
function readPredictions({ content, buffers }) {
  let at = 0;
  const take = () => aligned(buffers[at++]);
  /** @type {Track[]} */
  const tracks = content.models.map((/** @type {any} */ model) => ({
    title: model.title,
    letter: model.letter,
    k: model.k,
    curveLabels: model.curves,
    frames: new Int32Array(take()),
    times: new Float64Array(take()),
    topLabels: new Int32Array(take()),
    topProbs: new Float32Array(take()),
    curveProbs: new Float32Array(take()),
  }));
  /** @type {Divergence | null} */
  let divergence = null;
  if (content.has_divergence) {
    const times = new Float64Array(take());
    const values = new Float32Array(take());
    divergence = { times, values, most: values.reduce((a, b) => Math.max(a, b), 0) };
  }
  return {
    labels: content.labels,
    tracks,
    divergence,
    disagreements: content.disagreements.map((/** @type {[number, number]} */ [start, stop]) => ({
      start,
      stop,
    })),
  };
}

// ---------------------------------------------------------------- exact frames

/** Frame numbers and times. `offset` is the source's time at media time zero. */
class Clock {
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

/** The <video>: shows exact frames, and tells which one is on screen. */
class Picture {
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

// ---------------------------------------------------------------- timeline

const BAND_PX = 22;
const GAP_PX = 4;
const CURVES_PX = 64;
const STRIP_PX = 32;
const AXIS_PX = 20;

/** The canvases under the picture: curves, bands, divergence, axis, playhead. */
class Timeline {
  /**
   * @param {HTMLElement} root
   * @param {(seconds: number, final: boolean) => void} onSeek
   */
  constructor(root, onSeek) {
    this.root = root;
    this.base = h("canvas", { class: "vl-base" });
    this.top = h("canvas", { class: "vl-top" });
    this.tip = h("div", { class: "vl-tip", role: "presentation", hidden: true });
    this.element = h(
      "div",
      {
        class: "vl-timeline",
        role: "slider",
        tabindex: 0,
        "aria-label": "Timeline",
        "aria-valuemin": 0,
      },
      [this.base, this.top, this.tip],
    );
    /** @type {Clock | null} */
    this.clock = null;
    /** @type {Told} */
    this.told = { labels: [], tracks: [], divergence: null, disagreements: [] };
    /** @type {[number, number] | null} */
    this.selection = null;
    this.frame = 0;
    /** @type {number | null} */
    this.hoverX = null;
    this.width = 0;
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.element);
    this.listen(onSeek);
  }

  /** @param {(seconds: number, final: boolean) => void} onSeek */
  listen(onSeek) {
    let dragging = false;
    const seek = (/** @type {PointerEvent} */ event, /** @type {boolean} */ final) =>
      onSeek(this.seconds(event.clientX - this.element.getBoundingClientRect().left), final);
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.clock) return;
      dragging = true;
      this.element.setPointerCapture(event.pointerId);
      this.element.focus({ preventScroll: true });
      seek(event, false);
    });
    this.element.addEventListener("pointermove", (event) => {
      this.hoverX = event.clientX - this.element.getBoundingClientRect().left;
      if (dragging) seek(event, false);
      this.drawTop();
    });
    const end = (/** @type {PointerEvent} */ event) => {
      if (dragging) seek(event, true);
      dragging = false;
    };
    this.element.addEventListener("pointerup", end);
    this.element.addEventListener("pointercancel", () => (dragging = false));
    this.element.addEventListener("pointerleave", () => {
      this.hoverX = null;
      this.drawTop();
    });
  }

  get compared() {
    return this.told.tracks.length > 1;
  }

  get gutter() {
    return this.compared ? 24 : 0;
  }

  get start() {
    return this.clock?.start(0) ?? 0;
  }

  get end() {
    return this.clock?.end ?? 1;
  }

  /** @param {number} seconds */
  x(seconds) {
    const span = Math.max(this.end - this.start, 1e-9);
    return this.gutter + ((seconds - this.start) / span) * (this.width - this.gutter);
  }

  /** @param {number} x */
  seconds(x) {
    const share = (x - this.gutter) / Math.max(this.width - this.gutter, 1);
    return this.start + clamp(share, 0, 1) * (this.end - this.start);
  }

  /** Where each part lies; the height depends on the number of models only. */
  layout() {
    const { tracks, divergence } = this.told;
    let y = 0;
    const curves = { y, height: tracks.length === 1 ? CURVES_PX : 0 };
    if (curves.height) y += curves.height + GAP_PX;
    const bands = tracks.map(() => {
      const top = y;
      y += BAND_PX + GAP_PX;
      return top;
    });
    if (!tracks.length) {
      bands.push(y);
      y += 12;
    }
    const strip = { y: y + GAP_PX, height: divergence ? STRIP_PX : 0 };
    if (strip.height) y += STRIP_PX + 2 * GAP_PX;
    return { curves, bands, strip, axis: y, height: y + AXIS_PX };
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {number} height
   */
  context(canvas, height) {
    const scale = window.devicePixelRatio || 1;
    canvas.width = Math.round(this.width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    if (!context) throw new Error("This browser gives no 2D canvas; the timeline cannot be drawn.");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    return context;
  }

  theme() {
    const style = getComputedStyle(this.element);
    const color = (/** @type {string} */ name) => style.getPropertyValue(name).trim() || "gray";
    return {
      text: color("--vl-text"),
      muted: color("--vl-muted"),
      line: color("--vl-line"),
      track: color("--vl-track"),
      accent: color("--vl-accent"),
      warn: color("--vl-warn"),
      font: style.fontFamily || "sans-serif",
    };
  }

  draw() {
    this.width = this.element.clientWidth;
    if (!this.width) return;
    const place = this.layout();
    this.element.style.height = `${place.height}px`;
    const context = this.context(this.base, place.height);
    const theme = this.theme();
    this.drawAxis(context, theme, place);
    const [track] = this.told.tracks;
    if (!track) {
      context.fillStyle = theme.track;
      roundRect(context, this.gutter, 2, this.width - this.gutter, 8, 4);
    }
    if (track && place.curves.height) this.drawCurves(context, theme, track, place.curves);
    this.told.tracks.forEach((each, index) =>
      this.drawBand(context, theme, each, place.bands[index] ?? 0),
    );
    if (this.told.divergence)
      this.drawDivergence(context, theme, this.told.divergence, place.strip);
    this.drawTop();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {ReturnType<Timeline["layout"]>} place
   */
  drawAxis(context, theme, place) {
    const span = this.end - this.start;
    const steps = [
      0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600,
    ];
    const room = Math.max((this.width - this.gutter) / 84, 1);
    const step = steps.find((each) => span / each <= room) ?? 7200;
    context.font = `11px ${theme.font}`;
    context.textBaseline = "middle";
    context.fillStyle = theme.muted;
    context.strokeStyle = theme.line;
    context.lineWidth = 1;
    for (let at = Math.ceil(this.start / step - 1e-9) * step; at <= this.end + 1e-9; at += step) {
      const x = Math.round(this.x(at)) + 0.5;
      context.beginPath();
      context.moveTo(x, place.axis + 1);
      context.lineTo(x, place.axis + 5);
      context.stroke();
      const text = tickText(at, step);
      const width = context.measureText(text).width;
      context.fillText(
        text,
        clamp(x - width / 2, this.gutter, this.width - width),
        place.axis + 13,
      );
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {Track} track
   * @param {{y: number, height: number}} box
   */
  drawCurves(context, theme, track, box) {
    const rows = track.frames.length;
    const y = (/** @type {number} */ p) => box.y + 5 + (1 - p) * (box.height - 8);
    context.strokeStyle = theme.line;
    context.lineWidth = 1;
    for (const p of [0, 0.5, 1]) {
      context.beginPath();
      context.moveTo(this.gutter, Math.round(y(p)) + 0.5);
      context.lineTo(this.width, Math.round(y(p)) + 0.5);
      context.stroke();
    }
    /** @type {{x: number, y: number, label: Label}[]} */
    const peaks = [];
    // Drawn last to first, so that the most prominent label lies on top.
    for (let c = track.curveLabels.length - 1; c >= 0; c--) {
      const label = this.told.labels[track.curveLabels[c] ?? -1];
      if (!label?.color) continue;
      const probs = track.curveProbs.subarray(c * rows, (c + 1) * rows);
      let peak = 0;
      context.strokeStyle = label.color;
      context.lineWidth = 1.75;
      context.lineJoin = "round";
      context.setLineDash(DASHES[label.pattern % DASHES.length] ?? []);
      context.beginPath();
      // A prediction holds until the next one, so the curve goes in steps. More rows than
      // pixels are thinned to the highest of each pixel column.
      let column = -1;
      let highest = 0;
      for (let row = 0; row < rows; row++) {
        const p = probs[row] ?? 0;
        if (p > (probs[peak] ?? 0)) peak = row;
        const left = this.x(track.times[row] ?? 0);
        const right = this.x(row + 1 < rows ? (track.times[row + 1] ?? 0) : this.end);
        highest = Math.max(highest, p);
        if (Math.floor(right) === column && row + 1 < rows) continue;
        column = Math.floor(right);
        if (row === 0) context.moveTo(left, y(highest));
        else context.lineTo(left, y(highest));
        context.lineTo(right, y(highest));
        highest = 0;
      }
      context.stroke();
      context.setLineDash([]);
      peaks.push({
        x: (this.x(track.times[peak] ?? 0) + this.x(track.times[peak + 1] ?? this.end)) / 2,
        y: y(probs[peak] ?? 0),
        label,
      });
    }
    const taken = /** @type {number[]} */ ([]);
    for (const { x, y: top, label } of peaks.reverse()) {
      let at = clamp(x, this.gutter + 8, this.width - 8);
      for (let tries = 0; tries < 8 && taken.some((other) => Math.abs(other - at) < 18); tries++) {
        at = clamp(at + 18, this.gutter + 8, this.width - 8);
      }
      taken.push(at);
      drawChip(context, theme.font, label, at - 7, clamp(top - 7, box.y, box.y + box.height - 14));
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {Track} track
   * @param {number} top
   */
  drawBand(context, theme, track, top) {
    if (this.compared) {
      context.font = `600 12px ${theme.font}`;
      context.textBaseline = "middle";
      context.fillStyle = theme.text;
      context.fillText(track.letter, 6, top + BAND_PX / 2 + 1);
    }
    context.fillStyle = theme.track;
    roundRect(context, this.gutter, top, this.width - this.gutter, BAND_PX, 3);
    const rows = track.frames.length;
    let row = 0;
    while (row < rows) {
      const which = track.topLabels[row * track.k] ?? -1;
      let stop = row + 1;
      while (stop < rows && (track.topLabels[stop * track.k] ?? -1) === which) stop++;
      const label = this.told.labels[which];
      if (label) {
        const left = this.x(track.times[row] ?? 0);
        const right = stop < rows ? this.x(track.times[stop] ?? 0) : this.width;
        this.drawSegment(context, theme, label, left, right, top);
      }
      row = stop;
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {Label} label
   * @param {number} left
   * @param {number} right
   * @param {number} top
   */
  drawSegment(context, theme, label, left, right, top) {
    const width = Math.max(right - left - (right - left > 4 ? 1 : 0), 0.75);
    context.save();
    context.beginPath();
    context.roundRect(left, top, width, BAND_PX, width > 6 ? 3 : 0);
    context.clip();
    context.fillStyle = label.color ?? theme.muted;
    context.fillRect(left, top, width, BAND_PX);
    drawPattern(context, label, left, top, width, BAND_PX);
    const text = fit(context, label.name, width - 14, `500 12px ${theme.font}`);
    const shown = text.length > 4 || text === label.name ? text : width >= 14 ? label.letter : "";
    if (shown) {
      const at = text === shown ? left + 7 : left + (width - context.measureText(shown).width) / 2;
      // A plain ground behind the words: patterns must not cut through letters.
      context.fillStyle = label.color ?? theme.muted;
      context.fillRect(at - 3, top + 3, context.measureText(shown).width + 6, BAND_PX - 6);
      context.fillStyle = label.ink;
      context.textBaseline = "middle";
      context.fillText(shown, at, top + BAND_PX / 2 + 0.5);
    }
    context.restore();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {Divergence} divergence
   * @param {{y: number, height: number}} box
   */
  drawDivergence(context, theme, { times, values, most }, box) {
    const bottom = box.y + box.height;
    // Scaled to the largest one, so that small divergences can be seen; noise is not blown up.
    const full = Math.max(0.1, most);
    context.fillStyle = theme.track;
    roundRect(context, this.gutter, box.y, this.width - this.gutter, box.height, 3);
    context.fillStyle = theme.warn;
    for (const { start, stop } of this.told.disagreements) {
      const left = this.x(this.clock?.start(start) ?? 0);
      const right = this.x(
        stop < (this.clock?.length ?? 0) ? (this.clock?.start(stop) ?? 0) : this.end,
      );
      context.globalAlpha = 0.22;
      context.fillRect(left, box.y, Math.max(right - left, 1.5), box.height);
      context.globalAlpha = 1;
      context.fillRect(left, box.y, Math.max(right - left, 1.5), 3);
    }
    context.fillStyle = theme.text;
    context.strokeStyle = theme.text;
    context.lineWidth = 1.25;
    const outline = new Path2D();
    const rows = values.length;
    for (let row = 0; row < rows; row++) {
      const y = bottom - 1 - ((values[row] ?? 0) / full) * (box.height - 7);
      const left = this.x(times[row] ?? 0);
      const right = row + 1 < rows ? this.x(times[row + 1] ?? 0) : this.width;
      if (row === 0) outline.moveTo(left, y);
      else outline.lineTo(left, y);
      outline.lineTo(right, y);
    }
    context.stroke(outline);
    const first = this.x(times[0] ?? 0);
    outline.lineTo(this.width, bottom);
    outline.lineTo(first, bottom);
    context.globalAlpha = 0.16;
    context.fill(outline);
    context.globalAlpha = 1;
    context.font = `11px ${theme.font}`;
    context.textBaseline = "middle";
    context.fillStyle = theme.muted;
    context.fillText("Δ", 7, box.y + box.height / 2 + 1);
  }

  drawTop() {
    if (!this.width || !this.clock) return;
    const place = this.layout();
    const context = this.context(this.top, place.height);
    const theme = this.theme();
    if (this.selection) {
      const [start, stop] = this.selection;
      const left = this.x(this.clock.start(start));
      const right = this.x(stop < this.clock.length ? this.clock.start(stop) : this.end);
      context.fillStyle = theme.accent;
      context.globalAlpha = 0.2;
      context.fillRect(left, 0, Math.max(right - left, 1), place.axis);
      context.globalAlpha = 1;
      context.fillRect(left, place.axis - 2, Math.max(right - left, 2), 3);
    }
    if (this.hoverX !== null && this.hoverX >= this.gutter) {
      context.strokeStyle = theme.muted;
      context.setLineDash([2, 2]);
      context.beginPath();
      context.moveTo(Math.round(this.hoverX) + 0.5, 0);
      context.lineTo(Math.round(this.hoverX) + 0.5, place.axis);
      context.stroke();
      context.setLineDash([]);
    }
    const x = clamp(
      Math.round(this.x(this.clock.start(this.frame))),
      this.gutter + 1,
      this.width - 1,
    );
    context.fillStyle = theme.text;
    context.fillRect(x - 1, 0, 2, place.axis + 2);
    context.beginPath();
    context.arc(x, place.axis + 2, 4.5, 0, 2 * Math.PI);
    context.fill();
    this.showTip();
  }

  showTip() {
    if (this.hoverX === null || !this.clock || this.hoverX < this.gutter) {
      this.tip.hidden = true;
      return;
    }
    const frame = this.clock.at(this.seconds(this.hoverX));
    /** @type {Node[]} */
    const lines = [
      h("div", {
        class: "vl-tip-head",
        text: `${clockText(this.clock.start(frame))} · frame ${frame}`,
      }),
    ];
    for (const track of this.told.tracks) {
      const row = lastAtMost(track.frames, frame);
      const shown = this.compared ? 1 : Math.min(3, track.k);
      for (let rank = 0; rank < shown; rank++) {
        const label =
          row < 0 ? undefined : this.told.labels[track.topLabels[row * track.k + rank] ?? -1];
        if (!label && rank > 0) continue;
        lines.push(
          h("div", { class: "vl-tip-row" }, [
            this.compared ? h("span", { class: "vl-tip-letter", text: track.letter }) : null,
            chip(label),
            h("span", { class: "vl-ellipsis", text: label ? label.name : "no prediction here" }),
            h("span", {
              class: "vl-number",
              text: label ? probText(track.topProbs[row * track.k + rank] ?? 0) : "",
            }),
          ]),
        );
      }
    }
    const { divergence } = this.told;
    const row = divergence ? lastAtMost(divergence.times, this.clock.start(frame) + 1e-6) : -1;
    if (divergence && row >= 0) {
      lines.push(
        h("div", {
          class: "vl-tip-row vl-muted",
          text: `divergence ${(divergence.values[row] ?? 0).toFixed(3)} nats`,
        }),
      );
    }
    this.tip.replaceChildren(...lines);
    this.tip.hidden = false;
    const width = this.tip.offsetWidth;
    const left =
      this.hoverX + 14 + width > this.width ? this.hoverX - 14 - width : this.hoverX + 14;
    this.tip.style.left = `${clamp(left, 0, Math.max(this.width - width, 0))}px`;
  }

  close() {
    this.resize.disconnect();
  }
}

/** Dash of a curve by the label's pattern, so that colour is never alone. */
const DASHES = [[], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [12, 3]];

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 * @param {number} radius
 */
function roundRect(context, x, y, width, height, radius) {
  context.beginPath();
  context.roundRect(x, y, width, height, radius);
  context.fill();
}

/**
 * A faint texture over a band: 0 plain, 1 "/", 2 "\", 3 dots, 4 "-", 5 "x".
 * @param {CanvasRenderingContext2D} context
 * @param {Label} label
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 */
function drawPattern(context, label, x, y, width, height) {
  if (!label.pattern) return;
  context.save();
  context.strokeStyle = context.fillStyle = label.ink;
  context.globalAlpha = 0.2;
  context.lineWidth = 1;
  context.beginPath();
  const from = Math.floor((x - height) / 8) * 8;
  for (let at = from; at < x + width + height; at += 8) {
    if (label.pattern === 1 || label.pattern === 5) {
      context.moveTo(at, y + height);
      context.lineTo(at + height, y);
    }
    if (label.pattern === 2 || label.pattern === 5) {
      context.moveTo(at, y);
      context.lineTo(at + height, y + height);
    }
    if (label.pattern === 3)
      for (let dot = y + 4; dot < y + height; dot += 6) context.rect(at, dot, 1.5, 1.5);
  }
  if (label.pattern === 4) {
    for (let line = y + 3.5; line < y + height; line += 5) {
      context.moveTo(x, line);
      context.lineTo(x + width, line);
    }
  }
  context.stroke();
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} font
 * @param {Label} label
 * @param {number} x
 * @param {number} y
 */
function drawChip(context, font, label, x, y) {
  context.fillStyle = label.color ?? "gray";
  roundRect(context, x, y, 14, 14, 3);
  context.fillStyle = label.ink;
  context.font = `600 10px ${font}`;
  context.textBaseline = "middle";
  context.fillText(label.letter, x + 7 - context.measureText(label.letter).width / 2, y + 7.5);
}

/**
 * The text, shortened with an ellipsis to a width; sets the font.
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {number} width
 * @param {string} font
 */
function fit(context, text, width, font) {
  context.font = font;
  if (width <= 0) return "";
  if (context.measureText(text).width <= width) return text;
  let length = Math.min(text.length, 64);
  while (length > 0 && context.measureText(`${text.slice(0, length)}…`).width > width) length--;
  return length > 0 ? `${text.slice(0, length).trimEnd()}…` : "";
}

/** A label's little square: its colour and its letter. @param {Label | undefined} label */
function chip(label) {
  const element = h("span", {
    class: "vl-chip",
    text: label?.color ? label.letter : "",
    "aria-hidden": "true",
  });
  if (label?.color) {
    element.style.background = label.color;
    element.style.color = label.ink;
  }
  return element;
}

// ---------------------------------------------------------------- bars

/** The top-k of the frame on screen, one block a model. Rows are made once and refilled. */
class Panel {
  /** @param {Info} info */
  constructor(info) {
    this.element = h("div", { class: "vl-panel" });
    /** @type {Told} */
    this.told = { labels: [], tracks: [], divergence: null, disagreements: [] };
    const compared = info.models.length > 1;
    this.blocks = info.models.map((title, index) => {
      const rows = Array.from({ length: info.top_k }, () => {
        const row = {
          chip: chip(undefined),
          name: h("span", { class: "vl-ellipsis" }),
          bar: h("span", { class: "vl-bar" }),
          value: h("span", { class: "vl-number" }),
        };
        const element = h("li", { class: "vl-row" }, [
          row.chip,
          row.name,
          h("span", { class: "vl-rail" }, [row.bar]),
          row.value,
        ]);
        return { ...row, element, which: -2 };
      });
      const head = h("div", { class: "vl-head", title }, [
        compared
          ? h("span", { class: "vl-letter", text: String.fromCharCode(65 + (index % 26)) })
          : null,
        h("span", { class: "vl-ellipsis", text: title }),
      ]);
      const list = h(
        "ol",
        { class: "vl-rows", "aria-label": `Top ${info.top_k} of ${title}` },
        rows.map((row) => row.element),
      );
      this.element.append(h("section", { class: "vl-block" }, [head, list]));
      return { rows, row: -2 };
    });
  }

  /** @param {number} frame */
  show(frame) {
    this.told.tracks.forEach((track, index) => {
      const block = this.blocks[index];
      if (!block) return;
      const row = lastAtMost(track.frames, frame);
      if (row === block.row) return; // the same prediction still holds
      block.row = row;
      block.rows.forEach((cells, rank) => {
        const which =
          row < 0 || rank >= track.k ? -1 : (track.topLabels[row * track.k + rank] ?? -1);
        const label = this.told.labels[which];
        const prob = label ? (track.topProbs[row * track.k + rank] ?? 0) : 0;
        if (which !== cells.which) {
          cells.which = which;
          cells.name.textContent = label
            ? label.name
            : rank === 0
              ? "no prediction for this frame"
              : "";
          cells.element.title = label ? label.name : "";
          const fresh = chip(label);
          cells.chip.replaceWith(fresh);
          cells.chip = fresh;
          cells.bar.style.background = label?.color ?? "";
        }
        cells.bar.style.width = `${(100 * prob).toFixed(2)}%`;
        cells.value.textContent = label ? probText(prob) : "";
      });
    });
  }

  /** Fill again although the frame is the same: the predictions have come. @param {Told} told */
  refill(told) {
    this.told = told;
    for (const block of this.blocks) block.row = -2;
  }
}

// ---------------------------------------------------------------- one view

class View {
  /**
   * @param {Session} session
   * @param {Model} model
   * @param {HTMLElement} el
   */
  constructor(session, model, el) {
    this.session = session;
    this.model = model;
    /** @type {Info} */
    this.info = model.get("_info");
    /** @type {Told | null} */
    this.told = null;
    /** @type {Media | null} */
    this.media = null;
    this.closed = false;
    this.posted = -1;
    /** @type {number | null} the frame to go back to when a copy replaces what failed */
    this.resume = null;
    this.postTimer = 0;
    this.speakTimer = 0;
    /** @type {(() => void)[]} */
    this.undo = [];
    this.root = h("div", {
      class: "vidlab-player",
      tabindex: -1,
      role: "group",
      "aria-label": `Video player: ${this.info.name}`,
    });
    const { info } = this;
    const ratio = info.width / info.height;
    this.root.style.setProperty("--vl-ratio", String(ratio));
    // Never larger than twice its own size, nor taller than fits a notebook.
    const widest = Math.min(
      2 * info.width,
      Math.min(2 * info.height, MAX_PICTURE_HEIGHT_PX) * ratio,
    );
    this.root.style.setProperty("--vl-widest", `${Math.round(widest)}px`);
    this.root.classList.toggle("vl-many", info.models.length > 3);
    this.root.classList.toggle("vl-bare", info.models.length === 0);

    this.video = h("video", {
      class: "vl-video",
      playsinline: true,
      preload: "auto",
      tabindex: -1,
      "aria-label": info.name,
    });
    this.overlay = h("div", { class: "vl-overlay", hidden: true }, [
      h("span", { class: "vl-ellipsis" }),
      h("span", { class: "vl-number" }),
    ]);
    this.statusText = h("p", { class: "vl-status-text" });
    this.statusBar = h("progress", {
      class: "vl-progress",
      max: 1,
      hidden: true,
      "aria-label": "progress",
    });
    this.retry = h("button", { type: "button", class: "vl-link", text: "Try again", hidden: true });
    this.status = h("div", { class: "vl-status", role: "status" }, [
      this.statusText,
      this.statusBar,
      this.retry,
    ]);
    const picture = h("div", { class: "vl-picture" }, [
      h("div", { class: "vl-screen" }, [this.video, this.overlay, this.status]),
    ]);

    this.playButton = button("play", "Play (space)", () => this.togglePlay());
    this.speed = h("select", { class: "vl-speed", "aria-label": "Speed", title: "Speed" });
    for (const speed of SPEEDS) this.speed.append(h("option", { value: speed, text: `${speed}×` }));
    this.soundButton = button("sound", "Sound off", () => this.setMuted(!this.video.muted));
    this.soundButton.hidden = !info.has_audio;
    this.timeText = h("span", { class: "vl-time", text: clockText(0) });
    this.totalText = h("span", { class: "vl-muted" });
    this.frameInput = h("input", {
      class: "vl-frame",
      type: "text",
      inputmode: "numeric",
      autocomplete: "off",
      spellcheck: "false",
      value: "0",
      "aria-label": "Go to frame, or to a time such as 0:01.5",
      title:
        "Go to frame (or to a time such as 0:01.5): type and press Enter. The first frame is 0.",
    });
    this.lengthText = h("span", { class: "vl-muted" });
    this.badge = h("span", { class: "vl-badge vl-muted vl-ellipsis", hidden: true });
    this.helpButton = h("button", {
      type: "button",
      class: "vl-button vl-question",
      title: "Keys (?)",
      "aria-label": "Show the keys",
      "aria-expanded": "false",
      text: "?",
    });
    this.helpButton.addEventListener("click", () => this.toggleHelp());
    const controls = h("div", { class: "vl-controls", role: "toolbar", "aria-label": "Playback" }, [
      h("span", { class: "vl-group" }, [
        this.playButton,
        button("first", "First frame (Home)", () => this.goTo(0)),
        button("previous", "Previous frame (,)", () => this.step(-1)),
        button("next", "Next frame (.)", () => this.step(1)),
        button("last", "Last frame (End)", () => this.goTo(Infinity)),
        this.speed,
        this.soundButton,
      ]),
      h("span", { class: "vl-group vl-numbers" }, [this.timeText, this.totalText]),
      h("label", { class: "vl-group vl-numbers" }, [
        h("span", { class: "vl-muted", text: "frame" }),
        this.frameInput,
        this.lengthText,
      ]),
      this.badge,
      this.helpButton,
    ]);
    this.controls = controls;

    this.help = h("dl", { class: "vl-help", hidden: true });
    for (const [keys, meaning] of KEYS) {
      if (keys.startsWith("n") && info.models.length < 2) continue;
      this.help.append(h("dt", { text: keys }), h("dd", { text: meaning }));
    }

    this.timeline = new Timeline(this.root, (seconds, final) => this.seekTo(seconds, final));
    this.findMost = h("span", { class: "vl-muted vl-ellipsis vl-find-most" });
    this.findText = h("span", { class: "vl-muted vl-find-text" });
    this.finder = h("div", { class: "vl-finder", hidden: info.models.length < 2 }, [
      this.findMost,
      this.findText,
      button("left", "Previous disagreement (p)", () => this.find(-1)),
      button("right", "Next disagreement (n)", () => this.find(1)),
    ]);
    this.panel = new Panel(info);
    this.hint = h("div", { class: "vl-hint", hidden: info.models.length > 0 }, [
      h("span", {
        text: "No predictions yet. Get some, and see what the model says for each frame:",
      }),
      h("code", {
        text: 'vl.Player(video, vl.predict(video, vl.load_model("movinet-a0-stream")))',
      }),
    ]);
    this.live = h("div", { class: "vl-hidden", "aria-live": "polite" });
    this.root.append(
      h("div", { class: "vl-grid" }, [
        picture,
        controls,
        this.help,
        h("div", { class: "vl-lines" }, [this.timeline.element, this.finder]),
        info.models.length ? this.panel.element : this.hint,
      ]),
      this.live,
    );
    this.picture = new Picture(this.video, (index) => this.onFrame(index));
    el.append(this.root);
    this.showSpeed();
    this.showSelection();
    this.listen();
    void this.load();
    void this.loadPredictions();
  }

  get clock() {
    return this.media?.clock ?? null;
  }

  // ------------------------------------------------------------ loading

  async load({ transcode = false, again = false } = {}) {
    this.retry.hidden = true;
    const listener = (/** @type {Progress} */ progress) => this.say(...waitText(progress));
    this.session.listeners.add(listener);
    this.say("Asking the kernel for the video …");
    try {
      const media = await this.session.media({ transcode, again });
      if (this.closed) return;
      this.use(media);
    } catch (error) {
      if (!this.closed)
        this.fail(sentence(error), () => void this.load({ transcode, again: true }));
    } finally {
      this.session.listeners.delete(listener);
    }
  }

  /** @param {Media} media */
  use(media) {
    const { video, info } = this;
    this.media = media;
    // Padding that only makes the sizes even hangs over the edge of the screen.
    const pad = media.how === "transcode";
    video.style.width = pad ? `${(100 * media.coded_width) / info.width}%` : "100%";
    video.style.height = pad ? `${(100 * media.coded_height) / info.height}%` : "100%";
    this.picture.clock = media.clock;
    this.timeline.clock = media.clock;
    this.timeline.element.setAttribute("aria-valuemax", String(media.clock.length - 1));
    this.totalText.textContent = ` / ${clockText(media.clock.end)}`;
    this.lengthText.textContent = ` / ${media.clock.length}`;
    this.frameInput.style.setProperty(
      "width",
      `${Math.max(String(media.clock.length).length, 2) + 1.6}ch`,
    );
    this.soundButton.hidden = !media.has_audio;
    this.badge.hidden = media.how === "direct" && !media.warning;
    this.badge.textContent =
      media.warning ||
      (media.how === "transcode" ? `transcoded from ${media.codec}` : "repackaged");
    this.badge.title = [media.warning, media.why].filter(Boolean).join(" ");
    this.say("Opening the video …");
    video.src = media.url;
    video.load();
  }

  async loadPredictions() {
    if (!this.info.models.length) return;
    try {
      const told = await this.session.told();
      if (this.closed) return;
      this.told = told;
      this.timeline.told = told;
      this.panel.refill(told);
      this.timeline.draw();
      this.update(this.picture.shown ?? this.model.get("frame_index"));
    } catch (error) {
      if (this.closed) return;
      this.panel.element.prepend(
        h("p", { class: "vl-error", text: `The predictions cannot be shown: ${sentence(error)}` }),
      );
    }
  }

  /**
   * Say what is being waited for, over the empty picture; nothing takes it away.
   * @param {string} [text]
   * @param {number} [fraction]
   */
  say(text = "", fraction) {
    const { status, statusText, statusBar } = this;
    status.hidden = !text;
    status.classList.remove("vl-failed");
    statusText.textContent = text;
    statusBar.hidden = fraction === undefined;
    if (fraction !== undefined) statusBar.value = fraction;
  }

  /**
   * @param {string} text
   * @param {() => void} again
   */
  fail(text, again) {
    this.say(text);
    this.status.classList.add("vl-failed");
    this.retry.hidden = false;
    this.retry.onclick = again;
  }

  // ------------------------------------------------------------ events

  /**
   * @param {EventTarget} target
   * @param {string} name
   * @param {(event: any) => void} listener
   * @param {boolean} [capture]
   */
  hear(target, name, listener, capture = false) {
    target.addEventListener(name, listener, capture);
    this.undo.push(() => target.removeEventListener(name, listener, capture));
  }

  /**
   * @param {string} name
   * @param {() => void} listener
   */
  follow(name, listener) {
    this.model.on(`change:${name}`, listener);
    this.undo.push(() => this.model.off(`change:${name}`, listener));
  }

  listen() {
    const { video, speed, frameInput } = this;
    this.hear(video, "loadeddata", () => {
      this.say();
      this.picture.show(this.resume ?? this.model.get("frame_index"));
      this.resume = null;
      this.timeline.draw();
      this.update(this.picture.current);
      if (this.model.get("playing")) this.obeyPlaying();
    });
    this.hear(video, "error", () => this.onVideoError());
    this.hear(video, "play", () => this.showPlaying(true));
    this.hear(video, "pause", () => this.showPlaying(false));
    this.hear(video, "ended", () => {
      this.setPlaying(false);
      // At high speed the browser may leave the last frame out.
      this.goTo(Infinity);
    });
    this.hear(video, "click", () => {
      this.root.focus({ preventScroll: true });
      this.togglePlay();
    });
    this.hear(speed, "change", () => {
      this.model.set("speed", Number(speed.value));
      this.model.save_changes();
    });
    this.hear(frameInput, "keydown", (event) => {
      if (event.key === "Enter") this.goToTyped(frameInput.value);
      if (event.key === "Escape") frameInput.value = String(this.picture.current);
      if (event.key === "Enter" || event.key === "Escape") this.timeline.element.focus();
    });
    this.hear(frameInput, "focus", () => frameInput.select());
    // JupyterLab hears keys on the document before they reach the page's elements. While the
    // focus is in here, our keys (and only ours) are taken one step earlier, on the window.
    this.hear(window, "keydown", (event) => this.onKey(event), true);
    this.follow("frame_index", () => {
      const index = this.model.get("frame_index");
      if (index !== this.posted || this.session.driver !== this) this.obeyFrame(index);
    });
    this.follow("playing", () => this.obeyPlaying());
    this.follow("speed", () => this.showSpeed());
    this.follow("selection", () => this.showSelection());
    this.follow("overlay", () => this.update(this.picture.shown ?? 0));
    const theme = new MutationObserver(() => this.timeline.draw());
    for (const element of [document.documentElement, document.body]) {
      theme.observe(element, {
        attributes: true,
        attributeFilter: [
          "class",
          "style",
          "data-jp-theme-name",
          "data-jp-theme-light",
          "data-vscode-theme-kind",
        ],
      });
    }
    this.undo.push(() => theme.disconnect());
  }

  onVideoError() {
    if (!this.video.getAttribute("src") || !this.media) return;
    if (this.media.how === "transcode") {
      this.fail(
        "This browser cannot play H.264 video. Open the notebook in a browser that can, such as Chrome, Edge, Firefox or Safari.",
        () => void this.load({ transcode: true, again: true }),
      );
    } else {
      this.resume = this.picture.current;
      this.picture.reset();
      void this.load({ transcode: true, again: true });
    }
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const target = event.composedPath()[0];
    if (!(target instanceof Node) || !this.root.contains(target)) return;
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    if (typing) return;
    const onButton = target instanceof HTMLButtonElement;
    const now = this.picture.current;
    /** @type {Record<string, () => void>} */
    const actions = {
      ",": () => this.step(-1),
      ".": () => this.step(1),
      ArrowLeft: () => this.jump(-JUMP_SECONDS),
      ArrowRight: () => this.jump(JUMP_SECONDS),
      Home: () => this.goTo(0),
      End: () => this.goTo(Infinity),
      "[": () => this.select(now, Math.max(this.selection?.[1] ?? 0, now + 1)),
      "]": () => this.select(Math.min(this.selection?.[0] ?? now, now), now + 1),
      "?": () => this.toggleHelp(),
    };
    if (!onButton) actions[" "] = () => this.togglePlay();
    if (this.selection) actions["Escape"] = () => this.select();
    if (this.info.models.length > 1) {
      actions["n"] = () => this.find(1);
      actions["p"] = () => this.find(-1);
    }
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    action();
  }

  // ------------------------------------------------------------ moving

  /** @param {number} index */
  goTo(index) {
    if (!this.clock) return;
    this.takeOver();
    this.setPlaying(false);
    this.picture.show(clamp(index, 0, this.clock.length - 1));
    this.post();
  }

  /** @param {number} num_frames */
  step(num_frames) {
    this.goTo(this.picture.current + num_frames);
  }

  /** @param {number} seconds */
  jump(seconds) {
    if (!this.clock) return;
    this.takeOver();
    this.picture.show(this.clock.at(this.clock.start(this.picture.current) + seconds));
    this.post();
  }

  /**
   * @param {number} seconds
   * @param {boolean} final
   */
  seekTo(seconds, final) {
    if (!this.clock) return;
    this.takeOver();
    this.picture.show(this.clock.at(seconds));
    this.post();
    if (final) this.speak();
  }

  /** A frame number, or a time such as "1:02.5" or "2.5s". @param {string} text */
  goToTyped(text) {
    const typed = text.trim();
    const time = /^(?:(\d+):)?(\d+(?:\.\d*)?)\s*s?$/.exec(typed);
    if (/^\d+$/.test(typed)) this.goTo(Number(typed));
    else if (time && this.clock)
      this.goTo(this.clock.at(60 * Number(time[1] ?? 0) + Number(time[2])));
    else this.frameInput.value = String(this.picture.current);
  }

  /** Next or previous disagreement: its first frame. @param {1 | -1} direction */
  find(direction) {
    const all = this.told?.disagreements ?? [];
    const now = this.picture.current;
    const found =
      direction > 0
        ? all.find(({ start }) => start > now)
        : all.findLast(({ start }) => start < now);
    if (found) this.goTo(found.start);
    else if (all.length)
      this.announce(
        direction > 0 ? "No disagreement after this frame." : "No disagreement before this frame.",
      );
  }

  togglePlay() {
    this.takeOver();
    this.setPlaying(!this.model.get("playing"));
  }

  takeOver() {
    const { driver } = this.session;
    if (driver !== this) driver?.video.pause();
    this.session.driver = this;
  }

  /** @param {boolean} playing */
  setPlaying(playing) {
    if (this.model.get("playing") === playing) return;
    this.model.set("playing", playing);
    this.model.save_changes();
    if (!playing) this.post();
  }

  obeyPlaying() {
    const { video, clock, picture } = this;
    if (!clock) return;
    const playing = this.model.get("playing");
    if (!playing) {
      const moving = !video.paused;
      video.pause();
      if (moving && this.session.driver === this) {
        this.post();
        this.speak();
      }
      return;
    }
    this.session.driver ??= this;
    if (this.session.driver !== this || !video.paused) return;
    if (video.ended || picture.current >= clock.length - 1) video.currentTime = 0;
    video.play().catch((error) => {
      if (this.closed) return;
      this.setPlaying(false);
      if (error instanceof DOMException && error.name === "NotAllowedError") {
        this.announce(
          "The browser wants a click in the page before it plays sound. Press play.",
          true,
        );
      }
    });
  }

  /** The kernel (or another view) moved to a frame. @param {number} index */
  obeyFrame(index) {
    if (!this.clock) return;
    this.posted = index;
    this.picture.show(index);
  }

  // ------------------------------------------------------------ showing

  /** A frame came on screen. @param {number} index */
  onFrame(index) {
    this.update(index);
    if (this.session.driver === this) this.post();
  }

  /** @param {number} index */
  update(index) {
    const { clock, timeline, panel } = this;
    this.root.dataset["frame"] = String(index);
    panel.show(index);
    this.showOverlay(index);
    if (!clock) return;
    this.timeText.textContent = clockText(clock.start(index));
    if (document.activeElement !== this.frameInput) this.frameInput.value = String(index);
    timeline.frame = index;
    timeline.drawTop();
    timeline.element.setAttribute("aria-valuenow", String(index));
    timeline.element.setAttribute("aria-valuetext", this.describe(index));
    this.showFound(index);
    if (this.video.paused) this.speak();
  }

  /** @param {number} index */
  describe(index) {
    const parts = [`frame ${index}`, clockText(this.clock?.start(index) ?? 0)];
    for (const track of this.told?.tracks ?? []) {
      const row = lastAtMost(track.frames, index);
      const label = row < 0 ? undefined : this.told?.labels[track.topLabels[row * track.k] ?? -1];
      const who = (this.told?.tracks.length ?? 0) > 1 ? `${track.letter}: ` : "";
      if (label) parts.push(`${who}${label.name} ${probText(track.topProbs[row * track.k] ?? 0)}`);
    }
    return parts.join(", ");
  }

  /** @param {number} index */
  showOverlay(index) {
    const { overlay } = this;
    const track = this.told?.tracks[0];
    const row = track ? lastAtMost(track.frames, index) : -1;
    const label =
      track && row >= 0 ? this.told?.labels[track.topLabels[row * track.k] ?? -1] : undefined;
    overlay.hidden = !this.model.get("overlay") || !label;
    if (overlay.hidden || !track || !label) return;
    const [name, value] = /** @type {HTMLElement[]} */ ([...overlay.children]);
    if (name) name.textContent = label.name;
    if (value) value.textContent = probText(track.topProbs[row * track.k] ?? 0);
    overlay.style.borderLeftColor = label.color ?? "";
  }

  /** @param {number} index */
  showFound(index) {
    if (!this.told) return;
    const all = this.told.disagreements;
    const here = all.findIndex(({ start, stop }) => start <= index && index < stop);
    const count = all.length === 1 ? "1 disagreement" : `${all.length} disagreements`;
    const peak = this.told.divergence?.most;
    this.findMost.textContent =
      peak === undefined ? "" : `Δ divergence, at most ${peak.toFixed(peak < 0.1 ? 3 : 2)} nats`;
    this.findText.textContent =
      all.length === 0
        ? "the models agree throughout"
        : here >= 0
          ? `disagreement ${here + 1} of ${all.length}`
          : count;
    const [previous, next] = /** @type {HTMLButtonElement[]} */ ([
      ...(this.finder.querySelectorAll("button") ?? []),
    ]);
    // aria-disabled, not disabled: a disabled button would lose the keyboard's focus.
    previous?.setAttribute("aria-disabled", String(!all.some(({ start }) => start < index)));
    next?.setAttribute("aria-disabled", String(!all.some(({ start }) => start > index)));
  }

  /** @param {boolean} playing */
  showPlaying(playing) {
    const label = playing ? "Pause (space)" : "Play (space)";
    this.playButton.replaceChildren(icon(playing ? "pause" : "play"));
    this.playButton.setAttribute("aria-label", label);
    this.playButton.setAttribute("title", label);
  }

  showSpeed() {
    const value = this.model.get("speed");
    this.video.defaultPlaybackRate = this.video.playbackRate = value;
    if (
      !SPEEDS.includes(value) &&
      ![...this.speed.options].some((option) => Number(option.value) === value)
    ) {
      this.speed.append(h("option", { value, text: `${value}×` }));
    }
    this.speed.value = String(value);
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.video.muted = muted;
    const label = muted ? "Sound on" : "Sound off";
    this.soundButton.replaceChildren(icon(muted ? "mute" : "sound"));
    this.soundButton.setAttribute("aria-label", label);
    this.soundButton.setAttribute("title", label);
  }

  /** @returns {[number, number] | null} */
  get selection() {
    return this.model.get("selection");
  }

  /** Select frames [start, stop), or nothing. @param {number} [start] @param {number} [stop] */
  select(start, stop) {
    this.model.set("selection", start === undefined || stop === undefined ? null : [start, stop]);
    this.model.save_changes();
  }

  showSelection() {
    this.timeline.selection = this.selection;
    this.timeline.drawTop();
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
    this.helpButton.setAttribute("aria-expanded", String(!this.help.hidden));
  }

  /** Tell the kernel where we are, at most every POST_EVERY_MS. */
  post() {
    if (this.postTimer || this.closed) return;
    this.postTimer = window.setTimeout(() => {
      this.postTimer = 0;
      const { clock, picture } = this;
      if (!clock || this.closed) return;
      const index = picture.current;
      if (index === this.model.get("frame_index")) return;
      this.posted = index;
      this.model.set("frame_index", index);
      this.model.set("time_seconds", clock.start(index));
      this.model.save_changes();
    }, POST_EVERY_MS);
  }

  /** Tell a screen reader where we are once things have come to rest. */
  speak() {
    clearTimeout(this.speakTimer);
    this.speakTimer = window.setTimeout(
      () => this.announce(this.describe(this.picture.current)),
      500,
    );
  }

  /**
   * @param {string} text
   * @param {boolean} [visibly]
   */
  announce(text, visibly = false) {
    if (this.closed) return;
    this.live.textContent = text;
    if (visibly) {
      this.badge.hidden = false;
      this.badge.textContent = text;
      this.badge.title = text;
    }
  }

  close() {
    this.closed = true;
    clearTimeout(this.postTimer);
    clearTimeout(this.speakTimer);
    for (const undo of this.undo) undo();
    this.timeline.close();
    this.picture.close();
    this.root.remove();
  }
}

/**
 * What is being waited for, in words.
 * @param {Progress} progress
 * @returns {[string, number | undefined]}
 */
function waitText({ phase, codec = "", fraction }) {
  const percent = fraction === undefined ? "" : `, ${Math.floor(100 * fraction)} %`;
  switch (phase) {
    case "kernel":
      return fraction && fraction >= 1
        ? [
            `The kernel has not answered for ${Math.round(fraction)} s: it is busy with another cell, or not running. If it is not running, run this cell again.`,
            undefined,
          ]
        : ["Asking the kernel for the video …", undefined];
    case "indexing":
      return ["Reading the frame times …", undefined];
    case "remuxing":
      return [`Repackaging ${codec} for the browser${percent}`, fraction];
    case "transcoding":
      return [`Transcoding ${codec} → H.264${percent}`, fraction];
    case "loading":
      return [`Loading ${codec}`, fraction];
    default:
      return [`${phase}${percent}`, fraction];
  }
}

// anywidget calls this once per widget and `render` once per view of it.
export default () => {
  /** @type {Session | null} */
  let session = null;
  return {
    /** @param {{model: Model, el: HTMLElement}} context */
    render({ model, el }) {
      session ??= new Session(model);
      const here = session;
      here.views += 1;
      const view = new View(here, model, el);
      return () => {
        view.close();
        here.views -= 1;
        if (here.driver === view) here.driver = null;
        if (here.views === 0) {
          here.release();
          if (session === here) session = null;
        }
      };
    },
  };
};
