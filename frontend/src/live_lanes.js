// @ts-check
/** The last minute: what each model saw, when it began anew, and what rules found. */

/** @import { Label, Runs } from "./types.js" */
/** @import { Theme } from "./marks.js" */
/** @import { Texts } from "./texts.js" */
import { h } from "./dom.js";
import { runsOf } from "./lanes.js";
import { cleared, drawSegment, fit, roundRect, themeOf } from "./marks.js";
import { clamp, lastAtMost } from "./numbers.js";

export const SPAN_SECONDS = 60;

const MARKS_PX = 18;
const BAND_PX = 22;
const GAP_PX = 4;
const AXIS_PX = 20;
const GUTTER_PX = 24;
const TICK_SECONDS = 10;

/** @typedef {"seen" | "done" | "missed" | "open"} EventKind */

/** @typedef {{rule: string, kind: EventKind, label: string, time_seconds: number, model: string, probability: number | null}} LiveEvent */

/** @typedef {Label & {label: string}} LiveLabel  with the model's word for it, which the name is shown for */

/** What was told in the last minute; older things are forgotten. */
export class History {
  /** @param {number} num_models */
  constructor(num_models) {
    /** @type {Label[]} every label that came */
    this.labels = [];
    /** @type {Map<string, number>} */
    this.numbers = new Map();
    this.now = 0;
    this.models = Array.from({ length: num_models }, () => ({
      /** @type {number[]} */
      times: [],
      /** @type {number[]} */
      tops: [],
      /** @type {number[]} seconds */
      resets: [],
      epoch: NaN,
    }));
    /** @type {LiveEvent[]} */
    this.events = [];
  }

  /** The number of a label, as it looks now. @param {LiveLabel} label */
  numberOf(label) {
    // By the model's word: two of them may have one name in another language.
    const number = this.numbers.get(label.label) ?? this.labels.length;
    this.numbers.set(label.label, number);
    this.labels[number] = label;
    return number;
  }

  /**
   * @param {number} model
   * @param {number} seconds
   * @param {LiveLabel} label  the most probable one
   * @param {number} epoch  another one than before: the model began anew
   */
  add(model, seconds, label, epoch) {
    const kept = this.models[model];
    if (!kept) return;
    if (kept.times.length && epoch !== kept.epoch) kept.resets.push(seconds);
    kept.epoch = epoch;
    kept.times.push(seconds);
    kept.tops.push(this.numberOf(label));
    this.moveTo(seconds);
  }

  /** @param {LiveEvent} event */
  mark(event) {
    this.events.push(event);
    this.moveTo(event.time_seconds);
  }

  /** @param {number} seconds */
  moveTo(seconds) {
    this.now = Math.max(this.now, seconds);
    const from = this.now - SPAN_SECONDS;
    for (const kept of this.models) {
      // The answer before holds on into the last minute.
      const old = lastAtMost(kept.times, from);
      if (old > 0) {
        kept.times.splice(0, old);
        kept.tops.splice(0, old);
      }
      kept.resets = kept.resets.filter((each) => each >= from);
    }
    this.events = this.events.filter((each) => each.time_seconds >= from);
  }

  /** @param {number} model @returns {Runs} */
  runs(model) {
    const { times, tops } = this.models[model] ?? { times: [], tops: [] };
    const track = {
      frames: Int32Array.from(times.keys()),
      times: Float64Array.from(times),
      topLabels: Int32Array.from(tops),
      k: 1,
    };
    return runsOf(track, this.now);
  }
}

