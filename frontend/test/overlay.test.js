import assert from "node:assert/strict";
import { test } from "node:test";

import { rowsAt } from "../src/overlay.js";

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
