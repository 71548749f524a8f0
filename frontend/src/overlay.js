// @ts-check
/** What is drawn over the picture, sharp at any zoom: labels, captions, bars, boxes, keypoints, heat. */

/** @import { Boxes, ColoredBy, Info, Label, OverlayName, Overlays, Told, Track } from "./types.js" */
import { colorOf, drawBodies, rowsAt } from "./bodies.js";
import { h } from "./dom.js";
import { HeatPainter } from "./heat.js";
import { fit, roundRect } from "./marks.js";
import { clamp, lastAtMost, probText } from "./numbers.js";

const SHADE = "rgb(0 0 0 / 72%)";
const RAIL = "rgb(255 255 255 / 24%)";
const ROW_PX = 22;
const NARROW_PX = 420;
const MARGIN_PX = 8;
// OpenCV's tutorials write the label into a box of 300x40 px on a picture 400 px wide.
const CAPTION = { picture: 400, width: 300, height: 40, left: 10, text: 20 };

export class Overlay {
  /** @param {Info} info */
  constructor(info) {
    this.info = info;
    this.canvas = h("canvas", { class: "vl-overlay", "aria-hidden": "true" });
    /** @type {Told | null} */
    this.told = null;
    /** @type {Overlays} */
    this.data = { boxes: null, keypoints: [], gaps: null, curves: [], heat: [] };
    this.heat = new HeatPainter();
    this.heatShown = "";
    this.heatOpacity = 0;
    /** @type {ColoredBy} */
    this.coloredBy = "person";
    /** @type {Set<OverlayName>} */
    this.names = new Set();
    this.frame = 0;
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.canvas);
  }

  /** @param {number} frame */
  show(frame) {
    this.frame = frame;
    this.draw();
  }

  draw() {
    const { canvas, names } = this;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    const scale = window.devicePixelRatio || 1;
    const context = canvas.getContext("2d");
    if (!context || !width) return;
    const columns = Math.round(width * scale);
    const rows = Math.round(height * scale);
    if (canvas.width !== columns || canvas.height !== rows) {
      canvas.width = columns;
      canvas.height = rows;
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, columns, rows);
    if (!names.size) return;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.textBaseline = "middle";
    const font = getComputedStyle(canvas).fontFamily || "sans-serif";
    const zoom = width / this.info.width;
    const heat = names.has("heat") && this.data.heat.find(({ name }) => name === this.heatShown);
    if (heat) this.heat.draw(context, zoom, heat, this.frame, this.heatOpacity);
    if (names.has("boxes") && this.data.boxes) this.drawBoxes(context, font, zoom, this.data.boxes);
    if (names.has("keypoints")) drawBodies(context, font, zoom, this.data, this.frame, this.coloredBy);
    const top = names.has("caption") ? this.drawCaption(context, font, width) : 0;
    if (names.has("bars")) this.drawBars(context, font, width, top);
    if (names.has("label")) this.drawLabels(context, font, width, height);
  }

  /**
   * The label and probability of a rank at this frame.
   * @param {Track} track
   * @param {number} rank
   */
  answer(track, rank) {
    const row = lastAtMost(track.frames, this.frame);
    if (row < 0 || rank >= track.k) return null;
    const label = this.told?.labels[track.topLabels[row * track.k + rank] ?? -1];
    return label ? { label, prob: track.topProbs[row * track.k + rank] ?? 0 } : null;
  }

  /**
   * One line a model, from the lower left corner up.
   * @param {CanvasRenderingContext2D} context
   * @param {string} font
   * @param {number} width
   * @param {number} height
   */
  drawLabels(context, font, width, height) {
    const tracks = this.told?.tracks ?? [];
    let bottom = height - MARGIN_PX;
    for (const track of [...tracks].reverse()) {
      const found = this.answer(track, 0);
      if (!found || bottom < ROW_PX + 4) continue;
      const letter = tracks.length > 1 ? `${track.letter}  ` : "";
      const prob = probText(found.prob);
      context.font = `600 13px ${font}`;
      const letterWidth = context.measureText(letter).width;
      const probWidth = context.measureText(prob).width;
      const room = width - 2 * MARGIN_PX - 28 - letterWidth - probWidth;
      const name = fit(context, found.label.name, room, `600 13px ${font}`);
      const nameWidth = context.measureText(name).width;
      const top = bottom - ROW_PX - 2;
      const whole = 28 + letterWidth + nameWidth + probWidth;
      this.plate(context, MARGIN_PX, top, whole, ROW_PX + 2, found.label.color);
      context.fillStyle = "#fff";
      const middle = top + ROW_PX / 2 + 1.5;
      const left = MARGIN_PX + 12;
      context.fillText(letter, left, middle);
      context.fillText(name, left + letterWidth, middle);
      context.fillText(prob, left + letterWidth + nameWidth + 8, middle);
      bottom = top - 4;
    }
  }

  /**
   * The first model's label in white on a black box in the upper left corner.
   * @param {CanvasRenderingContext2D} context
   * @param {string} font
   * @param {number} width
   * @returns {number} how high the box is
   */
  drawCaption(context, font, width) {
    const [track] = this.told?.tracks ?? [];
    const found = track ? this.answer(track, 0) : null;
    const scale = clamp(width / CAPTION.picture, 0.6, 1.25);
    const height = found ? CAPTION.height * scale : 0;
    if (!found) return height;
    context.fillStyle = "#000";
    context.fillRect(0, 0, CAPTION.width * scale, height);
    const room = (CAPTION.width - 2 * CAPTION.left) * scale;
    const style = `${Math.round(CAPTION.text * scale)}px ${font}`;
    const name = fit(context, found.label.name, room, style);
    context.fillStyle = "#fff";
    context.fillText(name, CAPTION.left * scale, height / 2 + 1);
    return height;
  }

  /**
   * The first model's best answers as bars, in the upper left corner.
   * @param {CanvasRenderingContext2D} context
   * @param {string} font
   * @param {number} width
   * @param {number} above  px at the top that are taken
   */
  drawBars(context, font, width, above) {
    const [track] = this.told?.tracks ?? [];
    if (!track) return;
    // On a small picture fewer and smaller ones, so that there is a picture left.
    const isNarrow = width < NARROW_PX;
    const count = Math.min(track.k, isNarrow ? 3 : 5);
    const rowHeight = isNarrow ? 17 : ROW_PX;
    const size = isNarrow ? 11 : 12;
    const whole = clamp(width * 0.45, Math.min(150, width - 2 * MARGIN_PX), 280);
    this.plate(context, MARGIN_PX, above + MARGIN_PX, whole, count * rowHeight + 8, null);
    const nameRoom = whole * 0.56 - 12;
    const barLeft = MARGIN_PX + whole * 0.56;
    const barRoom = whole * 0.44 - 44;
    for (let rank = 0; rank < count; rank++) {
      const found = this.answer(track, rank);
      if (!found) continue;
      const middle = above + MARGIN_PX + 4 + (rank + 0.5) * rowHeight;
      const weight = rank === 0 ? 600 : 400;
      const name = fit(context, found.label.name, nameRoom, `${weight} ${size}px ${font}`);
      context.fillStyle = "#fff";
      context.fillText(name, MARGIN_PX + 8, middle + 0.5);
      const value = probText(found.prob);
      const right = MARGIN_PX + whole - 8;
      context.fillText(value, right - context.measureText(value).width, middle + 0.5);
      context.fillStyle = RAIL;
      roundRect(context, barLeft, middle - 3, barRoom, 6, 2);
      context.fillStyle = found.label.color ?? "#fff";
      roundRect(context, barLeft, middle - 3, Math.max(barRoom * found.prob, 1), 6, 2);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} x
   * @param {number} y
   * @param {number} width
   * @param {number} height
   * @param {string | null} edge  colour of its left edge
   */
  plate(context, x, y, width, height, edge) {
    context.save();
    context.beginPath();
    context.roundRect(x, y, width, height, 4);
    context.clip();
    context.fillStyle = SHADE;
    context.fillRect(x, y, width, height);
    if (edge) {
      context.fillStyle = edge;
      context.fillRect(x, y, 4, height);
    }
    context.restore();
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {string} font
   * @param {number} zoom  CSS px for a px of the frame
   * @param {Boxes} boxes
   */
  drawBoxes(context, font, zoom, boxes) {
    const [first, stop] = rowsAt(boxes.frames, boxes.hold, this.frame);
    for (let row = first; row < stop; row++) {
      const [x = 0, y = 0, width = 0, height = 0] = boxes.xywh
        .subarray(4 * row, 4 * row + 4)
        .map((value) => value * zoom);
      const which = boxes.label[row] ?? -1;
      const person = boxes.person[row] ?? -1;
      const label = boxes.labels[which];
      const color = label?.color ?? colorOf(person >= 0 ? person : which);
      // Dark beneath light, so that it is seen on any picture.
      context.lineJoin = "round";
      for (const [line, stroke] of /** @type {[number, string][]} */ ([[4, SHADE], [2, color]])) {
        context.lineWidth = line;
        context.strokeStyle = stroke;
        context.strokeRect(x, y, width, height);
      }
      const confidence = boxes.confidence[row] ?? NaN;
      const words = [
        person >= 0 ? `#${person}` : "",
        label?.name ?? "",
        Number.isNaN(confidence) ? "" : probText(confidence),
      ].filter(Boolean);
      if (words.length) this.drawTag(context, font, words.join(" "), color, label, x, y);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {string} font
   * @param {string} words
   * @param {string} color
   * @param {Label | undefined} label
   * @param {number} x
   * @param {number} y  of the box's upper edge
   */
  drawTag(context, font, words, color, label, x, y) {
    const room = this.canvas.clientWidth - 8;
    const text = fit(context, words, room, `600 12px ${font}`);
    const width = context.measureText(text).width + 8;
    const left = clamp(x - 1, 0, Math.max(room + 8 - width, 0));
    const top = y >= 18 ? y - 18 : y;
    context.fillStyle = color;
    context.fillRect(left, top, width, 18);
    context.fillStyle = label?.ink || "#000";
    context.fillText(text, left + 4, top + 9.5);
  }

  close() {
    this.resize.disconnect();
  }
}
