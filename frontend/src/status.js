// @ts-check
/** What is being waited for, or what went wrong, in words. */

/** @import { Texts } from "./texts.js" */
import { h } from "./dom.js";

export class Status {
  /** @param {Texts} texts */
  constructor(texts) {
    this.text = h("p", { class: "vl-status-text" });
    this.bar = h("progress", {
      class: "vl-progress",
      max: 1,
      hidden: true,
      "aria-label": texts.progress,
    });
    this.retry = h("button", {
      type: "button",
      class: "vl-link",
      text: texts.tryAgain,
      hidden: true,
    });
    this.element = h("div", { class: "vl-status", role: "status" }, [
      h("div", { class: "vl-status-plate" }, [this.text, this.bar, this.retry]),
    ]);
  }

  /**
   * Say what is being waited for; nothing takes it away.
   * @param {string} [text]
   * @param {number} [fraction]
   */
  say(text = "", fraction) {
    this.element.hidden = !text;
    this.element.classList.remove("vl-failed");
    this.text.textContent = text;
    this.retry.hidden = true;
    this.bar.hidden = fraction === undefined;
    if (fraction !== undefined) this.bar.value = fraction;
  }

  /**
   * @param {string} text
   * @param {(() => void) | null} again  what may help; null where trying again cannot
   */
  fail(text, again) {
    this.say(text);
    this.element.classList.add("vl-failed");
    this.retry.hidden = !again;
    this.retry.onclick = again;
  }
}
