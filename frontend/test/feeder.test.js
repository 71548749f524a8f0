import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Clock } from "../src/clock.js";
import { CancelledError } from "../src/channel.js";
import { Feeder } from "../src/feeder.js";

const FPS = 10;
const SEGMENT_FRAMES = 20;
const NUM_SEGMENTS = 30;
const SEGMENT_BYTES = 100;

/** What of a video is buffered, by segment: removing and appending as a browser does. */
class FakeBuffer extends EventTarget {
  constructor() {
    super();
    this.updating = false;
    this.room = Infinity;
    /** @type {Set<number>} */
    this.parts = new Set();
    /** @type {string[]} */
    this.log = [];
  }

  get buffered() {
    const seconds = SEGMENT_FRAMES / FPS;
    /** @type {[number, number][]} */
    const ranges = [];
    for (const part of [...this.parts].sort((a, b) => a - b)) {
      const last = ranges.at(-1);
      if (last && Math.abs(last[1] - part * seconds) < 1e-9) last[1] += seconds;
      else ranges.push([part * seconds, (part + 1) * seconds]);
    }
    return {
      length: ranges.length,
      start: (/** @type {number} */ at) => /** @type {[number, number]} */ (ranges[at])[0],
      end: (/** @type {number} */ at) => /** @type {[number, number]} */ (ranges[at])[1],
    };
  }

  /** @param {ArrayBuffer} bytes */
  appendBuffer(bytes) {
    assert.ok(!this.updating);
    if (this.parts.size >= this.room) throw new DOMException("full", "QuotaExceededError");
    const number = new Uint8Array(bytes)[0] ?? -1;
    this.log.push(`+${number}`);
    this.later(() => this.parts.add(number));
  }

  /** @param {number} start @param {number} end */
  remove(start, end) {
    assert.ok(!this.updating);
    const seconds = SEGMENT_FRAMES / FPS;
    const numbers = [...this.parts].filter(
      (part) => part * seconds >= start && part * seconds < end,
    );
    this.log.push(`-${numbers.join()}`);
    this.later(() => {
      for (const number of numbers) this.parts.delete(number);
    });
  }

  /** @param {() => void} action */
  later(action) {
    this.updating = true;
    setImmediate(() => {
      this.updating = false;
      action();
      this.dispatchEvent(new Event("updateend"));
    });
  }
}

class FakeSource extends EventTarget {
  static isTypeSupported = () => true;
  constructor() {
    super();
    this.readyState = "open";
    this.duration = NaN;
    this.ended = 0;
    this.buffer = new FakeBuffer();
    made = this;
    setImmediate(() => this.dispatchEvent(new Event("sourceopen")));
  }

  addSourceBuffer() {
    return this.buffer;
  }

  endOfStream() {
    this.ended++;
  }
}

/** @type {FakeSource} */
let made;

class FakeVideo extends EventTarget {
  constructor() {
    super();
    this.src = "";
    this.currentTime = 0;
    this.paused = true;
    this.playbackRate = 1;
    this.readyState = 4;
    this.error = null;
    this.disableRemotePlayback = false;
  }
}

/** Kernel, feeder and video together. */
class Setting {
  /** @param {{limit_bytes?: number, isHeld?: boolean}} [options]  held: nothing is answered by itself */
  constructor({ limit_bytes = 1e6, isHeld = false } = {}) {
    const times = Float64Array.from({ length: NUM_SEGMENTS * SEGMENT_FRAMES }, (_, at) => at / FPS);
    this.clock = new Clock(times, 0, times.length / FPS);
    this.video = new FakeVideo();
    /** @type {number[]} */
    this.asked = [];
    /** @type {number[]} */
    this.cancelled = [];
    /** @type {Map<number, {resolve: (piece: any) => void, reject: (error: Error) => void}>} */
    this.open = new Map();
    this.isHeld = isHeld;
    /** @type {string[]} */
    this.failures = [];
    /** @type {[number, string][]} */
    this.stops = [];
    this.feeder = new Feeder({
      clock: this.clock,
      starts: Int32Array.from({ length: NUM_SEGMENTS }, (_, at) => at * SEGMENT_FRAMES),
      mime: "video/mp4",
      fetch: (number, signal) => this.fetch(number, signal),
      onFailed: (error) => this.failures.push(error.message),
      onStopped: (num_frames, why) => {
        this.clock.cut(num_frames);
        this.stops.push([num_frames, why]);
        this.feeder.shorten();
      },
      onWait: () => {},
      limit_bytes,
    });
    this.feeder.attach(/** @type {any} */ (this.video));
  }

