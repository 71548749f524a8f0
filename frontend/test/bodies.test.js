import assert from "node:assert/strict";
import { test } from "node:test";

import { gapsAt, rowsAt, shareColor } from "../src/bodies.js";

const FRAMES = Int32Array.of(3, 3, 6, 6, 6, 20);

test("what is drawn at a frame is what was last annotated", () => {
  assert.deepEqual(rowsAt(FRAMES, 3, 3), [0, 2]);
  assert.deepEqual(rowsAt(FRAMES, 3, 5), [0, 2]);
  assert.deepEqual(rowsAt(FRAMES, 3, 6), [2, 5]);
  assert.deepEqual(rowsAt(FRAMES, 3, 20), [5, 6]);
});

test("before the first, and where an annotation is too old, nothing is drawn", () => {
  for (const frame of [0, 2, 9, 19, 23]) assert.deepEqual(rowsAt(FRAMES, 3, frame), [0, 0]);
  assert.deepEqual(rowsAt(new Int32Array(), 3, 5), [0, 0]);
});

test("annotations of every frame hold for one", () => {
  assert.deepEqual(rowsAt(Int32Array.of(0, 1, 2), 1, 1), [1, 2]);
  assert.deepEqual(rowsAt(Int32Array.of(0, 2), 1, 1), [0, 0]);
});

test("distances of several people are a mean, and what is missing is NaN", () => {
  const gaps = {
    names: ["nose", "left_knee"],
    hold: 2,
    frames: Int32Array.of(4, 4),
    keypoint: Int32Array.of(1, 1),
    from: Float32Array.of(0, 0, 10, 10),
    to: Float32Array.of(3, 4, 10, 11),
  };
  assert.deepEqual([...gapsAt(gaps, 4)], [NaN, 3]);
  assert.deepEqual([...gapsAt(gaps, 5)], [NaN, 3]);
  assert.deepEqual([...gapsAt(gaps, 6)], [NaN, NaN]);
});

test("a share's colour lies between those of its neighbours", () => {
  assert.equal(shareColor(0), "color-mix(in srgb, #21918C 0%, #3B528B)");
  assert.equal(shareColor(0.5), "color-mix(in srgb, #5EC962 50%, #21918C)");
  assert.equal(shareColor(1), shareColor(NaN));
  assert.equal(shareColor(7), shareColor(1));
});
