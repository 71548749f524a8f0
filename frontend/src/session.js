// @ts-check
/** What all views of one widget share: the video, and the predictions. */

/** @import { Model, Overlays, Progress, Reply, Track, Divergence, Told } from "./types.js" */
/** @import { View } from "./view.js" */
import { Channel } from "./channel.js";
import { Clock } from "./clock.js";
import { canFeed } from "./feeder.js";
import { Media, Opened } from "./media.js";
import { aligned, megabytes } from "./numbers.js";

const PIECE_BYTES = 1 << 20;

const PIECES_IN_FLIGHT = 3;

/** What all views of one widget share, let go when the last view is gone. */
export class Session {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.channel = new Channel(model);
    /** @type {Set<View>} */
    this.views = new Set();
    /** @type {View | null} the view that plays; the others follow it */
    this.driver = null;
    /** @type {Promise<Opened> | null} */
    this.opening = null;
    this.isOpening = false;
    /** @type {Promise<Told> | null} */
    this.asking = null;
    /** @type {Promise<Overlays> | null} */
    this.askingOverlays = null;
    /** @type {Set<(progress: Progress) => void>} */
    this.listeners = new Set();
    /** @type {Set<(url: string) => void>} */
    this.posterListeners = new Set();
    this.poster = "";
    /** @type {string[]} */
    this.urls = [];
    this.showPoster = this.showPoster.bind(this);
    model.on("change:_poster", this.showPoster);
    this.showPoster();
  }

  /** @param {Progress} progress */
  announce(progress) {
    for (const listener of this.listeners) listener(progress);
  }

  /**
   * Hear of a picture to show until the first frame is there; at once if it is there already.
   * @param {(url: string) => void} listener
   * @returns {() => void} stops it
   */
  onPoster(listener) {
    this.posterListeners.add(listener);
    if (this.poster) listener(this.poster);
    return () => this.posterListeners.delete(listener);
  }

  /**
   * The video for one more view; the kernel is asked once.
   * @param {{transcode?: boolean, again?: boolean}} [options]
   * @returns {Promise<Media>}
   */
  async media({ transcode = false, again = false } = {}) {
    if (!this.opening || (again && !this.isOpening)) {
      this.isOpening = true;
      const opening = this.open(transcode);
      this.opening = opening;
      const done = () => {
        this.isOpening = false;
      };
      opening.then(done, done);
    }
    return new Media(await this.opening, this.channel);
  }

  /**
   * @param {boolean} transcode
   * @returns {Promise<Opened>}
   */
  async open(transcode) {
    this.announce({ phase: "kernel", fraction: 0 });
    const { content: about, buffers } = await this.channel.request(
      "open",
      { transcode, page: this.channel.prefix },
      { onProgress: (progress) => this.announce(progress) },
    );
    const times = new Float64Array(aligned(buffers[0]));
    const clock = new Clock(times, about.offset_seconds, about.end_seconds);
    if (about.delivery === "whole") {
      const pieces = await this.fetchBytes(about.token, about.num_bytes);
      const url = this.keep(new Blob(pieces, { type: about.mime }));
      return new Opened(about, clock, new Int32Array(), url);
    }
    if (!canFeed(about.mime)) {
      if (!transcode && about.how !== "transcode") return this.open(true);
      throw new Error(
        "This browser cannot play H.264 video in segments. Open the notebook in a newer Chrome, Edge, Firefox or Safari.",
      );
    }
    return new Opened(about, clock, new Int32Array(aligned(buffers[1])), "");
  }

  /** The kernel sends frame 0 of itself, once the player is displayed. */
  showPoster() {
    /** @type {DataView | undefined} */
    const picture = this.model.get("_poster");
    if (!picture?.byteLength) return;
    this.poster = this.keep(new Blob([aligned(picture)], { type: "image/jpeg" }));
    for (const listener of this.posterListeners) listener(this.poster);
  }

  /** An address for some bytes, until `release`. @param {Blob} blob */
  keep(blob) {
    const url = URL.createObjectURL(blob);
    this.urls.push(url);
    return url;
  }

  /**
   * @param {string} token
   * @param {number} total
   */
  async fetchBytes(token, total) {
    /** @type {ArrayBuffer[]} */
    const pieces = new Array(Math.ceil(total / PIECE_BYTES));
    let next = 0;
    let loaded = 0;
    const worker = async () => {
      while (next < pieces.length) {
        const index = next++;
        const { buffers } = await this.channel.request("read", {
          token,
          offset: index * PIECE_BYTES,
          length: PIECE_BYTES,
        });
        const piece = aligned(buffers[0]);
        pieces[index] = piece;
        loaded += piece.byteLength;
        this.announce({
          phase: "loading",
          fraction: loaded / total,
          codec: `${megabytes(loaded)} / ${megabytes(total)} MB`,
        });
      }
    };
    await Promise.all(Array.from({ length: PIECES_IN_FLIGHT }, worker));
    if (loaded !== total)
      throw new Error("The video changed while it was read. Run the cell again.");
    return pieces;
  }

  /** @returns {Promise<Told>} */
  told() {
    this.asking ??= this.channel.request("predictions").then(readPredictions);
    return this.asking;
  }

  /**
   * Boxes, keypoints, curves and heat maps, fetched once.
   * @returns {Promise<Overlays>}
   */
  overlays() {
    this.askingOverlays ??= this.channel.request("overlays").then(readOverlays);
    return this.askingOverlays;
  }

  release() {
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.model.off("change:_poster", this.showPoster);
    this.channel.close();
    this.channel.tell({ op: "release", page: this.channel.prefix });
  }
}

