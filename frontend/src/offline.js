// @ts-check
/** Plays in a page without a kernel: the same view, over state and answers the page carries. */

/** @import { Model } from "./types.js" */
import { mount } from "./mount.js";
import { Session } from "./session.js";

/**
 * @typedef {object} Answer   what the kernel would have said
 * @property {any} result
 * @property {(string | ArrayBuffer)[]} buffers  bytes, or the same in base64
 */

/**
 * @typedef {object} Kept
 * @property {Record<string, any>} state      the widget's traits
 * @property {Record<string, Answer>} answers by op: "open" (delivery "whole"), "predictions", "overlays",
 *   and "read" with the whole video's bytes as its one buffer
 */

/** @param {string | ArrayBuffer | undefined} data @returns {ArrayBuffer} */
function bytesOf(data) {
  if (data instanceof ArrayBuffer) return data;
  const text = atob(data ?? "");
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes.buffer;
}

/**
 * Stands in for the widget's model: changes stay in the page, questions are answered from it.
 * @implements {Model}
 */
export class OfflineModel {
  /** @param {Kept} kept */
  constructor({ state, answers }) {
    this.state = { ...state };
    this.answers = answers;
    /** @type {ArrayBuffer | null} the video, decoded at the first question */
    this.bytes = null;
    /** @type {Map<string, Set<(...args: any[]) => void>>} */
    this.listeners = new Map();
  }

  /** @param {string} name */
  get(name) {
    return this.state[name];
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    if (JSON.stringify(this.state[name]) === JSON.stringify(value)) return;
    this.state[name] = value;
    this.fire(`change:${name}`, this, value);
  }

  save_changes() {
    // There is no kernel to tell.
  }

  /** @param {string} name @param {(...args: any[]) => void} callback */
  on(name, callback) {
    const callbacks = this.listeners.get(name) ?? new Set();
    callbacks.add(callback);
    this.listeners.set(name, callbacks);
  }

  /** @param {string} name @param {(...args: any[]) => void} callback */
  off(name, callback) {
    this.listeners.get(name)?.delete(callback);
  }

  /** @param {string} name @param {...any} args */
  fire(name, ...args) {
    for (const callback of [...(this.listeners.get(name) ?? [])]) callback(...args);
  }

  /** @param {any} content */
  send(content) {
    if (content.id === undefined) return;
    const { message, buffers } = this.answer(content);
    // A kernel answers later, never while it is asked.
    queueMicrotask(() => this.fire("msg:custom", { id: content.id, ...message }, buffers));
  }

  /**
   * @param {any} content
   * @returns {{message: object, buffers: ArrayBuffer[]}}
   */
  answer({ op, offset, length }) {
    const answer = this.answers[op];
    if (!answer) {
      const message = `This page was saved without ${op}, and there is no kernel to ask.`;
      return { message: { error: { type: "WidgetError", message } }, buffers: [] };
    }
    if (op === "read") {
      this.bytes ??= bytesOf(answer.buffers[0]);
      return { message: { result: {} }, buffers: [this.bytes.slice(offset, offset + length)] };
    }
    const buffers = answer.buffers.map(bytesOf);
    return { message: { result: answer.result }, buffers };
  }
}

/**
 * Show a player that a page carries in itself.
 * @param {HTMLElement} element
 * @param {Kept} kept
 * @returns {() => void} takes it away
 */
export function showOffline(element, kept) {
  const model = new OfflineModel(kept);
  return mount(new Session(model), model, element);
}
