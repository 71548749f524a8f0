import assert from "node:assert/strict";
import { test } from "node:test";

import { clockText, lastAtMost, placeOf, probText, tickText } from "../src/numbers.js";

test("times are minutes, seconds and milliseconds, rounded and not cut", () => {
  assert.equal(clockText(0), "00:00.000");
  assert.equal(clockText(1.2336), "00:01.234");
  assert.equal(clockText(59.9996), "01:00.000");
  assert.equal(clockText(3725.5), "62:05.500");
  assert.equal(clockText(-1.5), "-00:01.500");
  assert.equal(clockText(-0.0001), "00:00.000");
});

test("ticks of the axis have no more digits than their step needs", () => {
  assert.equal(tickText(75, 15), "01:15");
  assert.equal(tickText(0.2, 0.1), "00:00.2");
  assert.equal(tickText(0.25, 0.05), "00:00.25");
});

test("probabilities are short, with a word for what rounds to nought or one", () => {
  assert.equal(probText(0.9841), ".984");
  assert.equal(probText(0.9994), ".999");
  assert.equal(probText(0.9995), "1.00");
  assert.equal(probText(1), "1.00");
  assert.equal(probText(0.0005), ".001");
  assert.equal(probText(0.0004), "<.001");
});

test("what holds at a place is the last that began", () => {
  const starts = [0, 5, 5, 9];
  assert.deepEqual([-1, 0, 4, 5, 8.9, 9, 100].map((at) => lastAtMost(starts, at)), [-1, 0, 0, 2, 2, 3, 3]);
  assert.equal(lastAtMost([], 3), -1);
});

test("a typed place is a frame, or a time, or nothing", () => {
  assert.deepEqual(placeOf(" 37 "), { frame: 37 });
  assert.deepEqual(placeOf("1:02.5"), { seconds: 62.5 });
  assert.deepEqual(placeOf("1:00:02"), { seconds: 3602 });
  assert.deepEqual(placeOf("2.5s"), { seconds: 2.5 });
  assert.deepEqual(placeOf("3 s"), { seconds: 3 });
  for (const wrong of ["", "-3", "abc", "1:2:3:4", "1e3", ":5"]) assert.equal(placeOf(wrong), null);
});
