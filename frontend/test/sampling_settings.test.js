// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { niceStep } from "../src/sampling_chart.js";
import { Answers, countOf, heldAt, nearest, placeOf, stopsOf } from "../src/sampling_settings.js";

/** @param {number} fps @param {number} phase @param {string} crop @param {number | null} [stride] */
const setting = (fps, phase, crop, stride = null) => ({
  fps,
  stride,
  phase,
  crop,
  top: [crop === "left" ? 1 : 0],
  probabilities: [0.5],
});

const SETTINGS = [
  setting(5, 0, "centre", 6),
  setting(10, 0.5, "closer", 3),
  setting(10, 0.5, "left", 3),
  setting(10, 0, "closer", 3),
  setting(2.5, 0.5, "closer", 12),
];

test("each choice has its stops in order, the crops as they were given", () => {
  const { length } = SETTINGS;
  assert.deepEqual(
    stopsOf(SETTINGS, "rate").map(({ fps }) => fps),
    [2.5, 5, 10],
  );
  assert.deepEqual(
    stopsOf(SETTINGS, "phase").map(({ phase }) => phase),
    [0, 0.5],
  );
  assert.deepEqual(
    stopsOf(SETTINGS, "crop").map(({ crop }) => crop),
    ["centre", "closer", "left"],
  );
  assert.equal(SETTINGS.length, length);
  assert.equal(SETTINGS[0]?.fps, 5, "what was given is left as it is");
});

test("a rate and a stride of the same mean are two stops", () => {
  const settings = [setting(5, 0, "centre", null), setting(5, 0, "centre", 6)];
  const stops = stopsOf(settings, "rate");
  assert.deepEqual(
    settings.map((each) => placeOf(stops, "rate", each)),
    [0, 1],
  );
});

test("a moved slider changes one choice, and others only where that was not tried", () => {
  const at = (/** @type {number} */ number) => SETTINGS[number] ?? setting(0, 0, "");
  assert.equal(nearest(SETTINGS, at(1), "crop", at(2)), 2);
  assert.equal(nearest(SETTINGS, at(3), "phase", at(1)), 1);
  assert.equal(nearest(SETTINGS, at(1), "rate", at(4)), 4);
  // The default alone has its rate: its phase and crop come with it.
  assert.equal(nearest(SETTINGS, at(2), "rate", at(0)), 0);
  // From there no other crop was tried with its rate: the phase is kept.
  assert.equal(nearest(SETTINGS, at(0), "crop", at(1)), 3);
  // Nothing else of it was tried with that phase: the first that has it.
  assert.equal(nearest(SETTINGS, at(0), "phase", at(1)), 1);
});

test("arrays come as the kernel laid them out", () => {
  const bytes = (/** @type {Float64Array | Float32Array} */ array) => {
    // Not aligned, as buffers are that come in one message.
    const moved = new Uint8Array(array.byteLength + 1);
    moved.set(new Uint8Array(array.buffer), 1);
    return new DataView(moved.buffer, 1);
  };
  const answers = new Answers(
    /** @type {any} */ ({
      times: bytes(Float64Array.of(0.5, 1)),
      bands: [bytes(Float32Array.of(1, 2, 3, 4, 5, 6)), bytes(Float32Array.of(0, 0, 0, 0, 0, 9))],
      runs: [{ times: bytes(Float64Array.of(1)), probabilities: bytes(Float32Array.of(0.25, 0.75)) }],
    }),
  );
  assert.deepEqual([...(answers.bands[0]?.median ?? [])], [3, 4]);
  assert.deepEqual([...(answers.bands[1]?.high ?? [])], [0, 9]);
  const [first, second] = answers.lines[0] ?? [];
  assert.ok(first && second);
  assert.deepEqual(
    [0.5, 1, 7].map((seconds) => heldAt(second, seconds)),
    [NaN, 0.75, 0.75],
  );
  assert.equal(heldAt(first, 1), 0.25);
});

test("settings are counted by their first answer", () => {
  assert.equal(countOf(SETTINGS, 0), 4);
  assert.equal(countOf(SETTINGS, 1), 1);
  assert.equal(countOf(SETTINGS, 2), 0);
});

test("steps of the axis are round", () => {
  assert.deepEqual([0.03, 0.5, 0.6, 1, 3.2, 7, 11].map(niceStep), [0.05, 0.5, 1, 1, 5, 10, 20]);
});
