import assert from "node:assert/strict";
import { test } from "node:test";

import { CameraError, FrameWindow, Latencies, failureOf } from "../src/camera.js";

test("two frames are on their way at most, and one that comes makes room", () => {
  const frames = new FrameWindow();
  assert.equal(frames.send(100, 100).number, 0);
  assert.ok(frames.isOpen);
  frames.send(133, 133);
  assert.ok(!frames.isOpen);
  frames.acknowledge(0, 140);
  assert.ok(frames.isOpen);
  frames.send(166, 166);
  frames.acknowledge(2, 170); // a word that was lost does not count: what came later, came after
  assert.deepEqual(frames.waiting, []);
});

test("times begin at 0, are those of the camera, and never fall back", () => {
  const frames = new FrameWindow();
  const times = [5000, 5040, 5020, 5100].map((ms) => frames.send(ms, ms).time_seconds);
  assert.deepEqual(times, [0, 0.04, 0.04, 0.1]);
  frames.skipped = 7;
  frames.restart();
  assert.deepEqual(frames.send(9000, 9000), { number: 4, time_seconds: 0, skipped: 0 });
});

test("silence is how long nothing that waits was taken", () => {
  const frames = new FrameWindow();
  assert.equal(frames.silence(50), 0);
  frames.send(100, 100);
  frames.send(200, 200);
  assert.equal(frames.silence(5100), 5000);
  frames.acknowledge(0, 5200);
  assert.equal(frames.silence(5300), 100);
  frames.acknowledge(1, 5400);
  assert.equal(frames.silence(99_999), 0, "no frame, nothing to take");
});

test("the age of a frame is known for a while", () => {
  const frames = new FrameWindow();
  for (let number = 0; number < 1000; number++) frames.send(number * 10, number * 10);
  assert.equal(frames.age(999, 10_000), 10);
  assert.equal(frames.age(0, 10_000), null);
  assert.equal(frames.age(1000, 10_000), null);
  assert.ok(frames.taken.size <= 300);
});

test("latencies are told of the last hundred: nearest ranks", () => {
  const latencies = new Latencies();
  assert.equal(latencies.summary, null);
  latencies.add(9000);
  for (let ms = 100; ms >= 1; ms--) latencies.add(ms);
  assert.deepEqual(latencies.summary, { median_ms: 50, p95_ms: 95, count: 100 });
});

test("why there is no camera is one of the known reasons, or the browser's words", () => {
  const named = (/** @type {string} */ name) => failureOf(new DOMException("why", name)).failure;
  assert.equal(named("NotAllowedError"), "refused");
  assert.equal(named("NotFoundError"), "none");
  assert.equal(named("OverconstrainedError"), "none");
  assert.equal(named("NotReadableError"), "busy");
  const other = failureOf(new DOMException("what it said", "StrangeError"));
  assert.deepEqual([other.failure, other.message], [null, "what it said"]);
  const own = new CameraError("insecure");
  assert.equal(failureOf(own), own);
  assert.equal(failureOf(undefined).failure, null);
});
