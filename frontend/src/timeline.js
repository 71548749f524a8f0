// @ts-check
/** The canvases under the picture. */

/** @import { Label, Track, Divergence, Told } from "./types.js" */
import { Clock } from "./clock.js";
import { h } from "./dom.js";
import { DASHES, chip, drawChip, drawPattern, fit, roundRect } from "./marks.js";
import { clamp, clockText, lastAtMost, probText, tickText } from "./numbers.js";

const BAND_PX = 22;

const GAP_PX = 4;

const CURVES_PX = 64;

const STRIP_PX = 32;

const AXIS_PX = 20;

/** The canvases under the picture: curves, bands, divergence, axis, playhead. */
export class Timeline {
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
