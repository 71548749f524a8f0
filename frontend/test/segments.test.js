// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { SegmentLane } from "../src/segment_lane.js";
import {
  History,
  areSame,
  excluding,
  including,
  nearestEdge,
  rowsOf,
  segmentAt,
  withEdge,
} from "../src/segments.js";

/** @param {number} from @param {number} to @param {string} [label] */
const seg = (from, to, label = "a") => ({ from, to, label });

test("one more joins those of its label that it overlaps, and no others", () => {
  const list = [seg(0, 2), seg(1, 4, "b"), seg(4, 5), seg(5, 6)];
  assert.deepEqual(including(list, seg(1, 4.5)), [seg(0, 5), seg(1, 4, "b"), seg(5, 6)]);
  assert.deepEqual(including(list, seg(2, 4)).length, 5, "what only touches stays apart");
  assert.deepEqual(including(list, seg(0.5, 1, "a")), list, "inside, it adds nothing");
  assert.deepEqual(including([], seg(3, 4)), [seg(3, 4)]);
  assert.equal(list.length, 4, "the list given is left as it was");
});

test("lists are in the order of time, ends and labels", () => {
  const list = including(including([seg(2, 3)], seg(0, 5, "b")), seg(0, 5, "c"));
  assert.deepEqual(including(list, seg(0, 4, "d")), [
    seg(0, 4, "d"),
    seg(0, 5, "b"),
    seg(0, 5, "c"),
    seg(2, 3),
  ]);
});

test("an edge stops at the next segment of its label", () => {
  const [first, other, last] = [seg(0, 2), seg(2, 3, "b"), seg(5, 6)];
  const list = [first, other, last];
  assert.deepEqual(withEdge(list, first, "to", 9)?.moved, seg(0, 5));
  assert.deepEqual(withEdge(list, last, "from", 1)?.moved, seg(2, 6));
  assert.deepEqual(withEdge(list, other, "to", 9)?.list, [first, seg(2, 9, "b"), last]);
  assert.deepEqual(withEdge(list, last, "from", 5.5)?.list.at(-1), seg(5.5, 6));
  assert.equal(withEdge(list, first, "to", 0), null);
  assert.equal(withEdge(list, last, "from", 6.5), null);
});

test("at a moment is the one that started last, and ends are left out", () => {
  const list = [seg(0, 4), seg(1, 2, "b"), seg(4, 5)];
  assert.equal(segmentAt(list, 1.5), list[1]);
  assert.equal(segmentAt(list, 2), list[0]);
  assert.equal(segmentAt(list, 4), list[2]);
  assert.equal(segmentAt(list, 5), null);
  assert.equal(segmentAt([seg(0.033333, 1)], 1 / 30)?.to, 1, "times are rounded");
});

test("the nearest edge is a start to a frame's start, or an end to its end", () => {
  const list = [seg(0, 2), seg(3, 5)];
  const edge = (/** @type {number} */ start) => {
    const found = nearestEdge(list, start, start + 0.125);
    return found && [list.indexOf(found.segment), found.side];
  };
  assert.deepEqual([edge(2.625), edge(2.25), edge(9)], [[1, "from"], [0, "to"], [1, "to"]]);
  assert.equal(nearestEdge([], 0, 1), null);
});

test("no segment is drawn over another", () => {
  assert.deepEqual(rowsOf([seg(0, 2), seg(1, 3), seg(2, 4), seg(2.5, 5), seg(3, 4)]), [0, 1, 0, 2, 1]);
});

test("what was taken back can be done again, until something else is done", () => {
  const history = new History();
  const [none, one, two] = [[], [seg(0, 1)], [seg(0, 1), seg(1, 2)]];
  history.note(none);
  history.note(one);
  assert.equal(history.undo(two), one);
  assert.equal(history.undo(one), none);
  assert.equal(history.undo(none), undefined);
  assert.equal(history.redo(none), one);
  history.note(one);
  assert.equal(history.redo(two), undefined);
  assert.ok(areSame(one, [seg(0, 1.0000004)]));
  assert.ok(!areSame(one, two) && !areSame(one, [seg(0, 1, "b")]));
  assert.deepEqual(excluding(two, /** @type {any} */ (two[0])), [seg(1, 2)]);
});

test("an edge is taken hold of, dragged and let go; a click moves nothing", () => {
  /** @type {[string, number | null, boolean][]} */
  const moves = [];
  const lane = new SegmentLane({
    onMove: ({ side }, boundary, final) => moves.push([side, boundary, final]),
  });
  lane.use([seg(0, 10), seg(10, 20, "b"), seg(5, 30, "c")], new Map());
  // Ten pixels a second, a boundary each second.
  const timeline = /** @type {any} */ ({
    x: (/** @type {number} */ seconds) => 10 * seconds,
    boundaryAt: (/** @type {number} */ x) => Math.round(x / 10),
  });
  const at = (/** @type {number} */ x, y = 10) => {
    const edge = lane.edgeAt(timeline, x, y, 5);
    return edge && `${edge.segment.label} ${edge.side}`;
  };
  assert.equal(lane.height, 46);
  assert.deepEqual([at(96), at(99), at(101), at(50)], ["a to", "a to", "b from", null]);
  assert.deepEqual([at(52, 30), at(10, 30), at(300, 30)], ["c from", null, "c to"]);

  const edge = lane.edgeAt(timeline, 98, 10, 5);
  assert.ok(edge);
  lane.grab(edge, 98);
  assert.equal(lane.drag(timeline, 98, false), false);
  assert.equal(lane.drag(timeline, 98, true), false, "a click");
  assert.deepEqual(moves, []);
  lane.grab(edge, 98);
  lane.drag(timeline, 78, false);
  assert.equal(lane.drag(timeline, 68, true), true);
  assert.deepEqual(moves, [["to", 8, false], ["to", 7, true]]);
  lane.grab(edge, 98);
  lane.drag(timeline, 78, false);
  lane.drop();
  lane.drop();
  assert.deepEqual(moves.slice(3), [["to", null, true]], "taken back once");
});
