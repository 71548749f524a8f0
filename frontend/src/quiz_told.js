// @ts-check
/** What a quiz tells after an answer is committed: choices with marks, models' bars, scores. */

/** @import { Texts } from "./texts.js" */
/** @import { Label } from "./types.js" */
/** @import { ModelSaid, QuizInfo, QuizState, Told } from "./quiz_round.js" */
import { h } from "./dom.js";
import { chip } from "./marks.js";
import { probText } from "./numbers.js";
import { bySureness, differing, shareText } from "./quiz_round.js";

/** The choices, with which was right and which was taken. @param {Texts} texts @param {Told} told */
export function choicesTold(texts, { choices, choice, answer }) {
  return h(
    "ul",
    { class: "vl-quiz-choices", "aria-label": texts.quiz.choices },
    choices.map((label, number) => {
      const isRight = number === answer;
      const notes = [
        isRight ? texts.quiz.rightOne : "",
        number === choice ? texts.quiz.yours : "",
      ].filter(Boolean);
      return h("li", { class: `vl-quiz-choice${isRight ? " vl-quiz-right" : ""}` }, [
        h("span", {
          class: "vl-quiz-mark",
          text: isRight ? "✓" : number === choice ? "✗" : "",
          "aria-hidden": "true",
        }),
        chip(label),
        h("span", { class: "vl-quiz-words", text: label.name }),
        h("span", { class: "vl-muted vl-quiz-note", text: notes.join(", ") }),
      ]);
    }),
  );
}

/** In words whether it was right, and what is. @param {Texts} texts @param {Told} told */
export function verdict({ quiz }, { correct, is_true: isTrue, choices, answer }) {
  const name = choices[answer]?.name ?? "";
  return {
    mark: correct ? "✓" : "✗",
    word: correct ? quiz.youAreRight : quiz.youAreWrong,
    rest: isTrue ? quiz.truthIs(name) : quiz.modelsSay(name),
  };
}

/** What each model said. @param {Texts} texts @param {QuizInfo} info @param {Told} told */
export function modelsTold(texts, info, told) {
  return h(
    "div",
    { class: "vl-panel vl-quiz-models" },
    info.models.map((model, number) => {
      const said = told.models[number];
      return said ? modelTold(texts, model, said) : null;
    }),
  );
}

/** @param {Texts} texts @param {QuizInfo["models"][number]} model @param {ModelSaid} said */
function modelTold(texts, { title, letter }, { top, correct }) {
  const rows = top.map(({ label, probability }) =>
    h("li", { class: "vl-row", title: label.name }, [
      chip(label),
      h("span", { class: "vl-ellipsis", text: label.name }),
      h("span", { class: "vl-rail" }, [bar(label, probability ?? 0)]),
      h("span", { class: "vl-number", text: probability === null ? "" : probText(probability) }),
    ]),
  );
  const unknown = top.length ? texts.quiz.notItsLabel : texts.gallery.noAnswer;
  return h("section", { class: "vl-block" }, [
    h("div", { class: "vl-head", title }, [
      h("span", { class: "vl-letter", text: letter }),
      h("span", { class: "vl-ellipsis", text: title }),
      correct === null
        ? h("span", { class: "vl-share vl-muted", text: unknown })
        : h("span", { class: "vl-share" }, [...markOf(texts, correct, true)]),
    ]),
    h("ol", { class: "vl-rows", "aria-label": texts.topOf(top.length, title) }, rows),
  ]);
}

/** @param {Label} label @param {number} share */
function bar({ color }, share) {
  const element = h("span", { class: "vl-bar" });
  element.style.width = `${(100 * share).toFixed(2)}%`;
  if (color) element.style.background = color;
  return element;
}

/** Right or wrong, as a sign and in words. @param {Texts} texts @param {boolean | null} correct @param {boolean} [isSeen] */
export function markOf(texts, correct, isSeen = false) {
  if (correct === null) return [h("span", { text: "–" })];
  return [
    h("span", { class: "vl-quiz-sign", text: correct ? "✓" : "✗", "aria-hidden": "true" }),
    h("span", { class: isSeen ? "" : "vl-hidden", text: correct ? texts.right : texts.wrong }),
  ];
}

