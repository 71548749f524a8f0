import assert from "node:assert/strict";
import { test } from "node:test";

import { Layout } from "../src/gallery_layout.js";

test("cards fill the width, and none lies over another", () => {
  for (const width of [90, 199, 200, 408, 1000, 3333]) {
    const layout = new Layout(width, 50, 80);
    const boxes = Array.from({ length: 50 }, (_, place) => layout.position(place));
    for (const { left, top } of boxes) {
      assert.ok(left >= 0 && left + layout.cardWidth <= width);
      assert.ok(top >= 0 && top + layout.cardHeight <= layout.height);
    }
    const [first, second] = boxes;
    if (layout.columns > 1) assert.ok((second?.left ?? 0) - (first?.left ?? 0) > layout.cardWidth);
    const below = boxes[layout.columns];
    assert.ok((below?.top ?? Infinity) >= layout.cardHeight);
    assert.ok(width - layout.columns * layout.cardWidth < 9 * layout.columns, "no room is lost");
  }
});

test("what is in sight is made, and little more", () => {
  const layout = new Layout(1000, 2000, 80);
  for (const scrolled of [0, 17, 5000, layout.height - 560, layout.height]) {
    const [first, last] = layout.range(scrolled, 560);
    assert.ok(0 <= first && first <= last && last <= 2000 && last - first <= 40);
    for (let place = 0; place < 2000; place++) {
      const { top } = layout.position(place);
      const isSeen = top < scrolled + 560 && top + layout.cardHeight > scrolled;
      if (isSeen) assert.ok(first <= place && place < last, `card ${place} at ${scrolled}`);
    }
  }
});

test("where there is no room, or nothing to show, nothing goes wrong", () => {
  assert.equal(new Layout(0, 10, 80).cardWidth, 0);
  assert.equal(new Layout(500, 0, 80).height, 0);
  assert.deepEqual(new Layout(500, 0, 80).range(0, 560), [0, 0]);
});

test("a card is scrolled into sight, no further than needed", () => {
  const layout = new Layout(1000, 2000, 80);
  const { top } = layout.position(100);
  assert.equal(layout.scrollTo(100, 0, 560), top + layout.cardHeight - 560);
  assert.equal(layout.scrollTo(100, 99_999, 560), top);
  assert.equal(layout.scrollTo(100, top - 50, 560), top - 50);
  assert.equal(layout.scrollTo(0, 300, 560), 0);
});

test("keys move by cards, rows and pages, and stop at the ends", () => {
  const layout = new Layout(1000, 10, 80);
  assert.equal(layout.columns, 4);
  const move = (/** @type {string} */ key, /** @type {number} */ place) =>
    layout.move(key, place, 2.5 * layout.rowHeight);
  assert.equal(move("ArrowRight", 3), 4);
  assert.equal(move("ArrowLeft", 0), 0);
  assert.equal(move("ArrowDown", 3), 7);
  assert.equal(move("ArrowDown", 7), 9);
  assert.equal(move("ArrowUp", 9), 5);
  assert.equal(move("PageDown", 0), 8);
  assert.equal(move("PageUp", 9), 1);
  assert.equal(move("Home", 6), 0);
  assert.equal(move("End", 6), 9);
  assert.equal(move("a", 6), null);
});
