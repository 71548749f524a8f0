import assert from "node:assert/strict";
import { test } from "node:test";

import { CancelledError, Channel } from "../src/channel.js";
import { KernelEndedError } from "../src/kernel.js";

/** A model that keeps what is sent. */
function fakeModel() {
  /** @type {any[]} */
  const sent = [];
  /** @type {Map<string, (...args: any[]) => void>} */
  const listeners = new Map();
  return {
    sent,
    listeners,
    reply: (/** @type {any} */ content, /** @type {any[]} */ buffers = []) =>
      listeners.get("msg:custom")?.(content, buffers),
    get: () => undefined,
    set: () => {},
    save_changes: () => {},
    send: (/** @type {any} */ content) => void sent.push(content),
    on: (/** @type {string} */ name, /** @type {any} */ callback) => void listeners.set(name, callback),
    off: (/** @type {string} */ name) => void listeners.delete(name),
  };
}

test("replies find their requests, in any order, with their buffers", async () => {
  const model = fakeModel();
  const channel = new Channel(model);
  const first = channel.request("read", { offset: 0 });
  const second = channel.request("read", { offset: 9 });
  const [a, b] = model.sent;
  model.reply({ id: b.id, result: { which: 2 } }, [Uint8Array.of(0, 5, 6).subarray(1)]);
  model.reply({ id: a.id, result: { which: 1 } }, [Uint8Array.of(4).buffer]);
  model.reply({ id: "another page's", result: {} });
  assert.equal((await first).content.which, 1);
  assert.equal((await first).buffers[0]?.getUint8(0), 4);
  assert.equal((await second).buffers[0]?.getUint8(0), 5);
  channel.close();
});

test("progress carries buffers, and errors are sentences", async () => {
  const model = fakeModel();
  const channel = new Channel(model);
  /** @type {any[]} */
  const heard = [];
  const asked = channel.request("open", {}, { onProgress: (...each) => heard.push(each) });
  const { id } = model.sent[0];
  model.reply({ id, progress: { phase: "poster" } }, [Uint8Array.of(7).buffer]);
  model.reply({ id, error: { type: "VideoError", message: "There is no file." } });
  await assert.rejects(asked, { message: "There is no file." });
  assert.equal(heard[0][0].phase, "poster");
  assert.equal(heard[0][1][0].getUint8(0), 7);
});

test("what is called off is told to the kernel once, and a late answer does no harm", async () => {
  const model = fakeModel();
  const channel = new Channel(model);
  const control = new AbortController();
  const asked = channel.request("segment", { number: 3 }, { signal: control.signal });
  control.abort();
  await assert.rejects(asked, CancelledError);
  const { id } = model.sent[0];
  assert.deepEqual(model.sent[1], { op: "cancel", requests: [id] });
  model.reply({ id, result: {} });
  control.abort();
  assert.equal(model.sent.length, 2);
});

test("closing rejects what is open", async () => {
  const channel = new Channel(fakeModel());
  const asked = channel.request("open");
  channel.close();
  await assert.rejects(asked, { message: "The player was closed." });
});

/** A kernel as JupyterLab's widget manager has it. */
function fakeKernel() {
  /** @type {Set<(sender: unknown, status: string) => void>} */
  const calls = new Set();
  return {
    calls,
    say: (/** @type {string} */ status) => [...calls].forEach((call) => call(null, status)),
    statusChanged: {
      connect: (/** @type {any} */ call) => calls.add(call),
      disconnect: (/** @type {any} */ call) => calls.delete(call),
    },
  };
}

/** In English. @returns {any} */
function englishModel() {
  return { ...fakeModel(), get: (/** @type {string} */ name) => (name === "locale" ? "en" : undefined) };
}

for (const status of ["restarting", "autorestarting", "terminating", "dead"])
  test(`nothing waits for a kernel that is ${status}`, async () => {
    const kernel = fakeKernel();
    const model = { ...englishModel(), widget_manager: { kernel } };
    const channel = new Channel(model);
    let num_told = 0;
    channel.onEnd(() => num_told++);
    const asked = channel.request("open");
    kernel.say("busy");
    kernel.say("idle");
    assert.equal(num_told, 0);
    kernel.say(status);
    await assert.rejects(asked, KernelEndedError);
    await assert.rejects(channel.request("open"), { message: /The kernel has ended/ });
    assert.equal(model.sent.length, 1, "nobody is asked any more");
    kernel.say("dead");
    assert.equal(num_told, 1);
    channel.onEnd(() => num_told++);
    assert.equal(num_told, 2, "who listens later hears it at once");
  });

test("a host that says of a widget only that it is cut off is believed", async () => {
  const model = englishModel();
  const channel = new Channel(model);
  const asked = channel.request("open");
  model.listeners.get("comm_live_update")();
  await assert.rejects(asked, KernelEndedError);
});

test("closing stops listening to the kernel", () => {
  const kernel = fakeKernel();
  const model = { ...englishModel(), widget_manager: { kernel } };
  new Channel(model).close();
  assert.equal(kernel.calls.size, 0);
  assert.equal(model.listeners.size, 0);
});
