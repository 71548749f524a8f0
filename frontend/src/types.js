// @ts-check
/** The shapes that the parts hand to one another; no code. */

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
 * @property {import("./clock.js").Clock} clock
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

export {};
