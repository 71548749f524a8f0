// @ts-check
/** Asks the kernel over the widget's custom messages, one reply per id. */

/** @import { Model, Progress, Reply } from "./types.js" */
import { KernelEndedError, whenKernelEnds } from "./kernel.js";
import { sentence } from "./numbers.js";
import { textsOf } from "./texts.js";

const PATIENCE_MS = 4000;

/** A request was called off by the page itself. */
export class CancelledError extends Error {}

/**
 * @typedef {object} Waiting
 * @property {(reply: Reply) => void} resolve
 * @property {(error: Error) => void} reject
 * @property {(progress: Progress, buffers: DataView[]) => void} onProgress
 */

/** Asks the kernel: every request has an id, every reply carries it back. */
export class Channel {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.serial = 0;
    // Replies reach every page that shows this kernel's widgets; the prefix is this page's own.
    this.prefix = Math.random().toString(36).slice(2);
    /** @type {Map<string, Waiting>} */
    this.waiting = new Map();
    this.hasEnded = false;
    /** @type {Set<() => void>} */
    this.mourners = new Set();
    this.forgetKernel = whenKernelEnds(model, () => this.end());
    this.receive = this.receive.bind(this);
    model.on("msg:custom", this.receive);
  }

  /**
   * Hear that the kernel has ended; at once if it has already.
   * @param {() => void} call
   * @returns {() => void} stops it
   */
  onEnd(call) {
    this.mourners.add(call);
    if (this.hasEnded) call();
    return () => this.mourners.delete(call);
  }

  /** The kernel has ended: what waits for it waits no longer. */
  end() {
    this.hasEnded = true;
    for (const call of this.mourners) call();
    this.rejectAll(this.ended());
  }

  ended() {
    return new KernelEndedError(textsOf(this.model.get("locale")).kernelEnded.short);
  }

  /** @param {Error} error */
  rejectAll(error) {
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }

  /**
   * @param {any} content
   * @param {(DataView | ArrayBuffer)[]} [buffers]
   */
  receive(content, buffers = []) {
    const request = this.waiting.get(content?.id);
    if (!request) return;
    const views = buffers.map((buffer) =>
      buffer instanceof ArrayBuffer
        ? new DataView(buffer)
        : new DataView(
            /** @type {ArrayBuffer} */ (buffer.buffer),
            buffer.byteOffset,
            buffer.byteLength,
          ),
    );
    if (content.progress) {
      request.onProgress(content.progress, views);
      return;
    }
    this.waiting.delete(content.id);
    if (content.error) request.reject(new Error(String(content.error.message)));
    else request.resolve({ content: content.result ?? {}, buffers: views });
  }

  /**
   * @param {string} op
   * @param {object} [args]
   * @param {object} [options]
   * @param {(progress: Progress, buffers: DataView[]) => void} [options.onProgress]
   * @param {AbortSignal} [options.signal]  calls the request off, in the kernel too
   * @returns {Promise<Reply>}
   */
  request(op, args = {}, { onProgress = () => {}, signal } = {}) {
    if (this.hasEnded) return Promise.reject(this.ended());
    const id = `${this.prefix}-${this.serial++}`;
    return new Promise((resolve, reject) => {
      const asked = performance.now();
      let heard = false;
      const impatience = setInterval(() => {
        if (!heard)
          onProgress({ phase: "kernel", fraction: (performance.now() - asked) / 1000 }, []);
      }, PATIENCE_MS);
      const cancel = () => {
        if (!this.waiting.delete(id)) return;
        done();
        this.tell({ op: "cancel", requests: [id] });
        reject(new CancelledError(`The request ${op} was called off.`));
      };
      const done = () => {
        clearInterval(impatience);
        signal?.removeEventListener("abort", cancel);
      };
      this.waiting.set(id, {
        resolve: (reply) => (done(), resolve(reply)),
        reject: (error) => (done(), reject(error)),
        onProgress: (progress, buffers) => {
          heard = true;
          onProgress(progress, buffers);
        },
      });
      signal?.addEventListener("abort", cancel);
      try {
        this.model.send({ id, op, ...args });
      } catch (error) {
        this.waiting.delete(id);
        done();
        reject(new Error(`The kernel cannot be reached (${sentence(error)}). Run the cell again.`));
      }
    });
  }

  /** Tell the kernel something that it does not answer. @param {object} content */
  tell(content) {
    try {
      this.model.send(content);
    } catch {
      // Both things told (not wanted any more, released) are so once the kernel is gone.
    }
  }

  close() {
    this.model.off("msg:custom", this.receive);
    this.forgetKernel();
    this.rejectAll(new Error("The player was closed."));
  }
}
