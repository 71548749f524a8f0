// @ts-check
/** The canvases under the picture: curves, truth, bands, divergence, axis, playhead, overview. */

/** @import { Curve, Divergence, Label, Runs, Told, Track, Verdicts } from "./types.js" */
/** @import { Clock } from "./clock.js" */
/** @import { SegmentLane } from "./segment_lane.js" */
/** @import { Texts } from "./texts.js" */
import { CurveLanes, valuesText } from "./curves.js";
import { h } from "./dom.js";
import {
  runsOf,
  clipAt,
  spansWhere,
  truthAt,
  truthFor,
  truthInSeconds,
  unknownLabels,
  verdictsOf,
} from "./lanes.js";
import {
  DASHES,
  chip,
  cleared,
  drawChip,
  drawSegment,
  fit,
  roundRect,
  themeOf,
} from "./marks.js";
import { clamp, clockText, lastAtMost, probText, tickText } from "./numbers.js";

const BAND_PX = 22;
const TRUTH_PX = 18;
const GAP_PX = 4;
const CURVES_PX = 72;
const STRIP_PX = 32;
const AXIS_PX = 20;
const OVERVIEW_PX = 12;

const GRIP_PX = 5;
// A finger is less sure of its place than a mouse.
const FINGER_PX = 16;
// So far sideways it means the timeline; up or down it scrolls the page.
const FINGER_SLOP_PX = 6;
const MIN_FRAMES_SHOWN = 8;
const WHEEL_PAUSE_MS = 250;

/** @type {Told} */
const NOTHING_TOLD = { labels: [], tracks: [], divergence: null, disagreements: [], truth: [] };

/**
 * @typedef {object} Wishes  what a person does to the timeline
 * @property {(seconds: number, final: boolean) => void} onSeek
 * @property {(range: [number, number] | null) => void} onSelect
 * @property {(value: number) => void} onThreshold
 */

/** @typedef {{text: string, at: number, size: number}} Name  words in a band, from `at`, px wide */

/** @typedef {"seek" | "select" | "start" | "stop" | "threshold" | "window" | "pinch" | "edge"} Drag */

