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

/**
 * A stretch of time with one label: its colour and pattern, and as much of its name as fits.
 * @param {CanvasRenderingContext2D} context
 * @param {Theme} theme
 * @param {Label} label
 * @param {number} from  px
 * @param {number} to
 * @param {number} top
 * @param {number} height
 * @param {[number, number]} visible  px, from and to: words and rounded ends belong to this
 * @returns {{text: string, at: number, size: number} | null} the words in it, from `at`, px wide
 */
export function drawSegment(context, theme, label, from, to, top, height, [low, high]) {
  const left = Math.max(from, low - 4);
  const right = Math.min(to, high + 4);
  const width = Math.max(right - left - (right - left > 4 ? 1 : 0), 0.75);
  const color = label.color ?? theme.muted;
  const ink = label.color ? label.ink : theme.ground;
  context.fillStyle = color;
  if (width < 6) {
    context.fillRect(left, top, width, height);
    return null;
  }
  context.save();
  context.beginPath();
  context.roundRect(left, top, width, height, 3);
  context.clip();
  context.fillRect(left, top, width, height);
  drawPattern(context, label, left, top, width, height);
  const inset = left < low ? 11 : 7;
  const text = fit(context, label.name, width - 7 - inset, `500 12px ${theme.font}`);
  const shown = text.length > 4 || text === label.name ? text : width >= 14 ? label.letter : "";
  const size = context.measureText(shown).width;
  const at = text === shown ? left + inset : left + (width - size) / 2;
  if (shown) {
    // A plain ground behind the words: patterns must not cut through letters.
    context.fillStyle = color;
    context.fillRect(at - 3, top + 2, size + 6, height - 4);
    context.fillStyle = ink;
    context.textBaseline = "middle";
    context.fillText(shown, at, top + height / 2 + 0.5);
  }
  context.restore();
  return shown ? { text: shown, at, size } : null;
}

/**
 * A canvas' context, cleared, in CSS px.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function cleared(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no 2D canvas; the timeline cannot be drawn.");
  const columns = Math.round(width * scale);
  const rows = Math.round(height * scale);
  // A new size makes a new bitmap, which is dear; the old one is wiped where it fits.
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
  }
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/**
 * The host's colours and font, as a canvas wants them.
 * @param {HTMLElement} probe  an element of the widget that is not seen; its colour changes
 */
export function themeOf(probe) {
  const color = (/** @type {string} */ name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  return {
    text: color("--vl-text"),
    ground: color("--vl-ground"),
    muted: color("--vl-muted"),
    line: color("--vl-line"),
    track: color("--vl-track"),
    accent: color("--vl-accent"),
    warn: color("--vl-warn"),
    font: getComputedStyle(probe).fontFamily || "sans-serif",
  };
}

/** @typedef {ReturnType<typeof themeOf>} Theme */

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
