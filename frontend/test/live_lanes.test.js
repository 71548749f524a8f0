import assert from "node:assert/strict";
import { test } from "node:test";

import { History, SPAN_SECONDS } from "../src/live_lanes.js";

/** @param {string} name @param {string | null} [color] */
const label = (name, color = "#000") => ({
  label: name,
  name,
  letter: "a",
  color,
  ink: "#fff",
  pattern: 0,
});

/** @param {string} kind @param {number} time_seconds @returns {any} */
const event = (kind, time_seconds) => ({ kind, time_seconds, rule: "r", label: "l", model: "m" });

test("answers of one label are one run, until the next one or now", () => {
  const history = new History(2);
  const said = ["a", "a", "b", "a"];
  said.forEach((name, at) => history.add(0, at, label(name), 0));
  history.moveTo(5);
  const runs = history.runs(0);
  assert.deepEqual([...runs.starts], [0, 2, 3]);
  assert.deepEqual(
    [...runs.labels].map((each) => history.labels[each]?.name),
    ["a", "b", "a"],
  );
  assert.equal(runs.end, 5);
  assert.equal(history.runs(1).starts.length, 0, "the other model has said nothing");
});

test("a label is kept once, as it looks now", () => {
  const history = new History(1);
  assert.equal(history.numberOf(label("x", null)), 0);
  assert.equal(history.numberOf(label("y")), 1);
  assert.equal(history.numberOf(label("x", "#123456")), 0);
  assert.deepEqual(
    history.labels.map(({ color }) => color),
    ["#123456", "#000"],
  );
});

test("two labels of one name stay two", () => {
  const history = new History(2);
  const name = "넥타이 매기";
  history.add(0, 0, { ...label("tying tie"), name }, 0);
  history.add(1, 0, { ...label("tying necktie", "#123456"), name }, 0);
  const { labels } = history;
  const colorOf = (/** @type {number} */ model) => labels[history.runs(model).labels[0] ?? -1]?.color;
  assert.deepEqual([colorOf(0), colorOf(1)], ["#000", "#123456"]);
});

test("only the last minute is kept, and the answer that holds into it", () => {
  const history = new History(1);
  for (let at = 0; at <= 600; at++) {
    history.add(0, at / 2, label("a"), Math.floor(at / 100));
    if (at % 20 === 0) history.mark(event("seen", at / 2));
  }
  const [kept] = history.models;
  const from = 300 - SPAN_SECONDS;
  assert.equal(kept?.times[0], from);
  assert.equal(kept?.times.length, 2 * SPAN_SECONDS + 1);
  assert.deepEqual(kept?.resets, [250, 300]);
  assert.deepEqual(
    history.events.map((each) => each.time_seconds),
    [240, 250, 260, 270, 280, 290, 300],
  );
  history.moveTo(1000);
  assert.deepEqual(kept?.times, [300], "it still holds");
  assert.deepEqual([kept?.resets, history.events], [[], []]);
});

test("another epoch is a reset, the first one is none, and time never falls back", () => {
  const history = new History(1);
  history.add(0, 1, label("a"), 3);
  history.add(0, 2, label("a"), 3);
  history.add(0, 3, label("a"), 4);
  history.moveTo(2);
  assert.deepEqual(history.models[0]?.resets, [3]);
  assert.equal(history.now, 3);
});
