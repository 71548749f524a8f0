import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { Clock } from "../src/clock.js";
import { Link, correctedRate, counterpart } from "../src/links.js";
import { OfflineModel } from "../src/offline.js";

Reflect.set(globalThis, "HTMLMediaElement", { HAVE_FUTURE_DATA: 3 });

/** @param {number} fps @param {number} seconds @param {number} [offset] */
function clockOf(fps, seconds, offset = 0) {
  const times = Float64Array.from({ length: fps * seconds }, (_, at) => offset + at / fps);
  return new Clock(times, offset, offset + seconds);
}

/** A picture that is at once where it is sent. */
class FakePicture {
  /** @param {Clock} clock */
  constructor(clock) {
    this.clock = clock;
    this.video = {
      currentTime: 0,
      paused: true,
      ended: false,
      seeking: false,
      readyState: 4,
      playbackRate: 1,
    };
    this.moveListeners = new Set();
    /** @type {number | null} */
    this.shown = 0;
    this.jumps = 0;
  }

  get current() {
    return this.shown ?? 0;
  }

  /** @param {number} index */
  show(index) {
    for (const listener of this.moveListeners) listener(index);
    this.shown = index;
    this.video.currentTime = this.clock.middle(index);
  }

  /** @param {number} rate */
  setRate(rate) {
    this.video.playbackRate = rate;
  }

  /** @param {number} seconds */
  jump(seconds) {
    this.jumps++;
    this.video.currentTime = seconds;
  }
}

/** @type {Link[]} */
let made = [];

/** @param {Clock} clock @param {{by?: string, offset_seconds?: number, session?: any, model?: any}} [options] */
function member(clock, { by = "time", offset_seconds = 0, session, model } = {}) {
  const picture = new FakePicture(clock);
  model ??= new OfflineModel({
    state: { playing: false, speed: 1, _link: { group: "g", by, offset_seconds } },
    answers: {},
  });
  model.on("change:playing", () => {
    picture.video.paused = !model.get("playing");
  });
  const view = { session: session ?? { driver: null }, model, picture };
  const link = new Link(/** @type {any} */ (view));
  made.push(link);
  return { ...view, view, link };
}

afterEach(() => {
  for (const link of made) link.close();
  made = [];
});

test("by time, each player has its own offset", () => {
  const a = { clock: clockOf(10, 9), offset_seconds: 0 };
  const b = { clock: clockOf(30, 9), offset_seconds: 1.5 };
  assert.equal(counterpart(a, b, 2, "time"), 3.5);
  assert.equal(counterpart(b, a, 3.5, "time"), 2);
});

test("by frame, the same part of the same frame", () => {
  const a = { clock: clockOf(10, 9), offset_seconds: 0 };
  const b = { clock: clockOf(20, 9), offset_seconds: 0 };
  assert.ok(Math.abs(counterpart(a, b, 0.55, "frame") - 0.275) < 1e-9);
  const short = { clock: clockOf(10, 2), offset_seconds: 0 };
  assert.equal(counterpart(a, short, 5, "frame"), 2);
});

test("small gaps are left, others made up by speed, large ones jumped", () => {
  assert.equal(correctedRate(2, 0.004), 2);
  assert.ok(/** @type {number} */ (correctedRate(1, 0.05)) > 1);
  assert.ok(/** @type {number} */ (correctedRate(1, -0.05)) < 1);
  assert.equal(correctedRate(1, 0.39), 1.5);
  assert.equal(correctedRate(1, 0.5), null);
});

test("a move, play, pause and speed reach every other player once", () => {
  const [a, b, c] = [member(clockOf(10, 9)), member(clockOf(30, 9)), member(clockOf(30, 9), { offset_seconds: 1 })];
  a.picture.show(20);
  assert.equal(b.picture.shown, 61, "the middle of frame 20 is 2.05 s");
  assert.equal(c.picture.shown, 91);
  c.model.set("playing", true);
  assert.deepEqual([a, b].map((each) => each.model.get("playing")), [true, true]);
  b.model.set("speed", 2);
  assert.deepEqual([a, c].map((each) => each.model.get("speed")), [2, 2]);
  a.model.set("playing", false);
  assert.deepEqual([b, c].map((each) => each.model.get("playing")), [false, false]);
});

