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
 * @property {{kernel?: Kernel | null}} [widget_manager]  the host's; JupyterLab's knows its kernel
 */

/** @typedef {(sender: unknown, status: string) => void} HearStatus */

/**
 * @typedef {object} Kernel  the part of JupyterLab's kernel connection that is used here
 * @property {{connect: (call: HearStatus) => unknown, disconnect: (call: HearStatus) => unknown}} statusChanged
 */

/** @typedef {"label" | "caption" | "bars" | "boxes" | "keypoints" | "heat"} OverlayName */

/**
 * @typedef {object} Info  what the page knows before it has asked
 * @property {string} name
 * @property {number} width
 * @property {number} height
 * @property {number} top_k
 * @property {string[]} models
 * @property {boolean} has_audio
 * @property {boolean} [has_truth]
 * @property {OverlayName[]} [overlays]  those there is data for
 * @property {string[]} [keypoints]      titles of the models whose keypoints there are
 * @property {string[]} [curves]         names of curves under the picture
 * @property {{name: string, shown: string}[]} [heatmaps]  names of the heat maps; empty where there is no choice
 * @property {string} [model_id]         the widget's id, as its kept output names it
 */

/** @typedef {{phase: string, codec?: string, fraction?: number}} Progress */

/** @typedef {{content: any, buffers: DataView[]}} Reply */

/** @typedef {import("./media.js").Media} Media  the video as one view plays it */

/**
 * @typedef {object} Label
 * @property {string} name           as it is shown, perhaps in another language
 * @property {string} letter
 * @property {string | null} color
 * @property {string} ink
 * @property {number} pattern
 */

/** @typedef {Label & {value: string}} GivenLabel  one that can be given; value is the kernel's word for it */

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
 * @property {Int32Array | null} clipStarts  first frame that each prediction saw; null where each saw all so far
 */

/** @typedef {{start: number, stop: number}} FrameRange  half-open */

/** @typedef {{start: number, stop: number, label: number, unknown_to: number[]}} TruthSegment  frames, half-open; label is an index into labels, unknown_to are the models that do not have it */

/** @typedef {{from: number, to: number, label: string}} Segment  marked by a person: seconds, half-open; the kernel's word */

/**
 * @typedef {object} Annotation  what the kernel keeps of what is marked
 * @property {number} revision  larger each time it changes
 * @property {[number, number, string][]} segments
 * @property {GivenLabel[]} labels
 * @property {string[]} added   labels that the file has beyond those that were given, as shown
 * @property {string} file      its name
 * @property {string} path
 * @property {string} error     why it is not saved
 */

/** @typedef {{times: Float64Array, values: Float32Array, most: number}} Divergence  over the models, in nats */

/** @typedef {{labels: Label[], tracks: Track[], divergence: Divergence | null, disagreements: FrameRange[], truth: TruthSegment[]}} Told */

/** @typedef {{starts: Float64Array, labels: Int32Array, end: number}} Runs  of one top label each, in seconds */

/** @typedef {{each: Int8Array, right: number, known: number}} Verdicts  each row: 1 right, 0 wrong, -1 not known */

/**
 * @typedef {object} Boxes  rows in order of frame
 * @property {Label[]} labels
 * @property {number} hold           frames that a row is shown at most
 * @property {Int32Array} frames
 * @property {Float32Array} xywh     [rows * 4] px of the displayed frame
 * @property {Float32Array} confidence  NaN where none
 * @property {Int32Array} label      -1 where none
 * @property {Int32Array} person     -1 where none
 */

/**
 * @typedef {object} Keypoints  as one model found them; rows in order of frame
 * @property {string} title
 * @property {string[]} names
 * @property {[number, number][]} skeleton
 * @property {number} hold
 * @property {Int32Array} frames
 * @property {Int32Array} person
 * @property {Int32Array} keypoint   index into names
 * @property {Float32Array} xy       [rows * 2] px of the displayed frame
 * @property {Float32Array} confidence
 */

/**
 * @typedef {object} Gaps  between the first two models' keypoints; rows in order of frame
 * @property {string[]} names
 * @property {number} hold
 * @property {Int32Array} frames
 * @property {Int32Array} keypoint   index into names
 * @property {Float32Array} from     [rows * 2] px of the displayed frame
 * @property {Float32Array} to       [rows * 2] likewise
 */

/** @typedef {{person: number, hold: number, frames: Int32Array, values: Float32Array}} Line  NaN where there is none */

/** @typedef {{name: string, low: number, high: number, lines: Line[]}} Curve  a number over time, one line a person */

/** @typedef {"person" | "confidence" | "model"} ColoredBy  what a skeleton's colour tells */

/**
 * @typedef {object} HeatMap
 * @property {number} rows
 * @property {number} columns
 * @property {Uint8Array} steps      [rows * columns], from 0 for the first colour to 255 for the last
 * @property {[number, number, number, number]} xywh  px of the displayed frame; perhaps beyond it
 * @property {string} what           what the values are
 * @property {string} label          as it is shown
 * @property {number} probability    of the label
 */

/**
 * @typedef {object} HeatLayer  heat maps to one scale, in order of frame
 * @property {string} name
 * @property {number} hold           frames that a map is shown at most
 * @property {Int32Array} frames
 * @property {number} least          the value with the first colour
 * @property {number} most           the value with the last one
 * @property {string[]} colors       "#rrggbb", evenly far apart
 * @property {HeatMap[]} maps
 */

/** @typedef {{boxes: Boxes | null, keypoints: Keypoints[], gaps: Gaps | null, curves: Curve[], heat: HeatLayer[]}} Overlays */

export {};