  /**
   * @param {number} number
   * @param {AbortSignal} signal
   * @returns {Promise<any>}
   */
  fetch(number, signal) {
    this.asked.push(number);
    return new Promise((resolve, reject) => {
      this.open.set(number, { resolve, reject });
      signal.addEventListener("abort", () => {
        this.cancelled.push(number);
        this.open.delete(number);
        reject(new CancelledError("called off"));
      });
      if (!this.isHeld) this.answer(number);
    });
  }

  /** @param {number} number @param {object} [more] */
  answer(number, more = {}) {
    const bytes = new ArrayBuffer(SEGMENT_BYTES);
    new Uint8Array(bytes)[0] = number;
    this.open.get(number)?.resolve({ bytes, num_frames: SEGMENT_FRAMES, stopped: "", ...more });
    this.open.delete(number);
  }

  /** @param {number} frame */
  seek(frame) {
    this.feeder.want(frame);
    this.video.currentTime = this.clock.middle(frame);
    this.video.dispatchEvent(new Event("seeking"));
  }

  /** Until nothing more happens. */
  async rest() {
    for (let turn = 0; turn < 60; turn++) await new Promise((done) => setImmediate(done));
  }

  get parts() {
    return [...made.buffer.parts].sort((a, b) => a - b);
  }
}

beforeEach(() => {
  Reflect.set(globalThis, "MediaSource", FakeSource);
  URL.createObjectURL = () => "blob:fake";
});

/** @type {Setting | undefined} */
let setting;

afterEach(() => setting?.feeder.close());

test("a paused video has the segment on screen and the next one, and asks for no more", async () => {
  setting = new Setting();
  await setting.rest();
  assert.deepEqual(setting.asked, [0, 1]);
  assert.deepEqual(setting.parts, [0, 1]);
  assert.equal(made.duration, 60);
});

test("the segment under the wanted frame comes first, and old wishes are called off", async () => {
  setting = new Setting({ isHeld: true });
  await setting.rest();
  assert.deepEqual(setting.asked, [0], "nothing ahead before what is needed now");
  setting.seek(15 * SEGMENT_FRAMES + 3);
  await setting.rest();
  assert.deepEqual(setting.cancelled, [0]);
  assert.deepEqual(setting.asked, [0, 15]);
  setting.seek(15 * SEGMENT_FRAMES + 4);
  await setting.rest();
  assert.deepEqual(setting.asked, [0, 15], "what is on its way is not asked for again");
  setting.answer(15);
  await setting.rest();
  assert.deepEqual(setting.parts, [15]);
  assert.ok(setting.feeder.covers(15 * SEGMENT_FRAMES + 19));
  assert.ok(!setting.feeder.covers(16 * SEGMENT_FRAMES));
});

test("while playing about ten seconds are fetched ahead", async () => {
  setting = new Setting();
  setting.video.paused = false;
  setting.video.dispatchEvent(new Event("play"));
  await setting.rest();
  assert.deepEqual(setting.parts, [0, 1, 2, 3, 4]);
  setting.video.currentTime = 4.05;
  setting.video.dispatchEvent(new Event("timeupdate"));
  await setting.rest();
  assert.deepEqual(setting.parts, [0, 1, 2, 3, 4, 5, 6, 7].slice(0, setting.parts.length));
  assert.ok(setting.parts.includes(6));
});

