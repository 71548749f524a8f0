// @ts-check
/** A clip as silent pictures that play again and again. */

/** @import { Texts } from "./texts.js" */
import { button, h, relabel } from "./dom.js";

export class QuizClip {
  /** @param {Texts} texts */
  constructor(texts) {
    this.texts = texts;
    this.picture = h("img", { class: "vl-quiz-picture", alt: texts.quiz.picture, hidden: true });
    this.picture.decoding = "sync"; // or it flickers
    this.words = h("p", { class: "vl-quiz-wait vl-muted", role: "status" });
    this.toggle = button("pause", texts.quiz.pause, () => (this.playing ? this.stop() : this.play()));
    this.toggle.hidden = true;
    this.element = h("div", { class: "vl-quiz-clip" }, [
      h("div", { class: "vl-quiz-screen" }, [this.picture, this.words]),
      h("div", { class: "vl-quiz-controls" }, [this.toggle]),
    ]);
    /** @type {string[]} */
    this.urls = [];
    this.everyMs = 0;
    this.next = 0;
    this.playing = 0;
  }

  /** What is waited for, or why there is nothing. @param {string} text @param {boolean} [failed] */
  say(text, failed = false) {
    this.words.textContent = text;
    this.words.classList.toggle("vl-error", failed);
    this.words.hidden = !text;
  }

  /** @param {ArrayBuffer[]} pictures  JPEGs @param {number} seconds  that all of them last */
  show(pictures, seconds) {
    this.urls = pictures.map((each) => URL.createObjectURL(new Blob([each], { type: "image/jpeg" })));
    this.everyMs = (1000 * seconds) / Math.max(this.urls.length, 1);
    this.say("");
    this.step();
    this.picture.hidden = false;
    this.toggle.hidden = this.urls.length < 2;
    this.stop();
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.play();
  }

  step() {
    this.picture.src = this.urls[this.next % this.urls.length] ?? "";
    this.next += 1;
  }

  play() {
    if (this.urls.length < 2) return;
    this.playing = window.setInterval(() => this.step(), this.everyMs);
    relabel(this.toggle, "pause", this.texts.quiz.pause);
  }

  stop() {
    clearInterval(this.playing);
    this.playing = 0;
    relabel(this.toggle, "play", this.texts.quiz.play);
  }

  close() {
    clearInterval(this.playing);
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.element.remove();
  }
}
