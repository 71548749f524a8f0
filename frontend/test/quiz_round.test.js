import assert from "node:assert/strict";
import { test } from "node:test";

import { bySureness, choiceOf, differing, shareText } from "../src/quiz_round.js";

/**
 * @param {boolean} correct
 * @param {(boolean | null)[]} models
 * @param {"guess" | "think" | "sure"} [sure]
 * @returns {import("../src/quiz_round.js").Told}
 */
const told = (correct, models, sure = "think") => ({
  choices: [],
  choice: 0,
  answer: 0,
  sure,
  correct,
  is_true: true,
  video: "",
  models: models.map((each) => ({ top: [], correct: each })),
});

test("learner and model part where one is right and the other is not", () => {
  const all = {
    10: told(true, [true, false]),
    2: told(false, [true, null]),
    3: told(false, [null, null]),
    4: told(true, [true, true]),
    5: told(false, [false, false]),
  };
  const numbers = differing(all).map(([number]) => number);
  assert.deepEqual(numbers, [2, 10], "by number, and silence is no difference");
  assert.deepEqual(differing({}), []);
});

test("sureness is counted from a guess to sure, without what was never said", () => {
  const all = {
    0: told(true, [], "sure"),
    1: told(false, [], "sure"),
    2: told(false, [], "guess"),
  };
  assert.deepEqual(bySureness(all), [
    ["guess", 1, 0],
    ["sure", 2, 1],
  ]);
  assert.deepEqual(bySureness({}), []);
});

test("shares are whole per cents, and a dash where nothing counts", () => {
  assert.equal(shareText(3, 2), "67 %");
  assert.equal(shareText(3, 0), "0 %");
  assert.equal(shareText(0, 0), "–");
});

test("keys choose from 1, and no more than there are choices", () => {
  assert.equal(choiceOf("1", 4), 0);
  assert.equal(choiceOf("4", 4), 3);
  assert.equal(choiceOf("9", 20), 8);
  for (const key of ["5", "0", "10", "a", "Enter", " ", "F1", "１"])
    assert.equal(choiceOf(key, 4), null, key);
  assert.equal(choiceOf("1", 0), null);
});
