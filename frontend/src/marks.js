// @ts-check
/** How a label looks: its colour, its letter, its pattern. */

/** @import { Label } from "./types.js" */
import { h } from "./dom.js";

/** Dash of a curve by the label's pattern, so that colour is never alone. */
export const DASHES = [[], [7, 3], [2, 2], [9, 3, 2, 3], [4, 4], [12, 3]];

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 * @param {number} radius
 */
export function roundRect(context, x, y, width, height, radius) {
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
export function drawPattern(context, label, x, y, width, height) {
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
export function drawChip(context, font, label, x, y) {
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
export function fit(context, text, width, font) {
  context.font = font;
  if (width <= 0) return "";
  if (context.measureText(text).width <= width) return text;
  // Halving the doubt each time: there may be hundreds of names to fit.
  let length = 0;
  let tooLong = Math.min(text.length, 256);
  while (tooLong - length > 1) {
    const middle = (length + tooLong) >> 1;
    if (context.measureText(`${text.slice(0, middle)}…`).width > width) tooLong = middle;
    else length = middle;
  }
  return length > 0 ? `${text.slice(0, length).trimEnd()}…` : "";
}

/** A label's little square: its colour and its letter. @param {Label | undefined} label */
export function chip(label) {
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
