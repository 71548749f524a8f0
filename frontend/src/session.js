// @ts-check
/** What all views of one widget share: the video, and the predictions. */

/** @import { Model, Progress, Reply, Media, Track, Divergence, Told } from "./types.js" */
import { Channel } from "./channel.js";
import { Clock } from "./clock.js";
import { aligned, megabytes } from "./numbers.js";
import { View } from "./view.js";

const PIECE_BYTES = 1 << 20;

const PIECES_IN_FLIGHT = 3;

/** What all views of one widget share, let go when the last view is gone. */
export class Session {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.channel = new Channel(model);
    this.views = 0;
    /** @type {View | null} the view that plays; the others follow it */
    this.driver = null;
    /** @type {Promise<Media> | null} */
    this.opening = null;
    /** @type {Promise<Told> | null} */
    this.asking = null;
    /** @type {Set<(progress: Progress) => void>} */
    this.listeners = new Set();
    /** @type {string[]} */
    this.urls = [];
  }

  /** @param {Progress} progress */
  announce(progress) {
    for (const listener of this.listeners) listener(progress);
  }

  /**
   * The video's bytes and frame times, fetched once.
   * @param {{transcode?: boolean, again?: boolean}} [options]
   * @returns {Promise<Media>}
   */
  media({ transcode = false, again = false } = {}) {
    if (!this.opening || again) {
      this.opening = this.fetchMedia(transcode);
      this.opening.catch(() => {}); // each view shows the error; this only marks it as seen
    }
    return this.opening;
  }

  /** @param {boolean} transcode */
  async fetchMedia(transcode) {
    this.announce({ phase: "kernel", fraction: 0 });
    const opened = await this.channel.request(
      "open",
      { transcode, page: this.channel.prefix },
      (p) => this.announce(p),
    );
    const about = opened.content;
    const times = new Float64Array(aligned(opened.buffers[0]));
    const pieces = await this.fetchBytes(about.token, about.num_bytes);
    const url = URL.createObjectURL(new Blob(pieces, { type: about.mime }));
    this.urls.push(url);
    return { ...about, url, clock: new Clock(times, about.offset_seconds, about.end_seconds) };
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
          codec: `${megabytes(loaded)} of ${megabytes(total)} MB`,
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

  release() {
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.channel.close();
    try {
      this.model.send({ op: "release", page: this.channel.prefix });
    } catch {
      // The widget was closed in the kernel first, which has let go of everything already.
    }
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
  };
}