/** Everybody's score so far, in one line. @param {Texts} texts @param {QuizInfo} info @param {QuizState} state */
export function scoresLine(texts, info, { name, scores }) {
  const names = [{ title: name || texts.quiz.you, letter: "" }, ...info.models];
  return h(
    "ul",
    { class: "vl-quiz-scores", "aria-label": texts.quiz.scores },
    names.map(({ title, letter }, number) => {
      const [count, right] = scores[number] ?? [0, 0];
      return h("li", { title }, [
        letter ? h("span", { class: "vl-letter", text: letter }) : null,
        h("span", { class: "vl-ellipsis", text: title }),
        h("span", { class: "vl-quiz-score", text: `${right}/${count}` }),
      ]);
    }),
  );
}

/** How it went, once all clips are answered. @param {Texts} texts @param {QuizInfo} info @param {QuizState} state */
export function ending(texts, info, state) {
  const { quiz } = texts;
  const [count, right] = state.scores[0] ?? [0, 0];
  return h("div", { class: "vl-quiz-end" }, [
    h("h3", { class: "vl-quiz-title", tabindex: -1, text: quiz.done(right, count) }),
    scoreTable(texts, info, state),
    heading(quiz.bySureness),
    h(
      "ul",
      { class: "vl-quiz-list" },
      bySureness(state.told).map(([sure, given, good]) =>
        h("li", { text: `${quiz.sure[sure]}: ${quiz.rightOf(good, given)}` }),
      ),
    ),
    ...(info.models.length ? [heading(quiz.differences), differences(texts, info, state)] : []),
    ...(state.earlier.length
      ? [
          heading(quiz.earlier),
          h(
            "ul",
            { class: "vl-quiz-list" },
            state.earlier.map(([attempt, given, good]) =>
              h("li", { text: `${quiz.attempt(attempt)}: ${quiz.rightOf(good, given)}` }),
            ),
          ),
        ]
      : []),
  ]);
}

/** @param {string} text */
const heading = (text) => h("h4", { class: "vl-quiz-heading", text });

/** @param {Texts} texts @param {QuizInfo} info @param {QuizState} state */
function scoreTable(texts, info, { name, scores }) {
  const names = [{ title: name || texts.quiz.you, letter: "" }, ...info.models];
  return table(
    [texts.quiz.who, texts.quiz.rightColumn, texts.quiz.share, ""],
    names.map(({ title, letter }, number) => {
      const [count, right] = scores[number] ?? [0, 0];
      const rail = h("span", { class: "vl-rail" }, [h("span", { class: "vl-bar" })]);
      const filled = /** @type {HTMLElement} */ (rail.firstElementChild);
      filled.style.width = `${count ? (100 * right) / count : 0}%`;
      return [
        [letter ? h("span", { class: "vl-letter", text: `${letter} ` }) : null, words(title)],
        [words(`${right}/${count}`)],
        [words(shareText(count, right))],
        [rail],
      ];
    }),
    "vl-quiz-standing",
  );
}

/** @param {Texts} texts @param {QuizInfo} info @param {QuizState} state */
function differences(texts, info, { told }) {
  const { quiz } = texts;
  const found = differing(told);
  if (!found.length) return h("p", { class: "vl-muted", text: quiz.noDifferences });
  return table(
    [quiz.clipColumn, quiz.answerColumn, quiz.you, ...info.models.map(({ letter }) => letter)],
    found.map(([number, each]) => [
      [words(`${number + 1}`), h("span", { class: "vl-muted vl-quiz-file", text: each.video })],
      [words(each.choices[each.answer]?.name ?? "")],
      [...markOf(texts, each.correct), words(each.choices[each.choice]?.name ?? "")],
      ...each.models.map(({ top, correct }) => [
        ...markOf(texts, correct),
        words(top[0]?.label.name ?? ""),
      ]),
    ]),
    "vl-quiz-differences",
  );
}

/** @param {string} text */
const words = (text) => h("span", { text });

/** @param {string[]} head @param {(Node | null)[][][]} rows @param {string} look */
function table(head, rows, look) {
  return h("div", { class: "vl-quiz-room" }, [
    h("table", { class: `vl-quiz-table ${look}` }, [
      h("thead", {}, [
        h(
          "tr",
          {},
          head.map((text) => (text ? h("th", { scope: "col", text }) : h("td"))),
        ),
      ]),
      h(
        "tbody",
        {},
        rows.map((cells) =>
          h(
            "tr",
            {},
            cells.map((cell) => h("td", {}, cell)),
          ),
        ),
      ),
    ]),
  ]);
}
