// @ts-check
/**
 * One view of `Quiz`. The kernel says where the learner is, in the trait `_state`; this shows it,
 * and asks for what belongs to the clip that is on. Before an answer is committed there is nothing
 * on the page that could tell it.
 */

/** @import { Model, Progress } from "./types.js" */
/** @import { QuizInfo, QuizState, Sure, Told } from "./quiz_round.js" */
import { CancelledError, Channel } from "./channel.js";
import { h } from "./dom.js";
import { hideKept } from "./kept.js";
import { KernelEndedError, sayKernelEnded } from "./kernel.js";
import { isControlsOwn } from "./keys.js";
import { aligned, sentence } from "./numbers.js";
import { QuizClip } from "./quiz_clip.js";
import { SURE, choiceOf } from "./quiz_round.js";
import { choicesTold, ending, modelsTold, scoresLine, verdict } from "./quiz_told.js";
import { textsOf, waitText } from "./texts.js";

export class QuizView {
  /**
   * @param {Model} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.model = model;
    this.texts = textsOf(model.get("locale"));
    /** @type {QuizInfo} */
    this.info = model.get("_info");
    this.channel = new Channel(model);
    this.id = Math.random().toString(36).slice(2);
    /** @type {QuizClip | null} */
    this.clip = null;
    this.wanting = new AbortController();
    /** What the keys do now. */
    this.keys = { choices: 0, enter: () => {} };
    /** @type {number | null} */
    this.choice = null;
    /** @type {Sure} */
    this.sure = "think";
    /** @type {Set<string>} what the kernel is doing */
    this.asked = new Set();
    this.shown = "";
    this.place = h("div", { class: "vl-quiz-place" });
    this.notice = h("p", { class: "vl-error vl-notice", role: "alert", hidden: true });
    this.heard = h("p", { class: "vl-hidden", role: "status" });
    this.root = h(
      "div",
      {
        class: "vidlab-player vidlab-quiz",
        role: "group",
        tabindex: 0,
        lang: this.texts.language,
        "aria-label": this.texts.quiz.name(this.info.num),
      },
      [this.place, this.notice, this.heard],
    );
    el.append(this.root);
    this.onKey = this.onKey.bind(this);
    this.obey = this.obey.bind(this);
    // JupyterLab hears keys on the document before they reach the page's elements. While the
    // focus is in here, our keys (and only ours) are taken one step earlier, on the window.
    window.addEventListener("keydown", this.onKey, true);
    model.on("change:_state", this.obey);
    this.obey();
    this.showKept = hideKept(this.info.model_id);
    this.channel.onEnd(() => this.end());
  }

  /** @returns {QuizState} */
  get state() {
    return this.model.get("_state");
  }

  /** Show where the learner is now. */
  obey() {
    const { name, attempt, at, told } = this.state;
    const clip = JSON.stringify([name, attempt, at]);
    const hadFocus = this.root.contains(document.activeElement);
    const isNew = clip !== this.shown;
    this.shown = clip;
    if (isNew) this.leave();
    const answered = told[at];
    if (name === null) this.showName();
    else if (at >= this.info.num) this.showEnd();
    else {
      if (isNew) this.showClip();
      if (answered) this.showTold(answered);
      else if (isNew) void this.askQuestion();
    }
    // What had the focus is gone, and keys are to go on working here, not in the notebook.
    if (hadFocus && !this.root.contains(document.activeElement))
      this.root.focus({ preventScroll: true });
  }

  /** Let go of the clip that was on. */
  leave() {
    this.wanting.abort();
    this.wanting = new AbortController();
    this.clip?.close();
    this.clip = null;
    this.choice = null;
    this.sure = "think";
    this.keys = { choices: 0, enter: () => {} };
    this.say("");
    this.heard.textContent = "";
  }

  /** @param {string} problem */
  say(problem) {
    this.notice.textContent = problem;
    this.notice.hidden = !problem;
  }

  /**
   * Ask the kernel to do something, each thing once at a time: its answer may come after what it
   * did, and who is quick has gone on by then.
   * @param {string} op
   * @param {object} [args]
   */
  async ask(op, args = {}) {
    if (this.asked.has(op)) return;
    this.asked.add(op);
    try {
      await this.channel.request(op, args);
      this.say("");
    } catch (error) {
      this.say(sentence(error));
    } finally {
      this.asked.delete(op);
    }
  }

  // ------------------------------------------------------------ who

  showName() {
    const { quiz } = this.texts;
    const field = h("input", {
      class: "vl-field",
      type: "text",
      id: `${this.id}-name`,
      maxlength: 60,
      autocomplete: "off",
      required: true,
    });
    const form = h("form", { class: "vl-quiz-name" }, [
      h("label", { for: `${this.id}-name`, text: quiz.yourName }),
      field,
      h("button", { type: "submit", class: "vl-link vl-quiz-main", text: quiz.start }),
      h("p", { class: "vl-muted", text: quiz.nameHint }),
    ]);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.ask("name", { name: field.value });
    });
    // Enter by itself would be the notebook's, which goes into its cell.
    this.keys = { choices: 0, enter: () => form.requestSubmit() };
    this.place.replaceChildren(form);
  }

  // ------------------------------------------------------------ a clip

  showClip() {
    const { quiz } = this.texts;
    const { at } = this.state;
    this.clip = new QuizClip(this.texts);
    this.side = h("div", { class: "vl-quiz-side" });
    this.below = h("div", { class: "vl-quiz-below" });
    this.place.replaceChildren(
      h("div", { class: "vl-quiz-head" }, [
        h("h3", { class: "vl-quiz-title", text: quiz.clip(at + 1, this.info.num) }),
        scoresLine(this.texts, this.info, this.state),
      ]),
      h("div", { class: "vl-quiz-grid" }, [this.clip.element, this.side]),
      this.below,
    );
    void this.askClip(this.clip);
  }

  /** @param {QuizClip} clip */
  async askClip(clip) {
    const { quiz } = this.texts;
    const { signal } = this.wanting;
    clip.say(quiz.loading);
    try {
      const { content, buffers } = await this.channel.request(
        "clip",
        { question: this.state.at },
        { signal, onProgress: (progress) => clip.say(this.waitFor(progress)) },
      );
      if (content.problem) {
        clip.say(quiz.problems.clip, true);
        if (!this.state.told[this.state.at]) this.showProblem("clip");
      } else clip.show(buffers.map(aligned), content.seconds);
    } catch (error) {
      if (!(error instanceof CancelledError)) clip.say(sentence(error), true);
    }
  }

  async askQuestion() {
    const { signal } = this.wanting;
    const waiting = h("p", { class: "vl-muted", role: "status" });
    this.side?.replaceChildren(waiting);
    try {
      const { content } = await this.channel.request(
        "question",
        { question: this.state.at },
        { signal, onProgress: (progress) => (waiting.textContent = this.waitFor(progress)) },
      );
      if (!waiting.isConnected) return; // the clip cannot be shown, and that is said
      if (content.problem) this.showProblem(content.problem);
      else this.showChoices(content.choices);
    } catch (error) {
      // Where it was the kernel's end, the clip's place says so.
      if (error instanceof KernelEndedError) waiting.remove();
      else if (!(error instanceof CancelledError)) waiting.textContent = sentence(error);
    }
  }

  /** @param {Progress} progress */
  waitFor(progress) {
    return progress.phase === "thinking"
      ? this.texts.quiz.thinking
      : waitText(this.texts, progress)[0];
  }

  /** @param {"clip" | "answer"} problem */
  showProblem(problem) {
    const { quiz } = this.texts;
    this.keys = { choices: 0, enter: () => this.goOn() };
    this.side?.replaceChildren(
      h("p", { class: "vl-error", role: "status", text: quiz.problems[problem] }),
      this.mainButton(quiz.skip, () => this.goOn()),
    );
  }

  /** @param {string[]} names */
  showChoices(names) {
    const { quiz } = this.texts;
    const commit = this.mainButton(quiz.commit, () => this.commit());
    commit.title = quiz.commitHint;
    commit.disabled = true;
    const choices = names.map((name, number) =>
      this.radio("choice", name, false, number < 9 ? String(number + 1) : "", () => {
        this.choice = number;
        commit.disabled = false;
      }),
    );
    const sure = SURE.map((each) =>
      this.radio("sure", quiz.sure[each], each === this.sure, "", () => (this.sure = each)),
    );
    this.keys = { choices: names.length, enter: () => this.commit() };
    this.side?.replaceChildren(
      h("fieldset", { class: "vl-quiz-choices" }, [
        h("legend", { text: quiz.question }),
        ...choices,
      ]),
      h("fieldset", { class: "vl-quiz-sure" }, [h("legend", { text: quiz.howSure }), ...sure]),
      h("div", { class: "vl-quiz-buttons" }, [
        commit,
        h("span", { class: "vl-muted vl-quiz-hint", text: quiz.hint(Math.min(names.length, 9)) }),
      ]),
    );
  }

  /**
   * @param {string} group
   * @param {string} text
   * @param {boolean} isChosen
   * @param {string} key  that chooses it, too
   * @param {() => void} onChoose
   */
  radio(group, text, isChosen, key, onChoose) {
    const input = h("input", {
      type: "radio",
      class: "vl-check",
      name: `${this.id}-${group}`,
      checked: isChosen,
    });
    input.addEventListener("change", onChoose);
    return h("label", { class: `vl-quiz-${group === "choice" ? "choice" : "step"}` }, [
      input,
      key ? h("kbd", { class: "vl-key", text: key, "aria-hidden": "true" }) : null,
      h("span", { class: "vl-quiz-words", text }),
    ]);
  }

  /** @param {string} text @param {() => void} onClick */
  mainButton(text, onClick) {
    const element = h("button", { type: "button", class: "vl-link vl-quiz-main", text });
    element.addEventListener("click", onClick);
    return element;
  }

  commit() {
    if (this.choice === null) return;
    void this.ask("commit", { question: this.state.at, choice: this.choice, sure: this.sure });
  }

  goOn() {
    void this.ask("next", { question: this.state.at });
  }

  // ------------------------------------------------------------ answers

  /** @param {Told} told */
  showTold(told) {
    const { texts, info, state } = this;
    const { mark, word, rest } = verdict(texts, told);
    const isLast = state.at + 1 >= info.num;
    this.keys = { choices: 0, enter: () => this.goOn() };
    this.place.querySelector(".vl-quiz-scores")?.replaceWith(scoresLine(texts, info, state));
    this.side?.replaceChildren(
      h("p", { class: "vl-quiz-verdict" }, [
        h("span", { class: "vl-quiz-sign", text: mark, "aria-hidden": "true" }),
        h("strong", { text: word }),
        h("span", { text: ` ${rest}` }),
      ]),
      choicesTold(texts, told),
      h("div", { class: "vl-quiz-buttons" }, [
        this.mainButton(isLast ? texts.quiz.finish : texts.quiz.next, () => this.goOn()),
        h("span", { class: "vl-muted vl-ellipsis vl-quiz-file", text: told.video, title: told.video }),
      ]),
    );
    this.below?.replaceChildren(modelsTold(texts, info, told));
    this.heard.textContent = `${word} ${rest}`;
  }

  showEnd() {
    this.keys = { choices: 0, enter: () => {} };
    this.place.replaceChildren(
      ending(this.texts, this.info, this.state),
      h("div", { class: "vl-quiz-buttons" }, [
        this.mainButton(this.texts.quiz.again, () => void this.ask("again")),
      ]),
    );
  }

  // ------------------------------------------------------------ keys, and the end

  /** The kernel has ended: nothing can be answered any more, but a clip that is there still plays. */
  end() {
    const { quiz, unkeptQuiz } = this.texts.kernelEnded;
    sayKernelEnded(this.root, this.info.is_kept ? quiz : unkeptQuiz);
    const hadFocus = this.root.contains(document.activeElement);
    /** @type {NodeListOf<HTMLButtonElement | HTMLFieldSetElement | HTMLInputElement>} */
    const useless = this.place.querySelectorAll("fieldset, .vl-field, .vl-quiz-main");
    for (const each of useless) each.disabled = true;
    // What is disabled loses the focus, and the next key would be the notebook's.
    if (hadFocus) this.root.focus({ preventScroll: true });
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const target = event.composedPath()[0];
    if (!(target instanceof Node) || !this.root.contains(target)) return;
    const action = this.actionOf(event, target);
    if (!action) {
      if (isControlsOwn(event, target)) event.stopImmediatePropagation();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    action();
  }

  /** @param {KeyboardEvent} event @param {Node} target @returns {(() => void) | undefined} */
  actionOf(event, target) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return undefined;
    if (event.key === "Enter" && !(target instanceof HTMLButtonElement)) {
      return event.repeat ? () => {} : this.keys.enter;
    }
    const number = choiceOf(event.key, this.keys.choices);
    if (number === null) return undefined;
    return () => this.side?.querySelectorAll(".vl-quiz-choice input")[number]?.dispatchEvent(
      new MouseEvent("click"),
    );
  }

  close() {
    window.removeEventListener("keydown", this.onKey, true);
    this.model.off("change:_state", this.obey);
    this.leave();
    this.channel.close();
    this.showKept();
    this.root.remove();
  }
}
