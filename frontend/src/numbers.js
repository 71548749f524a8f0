// @ts-check
/** Numbers as people read them, and small helpers. */


/** @param {number} seconds */
export function clockText(seconds) {
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
export function tickText(seconds, step) {
  const text = clockText(seconds);
  return step >= 1 ? text.slice(0, -4) : text.slice(0, step >= 0.1 ? -2 : -1);
}

/** Probability for dense places: ".984", "1.00", "<.001". @param {number} value */
export function probText(value) {
  if (value >= 0.9995) return "1.00";
  if (value < 0.0005) return "<.001";
  return value.toFixed(3).slice(1);
}

/** @param {number} num_bytes */
export function megabytes(num_bytes) {
  const value = num_bytes / 1e6;
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

/**
 * Index of the last value that is at most `wanted`, or -1.
 * @param {ArrayLike<number>} sorted
 * @param {number} wanted
 */
export function lastAtMost(sorted, wanted) {
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
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * A typed view of a buffer that may not be aligned: copied, which is cheap here.
 * @param {DataView | undefined} view
 * @returns {ArrayBuffer}
 */
export function aligned(view) {
  if (!view) throw new Error("The kernel's answer lacks a buffer. Run the cell again.");
  return /** @type {ArrayBuffer} */ (view.buffer).slice(
    view.byteOffset,
    view.byteOffset + view.byteLength,
  );
}

/** @param {unknown} error */
export const sentence = (error) => (error instanceof Error ? error.message : String(error));

/**
 * What a person typed: a frame number, or a time such as "1:02.5", "1:00:02" or "2.5s".
 * @param {string} text
 * @returns {{frame: number} | {seconds: number} | null}
 */
export function placeOf(text) {
  const typed = text.trim();
  if (/^\d+$/.test(typed)) return { frame: Number(typed) };
  const parts = /^(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?)\s*s?$/.exec(typed);
  if (!parts) return null;
  const [hours = 0, minutes = 0, seconds = 0] = parts.slice(1).map((part) => Number(part ?? 0));
  return { seconds: 3600 * hours + 60 * minutes + seconds };
}
