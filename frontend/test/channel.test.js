import assert from "node:assert/strict";
import { test } from "node:test";

import { CancelledError, Channel } from "../src/channel.js";

/** A model that keeps what is sent. */
function fakeModel() {
  /** @type {any[]} */
  const sent = [];
  /** @type {(content: any, buffers?: any[]) => void} */
  let receive = () => {};
  return {
    sent,
    reply: (/** @type {any} */ content, /** @type {any[]} */ buffers = []) => receive(content, buffers),
    get: () => undefined,
    set: () => {},
    save_changes: () => {},
    send: (/** @type {any} */ content) => void sent.push(content),
    on: (/** @type {string} */ _name, /** @type {any} */ callback) => {
      receive = callback;
    },
    off: () => {
      receive = () => {};
    },
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
