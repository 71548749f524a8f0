import assert from "node:assert/strict";
import { test } from "node:test";

import { Channel } from "../src/channel.js";
import { OfflineModel } from "../src/offline.js";

const VIDEO = Uint8Array.from({ length: 300 }, (_, at) => at % 256);

const kept = () => ({
  state: { frame_index: 0, selection: null },
  answers: {
    open: { result: { delivery: "whole", num_bytes: 300 }, buffers: ["AAECAwQFBgc="] },
    read: { result: {}, buffers: [Buffer.from(VIDEO).toString("base64")] },
  },
});

test("the page answers as the kernel did", async () => {
  const channel = new Channel(new OfflineModel(kept()));
  const opened = await channel.request("open");
  assert.equal(opened.content.delivery, "whole");
  assert.equal(opened.buffers[0]?.getUint8(7), 7);
  const { buffers } = await channel.request("read", { offset: 250, length: 100 });
  assert.equal(buffers[0]?.byteLength, 50);
  assert.equal(buffers[0]?.getUint8(0), 250);
});

test("what was not kept is said", async () => {
  const channel = new Channel(new OfflineModel(kept()));
  await assert.rejects(channel.request("predictions"), /saved without predictions/);
});

test("changes are told once, to those who listen", () => {
  const model = new OfflineModel(kept());
  /** @type {any[]} */
  const heard = [];
  const listener = () => heard.push(model.get("selection"));
  model.on("change:selection", listener);
  model.set("selection", [3, 9]);
  model.set("selection", [3, 9]);
  model.save_changes();
  model.off("change:selection", listener);
  model.set("selection", null);
  assert.deepEqual(heard, [[3, 9]]);
});
