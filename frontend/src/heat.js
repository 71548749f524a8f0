// @ts-check
/** Heat maps over the picture: small grids, blended to the places between them, in colours. */

/** @import { HeatLayer, HeatMap } from "./types.js" */
import { rowsAt } from "./bodies.js";
import { clamp } from "./numbers.js";

// Fine enough that what the browser blends beyond it is within one colour.
const LONG_SIDE = 256;
const NUM_STEPS = 256;

/**
 * The map that is shown with a frame.
 * @param {HeatLayer} layer
 * @param {number} frame
 */
export function mapAt(layer, frame) {
  const [first, stop] = rowsAt(layer.frames, layer.hold, frame);
  return first < stop ? (layer.maps[first] ?? null) : null;
}

/**
 * The frame nearest to another one that a map is of.
 * @param {HeatLayer} layer
 * @param {number} frame
 */
export const nearestMap = ({ frames }, frame) =>
  frames.reduce((a, b) => (Math.abs(b - frame) < Math.abs(a - frame) ? b : a));

/**
 * The colour of each step from the least value to the greatest.
 * @param {string[]} colors  "#rrggbb"
 * @returns {Uint8ClampedArray} [steps * 3]
 */
export function rampOf(colors) {
  const stops = colors.map((color) =>
    [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)),
  );
  const ramp = new Uint8ClampedArray(3 * NUM_STEPS);
  for (let step = 0; step < NUM_STEPS; step++) {
    const place = (step / (NUM_STEPS - 1)) * (stops.length - 1);
    const below = Math.min(Math.floor(place), stops.length - 2);
    for (let channel = 0; channel < 3; channel++) {
      const [a = 0, b = 0] = [stops[below]?.[channel], stops[below + 1]?.[channel]];
      ramp[3 * step + channel] = a + (place - below) * (b - a);
    }
  }
  return ramp;
}

/**
 * A grid's values at more places, each blended of the four nearest.
 * @param {HeatMap} map
 * @param {number} width
 * @param {number} height
 * @returns {Uint8ClampedArray} [height * width]
 */
export function spread({ steps, rows, columns }, width, height) {
  const across = sharesOf(width, columns);
  const down = sharesOf(height, rows);
  const out = new Uint8ClampedArray(width * height);
  const at = (/** @type {number} */ row, /** @type {number} */ column) =>
    steps[row * columns + column] ?? 0;
  down.forEach(({ first: top, last: bottom, share: low }, y) =>
    across.forEach(({ first: left, last: right, share }, x) => {
      const above = at(top, left) * (1 - share) + at(top, right) * share;
      const below = at(bottom, left) * (1 - share) + at(bottom, right) * share;
      out[y * width + x] = above * (1 - low) + below * low;
    }),
  );
  return out;
}

/**
 * Between which cells each of the finer places lies; cells have their values in their middles.
 * @param {number} places
 * @param {number} cells
 */
const sharesOf = (places, cells) =>
  Array.from({ length: places }, (_, place) => {
    const centre = clamp(((place + 0.5) / places) * cells - 0.5, 0, cells - 1);
    const first = Math.floor(centre);
    return { first, last: Math.min(first + 1, cells - 1), share: centre - first };
  });

/** Draws heat maps; the one that was drawn last is kept, as it mostly holds for more frames. */
export class HeatPainter {
  constructor() {
    this.canvas = document.createElement("canvas");
    /** @type {HeatMap | null} */
    this.painted = null;
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} zoom  CSS px for a px of the frame
   * @param {HeatLayer} layer
   * @param {number} frame
   * @param {number} opacity
   */
  draw(context, zoom, layer, frame, opacity) {
    const map = mapAt(layer, frame);
    if (!map) return;
    if (map !== this.painted) this.paint(layer, map);
    const [x, y, width, height] = map.xywh;
    context.globalAlpha = opacity;
    context.drawImage(this.canvas, x * zoom, y * zoom, width * zoom, height * zoom);
    context.globalAlpha = 1;
  }

  /** @param {HeatLayer} layer @param {HeatMap} map */
  paint(layer, map) {
    const [, , across, down] = map.xywh;
    const scale = LONG_SIDE / Math.max(across, down);
    const width = Math.max(1, Math.round(across * scale));
    const height = Math.max(1, Math.round(down * scale));
    const ramp = rampOf(layer.colors);
    const picture = new ImageData(width, height);
    spread(map, width, height).forEach((step, at) => {
      picture.data.set(ramp.subarray(3 * step, 3 * step + 3), 4 * at);
      picture.data[4 * at + 3] = 255;
    });
    this.canvas.width = width;
    this.canvas.height = height;
    this.canvas.getContext("2d")?.putImageData(picture, 0, 0);
    this.painted = map;
  }
}
