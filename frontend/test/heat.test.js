import assert from "node:assert/strict";
import { test } from "node:test";

import { mapAt, nearestMap, rampOf, spread } from "../src/heat.js";

const layer = { frames: Int32Array.of(4, 8), hold: 4, maps: [{ label: "a" }, { label: "b" }] };

test("a frame has the last map, while that holds", () => {
  const labels = [3, 4, 7, 8, 11, 12].map((frame) => mapAt(layer, frame)?.label ?? null);
  assert.deepEqual(labels, [null, "a", "a", "b", "b", null]);
});

test("the nearest map is before or after", () => {
  assert.deepEqual([0, 5, 7, 90].map((frame) => nearestMap(layer, frame)), [4, 4, 8, 8]);
});

test("colours go from the first to the last in straight lines", () => {
  const ramp = rampOf(["#000000", "#ff8000", "#ffffff"]);
  const at = (/** @type {number} */ step) => [...ramp.subarray(3 * step, 3 * step + 3)];
  assert.deepEqual(at(0), [0, 0, 0]);
  assert.deepEqual(at(255), [255, 255, 255]);
  const [red = 0, green = 0, blue = 0] = at(64);
  assert.ok(Math.abs(red - 128) <= 1 && Math.abs(green - 64) <= 1 && blue === 0);
});

test("cells have their values in their middles, and are blended between", () => {
  const map = { rows: 1, columns: 2, steps: Uint8Array.of(0, 200) };
  assert.deepEqual([...spread(map, 4, 2)], [0, 50, 150, 200, 0, 50, 150, 200]);
  const column = { rows: 2, columns: 1, steps: Uint8Array.of(10, 20) };
  assert.deepEqual([...spread(column, 1, 2)], [10, 20]);
});