export class LiveLanes {
  /**
   * @param {Texts} texts
   * @param {string[]} letters  of the models; one alone needs none
   */
  constructor(texts, letters) {
    this.texts = texts;
    this.letters = letters;
    this.gutter = letters.length > 1 ? GUTTER_PX : 0;
    this.axis = MARKS_PX + letters.length * (BAND_PX + GAP_PX);
    this.probe = h("span", { class: "vl-probe", hidden: true });
    this.canvas = h("canvas", { role: "img", "aria-label": texts.live.timeline });
    this.element = h("div", { class: "vl-live-lanes" }, [this.canvas, this.probe]);
    this.element.style.height = `${this.axis + AXIS_PX}px`;
    this.history = new History(letters.length);
    this.due = 0;
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.element);
  }

  /** @param {History} history */
  use(history) {
    this.history = history;
    this.draw();
  }

  draw() {
    this.due ||= requestAnimationFrame(() => {
      this.due = 0;
      this.paint();
    });
  }

  /** @param {number} seconds */
  x(seconds) {
    const width = this.element.clientWidth - this.gutter;
    return this.gutter + (1 - (this.history.now - seconds) / SPAN_SECONDS) * width;
  }

  paint() {
    const width = this.element.clientWidth;
    if (!width) return;
    const context = cleared(this.canvas, width, this.axis + AXIS_PX);
    const theme = themeOf(this.probe);
    this.paintAxis(context, theme, width);
    this.letters.forEach((letter, model) => this.paintLane(context, theme, width, letter, model));
    this.paintEvents(context, theme, width);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Theme} theme
   * @param {number} width
   */
  paintAxis(context, theme, width) {
    context.font = `11px ${theme.font}`;
    context.textBaseline = "middle";
    context.fillStyle = theme.muted;
    context.strokeStyle = theme.line;
    context.lineWidth = 1;
    for (let ago = 0; ago <= SPAN_SECONDS; ago += TICK_SECONDS) {
      const x = Math.round(this.x(this.history.now - ago)) - 0.5;
      context.beginPath();
      context.moveTo(x, this.axis + 1);
      context.lineTo(x, this.axis + 5);
      context.stroke();
      const text = ago ? this.texts.live.ago(ago) : this.texts.live.now;
      const size = context.measureText(text).width;
      context.fillText(text, clamp(x - size / 2, this.gutter, width - size), this.axis + 13);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Theme} theme
   * @param {number} width
   * @param {string} letter
   * @param {number} model
   */
  paintLane(context, theme, width, letter, model) {
    const top = MARKS_PX + model * (BAND_PX + GAP_PX);
    if (this.gutter) {
      context.fillStyle = theme.text;
      context.font = `600 12px ${theme.font}`;
      context.textBaseline = "middle";
      const size = context.measureText(letter).width;
      context.fillText(letter, this.gutter - 8 - size, top + BAND_PX / 2 + 1);
    }
    context.save();
    context.beginPath();
    context.rect(this.gutter, top, width - this.gutter, BAND_PX);
    context.clip();
    context.fillStyle = theme.track;
    roundRect(context, this.gutter, top, width - this.gutter, BAND_PX, 3);
    const runs = this.history.runs(model);
    runs.starts.forEach((start, run) => {
      const label = this.history.labels[runs.labels[run] ?? -1];
      if (!label) return;
      const right = this.x(runs.starts[run + 1] ?? runs.end);
      const visible = /** @type {[number, number]} */ ([this.gutter, width]);
      drawSegment(context, theme, label, this.x(start), right, top, BAND_PX, visible);
    });
    for (const reset of this.history.models[model]?.resets ?? []) {
      const x = Math.round(this.x(reset));
      context.fillStyle = theme.ground;
      context.fillRect(x - 2, top, 4, BAND_PX);
      context.fillStyle = theme.text;
      context.fillRect(x - 0.5, top, 1, BAND_PX);
    }
    context.restore();
  }

  /**
   * A flag over the lanes for each event: its rule, as far as there is room before the next.
   * @param {CanvasRenderingContext2D} context
   * @param {Theme} theme
   * @param {number} width
   */
  paintEvents(context, theme, width) {
    const { events } = this.history;
    events.forEach((event, index) => {
      const x = this.x(event.time_seconds);
      if (x < this.gutter) return;
      const next = events[index + 1];
      const room = (next ? this.x(next.time_seconds) : width) - x - 16;
      const isMissed = event.kind === "missed";
      context.fillStyle = context.strokeStyle = isMissed ? theme.warn : theme.text;
      context.lineWidth = 1.5;
      context.beginPath();
      if (isMissed) {
        context.moveTo(x - 4, 4);
        context.lineTo(x + 4, 12);
        context.moveTo(x + 4, 4);
        context.lineTo(x - 4, 12);
        context.stroke();
      } else {
        context.moveTo(x - 5, 4);
        context.lineTo(x + 5, 4);
        context.lineTo(x, 12);
        context.fill();
      }
      context.fillRect(x - 0.5, MARKS_PX - 5, 1, this.axis - MARKS_PX + 1);
      context.textBaseline = "middle";
      context.fillStyle = theme.text;
      const text = fit(context, event.rule, room, `11px ${theme.font}`);
      if (text.length > 3 || text === event.rule) context.fillText(text, x + 9, 8.5);
    });
  }

  close() {
    cancelAnimationFrame(this.due);
    this.resize.disconnect();
  }
}