/**
 * @param {Reply} reply
 * @returns {Told}
 */
function readPredictions({ content, buffers }) {
  let at = 0;
  const take = () => aligned(buffers[at++]);
  /** @type {Track[]} */
  const tracks = content.models.map((/** @type {any} */ model) => ({
    title: model.title,
    letter: model.letter,
    k: model.k,
    curveLabels: model.curves,
    frames: new Int32Array(take()),
    times: new Float64Array(take()),
    topLabels: new Int32Array(take()),
    topProbs: new Float32Array(take()),
    curveProbs: new Float32Array(take()),
    clipStarts: model.has_clips ? new Int32Array(take()) : null,
  }));
  /** @type {Divergence | null} */
  let divergence = null;
  if (content.has_divergence) {
    const times = new Float64Array(take());
    const values = new Float32Array(take());
    divergence = { times, values, most: values.reduce((a, b) => Math.max(a, b), 0) };
  }
  return {
    labels: content.labels,
    tracks,
    divergence,
    disagreements: content.disagreements.map((/** @type {[number, number]} */ [start, stop]) => ({
      start,
      stop,
    })),
    truth: content.truth ?? [],
  };
}

/**
 * @param {Reply} reply
 * @returns {Overlays}
 */
function readOverlays({ content, buffers }) {
  let at = 0;
  const take = () => aligned(buffers[at++]);
  return {
    boxes: content.boxes ? {
      ...content.boxes,
      frames: new Int32Array(take()),
      xywh: new Float32Array(take()),
      confidence: new Float32Array(take()),
      label: new Int32Array(take()),
      person: new Int32Array(take()),
    } : null,
    keypoints: content.keypoints.map((/** @type {any} */ layer) => ({
      ...layer,
      frames: new Int32Array(take()),
      person: new Int32Array(take()),
      keypoint: new Int32Array(take()),
      xy: new Float32Array(take()),
      confidence: new Float32Array(take()),
    })),
    gaps: content.gaps ? {
      ...content.gaps,
      frames: new Int32Array(take()),
      keypoint: new Int32Array(take()),
      from: new Float32Array(take()),
      to: new Float32Array(take()),
    } : null,
    curves: content.curves.map((/** @type {any} */ curve) => ({
      ...curve,
      lines: curve.lines.map((/** @type {any} */ line) => ({
        ...line,
        frames: new Int32Array(take()),
        values: new Float32Array(take()),
      })),
    })),
    heat: content.heat.map((/** @type {any} */ layer) => {
      const frames = new Int32Array(take());
      const grids = new Uint8Array(take());
      let from = 0;
      const maps = layer.maps.map((/** @type {any} */ map) => {
        const steps = grids.subarray(from, (from += map.rows * map.columns));
        return { ...map, steps };
      });
      return { ...layer, frames, maps };
    }),
  };
}
