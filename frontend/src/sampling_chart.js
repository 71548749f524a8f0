// @ts-check
/** A label's probability over time: the band of all settings, their median, and one setting's line. */

/** @import { Label } from "./types.js" */
/** @import { Band, Line } from "./sampling_settings.js" */
/** @import { Theme } from "./marks.js" */
import { h } from "./dom.js";
import { cleared, themeOf } from "./marks.js";
import { clamp, lastAtMost, tickText } from "./numbers.js";

const TOP_PX = 6;
const PLOT_PX = 148;
const AXIS_PX = 22;
const GUTTER_PX = 28;
const RIGHT_PX = 4;
const TICK_ROOM_PX = 96;

/** Dots that are closer than this would be a line. */
const DOT_ROOM_PX = 7;

/** @typedef {{label: Label, band: Band, line: Line}} Shown */

/** The least of 1, 2, 5, 10, 20 and so on, and of 0.1, 0.2 and so on, that is not below. @param {number} rough */
export function niceStep(rough) {
  const ten = 10 ** Math.floor(Math.log10(rough));
  return ten * ([1, 2, 5].find((each) => each * ten >= rough * 0.999) ?? 10);
}

export class BandChart {
  /**
   * @param {Float64Array} times  at which any setting answers
   * @param {[number, number]} span  seconds
   * @param {string} name
   * @param {(place: number) => string} tell  shows the values at one of the times, and says them
   */
  constructor(times, [from, to], name, tell) {
    this.times = times;
    this.from = from;
    this.to = Math.max(to, from + 1e-9);
    this.tell = tell;
    this.last = times.length - 1;
    this.place = this.last;
    /** @type {Shown | null} */
    this.shown = null;
    this.probe = h("span", { class: "vl-probe", hidden: true });
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.element = h(
      "div",
      {
        class: "vl-sampling-chart",
        role: "slider",
        tabindex: 0,
        "aria-label": name,
        "aria-valuemin": 0,
        "aria-valuemax": this.last,
      },
      [this.canvas, this.probe],
    );
    this.element.style.height = `${TOP_PX + PLOT_PX + AXIS_PX}px`;
    this.element.addEventListener("pointermove", (event) => this.point(event));
    this.element.addEventListener("pointerdown", (event) => this.point(event));
    this.element.addEventListener("pointerleave", () => this.move(this.last));
    this.due = 0;
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.element);
  }

  /** @param {Shown} shown */
  use(shown) {
    this.shown = shown;
    this.move(this.place);
  }

  /** @param {PointerEvent} event */
  point(event) {
    const { left } = this.element.getBoundingClientRect();
    const share = (event.clientX - left - GUTTER_PX) / this.room;
    this.move(lastAtMost(this.times, this.from + share * (this.to - this.from)));
  }

  /** Go to one of the times. @param {number} place */
  move(place) {
    this.place = clamp(place, 0, this.last);
    this.element.setAttribute("aria-valuenow", String(this.place));
    this.element.setAttribute("aria-valuetext", this.tell(this.place));
    this.draw();
  }

  /** What a key does here. @param {string} key @returns {(() => void) | undefined} */
  actionOf(key) {
    /** @type {Record<string, number>} */
    const places = {
      ArrowLeft: this.place - 1,
      ArrowDown: this.place - 1,
      ArrowRight: this.place + 1,
      ArrowUp: this.place + 1,
      Home: 0,
      End: this.last,
    };
    const place = places[key];
    return place === undefined ? undefined : () => this.move(place);
  }

  draw() {
    this.due ||= requestAnimationFrame(() => {
      this.due = 0;
      this.paint();
    });
  }

  get room() {
    return this.element.clientWidth - GUTTER_PX - RIGHT_PX;
  }

  /** @param {number} seconds */
  x(seconds) {
    return GUTTER_PX + ((seconds - this.from) / (this.to - this.from)) * this.room;
  }

  /** @param {number} probability */
  y(probability) {
    return TOP_PX + (1 - probability) * PLOT_PX;
  }

  paint() {
    const width = this.element.clientWidth;
    if (width <= GUTTER_PX + RIGHT_PX || !this.shown) return;
    const context = cleared(this.canvas, width, TOP_PX + PLOT_PX + AXIS_PX);
    const theme = themeOf(this.probe);
    this.paintAxes(context, theme);
    this.paintBand(context, theme, this.shown);
    this.paintLine(context, theme, this.shown);
    const x = Math.round(this.x(this.times[this.place] ?? this.from)) + 0.5;
    context.strokeStyle = theme.accent;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, TOP_PX);
    context.lineTo(x, TOP_PX + PLOT_PX);
    context.stroke();
  }

  /** @param {CanvasRenderingContext2D} context @param {Theme} theme */
  paintAxes(context, theme) {
    context.font = `11px ${theme.font}`;
    context.textBaseline = "middle";
    context.fillStyle = theme.muted;
    context.strokeStyle = theme.line;
    context.lineWidth = 1;
    const right = GUTTER_PX + this.room;
    for (const share of [0, 0.5, 1]) {
      const y = Math.round(this.y(share)) + 0.5;
      context.beginPath();
      context.moveTo(GUTTER_PX, y);
      context.lineTo(right, y);
      context.stroke();
      const text = String(share);
      const size = context.measureText(text).width;
      context.fillText(text, GUTTER_PX - 8 - size, clamp(y, 8, TOP_PX + PLOT_PX - 4));
    }
    const step = niceStep((this.to - this.from) / Math.max(this.room / TICK_ROOM_PX, 1));
    const axis = TOP_PX + PLOT_PX;
    for (let at = Math.ceil(this.from / step - 1e-9) * step; at <= this.to + 1e-9; at += step) {
      const x = Math.round(this.x(at)) + 0.5;
      context.beginPath();
      context.moveTo(x, axis + 1);
      context.lineTo(x, axis + 5);
      context.stroke();
      const text = tickText(at, step);
      const size = context.measureText(text).width;
      context.fillText(text, clamp(x - size / 2, GUTTER_PX, right - size), axis + 14);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Theme} theme
   * @param {Shown} shown
   */
  paintBand(context, theme, { label, band }) {
    context.beginPath();
    this.trace(context, this.times, band.high);
    const [first = this.from] = this.times;
    // Back along the lower edge.
    for (let place = this.last; place >= 0; place--) {
      const y = this.y(band.low[place] ?? 0);
      context.lineTo(this.x(this.times[place + 1] ?? this.to), y);
      context.lineTo(this.x(this.times[place] ?? first), y);
    }
    context.closePath();
    context.fillStyle = label.color ?? theme.muted;
    context.globalAlpha = 0.35;
    context.fill();
    context.globalAlpha = 1;
    context.strokeStyle = theme.muted;
    context.lineWidth = 1;
    context.stroke();
    context.strokeStyle = theme.text;
    context.setLineDash([4, 3]);
    context.beginPath();
    this.trace(context, this.times, band.median);
    context.stroke();
    context.setLineDash([]);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Theme} theme
   * @param {Shown} shown
   */
  paintLine(context, theme, { line: { times, values } }) {
    context.strokeStyle = context.fillStyle = theme.text;
    context.lineWidth = 2;
    context.beginPath();
    this.trace(context, times, values);
    context.stroke();
    if (this.room / times.length < DOT_ROOM_PX) return;
    times.forEach((seconds, row) => {
      context.beginPath();
      context.arc(this.x(seconds), this.y(values[row] ?? 0), 2.5, 0, 2 * Math.PI);
      context.fill();
    });
  }

  /**
   * Steps: a value holds until the next one.
   * @param {CanvasRenderingContext2D} context
   * @param {Float64Array} times
   * @param {Float32Array} values
   */
  trace(context, times, values) {
    times.forEach((seconds, row) => {
      const y = this.y(values[row] ?? 0);
      context.lineTo(this.x(seconds), y);
      context.lineTo(this.x(times[row + 1] ?? this.to), y);
    });
  }

  close() {
    cancelAnimationFrame(this.due);
    this.resize.disconnect();
  }
}
