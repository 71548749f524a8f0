// @ts-check
/** Lists of segments, and what is done to them. No list is changed: each change gives another. */

/** @import { Segment } from "./types.js" */

/** Times this near are the same: the kernel rounds to microseconds. */
const SLACK_SECONDS = 2e-6;

/** @typedef {"from" | "to"} Side */

/** @param {Segment[]} list @returns {Segment[]} by time, as the kernel sorts them */
const inOrder = (list) =>
  list.sort((a, b) => a.from - b.from || a.to - b.to || (a.label < b.label ? -1 : 1));

/**
 * With one more; those of its label that it overlaps become one with it.
 * @param {Segment[]} list
 * @param {Segment} segment
 */
export function including(list, segment) {
  let { from, to } = segment;
  const overlaps = (/** @type {Segment} */ other) =>
    other.label === segment.label &&
    other.from < segment.to - SLACK_SECONDS &&
    segment.from < other.to - SLACK_SECONDS;
  for (const other of list.filter(overlaps)) {
    from = Math.min(from, other.from);
    to = Math.max(to, other.to);
  }
  return inOrder([...list.filter((other) => !overlaps(other)), { ...segment, from, to }]);
}

/** @param {Segment[]} list @param {Segment} segment */
export const excluding = (list, segment) => list.filter((each) => each !== segment);

/**
 * With an edge elsewhere: it stops at the next segment of its label, and before the other edge.
 * @param {Segment[]} list
 * @param {Segment} segment
 * @param {Side} side
 * @param {number} seconds
 * @returns {{list: Segment[], moved: Segment} | null}  null where it would be empty
 */
export function withEdge(list, segment, side, seconds) {
  const same = list.filter((each) => each !== segment && each.label === segment.label);
  const moved = { ...segment };
  if (side === "from") {
    const ends = same.map(({ to }) => to).filter((to) => to <= segment.from + SLACK_SECONDS);
    moved.from = Math.max(seconds, ...ends);
  } else {
    const starts = same.map(({ from }) => from).filter((from) => from >= segment.to - SLACK_SECONDS);
    moved.to = Math.min(seconds, ...starts);
  }
  if (moved.to - moved.from <= SLACK_SECONDS) return null;
  return { list: inOrder([...excluding(list, segment), moved]), moved };
}

/**
 * The segment at a moment; of several, the one that started last.
 * @param {Segment[]} list
 * @param {number} seconds
 */
export const segmentAt = (list, seconds) =>
  list.findLast(
    ({ from, to }) => from <= seconds + SLACK_SECONDS && seconds < to - SLACK_SECONDS,
  ) ?? null;

/**
 * The edge that is nearest to a frame: starts to where the frame starts, ends to where it ends.
 * @param {Segment[]} list
 * @param {number} start
 * @param {number} stop
 */
export function nearestEdge(list, start, stop) {
  const edges = list.flatMap((segment) => [
    { segment, side: /** @type {Side} */ ("from"), gap: Math.abs(segment.from - start) },
    { segment, side: /** @type {Side} */ ("to"), gap: Math.abs(segment.to - stop) },
  ]);
  const least = Math.min(...edges.map(({ gap }) => gap));
  return edges.find(({ gap }) => gap === least) ?? null;
}

/**
 * In which row each is drawn, so that none covers another.
 * @param {Segment[]} list  by time
 */
export function rowsOf(list) {
  /** @type {number[]} where each row's last segment ends */
  const ends = [];
  return list.map(({ from, to }) => {
    const free = ends.findIndex((end) => end <= from + SLACK_SECONDS);
    const row = free < 0 ? ends.length : free;
    ends[row] = to;
    return row;
  });
}

/** @param {Segment[]} list @param {Segment[]} other */
export const areSame = (list, other) =>
  list.length === other.length &&
  list.every((each, at) => {
    const its = other[at];
    return (
      its !== undefined &&
      each.label === its.label &&
      Math.abs(each.from - its.from) < SLACK_SECONDS &&
      Math.abs(each.to - its.to) < SLACK_SECONDS
    );
  });

/** What was before, and what was taken back. */
export class History {
  constructor() {
    /** @type {Segment[][]} */
    this.past = [];
    /** @type {Segment[][]} */
    this.future = [];
  }

  /** A change is made. @param {Segment[]} before */
  note(before) {
    this.past.push(before);
    this.future = [];
  }

  /** @param {Segment[]} now @returns {Segment[] | undefined} what it was before */
  undo(now) {
    const before = this.past.pop();
    if (before) this.future.push(now);
    return before;
  }

  /** @param {Segment[]} now @returns {Segment[] | undefined} what was taken back */
  redo(now) {
    const after = this.future.pop();
    if (after) this.past.push(now);
    return after;
  }
}
