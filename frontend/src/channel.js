// @ts-check
/** Asks the kernel over the widget's custom messages, one reply per id. */

/** @import { Model, Progress, Reply } from "./types.js" */
import { sentence } from "./numbers.js";

const PATIENCE_MS = 4000;

/** Asks the kernel: every request has an id, every reply carries it back. */
export class Channel {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.serial = 0;
    // Replies reach every page that shows this kernel's widgets; the prefix is this page's own.
    this.prefix = Math.random().toString(36).slice(2);
    /** @type {Map<string, {resolve: (reply: Reply) => void, reject: (error: Error) => void, onProgress: (progress: Progress) => void}>} */
    this.waiting = new Map();
    this.receive = this.receive.bind(this);
    model.on("msg:custom", this.receive);
  }

  /**
   * @param {any} content
   * @param {(DataView | ArrayBuffer)[]} [buffers]
   */
  receive(content, buffers = []) {
    const request = this.waiting.get(content?.id);
    if (!request) return;
    if (content.progress) {
      request.onProgress(content.progress);
      return;
    }
    this.waiting.delete(content.id);
    if (content.error) request.reject(new Error(String(content.error.message)));
    else {
      request.resolve({
        content: content.result ?? {},
        buffers: buffers.map((buffer) =>
          buffer instanceof ArrayBuffer
            ? new DataView(buffer)
            : new DataView(
                /** @type {ArrayBuffer} */ (buffer.buffer),
                buffer.byteOffset,
                buffer.byteLength,
              ),
        ),
      });
    }
  }

  /**
   * @param {string} op
   * @param {object} [args]
   * @param {(progress: Progress) => void} [onProgress]
   * @returns {Promise<Reply>}
   */
  request(op, args = {}, onProgress = () => {}) {
    const id = `${this.prefix}-${this.serial++}`;
    return new Promise((resolve, reject) => {
      const asked = performance.now();
      let heard = false;
      const impatience = setInterval(() => {
        if (!heard) onProgress({ phase: "kernel", fraction: (performance.now() - asked) / 1000 });
      }, PATIENCE_MS);
      const done = () => clearInterval(impatience);
      this.waiting.set(id, {
        resolve: (reply) => (done(), resolve(reply)),
        reject: (error) => (done(), reject(error)),
        onProgress: (progress) => {
          heard = true;
          onProgress(progress);
        },
      });
      try {
        this.model.send({ id, op, ...args });
      } catch (error) {
        this.waiting.delete(id);
        done();
        reject(new Error(`The kernel cannot be reached (${sentence(error)}). Run the cell again.`));
      }
    });
  }

  close() {
    this.model.off("msg:custom", this.receive);
    for (const { reject } of this.waiting.values()) reject(new Error("The player was closed."));
    this.waiting.clear();
  }
}
