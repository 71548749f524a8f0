import assert from "node:assert/strict";
import { test } from "node:test";

import { Clock } from "../src/clock.js";

const TIMES = Float64Array.of(7.5, 7.54, 7.6, 8, 8.001);

test("every frame's own middle is that frame, whatever the gaps", () => {
  const clock = new Clock(TIMES, 7.5, 8.1);
  TIMES.forEach((time, index) => {
    assert.equal(clock.at(clock.middle(index) + clock.offset), index);
    assert.equal(clock.at(time), index);
    assert.equal(clock.ofMedia(time - 7.5 + 4e-4 * Math.sign(index - 3)), index);
  });
});

test("times outside belong to the first and last frame", () => {
  const clock = new Clock(TIMES, 0, 8.1);
  assert.equal(clock.at(-3), 0);
  assert.equal(clock.at(99), 4);
});

test("a cut clock ends where the first lost frame would begin", () => {
  const clock = new Clock(TIMES, 7.5, 8.1);
  clock.cut(3);
  assert.equal(clock.length, 3);
  assert.equal(clock.end, 8);
  assert.ok(Math.abs(clock.duration - 0.5) < 1e-12);
  clock.cut(5);
  assert.equal(clock.length, 3, "it does not grow again");
});
