import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_LABELS, confusionOf } from "../src/gallery_confusion.js";
import { ALL, Rows, isFiltering } from "../src/gallery_rows.js";

/** @param {string} name @param {(string | null)[]} values @returns {any} */
const text = (name, values) => {
  const texts = [...new Set(values.filter((each) => each !== null))];
  return { name, kind: "text", texts, codes: values.map((each) => texts.indexOf(each)) };
};

/** Rows with a label and what one model said. @param {[string | null, string | null][]} pairs @param {Record<string, string>} [names] */
const rowsOf = (pairs, names = {}) =>
  new Rows({
    num_rows: pairs.length,
    columns: [
      text("label", pairs.map(([label]) => label)),
      text("predicted", pairs.map(([, said]) => said)),
      text("other", pairs.map(() => "wave")),
    ],
    models: ["predicted", "other"].map((predicted) => ({
      title: predicted, letter: "A", predicted, probability: null, correct: null,
    })), // prettier-ignore
    label: "label",
    divergence: null,
    start: null,
    end: null,
    told: [],
    labels: [],
    names,
  });

/** @type {[string | null, string | null][]} */
const PAIRS = [
  ["wave", "wave"], ["wave", "squat"], ["squat", "squat"], ["wave", "squat"], ["jump", null],
  [null, "wave"], ["squat", "bow"],
]; // prettier-ignore
const EVERY = PAIRS.map((_, row) => row);

test("clips are counted by what they are and what they are taken for", () => {
  const found = confusionOf(rowsOf(PAIRS), EVERY, 0);
  assert.deepEqual(found.labels, ["bow", "squat", "wave"], "a label without an answer is none");
  assert.deepEqual(found.counts, [
    [0, 0, 0],
    [1, 1, 0],
    [0, 2, 1],
  ]);
  assert.deepEqual(found.totals, [0, 2, 3]);
  assert.deepEqual([found.numClips, found.numErrors, found.numErrorsShown], [5, 3, 3]);
  assert.equal(found.numLabels, 3);
});

test("only the rows that are given count, of the model that is asked for", () => {
  assert.equal(confusionOf(rowsOf(PAIRS), [0, 1], 0).numClips, 2);
  assert.deepEqual(confusionOf(rowsOf(PAIRS), [2, 3], 1).counts, [
    [0, 1],
    [0, 1],
  ]);
  assert.deepEqual(confusionOf(rowsOf(PAIRS), [], 0).labels, []);
});

test("of many labels those of the commonest errors are shown, these first", () => {
  /** @type {[string, string][]} */
  const pairs = [];
  for (let each = 0; each < 40; each++) pairs.push([`l${each}`, `l${each}`]);
  pairs.push(["l7", "l30"], ["l7", "l30"], ["l7", "l30"], ["l2", "l7"], ["l2", "l7"], ["l9", "l1"]);
  const found = confusionOf(rowsOf(pairs), pairs.map((_, row) => row), 0);
  assert.deepEqual(found.labels.slice(0, 3), ["l7", "l30", "l2"]);
  assert.deepEqual([...found.labels].sort(), ["l1", "l2", "l30", "l7", "l9"], "no others");
  assert.equal(found.totals[0], 4);
  assert.deepEqual([found.numLabels, found.numErrors, found.numErrorsShown], [40, 6, 6]);
  const chain = pairs.slice(0, 40).map(([one], at) => [one, `l${(at + 1) % 40}`]);
  const cut = confusionOf(rowsOf(/** @type {any} */ (chain)), chain.map((_, row) => row), 0);
  assert.equal(cut.labels.length, MAX_LABELS);
  assert.equal(cut.numErrors, 40);
  const between = chain.filter((pair) => pair.every((each) => cut.labels.includes(each ?? "")));
  assert.equal(cut.numErrorsShown, between.length);
});

test("a cell leaves its clips, and is a filter as the others", () => {
  const rows = rowsOf(PAIRS);
  const cell = { model: 0, label: "wave", predicted: "squat" };
  assert.deepEqual(rows.find({ ...ALL, cell }), [1, 3]);
  assert.deepEqual(rows.find({ ...ALL, cell: { ...cell, model: 1 } }), []);
  assert.deepEqual(rows.find({ ...ALL, cell: { ...cell, model: 9 } }), [], "no such model");
  assert.deepEqual(rows.find({ ...ALL, cell, label: "squat" }), []);
  assert.equal(isFiltering({ ...ALL, cell }), true);
  assert.equal(isFiltering({ ...ALL, matrix: 0 }), false);
});

test("labels are shown by their names, found by both, and sorted as shown", () => {
  const rows = rowsOf(PAIRS, { wave: "가 흔들기", squat: "하 스쿼트" });
  assert.deepEqual(rows.find({ ...ALL, search: "스쿼트" }), [1, 2, 3, 6]);
  assert.deepEqual(rows.find({ ...ALL, search: "SQUAT" }), [1, 2, 3, 6]);
  assert.deepEqual(rows.labels(["label"]), [
    ["jump", "jump"],
    ["가 흔들기", "wave"],
    ["하 스쿼트", "squat"],
  ]);
  assert.deepEqual(rows.find({ ...ALL, sort: "label" }), [4, 0, 1, 3, 2, 6, 5]);
  assert.deepEqual(confusionOf(rows, EVERY, 0).labels, ["bow", "wave", "squat"]);
  assert.equal(rows.nameOf("constructor"), "constructor", "no name but those given");
});