test("players of another group, and those that left, stay where they are", () => {
  const [a, b] = [member(clockOf(10, 9)), member(clockOf(10, 9))];
  b.model.set("_link", { group: "another", by: "time", offset_seconds: 0 });
  a.picture.show(20);
  assert.equal(b.picture.shown, 0);
  b.model.set("_link", { group: "g", by: "time", offset_seconds: 0 });
  a.picture.show(21);
  assert.equal(b.picture.shown, 21);
  b.model.set("_link", null);
  a.picture.show(30);
  assert.equal(b.picture.shown, 21);
});

test("a follower that lags is sped up, one far off jumps, and drift ends", () => {
  const [a, b] = [member(clockOf(25, 60)), member(clockOf(25, 60))];
  a.model.set("playing", true);
  a.picture.video.currentTime = 10;
  b.picture.video.currentTime = 9.8;
  // A tenth of a second passes between corrections, as in the page.
  for (let step = 0; step < 30; step++) {
    b.link.keepStep();
    a.picture.video.currentTime += 0.1;
    b.picture.video.currentTime += 0.1 * b.picture.video.playbackRate;
  }
  const gap = a.picture.video.currentTime - b.picture.video.currentTime;
  assert.ok(Math.abs(gap) < 1 / 25, `${gap} s is less than a frame`);
  assert.equal(b.picture.jumps, 0);
  b.picture.video.currentTime -= 3;
  b.link.keepStep();
  assert.equal(b.picture.jumps, 1);
  assert.equal(b.picture.video.currentTime, a.picture.video.currentTime);
});

test("while the leader waits for bytes the others wait with it", () => {
  const [a, b] = [member(clockOf(25, 60)), member(clockOf(25, 60))];
  a.model.set("playing", true);
  a.picture.video.readyState = 2;
  b.picture.video.currentTime = a.picture.video.currentTime + 0.05;
  b.link.keepStep();
  assert.equal(b.picture.video.playbackRate, 0);
  a.picture.video.readyState = 4;
  a.picture.video.currentTime = b.picture.video.currentTime;
  b.link.keepStep();
  assert.equal(b.picture.video.playbackRate, 1);
});

test("a shorter video ends alone, and plays again when the leader has gone back", () => {
  const [a, b] = [member(clockOf(10, 9)), member(clockOf(10, 2))];
  a.model.set("playing", true);
  a.picture.video.currentTime = 3;
  b.picture.video.ended = true;
  b.model.set("playing", false);
  assert.equal(a.model.get("playing"), true);
  b.link.keepStep();
  assert.equal(b.model.get("playing"), false, "its part is over");
  b.picture.video.ended = false;
  a.picture.video.currentTime = 0.5;
  b.link.keepStep();
  assert.equal(b.model.get("playing"), true);
  assert.equal(b.picture.shown, 5);
});

test("when the longer-playing one is left, the first to end does not stop it", () => {
  const [a, b] = [member(clockOf(10, 2)), member(clockOf(10, 9))];
  a.model.set("playing", true);
  a.picture.video.ended = true;
  a.model.set("playing", false);
  a.picture.show(19);
  assert.equal(b.model.get("playing"), true);
  assert.equal(b.picture.shown, 0, "it was not sent back either");
});

test("a widget's second view has nothing to tell", () => {
  const a = member(clockOf(10, 9));
  const twin = member(clockOf(10, 9), { session: a.session, model: a.model });
  const b = member(clockOf(10, 9));
  a.session.driver = a.view;
  a.picture.show(30);
  twin.picture.show(10);
  assert.equal(b.picture.shown, 30);
});

test("a video that opens late goes where the others are", () => {
  const [a, b] = [member(clockOf(10, 9)), member(clockOf(10, 9))];
  b.picture.shown = null;
  a.picture.show(40);
  b.picture.shown = null;
  b.picture.show(0);
  assert.equal(a.picture.shown, 40);
});

test("where the leader comes to rest is told", () => {
  const [a, b] = [member(clockOf(10, 9)), member(clockOf(10, 9))];
  a.picture.show(40);
  a.picture.shown = 41;
  a.link.keepStep();
  assert.equal(b.picture.shown, 41);
});