test("the buffer is bounded: what is farthest from the playhead goes first", async () => {
  setting = new Setting({ limit_bytes: 6 * SEGMENT_BYTES });
  for (const number of [0, 4, 8, 12, 9]) {
    setting.seek(number * SEGMENT_FRAMES);
    await setting.rest();
    assert.ok(setting.parts.length <= 6);
    assert.ok(setting.parts.includes(number) && setting.parts.includes(number + 1));
  }
  assert.ok(!setting.parts.includes(0) && !setting.parts.includes(1));
  setting.seek(0);
  await setting.rest();
  assert.ok(setting.parts.includes(0), "what was thrown out is fetched again");
});

test("a browser with less room is obeyed", async () => {
  setting = new Setting();
  await setting.rest();
  made.buffer.room = 3;
  for (const number of [5, 10, 20]) {
    setting.seek(number * SEGMENT_FRAMES);
    await setting.rest();
    assert.ok(setting.parts.includes(number), `segment ${number}`);
  }
  assert.ok(setting.parts.length <= 3);
  assert.deepEqual(setting.failures, []);
});

test("no room for even one segment is said in words", async () => {
  setting = new Setting();
  made.buffer.room = 0;
  await setting.rest();
  assert.equal(setting.failures.length, 1);
  assert.match(setting.failures[0] ?? "", /no room/);
});

test("what a browser throws out by itself is fetched again when it is wanted", async () => {
  setting = new Setting();
  await setting.rest();
  made.buffer.parts.delete(0);
  setting.seek(5);
  await setting.rest();
  assert.deepEqual(setting.parts, [0, 1]);
  assert.deepEqual(setting.asked, [0, 1, 0]);
});

test("the stream ends once its last segment is there, not before", async () => {
  setting = new Setting();
  await setting.rest();
  assert.equal(made.ended, 0);
  setting.seek(NUM_SEGMENTS * SEGMENT_FRAMES - 1);
  await setting.rest();
  assert.ok(made.ended > 0);
});

test("a segment that cannot be had fails only where it is needed", async () => {
  setting = new Setting({ isHeld: true });
  await setting.rest();
  setting.answer(0);
  await setting.rest();
  setting.open.get(1)?.reject(new Error("The file is gone."));
  await setting.rest();
  assert.deepEqual(setting.failures, []);
  setting.seek(SEGMENT_FRAMES + 1);
  await setting.rest();
  assert.deepEqual(setting.failures, ["The file is gone."]);
});

test("a damaged video ends where it can be read no further", async () => {
  setting = new Setting({ isHeld: true });
  await setting.rest();
  setting.answer(0, { num_frames: 7, stopped: "It is damaged." });
  await setting.rest();
  assert.deepEqual(setting.stops, [[7, "It is damaged."]]);
  assert.equal(setting.clock.length, 7);
  assert.deepEqual(setting.asked, [0], "nothing after the end is asked for");
});

test("a loop's start is fetched before its end is reached", async () => {
  setting = new Setting();
  setting.feeder.loop = [2 * SEGMENT_FRAMES, 21 * SEGMENT_FRAMES];
  setting.video.paused = false;
  setting.seek(20 * SEGMENT_FRAMES);
  await setting.rest();
  assert.deepEqual(setting.parts.slice(0, 2), [2, 3]);
  assert.ok(!setting.parts.includes(21));
});

test("closing calls off what is on its way, and nothing more is asked for", async () => {
  setting = new Setting({ isHeld: true });
  await setting.rest();
  setting.feeder.close();
  setting.video.dispatchEvent(new Event("seeking"));
  await setting.rest();
  assert.deepEqual(setting.cancelled, [0]);
  assert.deepEqual(setting.asked, [0]);
});
