import assert from "node:assert/strict";
import { test } from "node:test";

import { ALL, Rows, between, isFiltering } from "../src/gallery_rows.js";

/** @param {string} name @param {(string | null)[]} values @returns {any} */
const text = (name, values) => {
  const texts = [...new Set(values.filter((each) => each !== null))];
  return { name, kind: "text", texts, codes: values.map((each) => texts.indexOf(each)) };
};
/** @param {string} name @param {any[]} values @returns {any} */
const number = (name, values) => ({ name, kind: "number", values });
/** @param {string} name @param {any[]} values @returns {any} */
const flag = (name, values) => ({ name, kind: "flag", values });

/** Four clips, and what two models said of them. */
const rows = new Rows({
  num_rows: 4,
  columns: [
    text("video", ["b/Ünder.mp4", "a/clip 10.mp4", "a/clip 9.mp4", null]),
    text("label", ["wave", "squat", null, "wave"]),
    text("predicted_A", ["wave", "wave", "squat", null]),
    number("probability_A", [0.9, 0.4, 0.5, null]),
    flag("correct_A", [true, false, null, null]),
    text("predicted_B", ["squat", "squat", "squat", "wave"]),
    number("probability_B", [0.8, 0.2, 0.5, 1]),
    flag("correct_B", [false, true, null, true]),
    number("size", [10, 9, null, 100]),
  ],
  models: ["A", "B"].map((name) => ({
    title: name,
    letter: name,
    predicted: `predicted_${name}`,
    probability: `probability_${name}`,
    correct: `correct_${name}`,
  })),
  label: "label",
  divergence: null,
  start: null,
  end: null,
  told: [],
  labels: [],
  names: {},
});

/** @param {object} query */
const find = (query) => rows.find({ ...ALL, ...query });

test("without a query all rows are there, as given", () => {
  assert.deepEqual(find({}), [0, 1, 2, 3]);
  assert.equal(isFiltering(ALL), false);
  assert.equal(isFiltering({ ...ALL, search: "  ", model: 1, sort: "size" }), false);
  assert.equal(isFiltering({ ...ALL, verdict: false }), true);
  assert.equal(isFiltering({ ...ALL, low: 0 }), true);
});

test("all of the words are to be found, in any column, however they are written", () => {
  assert.deepEqual(find({ search: "CLIP a/" }), [1, 2]);
  assert.deepEqual(find({ search: " squat  ünder " }), [0]);
  assert.deepEqual(find({ search: "u\u0308nder" }), [0], "as macOS writes it");
  assert.deepEqual(find({ search: "clip wave" }), [1]);
  assert.deepEqual(find({ search: ".mp4 nothing" }), []);
  assert.deepEqual(find({ search: "4wave" }), [], "not from one column into the next");
});

test("a label, a model's prediction, and whether it is right", () => {
  assert.deepEqual(find({ label: "wave" }), [0, 3]);
  assert.deepEqual(find({ predicted: "wave" }), [0, 1, 3]);
  assert.deepEqual(find({ predicted: "wave", model: 0 }), [0, 1]);
  assert.deepEqual(find({ verdict: true }), [0, 1, 3]);
  assert.deepEqual(find({ verdict: true, model: 0 }), [0]);
  assert.deepEqual(find({ verdict: false, model: 1 }), [0]);
  assert.deepEqual(find({ verdict: false }), [0, 1], "what is not known is neither");
});

test("the ends of a range of probabilities belong to it", () => {
  assert.deepEqual(find({ model: 0, low: 0.5 }), [0, 2]);
  assert.deepEqual(find({ model: 0, high: 0.5 }), [1, 2]);
  assert.deepEqual(find({ low: 0.9 }), [0, 3]);
  assert.deepEqual(find({ low: 0.6, high: 0.4 }), []);
});

test("with any model, one answer must fit in all", () => {
  // Of row 0, one model says squat, the other one is right.
  assert.deepEqual(find({ predicted: "squat", verdict: true }), [1]);
  assert.deepEqual(find({ predicted: "wave", low: 0.95 }), [3]);
});

test("numbers sort as numbers, words as people sort them, what is missing comes last", () => {
  assert.deepEqual(find({ sort: "size" }), [1, 0, 3, 2]);
  assert.deepEqual(find({ sort: "size", descending: true }), [3, 0, 1, 2]);
  assert.deepEqual(find({ sort: "video" }), [2, 1, 0, 3]);
  assert.deepEqual(find({ sort: "video", descending: true }), [0, 1, 2, 3]);
  assert.deepEqual(find({ sort: "correct_B" }), [0, 1, 3, 2]);
  assert.deepEqual(find({ sort: "label" }), [1, 0, 3, 2], "equal ones stay as they were");
  assert.deepEqual(find({ sort: "label", descending: true }), [0, 3, 1, 2]);
  assert.deepEqual(find({ sort: "gone" }), [0, 1, 2, 3], "a column there is not");
});

test("a range of rows is in the order shown", () => {
  assert.deepEqual(between([5, 1, 9, 3], 1, 3), [1, 9, 3]);
  assert.deepEqual(between([5, 1, 9, 3], 3, 5), [5, 1, 9, 3]);
  assert.deepEqual(between([5, 1], 7, 1), [1], "from a row that the filters hide");
});