export class Timeline {
  /**
   * @param {Texts} texts
   * @param {Wishes} wishes
   */
  constructor(texts, wishes) {
    this.texts = texts;
    this.wishes = wishes;
    this.base = h("canvas", { class: "vl-base" });
    this.top = h("canvas", { class: "vl-top" });
    this.tip = h("div", { class: "vl-tip", role: "presentation", hidden: true });
    this.probe = h("span", { class: "vl-probe", hidden: true });
    this.element = h(
      "div",
      {
        class: "vl-timeline",
        role: "slider",
        tabindex: 0,
        "aria-label": texts.timeline,
        "aria-valuemin": 0,
        "aria-valuemax": 0,
        "aria-valuenow": 0,
      },
      [this.base, this.top, this.tip, this.probe],
    );
    /** @type {Clock | null} */
    this.clock = null;
    this.told = NOTHING_TOLD;
    /** @type {Runs[]} */
    this.runs = [];
    /** @type {Verdicts[]} */
    this.verdicts = [];
    /** @type {{label: number, from: number, to: number}[]} */
    this.truth = [];
    /** @type {Set<number>} labels of the truth that no model has */
    this.unknown = new Set();
    /** @type {SegmentLane | null} */
    this.lane = null;
    this.numbers = new CurveLanes();
    /** @type {[number, number] | null} */
    this.selection = null;
    /** @type {number | null} */
    this.threshold = null;
    this.frame = 0;
    /** @type {{x: number, y: number} | null} */
    this.hover = null;
    this.width = 0;
    // The part of the video that is visible, seconds.
    this.from = 0;
    this.to = 1;
    /** @type {ReturnType<Timeline["theme"]> | null} */
    this.look = null;
    this.due = 0;
    this.isBaseStale = true;
    this.lastPageWheel = -Infinity;
    /** @type {Drag | null} */
    this.drag = null;
    /** @type {Map<number, number>} where each pointer is that is down, px from the left */
    this.down = new Map();
    /** @type {number | null} where a finger came down that may yet scroll the page */
    this.unsure = null;
    // What two fingers took hold of: the moment between them, how far apart, and how much was shown.
    this.pinched = { at: 0, spread: 1, span: 1 };
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.element);
    this.onPageWheel = this.onPageWheel.bind(this);
    window.addEventListener("wheel", this.onPageWheel, { passive: true });
    this.listen();
  }

  // ------------------------------------------------------------ what there is to show

  /** @param {Clock} clock */
  setClock(clock) {
    const isSame = this.clock?.length === clock.length && this.clock.end === clock.end;
    this.clock = clock;
    // A clock is cut where the video turns out to end: what was shown whole stays whole.
    if (isSame && this.isZoomed) this.setWindow(this.from, this.to);
    else this.showAll();
    this.element.setAttribute("aria-valuemax", String(clock.length - 1));
    this.prepare();
  }

  /** @param {Told} told */
  setTold(told) {
    this.told = told;
    this.prepare();
  }

  /** @param {Curve[]} curves */
  setCurves(curves) {
    this.numbers.curves = curves;
    this.prepare();
  }

  prepare() {
    const { clock, told } = this;
    this.numbers.prepare(clock);
    this.runs = told.tracks.map((track) => runsOf(track, this.end));
    this.verdicts = told.tracks.map((track, at) => verdictsOf(track, truthFor(told.truth, at)));
    this.unknown = unknownLabels(told);
    this.truth = clock ? truthInSeconds(told.truth, clock) : [];
    this.draw();
  }

  /** The theme has changed: its colours are read again. */
  restyle() {
    this.look = null;
    this.draw();
  }

  /** Where we are; a visible playhead stays visible as it walks on. @param {number} frame */
  moveTo(frame) {
    const wasVisible = this.isVisible(this.frame);
    this.frame = frame;
    this.element.setAttribute("aria-valuenow", String(frame));
    if (wasVisible && !this.isVisible(frame) && this.drag === null) this.reveal();
    this.drawTop();
  }

  /** @param {number} frame */
  isVisible(frame) {
    const at = this.clock?.start(frame) ?? 0;
    return this.from <= at && at <= this.to;
  }

  /** Bring the playhead into the visible part. */
  reveal() {
    if (!this.clock || this.isVisible(this.frame)) return;
    const at = this.clock.start(this.frame);
    const span = this.to - this.from;
    // Walking out at the right, the next part begins a little before the playhead.
    const lead = at > this.to && at < this.to + span ? 0.1 : 0.5;
    this.setWindow(at - lead * span, at + (1 - lead) * span);
  }

  // ------------------------------------------------------------ the visible part

  get isZoomed() {
    return this.to - this.from < (this.end - this.start) * 0.9999;
  }

  get leastSpan() {
    const whole = this.end - this.start;
    return Math.min(whole, (whole / Math.max(this.clock?.length ?? 1, 1)) * MIN_FRAMES_SHOWN);
  }

  /** @param {number} from @param {number} to */
  setWindow(from, to) {
    const span = clamp(to - from, this.leastSpan, this.end - this.start);
    this.from = clamp(from, this.start, this.end - span);
    this.to = this.from + span;
    this.draw();
  }

  /**
   * @param {number} factor  above 1 shows less, larger
   * @param {number} [at]    seconds that stay where they are; without, the playhead
   * @returns {boolean} whether anything changed
   */
  zoom(factor, at) {
    const before = this.to - this.from;
    const span = clamp(before / factor, this.leastSpan, this.end - this.start);
    if (!this.clock || Math.abs(span - before) < 1e-9) return false;
    const playhead = this.clock.start(this.frame);
    const fixed = at ?? (this.isVisible(this.frame) ? playhead : (this.from + this.to) / 2);
    const share = (fixed - this.from) / before;
    this.setWindow(fixed - share * span, fixed + (1 - share) * span);
    return true;
  }

  /** @param {number} seconds @returns {boolean} whether anything changed */
  pan(seconds) {
    const before = this.from;
    this.setWindow(this.from + seconds, this.to + seconds);
    return Math.abs(this.from - before) > 1e-9;
  }

  showAll() {
    this.setWindow(this.start, this.end);
  }

  // ------------------------------------------------------------ pointer and wheel

  listen() {
    const { element } = this;
    element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !this.clock) return;
      const { x, y } = this.place(event);
      const isTouch = event.pointerType === "touch";
      element.setPointerCapture(event.pointerId);
      this.down.set(event.pointerId, x);
      if (this.down.size > 1) {
        this.unsure = null;
        this.beginPinch();
        return;
      }
      element.focus({ preventScroll: true });
      this.beginDrag(event.shiftKey ? "select" : this.gripAt(x, y, isTouch), x, y, isTouch);
      this.unsure = isTouch ? x : null;
      if (!isTouch) this.doDrag(x, y, false);
    });
    element.addEventListener("pointermove", (event) => {
      const { x, y } = (this.hover = this.place(event));
      element.style.cursor = this.cursorAt(x, y, event.shiftKey);
      if (this.down.has(event.pointerId)) this.down.set(event.pointerId, x);
      if (this.unsure !== null && Math.abs(x - this.unsure) > FINGER_SLOP_PX) this.unsure = null;
      if (this.drag === "pinch") this.doPinch();
      else if (this.unsure === null) this.doDrag(x, y, false);
      this.drawTop();
    });
    element.addEventListener("pointerup", (event) => {
      const { x, y } = this.place(event);
      if (this.drag !== "pinch") this.doDrag(x, y, true);
      this.lift(event);
    });
    element.addEventListener("pointercancel", (event) => this.lift(event));
    element.addEventListener("pointerleave", () => {
      this.hover = null;
      this.drawTop();
    });
    element.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
  }

  /** A pointer is up again; what is left of a pinch moves nothing. @param {PointerEvent} event */
  lift(event) {
    this.down.delete(event.pointerId);
    if (this.drag === "edge") this.lane?.drop();
    this.drag = null;
  }

  /** @param {PointerEvent | WheelEvent} event */
  place(event) {
    const box = this.element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /**
   * What a press here takes hold of.
   * @param {number} x
   * @param {number} y
   * @param {boolean} [isTouch]
   * @returns {Drag}
   */
  gripAt(x, y, isTouch = false) {
    const place = this.layout();
    const reach = isTouch ? FINGER_PX : GRIP_PX;
    if (y >= place.overview - (reach - GRIP_PX) && this.isZoomed) return "window";
    const edges = this.selectionX();
    if (edges && y < place.axis) {
      const toStart = Math.abs(x - edges[0]);
      const toStop = Math.abs(x - edges[1]);
      if (toStop <= reach && toStop <= toStart) return "stop";
      if (toStart <= reach) return "start";
    }
    if (this.lane?.edgeAt(this, x, y - place.lane, reach)) return "edge";
    const line = isTouch ? null : this.thresholdY(); // up and down, fingers scroll the page
    return line !== null && Math.abs(y - line) <= reach ? "threshold" : "seek";
  }

  /** @param {number} x @param {number} y @param {boolean} shift */
  cursorAt(x, y, shift) {
    const grip = this.drag ?? (shift ? "select" : this.gripAt(x, y));
    if (grip === "start" || grip === "stop" || grip === "edge") return "ew-resize";
    if (grip === "threshold") return "ns-resize";
    if (grip === "select") return "text";
    if (grip === "window") return this.drag ? "grabbing" : "grab";
    return "pointer";
  }

  /** @param {Drag} drag @param {number} x @param {number} y @param {boolean} isTouch */
  beginDrag(drag, x, y, isTouch) {
    this.drag = drag;
    if (drag === "edge") {
      const edge = this.lane?.edgeAt(this, x, y - this.layout().lane, isTouch ? FINGER_PX : GRIP_PX);
      if (edge) this.lane?.grab(edge, x);
      return;
    }
    this.anchor = this.frameAt(x);
    const share = this.overviewShare(x);
    const at = this.start + share * (this.end - this.start);
    // Beside its thumb the overview jumps there, as scroll bars do.
    if (drag === "window" && (at < this.from || at > this.to)) {
      const half = (this.to - this.from) / 2;
      this.setWindow(at - half, at + half);
    }
    this.grabbed = at - this.from;
  }

  beginPinch() {
    if (this.drag === "edge") this.lane?.drop();
    const { middle, spread } = this.fingers();
    this.drag = "pinch";
    this.pinched = { at: this.seconds(middle), spread, span: this.to - this.from };
  }

  /** What was between the fingers stays there, and grows as they part. */
  doPinch() {
    const { middle, spread } = this.fingers();
    const { pinched } = this;
    const whole = this.end - this.start;
    const span = clamp((pinched.span * pinched.spread) / spread, this.leastSpan, whole);
    const from = pinched.at - this.overviewShare(middle) * span;
    this.setWindow(from, from + span);
  }

  fingers() {
    const places = [...this.down.values()];
    const [left, right] = [Math.min(...places), Math.max(...places)];
    return { middle: (left + right) / 2, spread: Math.max(right - left, 1) };
  }

  /** @param {number} x @param {number} y @param {boolean} final */
  doDrag(x, y, final) {
    const { clock, selection } = this;
    if (!this.drag || !clock) return;
    const frame = this.frameAt(x);
    const boundary = this.boundaryAt(x);
    switch (this.drag) {
      case "seek":
        this.wishes.onSeek(this.seconds(x), final);
        break;
      case "edge":
        // A click is no drag.
        if (!this.lane?.drag(this, x, final) && final) this.wishes.onSeek(this.seconds(x), true);
        break;
      case "select":
        this.selectBetween(this.anchor ?? frame, frame);
        break;
      case "start":
        if (selection) this.select(Math.min(boundary, selection[1] - 1), selection[1]);
        break;
      case "stop":
        if (selection) this.select(selection[0], Math.max(boundary, selection[0] + 1));
        break;
      case "threshold": {
        const { curves } = this.layout();
        const value = clamp(1 - (y - curves.y - 5) / (curves.height - 8), 0, 1);
        this.wishes.onThreshold(Math.round(100 * value) / 100);
        break;
      }
      case "window": {
        const from = this.start + this.overviewShare(x) * (this.end - this.start);
        const left = from - (this.grabbed ?? 0);
        this.setWindow(left, left + (this.to - this.from));
      }
    }
  }

  /** @param {number} one @param {number} other */
  selectBetween(one, other) {
    this.select(Math.min(one, other), Math.max(one, other) + 1);
  }

  /** @param {number} start @param {number} stop */
  select(start, stop) {
    if (this.selection?.[0] === start && this.selection[1] === stop) return;
    this.selection = [start, stop];
    this.wishes.onSelect([start, stop]);
    this.drawTop();
  }

  /** A scroll that began elsewhere goes on over the timeline. @param {WheelEvent} event */
  onPageWheel(event) {
    if (!event.defaultPrevented) this.lastPageWheel = event.timeStamp;
  }

  /** @param {WheelEvent} event */
  onWheel(event) {
    if (!this.clock || event.timeStamp - this.lastPageWheel < WHEEL_PAUSE_MS) return;
    const { x } = this.place(event);
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    const isPan = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    const seconds = (sideways * unit * (this.to - this.from)) / Math.max(this.width, 1);
    const factor = Math.exp(clamp(-event.deltaY * unit, -240, 240) / 400);
    // At its limit it does nothing, and the page scrolls.
    if (isPan ? this.pan(seconds) : this.zoom(factor, this.seconds(x))) event.preventDefault();
  }

  // ------------------------------------------------------------ places

  get compared() {
    return this.told.tracks.length > 1;
  }

  /** Nothing but the time is to be shown, and what is true. */
  get isBare() {
    return !this.told.tracks.length && !this.lane && !this.numbers.curves.length;
  }

  get gutter() {
    if (this.told.truth.length || (this.lane && this.told.tracks.length)) return 46;
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
    const span = Math.max(this.to - this.from, 1e-9);
    return this.gutter + ((seconds - this.from) / span) * (this.width - this.gutter);
  }

  /** @param {number} x */
  seconds(x) {
    const share = (x - this.gutter) / Math.max(this.width - this.gutter, 1);
    return this.from + clamp(share, 0, 1) * (this.to - this.from);
  }

  /** @param {number} x */
  frameAt(x) {
    return this.clock?.at(this.seconds(x)) ?? 0;
  }

  /** The edge between two frames that is nearest: 0 … number of frames. @param {number} x */
  boundaryAt(x) {
    if (!this.clock) return 0;
    const frame = this.frameAt(x);
    return this.seconds(x) < this.clock.middle(frame) + this.clock.offset ? frame : frame + 1;
  }

  /** Seconds at which a frame starts; for the number of frames, the end. @param {number} frame */
  edge(frame) {
    return this.clock && frame < this.clock.length ? this.clock.start(frame) : this.end;
  }

  /** @param {number} x */
  overviewShare(x) {
    return clamp((x - this.gutter) / Math.max(this.width - this.gutter, 1), 0, 1);
  }

  /** @returns {[number, number] | null} */
  selectionX() {
    if (!this.selection || !this.clock) return null;
    return [this.x(this.edge(this.selection[0])), this.x(this.edge(this.selection[1]))];
  }

  thresholdY() {
    const { curves } = this.layout();
    if (this.threshold === null || !curves.height) return null;
    return curves.y + 5 + (1 - this.threshold) * (curves.height - 8);
  }

  /** Where each part lies; the height depends on what there is to show only. */
  layout() {
    const { tracks, divergence, truth } = this.told;
    let y = 0;
    const curves = { y, height: tracks.length === 1 ? CURVES_PX : 0 };
    if (curves.height) y += curves.height + GAP_PX;
    const truthTop = y;
    if (truth.length) y += TRUTH_PX + GAP_PX;
    const bands = tracks.map(() => {
      const top = y;
      y += BAND_PX + GAP_PX;
      return top;
    });
    // Room for the current segment's outline above it.
    const lane = y + 2;
    if (this.lane) y = lane + this.lane.height + GAP_PX;
    else if (this.isBare) y += 12;
    const strip = { y: y + GAP_PX, height: divergence ? STRIP_PX : 0 };
    if (strip.height) y += STRIP_PX + 2 * GAP_PX;
    const numbers = y;
    y += this.numbers.height;
    const axis = y;
    return {
      curves,
      truth: truthTop,
      bands,
      lane,
      strip,
      numbers,
      axis,
      overview: axis + AXIS_PX,
      height: axis + AXIS_PX + OVERVIEW_PX,
    };
  }

  // ------------------------------------------------------------ drawing

  /** The whole of it, in the page's next picture. */
  draw() {
    this.isBaseStale = true;
    this.drawTop();
  }

  /** Playhead, selection and pointer only. */
  drawTop() {
    if (this.due) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      if (this.isBaseStale) this.paintBase();
      this.paintTop();
    });
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {number} height
   */
  context(canvas, height) {
    return cleared(canvas, this.width, height);
  }

  theme() {
    return themeOf(this.probe);
  }

  paintBase() {
    this.width = this.element.clientWidth;
    if (!this.width) return;
    this.isBaseStale = false;
    this.note();
    const place = this.layout();
    this.element.style.height = `${place.height}px`;
    const context = this.context(this.base, place.height);
    const theme = (this.look ??= this.theme());
    const { tracks, divergence } = this.told;
    this.drawAxis(context, theme, place);
    this.drawOverview(context, theme, place);
    this.drawNames(context, theme, place);
    context.save();
    context.beginPath();
    context.rect(this.gutter, 0, this.width - this.gutter, place.axis);
    context.clip();
    this.lane?.draw(context, theme, this, place.lane);
    if (this.isBare && !this.truth.length) {
      context.fillStyle = theme.track;
      roundRect(context, this.gutter, 2, this.width - this.gutter, 8, 4);
    }
    const [track] = tracks;
    if (track && place.curves.height) this.drawCurves(context, theme, track, place.curves);
    if (this.truth.length) this.drawTruth(context, theme, place.truth);
    tracks.forEach((each, index) =>
      this.drawBand(context, theme, each, index, place.bands[index] ?? 0),
    );
    if (divergence) this.drawDivergence(context, theme, divergence, place.strip);
    this.numbers.draw(context, theme, this, place.numbers);
    context.restore();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {ReturnType<Timeline["layout"]>} place
   */
  drawNames(context, theme, place) {
    if (!this.gutter) return;
    const { tracks, truth, divergence } = this.told;
    const room = this.gutter - 10;
    const name = (/** @type {string} */ text, /** @type {number} */ y, /** @type {string} */ font) => {
      const shown = fit(context, text, room, font);
      context.textBaseline = "middle";
      context.fillText(shown, this.gutter - 8 - context.measureText(shown).width, y);
    };
    context.fillStyle = theme.text;
    tracks.forEach((track, index) => {
      const y = (place.bands[index] ?? 0) + BAND_PX / 2 + 1;
      if (this.compared) name(track.letter, y, `600 12px ${theme.font}`);
      else name(this.texts.model, y, `11px ${theme.font}`);
    });
    if (truth.length)
      name(this.texts.truth, place.truth + TRUTH_PX / 2 + 1, `11px ${theme.font}`);
    if (this.lane) name(this.texts.yours, place.lane + BAND_PX / 2 + 1, `11px ${theme.font}`);
    context.fillStyle = theme.muted;
    if (divergence) name("Δ", place.strip.y + STRIP_PX / 2 + 1, `11px ${theme.font}`);
    if (place.curves.height) {
      const { y, height } = place.curves;
      for (const [text, p] of /** @type {[string, number][]} */ ([["1", 1], [".5", 0.5], ["0", 0]]))
        name(text, y + 5 + (1 - p) * (height - 8) + 0.5, `10px ${theme.font}`);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {ReturnType<Timeline["layout"]>} place
   */
  drawAxis(context, theme, place) {
    const span = this.to - this.from;
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
    for (let at = Math.ceil(this.from / step - 1e-9) * step; at <= this.to + 1e-9; at += step) {
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
   * A slim bar for the whole video; its thumb is the visible part. The room is always there.
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {ReturnType<Timeline["layout"]>} place
   */
  drawOverview(context, theme, place) {
    if (!this.isZoomed) return;
    const width = this.width - this.gutter;
    const whole = Math.max(this.end - this.start, 1e-9);
    const y = place.overview + 3;
    context.fillStyle = theme.track;
    roundRect(context, this.gutter, y, width, 6, 3);
    const thumb = Math.max((width * (this.to - this.from)) / whole, 16);
    const left = this.gutter + ((this.from - this.start) / whole) * width;
    context.fillStyle = theme.muted;
    roundRect(context, Math.min(left, this.width - thumb), y, thumb, 6, 3);
  }

  /** Rows from the first that is visible to the last. @param {Float64Array} times */
  visible(times) {
    return [
      Math.max(lastAtMost(times, this.from), 0),
      Math.min(lastAtMost(times, this.to) + 1, times.length),
    ];
  }

  /**
   * Rows as a line in steps, each holding until the next; rows that share a pixel column are
   * drawn as the column's span, so that 10,000 rows cost no more than the columns.
   * @param {CanvasRenderingContext2D | Path2D} path
   * @param {Float64Array} times
   * @param {Float32Array} values
   * @param {(value: number) => number} y
   * @param {number} [end]  seconds until which the last row holds
   */
  traceSteps(path, times, values, y, end = this.end) {
    const [first = 0, stop = 0] = this.visible(times);
    let column = NaN;
    let low = 0;
    let high = 0;
    for (let row = first; row < stop; row++) {
      const value = values[row] ?? 0;
      const left = this.x(times[row] ?? 0);
      const right = this.x(row + 1 < times.length ? (times[row + 1] ?? 0) : end);
      if (row === first) path.moveTo(left, y(value));
      if (right - left >= 1) {
        path.lineTo(left, y(value));
        path.lineTo(right, y(value));
        column = NaN;
        continue;
      }
      if (Math.floor(left) !== column) {
        column = Math.floor(left);
        low = high = value;
        path.lineTo(left, y(value));
      } else if (value > high) path.lineTo(left, y((high = value)));
      else if (value < low) path.lineTo(left, y((low = value)));
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
    const [first = 0, stop = 0] = this.visible(track.times);
    /** @type {{x: number, y: number, label: Label}[]} */
    const peaks = [];
    // Drawn last to first, so that the most prominent label lies on top.
    for (let c = track.curveLabels.length - 1; c >= 0; c--) {
      const label = this.told.labels[track.curveLabels[c] ?? -1];
      if (!label?.color) continue;
      const probs = track.curveProbs.subarray(c * rows, (c + 1) * rows);
      context.strokeStyle = label.color;
      context.lineWidth = 1.75;
      context.lineJoin = "round";
      context.setLineDash(DASHES[label.pattern % DASHES.length] ?? []);
      context.beginPath();
      this.traceSteps(context, track.times, probs, y);
      context.stroke();
      context.setLineDash([]);
      let peak = first;
      for (let row = first; row < stop; row++)
        if ((probs[row] ?? 0) > (probs[peak] ?? 0)) peak = row;
      if ((probs[peak] ?? 0) < 0.05) continue; // flat at zero in this part
      const left = Math.max(this.x(track.times[peak] ?? 0), this.gutter);
      const right = Math.min(this.x(track.times[peak + 1] ?? this.end), this.width);
      peaks.push({ x: (left + right) / 2, y: y(probs[peak] ?? 0), label });
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
   * @param {number} top
   */
  drawTruth(context, theme, top) {
    context.fillStyle = theme.track;
    roundRect(context, this.gutter, top + TRUTH_PX - 2, this.width - this.gutter, 2, 1);
    for (const { label, from, to } of this.truth) {
      if (to < this.from || from > this.to) continue;
      const named = this.told.labels[label];
      // What no model can say is grey, and asks whether it is meant.
      const isUnknown = this.unknown.has(label);
      const shown = named && isUnknown ? { ...named, color: null, name: `? ${named.name}` } : named;
      if (shown) this.drawSegment(context, theme, shown, this.x(from), this.x(to), top, TRUTH_PX);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {Track} track
   * @param {number} index
   * @param {number} top
   */
  drawBand(context, theme, track, index, top) {
    context.fillStyle = theme.track;
    roundRect(context, this.gutter, top, this.width - this.gutter, BAND_PX, 3);
    const runs = this.runs[index];
    if (!runs) return;
    const [first = 0, stop = 0] = this.visible(runs.starts);
    // Runs narrower than a pixel: the longest one of each pixel column stands for it.
    let column = NaN;
    let longest = 0;
    /** @type {Name[]} */
    const names = [];
    for (let run = first; run < stop; run++) {
      const label = this.told.labels[runs.labels[run] ?? -1];
      if (!label) continue;
      const left = this.x(runs.starts[run] ?? 0);
      const right = this.x(runs.starts[run + 1] ?? runs.end);
      if (right - left < 1) {
        if (Math.floor(left) !== column) longest = 0;
        column = Math.floor(left);
        if (right - left <= longest) continue;
        longest = right - left;
        context.fillStyle = label.color ?? theme.muted;
        context.fillRect(column, top, 1, BAND_PX);
      } else {
        const name = this.drawSegment(context, theme, label, left, right, top, BAND_PX);
        if (name) names.push(name);
      }
    }
    const { threshold } = this;
    const [from = 0, to = 0] = this.visible(track.times);
    const times = track.times.subarray(from, to);
    const end = to < track.times.length ? (track.times[to] ?? this.end) : this.end;
    if (threshold !== null && track.k) {
      const isUnder = (/** @type {number} */ row) =>
        (track.topProbs[(from + row) * track.k] ?? 0) < threshold;
      this.drawVeil(context, theme, spansWhere(times, end, isUnder), names, top);
    }
    const verdicts = this.verdicts[index];
    if (!verdicts?.known) return;
    context.fillStyle = theme.text;
    for (const span of spansWhere(times, end, (row) => verdicts.each[from + row] === 0)) {
      const left = this.x(span.from);
      // Little teeth under what the truth contradicts: seen without colour.
      this.drawTeeth(context, left, Math.max(this.x(span.to) - left, 2), top + BAND_PX);
    }
  }

  /**
   * Fade what is under the threshold; names in it are written again, to stay readable.
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {{from: number, to: number}[]} spans
   * @param {Name[]} names
   * @param {number} top
   */
  drawVeil(context, theme, spans, names, top) {
    let column = NaN;
    for (const span of spans) {
      const left = this.x(span.from);
      const width = Math.max(this.x(span.to) - left, 1);
      // Veils in one pixel column would add up.
      if (width === 1 && Math.floor(left) === column) continue;
      column = Math.floor(left);
      context.fillStyle = theme.ground;
      context.globalAlpha = 0.72;
      context.fillRect(left, top, width, BAND_PX);
      context.globalAlpha = 1;
      for (const { text, at, size } of names) {
        if (at > left + width || at + size < left) continue;
        context.save();
        context.beginPath();
        context.rect(left, top, width, BAND_PX);
        context.clip();
        context.font = `500 12px ${theme.font}`;
        context.textBaseline = "middle";
        context.fillStyle = theme.text;
        context.fillText(text, at, top + BAND_PX / 2 + 0.5);
        context.restore();
      }
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} left
   * @param {number} width
   * @param {number} y
   */
  drawTeeth(context, left, width, y) {
    const from = Math.max(left, this.gutter);
    const to = Math.min(left + width, this.width);
    for (let x = from; x < to; x += 5) context.fillRect(x, y + 1, Math.min(3, to - x), 2);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {Label} label
   * @param {number} from
   * @param {number} to
   * @param {number} top
   * @param {number} height
   * @returns {Name | null} the words in it
   */
  drawSegment(context, theme, label, from, to, top, height) {
    const visible = /** @type {[number, number]} */ ([this.gutter, this.width]);
    return drawSegment(context, theme, label, from, to, top, height, visible);
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
      const left = this.x(this.edge(start));
      const right = this.x(this.edge(stop));
      if (right < this.gutter || left > this.width) continue;
      context.globalAlpha = 0.22;
      context.fillRect(left, box.y, Math.max(right - left, 1.5), box.height);
      context.globalAlpha = 1;
      context.fillRect(left, box.y, Math.max(right - left, 1.5), 3);
    }
    if (!values.length) return;
    const y = (/** @type {number} */ value) => bottom - 1 - (value / full) * (box.height - 7);
    const outline = new Path2D();
    this.traceSteps(outline, times, values, y);
    context.strokeStyle = context.fillStyle = theme.text;
    context.lineWidth = 1.25;
    context.stroke(outline);
    const [first = 0] = this.visible(times);
    outline.lineTo(this.x(this.end), bottom);
    outline.lineTo(this.x(times[first] ?? 0), bottom);
    context.globalAlpha = 0.16;
    context.fill(outline);
    context.globalAlpha = 1;
  }

  /** What is visible, for whom the drawing is not: styles, tests, tools. */
  note() {
    const whole = Math.max(this.end - this.start, 1e-9);
    const share = (/** @type {number} */ seconds) => String(Number((seconds / whole).toFixed(6)));
    const { dataset } = this.element;
    dataset["gutter"] = String(this.gutter);
    dataset["from"] = share(this.from - this.start);
    dataset["shown"] = share(this.to - this.from);
    dataset["thresholdY"] = String(this.thresholdY() ?? "");
  }

  paintTop() {
    if (!this.width || !this.clock) return;
    const place = this.layout();
    const context = this.context(this.top, place.height);
    const theme = (this.look ??= this.theme());
    context.save();
    context.beginPath();
    context.rect(this.gutter - 4, 0, this.width - this.gutter + 8, place.height);
    context.clip();
    this.lane?.paint(context, theme, this, place.lane);
    this.paintSelection(context, theme, place.axis);
    this.paintThreshold(context, theme);
    this.paintClips(context, theme, place.bands);
    if (this.hover && !this.drag && this.hover.x >= this.gutter && this.hover.y < place.overview) {
      const x = Math.round(this.hover.x) + 0.5;
      context.strokeStyle = theme.muted;
      context.setLineDash([2, 2]);
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, place.axis);
      context.stroke();
      context.setLineDash([]);
    }
    if (this.isVisible(this.frame)) {
      const at = Math.round(this.x(this.clock.start(this.frame)));
      const x = clamp(at, this.gutter + 1, this.width - 1);
      // A line of the ground's colour on both sides keeps it apart from any band.
      context.fillStyle = theme.ground;
      context.fillRect(x - 2, 0, 4, place.axis + 2);
      context.fillStyle = theme.text;
      context.fillRect(x - 1, 0, 2, place.axis + 2);
      context.beginPath();
      context.arc(x, place.axis + 2, 4.5, 0, 2 * Math.PI);
      context.fill();
    }
    context.restore();
    if (this.isZoomed) {
      const whole = Math.max(this.end - this.start, 1e-9);
      const share = (this.clock.start(this.frame) - this.start) / whole;
      const x = this.gutter + share * (this.width - this.gutter);
      const at = clamp(x - 1, this.gutter, this.width - 2);
      context.fillStyle = theme.ground;
      context.fillRect(at - 1, place.overview + 1, 4, 10);
      context.fillStyle = theme.text;
      context.fillRect(at, place.overview + 1, 2, 10);
    }
    this.showTip();
  }

  /**
   * The frames that the answer on screen was given for, as a frame around that part of the band:
   * clip after clip it jumps, with a rolling clip it glides.
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {number[]} bands
   */
  paintClips(context, theme, bands) {
    const { clock } = this;
    this.told.tracks.forEach((track, index) => {
      const [first, last] = clipAt(track, this.frame);
      if (!clock || first < 0) return;
      const left = this.x(clock.start(first));
      const right = last + 1 < clock.length ? this.x(clock.start(last + 1)) : this.x(clock.end);
      const top = (bands[index] ?? 0) - 1;
      for (const [line, color] of /** @type {[number, string][]} */ ([
        [4, theme.ground],
        [2, theme.text],
      ])) {
        context.lineWidth = line;
        context.strokeStyle = color;
        context.strokeRect(left, top, Math.max(right - left, 2), BAND_PX + 2);
      }
    });
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   * @param {number} bottom
   */
  paintSelection(context, theme, bottom) {
    const edges = this.selectionX();
    if (!edges) return;
    const [left, right] = edges;
    context.fillStyle = theme.accent;
    context.globalAlpha = 0.18;
    context.fillRect(left, 0, Math.max(right - left, 1), bottom);
    context.globalAlpha = 1;
    context.fillRect(left, bottom - 2, Math.max(right - left, 2), 3);
    for (const x of edges) {
      context.fillRect(x - 1, 0, 2, bottom);
      roundRect(context, x - 3, bottom / 2 - 8, 6, 16, 3);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {ReturnType<Timeline["theme"]>} theme
   */
  paintThreshold(context, theme) {
    const y = this.thresholdY();
    if (y === null || this.threshold === null) return;
    const line = Math.round(y) + 0.5;
    context.strokeStyle = theme.text;
    context.lineWidth = 1;
    context.setLineDash([5, 3]);
    context.beginPath();
    context.moveTo(this.gutter, line);
    context.lineTo(this.width, line);
    context.stroke();
    context.setLineDash([]);
    context.font = `600 10px ${theme.font}`;
    const text = `≥ ${probText(this.threshold).slice(0, 3)}`;
    const width = context.measureText(text).width + 8;
    const { curves } = this.layout();
    const top = clamp(line - 7, curves.y, curves.y + curves.height - 14);
    context.fillStyle = theme.text;
    roundRect(context, this.width - width, top, width, 14, 3);
    context.fillStyle = theme.ground;
    context.textBaseline = "middle";
    context.fillText(text, this.width - width + 4, top + 7.5);
  }

  // ------------------------------------------------------------ hover

  showTip() {
    const { hover, clock, tip } = this;
    const isOff = !hover || !clock || hover.x < this.gutter || hover.y >= this.layout().overview;
    if (isOff || (this.drag !== null && this.drag !== "seek" && this.drag !== "select")) {
      tip.hidden = true;
      return;
    }
    const frame = this.frameAt(hover.x);
    const at = clock.start(frame);
    const { texts, told } = this;
    const lines = [
      h("div", { class: "vl-tip-head", text: `${clockText(at)} · ${texts.frame} ${frame}` }),
    ];
    const known = truthAt(told.truth, frame);
    if (told.truth.length) {
      const names = known
        .map((which) => `${this.unknown.has(which) ? "? " : ""}${told.labels[which]?.name ?? ""}`)
        .join(", ");
      const named = known.find((which) => !this.unknown.has(which));
      lines.push(
        h("div", { class: "vl-tip-row" }, [
          h("span", { class: "vl-tip-name vl-muted", text: texts.truth }),
          named === undefined ? null : chip(told.labels[named]),
          h("span", { class: "vl-ellipsis", text: names || texts.noTruthHere }),
        ]),
      );
    }
    for (const { label, from, to } of this.lane?.segmentsAt(at) ?? []) {
      lines.push(
        h("div", { class: "vl-tip-row" }, [
          chip(this.lane?.labels.get(label)),
          h("span", { class: "vl-ellipsis", text: this.lane?.labels.get(label)?.name ?? label }),
          h("span", { class: "vl-number", text: `${clockText(from)} – ${clockText(to)}` }),
        ]),
      );
    }
    told.tracks.forEach((track, at) =>
      lines.push(...this.tipRows(track, frame, truthAt(truthFor(told.truth, at), frame))),
    );
    for (const curve of this.numbers.curves) {
      const value = valuesText(curve, frame);
      lines.push(
        h("div", { class: "vl-tip-row" }, [
          h("span", { class: "vl-ellipsis", text: curve.name }),
          h("span", { class: "vl-number", text: value }),
        ]),
      );
    }
    const { divergence } = told;
    const row = divergence ? lastAtMost(divergence.times, at + 1e-6) : -1;
    if (divergence && row >= 0) {
      const value = (divergence.values[row] ?? 0).toFixed(3);
      lines.push(h("div", { class: "vl-tip-row vl-muted", text: texts.divergenceAt(value) }));
    }
    tip.replaceChildren(...lines);
    tip.hidden = false;
    const width = tip.offsetWidth;
    const left = hover.x + 14 + width > this.width ? hover.x - 14 - width : hover.x + 14;
    tip.style.left = `${clamp(left, 0, Math.max(this.width - width, 0))}px`;
  }

  /**
   * @param {Track} track
   * @param {number} frame
   * @param {number[]} known
   */
  tipRows(track, frame, known) {
    const row = lastAtMost(track.frames, frame);
    const rows = [];
    for (let rank = 0; rank < (this.compared ? 1 : Math.min(3, track.k)); rank++) {
      const which = row < 0 ? -1 : (track.topLabels[row * track.k + rank] ?? -1);
      const label = this.told.labels[which];
      if (!label && rank > 0) continue;
      const prob = label ? (track.topProbs[row * track.k + rank] ?? 0) : 0;
      const isUnder = this.threshold !== null && prob < this.threshold;
      const mark = known.length && rank === 0 && label ? (known.includes(which) ? "✓" : "✗") : "";
      rows.push(
        h("div", { class: isUnder ? "vl-tip-row vl-under" : "vl-tip-row" }, [
          this.compared ? h("span", { class: "vl-tip-letter", text: track.letter }) : null,
          chip(label),
          h("span", { class: "vl-ellipsis", text: label?.name ?? this.texts.noPredictionHere }),
          h("span", { class: "vl-number", text: label ? `${mark} ${probText(prob)}` : "" }),
        ]),
      );
    }
    const [first, last] = clipAt(track, frame);
    if (first >= 0)
      rows.push(
        h("div", { class: "vl-tip-row vl-muted", text: this.texts.clipSeen(first, last) }),
      );
    return rows;
  }

  close() {
    cancelAnimationFrame(this.due);
    this.resize.disconnect();
    window.removeEventListener("wheel", this.onPageWheel);
  }
}
