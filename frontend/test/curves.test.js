// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { numberText, piecesOf, valueAt, valuesText } from "../src/curves.js";

/** @param {number} person @param {number[]} frames @param {number[]} values */
const line = (person, frames, values) => ({
  person,
  hold: 2,
  frames: Int32Array.from(frames),
  values: Float32Array.from(values),
});

test("a value holds until the next, and no longer than it should", () => {
  const one = line(0, [2, 4, 8], [1, NaN, 3]);
  assert.deepEqual(
    [1, 2, 3, 4, 8, 9, 10].map((frame) => valueAt(one, frame)),
    [NaN, 1, 1, NaN, 3, 3, NaN],
  );
});

test("people are told apart, where there are several", () => {
  const lines = [line(0, [0], [93.04]), line(3, [0, 2], [5, 120])];
  assert.equal(valuesText({ name: "a", low: 0, high: 1, lines }, 0), "#0 93.0  #3 5.00");
  assert.equal(valuesText({ name: "a", low: 0, high: 1, lines }, 3), "#3 120");
  assert.equal(valuesText({ name: "a", low: 0, high: 1, lines }, 9), "–");
  assert.equal(valuesText({ name: "a", low: 0, high: 1, lines: lines.slice(1) }, 9), "–");
  assert.equal(numberText(-12.34), "-12.3");
});

test("a line ends where there is no value, and where frames are missing", () => {
  const clock = /** @type {any} */ ({ length: 10, end: 5, start: (/** @type {number} */ f) => f / 2 });
  const pieces = piecesOf(line(0, [0, 1, 2, 3, 4, 9], [1, 2, NaN, 3, 4, 5]), clock);
  assert.deepEqual(
    pieces.map(({ times, values, end }) => [[...times], [...values], end]),
    [
      [[0, 0.5], [1, 2], 1.5],
      [[1.5, 2], [3, 4], 3],
      [[4.5], [5], 5],
    ],
  );
});
