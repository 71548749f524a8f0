import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { textsOf, waitText } from "../src/texts.js";

/** @param {string} page @param {string[]} browser */
function speak(page, ...browser) {
  Object.defineProperty(globalThis, "document", {
    value: { documentElement: { lang: page } },
    configurable: true,
  });
  Object.defineProperty(globalThis, "navigator", {
    value: { languages: browser },
    configurable: true,
  });
}

afterEach(() => Reflect.deleteProperty(globalThis, "document"));

test("the locale decides, then the page's language, then the browser's", () => {
  speak("en", "en-US", "ko");
  assert.equal(textsOf("ko").language, "ko");
  assert.equal(textsOf(null).language, "en");
  speak("ko-KR", "en-US");
  assert.equal(textsOf("en").language, "en");
  assert.equal(textsOf(undefined).language, "ko");
  speak("", "ko");
  assert.equal(textsOf(null).language, "ko");
  speak("en", "ko-KR", "en");
  assert.equal(textsOf(null).language, "ko", "a page is English until somebody chooses");
  assert.equal(textsOf("en").language, "en");
  speak("fr", "fr-FR", "ko", "en");
  assert.equal(textsOf(null).language, "ko", "the first that there is");
  speak("fr", "fr-FR");
  assert.equal(textsOf(null).language, "en");
  speak("", "kok-IN");
  assert.equal(textsOf(null).language, "en", "Konkani is not Korean");
});

/**
 * Every text with how it is made: [path, value].
 * @param {object} texts
 * @param {string} [path]
 * @returns {[string, unknown][]}
 */
function leaves(texts, path = "") {
  return Object.entries(texts).flatMap(([name, value]) =>
    value && typeof value === "object" && !Array.isArray(value)
      ? leaves(value, `${path}${name}.`)
      : [/** @type {[string, unknown]} */ ([path + name, value])],
  );
}

test("both languages say the same things, with the same keys", () => {
  const english = textsOf("en");
  const korean = textsOf("ko");
  const names = (/** @type {object} */ texts) => leaves(texts).map(([path]) => path);
  assert.deepEqual(names(korean), names(english));
  assert.deepEqual(
    korean.keyList.map(([keys, , needs]) => [keys, needs]),
    english.keyList.map(([keys, , needs]) => [keys, needs]),
  );
  const shared = leaves(english).filter(
    ([path, value]) =>
      typeof value === "string" && value === Object.fromEntries(leaves(korean))[path],
  );
  assert.deepEqual(shared, [], "nothing is left in English");
});

test("numbers agree with their words", () => {
  const texts = textsOf("en");
  assert.equal(texts.disagreements(1), "1 disagreement");
  assert.equal(texts.disagreements(3), "3 disagreements");
  assert.match(texts.selected(1, "0.033"), /^1 frame selected/);
  assert.match(texts.selected(2, "0.067"), /^2 frames selected/);
});

test("every wait says what it waits for, and how far it is where that is known", () => {
  const texts = textsOf("en");
  const say = (/** @type {any} */ progress) => waitText(texts, progress);
  assert.deepEqual(say({ phase: "transcoding", codec: "HEVC", fraction: 0.129 }), [
    "Transcoding HEVC → H.264, 12 %",
    0.129,
  ]);
  assert.deepEqual(say({ phase: "indexing" }), ["Reading the frame times …", undefined]);
  assert.match(say({ phase: "kernel", fraction: 12.4 })[0], /has not answered for 12 s/);
  assert.equal(say({ phase: "kernel", fraction: 0 })[0], texts.asking);
});
