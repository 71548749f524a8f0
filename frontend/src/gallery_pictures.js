// @ts-check
/** Pictures of clips, as the kernel gives them: asked for when seen, called off when not. */

/** @import { Channel } from "./channel.js" */
import { aligned } from "./numbers.js";

/** Thumbnails kept on the page, so that scrolling back asks for none again: 10 MB or so. */
const MAX_KEPT = 1000;

const PATIENCE_MS = 4000;

/** Thumbnails and previews of a gallery's rows, as addresses for an <img>. */
export class Pictures {
  /**
   * @param {Channel} channel
   * @param {(seconds: number) => void} onSilence  none has come for so long; 0 when one has
   */
  constructor(channel, onSilence) {
    this.channel = channel;
    this.onSilence = onSilence;
    this.heardMs = performance.now();
    /** @type {Map<number, string>} by row, the last wanted at the end */
    this.kept = new Map();
  }

  /** A thumbnail that is here already. @param {number} row */
  known(row) {
    const url = this.kept.get(row);
    if (url === undefined) return undefined;
    this.kept.delete(row);
    this.kept.set(row, url);
    return url;
  }

  /** @param {number} row @param {AbortSignal} signal */
  async thumbnail(row, signal) {
    const [url = ""] = await this.ask("thumbnail", row, signal);
    this.kept.set(row, url);
    for (const [oldest, old] of this.kept) {
      if (this.kept.size <= MAX_KEPT) break;
      this.kept.delete(oldest);
      URL.revokeObjectURL(old);
    }
    return url;
  }

  /** The caller revokes what it gets. @param {number} row @param {AbortSignal} signal */
  preview(row, signal) {
    return this.ask("preview", row, signal);
  }

  /**
   * @param {string} op
   * @param {number} row
   * @param {AbortSignal} signal
   */
  async ask(op, row, signal) {
    const askedMs = performance.now();
    const onProgress = () => {
      const silentMs = performance.now() - Math.max(askedMs, this.heardMs);
      if (silentMs >= PATIENCE_MS) this.onSilence(Math.round(silentMs / 1000));
    };
    try {
      const { buffers } = await this.channel.request(op, { row }, { onProgress, signal });
      return buffers.map((buffer) =>
        URL.createObjectURL(new Blob([aligned(buffer)], { type: "image/jpeg" })),
      );
    } finally {
      if (!signal.aborted) {
        this.heardMs = performance.now();
        this.onSilence(0);
      }
    }
  }

  close() {
    for (const url of this.kept.values()) URL.revokeObjectURL(url);
    this.kept.clear();
  }
}
