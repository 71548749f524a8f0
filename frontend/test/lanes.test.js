// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { Clock } from "../src/clock.js";
import { runsOf, spansWhere, truthAt, truthFor, truthInSeconds, unknownLabels, verdictsOf } from "../src/lanes.js";

/** @param {number[]} labels @returns {import("../src/types.js").Track} */
const track = (labels) => ({
  title: "m",
  letter: "A",
  k: 1,
  frames: Int32Array.from(labels, (_, row) => 10 * row),
  times: Float64Array.from(labels, (_, row) => row),
  topLabels: Int32Array.from(labels),
  topProbs: new Float32Array(labels.length).fill(0.5),
  curveLabels: [],
  curveProbs: new Float32Array(),
});

test("neighbouring rows of one label are one run", () => {
  const runs = runsOf(track([2, 2, -1, 3, 3, 3, 2]), 7);
  assert.deepEqual([...runs.starts], [0, 2, 3, 6]);
  assert.deepEqual([...runs.labels], [2, -1, 3, 2]);
  assert.equal(runs.end, 7);
  assert.equal(runsOf(track([]), 1).starts.length, 0);
});

test("a prediction is right, wrong, or not known", () => {
  const truth = [
    { start: 10, stop: 30, label: 1, unknown_to: [] },
    { start: 25, stop: 45, label: 2, unknown_to: [] },
  ];
  // Frames 0, 10, 20, 30, 40, 50.
  const verdicts = verdictsOf(track([1, 1, 2, 2, 1, 1]), truth);
  assert.deepEqual([...verdicts.each], [-1, 1, 0, 1, 0, -1]);
  assert.equal(verdicts.right, 2);
  assert.equal(verdicts.known, 4);
});

test("where true segments overlap, either label is right", () => {
  const truth = [
    { start: 0, stop: 20, label: 1, unknown_to: [] },
    { start: 0, stop: 20, label: 2, unknown_to: [] },
  ];
  assert.deepEqual([...verdictsOf(track([2, 1]), truth).each], [1, 1]);
  assert.deepEqual(truthAt(truth, 19), [1, 2]);
  assert.deepEqual(truthAt(truth, 20), []);
});

test("a label that a model does not have is neither right nor wrong for it", () => {
  const truth = [
    { start: 0, stop: 20, label: 1, unknown_to: [] },
    { start: 20, stop: 40, label: 2, unknown_to: [0] },
    { start: 40, stop: 60, label: 3, unknown_to: [0, 1] },
  ];
  const tracks = [track([1, 1, 1, 1, 1, 1]), track([1, 1, 1, 1, 1, 1])];
  const [first, second] = tracks.map((each, at) => verdictsOf(each, truthFor(truth, at)));
  assert.deepEqual([...(first?.each ?? [])], [1, 1, -1, -1, -1, -1]);
  assert.deepEqual([...(second?.each ?? [])], [1, 1, 0, 0, -1, -1]);
  const told = { labels: [], tracks, divergence: null, disagreements: [], truth };
  assert.deepEqual([...unknownLabels(told)], [3]);
  assert.deepEqual([...unknownLabels({ ...told, tracks: [] })], []);
});

test("truth is told in seconds of the frames, its end too", () => {
  const clock = new Clock(Float64Array.of(5, 5.5, 7), 5, 8);
  const truth = [
    { start: 1, stop: 3, label: 4, unknown_to: [] },
    { start: 0, stop: 1, label: 3, unknown_to: [] },
  ];
  assert.deepEqual(truthInSeconds(truth, clock), [
    { label: 3, from: 5, to: 5.5 },
    { label: 4, from: 5.5, to: 8 },
  ]);
});

test("rows for which something holds are joined", () => {
  const holds = [true, true, false, true];
  assert.deepEqual(
    spansWhere([0, 1, 2, 3], 9, (row) => holds[row] ?? false),
    [
      { from: 0, to: 2 },
      { from: 3, to: 9 },
    ],
  );
});
