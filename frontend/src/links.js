// @ts-check
/** Players of one group on one page, in step: they move, play, pause and change speed together. */

/** @import { Clock } from "./clock.js" */
/** @import { Picture } from "./picture.js" */
/** @import { Model } from "./types.js" */
import { clamp } from "./numbers.js";

/** @typedef {{group: string, by: "time" | "frame", offset_seconds: number}} LinkTrait */

/** @typedef {{clock: Clock, offset_seconds: number}} Place */

/**
 * @typedef {object} Linked  what a link needs of a view
 * @property {{driver: any}} session
 * @property {Model} model
 * @property {Picture} picture
 */

/** @typedef {{members: Set<Link>, leader: Link | null, isTelling: boolean}} Group */

/** How often players are brought back in step while they play. */
const CORRECT_EVERY_MS = 100;

/** A larger gap is jumped over; a smaller one is made up by speed. */
const JUMP_SECONDS = 0.4;

/** A gap is made up within this time. */
const MAKE_UP_SECONDS = 0.3;

/** Less is not heard or seen, and each change of speed costs the sound a little. */
const SMALL_SECONDS = 0.008;

/** Of the speed. */
const MOST_CORRECTION = 0.5;

/** Each widget has its own copy of this module, so what they share lies on the page. */
const REGISTRY = Symbol.for("vidlab.links");

/** @returns {Map<string, Group>} */
function registry() {
  const page = /** @type {Record<symbol, any>} */ (/** @type {unknown} */ (globalThis));
  return (page[REGISTRY] ??= new Map());
}

/**
 * The moment of one video that goes with a moment of another, in seconds of each source.
 * @param {Place} from
 * @param {Place} to
 * @param {number} seconds
 * @param {"time" | "frame"} by
 */
export function counterpart(from, to, seconds, by) {
  if (by === "time") return seconds - from.offset_seconds + to.offset_seconds;
  const frame = from.clock.at(seconds);
  if (frame >= to.clock.length) return to.clock.end;
  const start = from.clock.start(frame);
  const part = (seconds - start) / Math.max(from.clock.stop(frame) - start, 1e-6);
  const there = to.clock.start(frame);
  return there + clamp(part, 0, 1) * (to.clock.stop(frame) - there);
}

/**
 * The playback rate that makes up a gap, or null where it is to be jumped over.
 * @param {number} speed
 * @param {number} gap  seconds that the follower is behind
 */
export function correctedRate(speed, gap) {
  if (Math.abs(gap) > JUMP_SECONDS) return null;
  if (Math.abs(gap) < SMALL_SECONDS) return speed;
  const share = gap / MAKE_UP_SECONDS / speed;
  return speed * (1 + clamp(share, -MOST_CORRECTION, MOST_CORRECTION));
}

/** One view's part in its group. It follows the trait `_link`. */
export class Link {
  /** @param {Linked} view */
  constructor(view) {
    this.view = view;
    /** @type {Group | null} */
    this.group = null;
    /** @type {number | null} the frame that the others were last told */
    this.told = null;
    this.timer = 0;
    this.onLink = () => this.join();
    this.onPlaying = () => this.playingChanged();
    this.onSpeed = () => this.tell((other) => other.follow("speed", this.get("speed")));
    this.onMove = (/** @type {number} */ frame) => this.moved(frame);
    const { model, picture } = view;
    model.on("change:_link", this.onLink);
    model.on("change:playing", this.onPlaying);
    model.on("change:speed", this.onSpeed);
    picture.moveListeners.add(this.onMove);
    this.join();
  }

  /** @param {string} name */
  get(name) {
    return this.view.model.get(name);
  }

  /** @returns {LinkTrait | null} */
  get trait() {
    return this.get("_link") ?? null;
  }

  join() {
    this.leave();
    const { trait } = this;
    if (!trait) return;
    const groups = registry();
    const group = groups.get(trait.group) ?? { members: new Set(), leader: null, isTelling: false };
    groups.set(trait.group, group);
    group.members.add(this);
    this.group = group;
    this.timer = Number(setInterval(() => this.keepStep(), CORRECT_EVERY_MS));
  }

  leave() {
    clearInterval(this.timer);
    const { group } = this;
    if (!group) return;
    this.group = null;
    group.members.delete(this);
    if (group.leader === this) group.leader = null;
    this.view.picture.setRate(this.get("speed"));
    if (group.members.size > 0) return;
    for (const [name, each] of registry()) if (each === group) registry().delete(name);
  }

  /** One view of each other widget in the group: the one that drives it. */
  get others() {
    /** @type {Map<object, Link>} */
    const chosen = new Map();
    for (const link of this.group?.members ?? []) {
      const { session } = link.view;
      if (session === this.view.session) continue;
      if (!chosen.has(session) || session.driver === link.view) chosen.set(session, link);
    }
    return [...chosen.values()];
  }

  /** A widget's other views only follow the one that drives it; they have nothing to tell. */
  get isHeard() {
    const { session } = this.view;
    return session.driver === null || session.driver === this.view;
  }

  /**
   * Tell the others something; what they do because of it is not told on.
   * @param {(other: Link) => void} act
   */
  tell(act) {
    const { group } = this;
    if (!group || group.isTelling || !this.isHeard) return;
    group.leader = this;
    group.isTelling = true;
    try {
      for (const other of this.others) act(other);
    } finally {
      group.isTelling = false;
    }
  }

  playingChanged() {
    const playing = this.get("playing");
    if (!playing && this.isOver) {
      // A shorter video ends; the others play on.
      const { group } = this;
      if (group?.leader === this) group.leader = this.others.find((each) => each.get("playing")) ?? null;
      return;
    }
    this.tell((other) => (playing ? other.playWith(this) : other.follow("playing", false)));
  }

  /** Whether this video is at its end while others of the group still play. */
  get isOver() {
    return this.view.picture.video.ended && this.others.some((other) => other.get("playing"));
  }

  /**
   * Take a value over.
   * @param {"playing" | "speed"} name
   * @param {any} value
   */
  follow(name, value) {
    const { model, session, picture } = this.view;
    session.driver ??= this.view;
    if (model.get(name) !== value) {
      model.set(name, value);
      model.save_changes();
    }
    picture.setRate(model.get("speed"));
  }

  /** Play if the leader is where this video has something to show. @param {Link} leader */
  playWith(leader) {
    const { picture } = this.view;
    const wanted = this.now(leader);
    if (wanted === null || !picture.clock || !this.isInside(wanted)) return;
    const frame = picture.clock.at(wanted);
    if (Math.abs(frame - picture.current) > 1) picture.show(frame);
    this.follow("playing", true);
  }

  /** @param {number} seconds  of this source */
  isInside(seconds) {
    const { clock } = this.view.picture;
    return clock !== null && seconds >= clock.start(0) && seconds < clock.start(clock.length - 1);
  }

  /** This player is sent to a frame: so are the others. @param {number} frame */
  moved(frame) {
    const { group } = this;
    const { picture } = this.view;
    if (!group || group.isTelling || this.isOver) return;
    if (picture.shown === null) {
      // It has only just been opened: it goes where the others are, not they to it.
      this.catchUp();
      return;
    }
    this.told = frame;
    this.tell((other) => other.goTo(this, frame));
  }

  catchUp() {
    const { group } = this;
    const leader = group?.leader;
    if (!group || !leader || leader === this) return;
    group.isTelling = true;
    try {
      this.goTo(leader, leader.view.picture.current);
    } finally {
      group.isTelling = false;
    }
  }

  /**
   * Show what goes with a frame of the leader.
   * @param {Link} leader
   * @param {number} frame
   */
  goTo(leader, frame) {
    const { picture, session } = this.view;
    const from = leader.view.picture.clock;
    if (!from || !picture.clock) return;
    const wanted = this.counterpart(leader, (from.start(frame) + from.stop(frame)) / 2);
    if (wanted === null) return;
    session.driver ??= this.view;
    picture.show(picture.clock.at(wanted));
  }

  /**
   * @param {Link} leader
   * @param {number} seconds  of the leader's source
   * @returns {number | null} seconds of this one's source
   */
  counterpart(leader, seconds) {
    const [mine, theirs] = [this.trait, leader.trait];
    const [to, from] = [this.view.picture.clock, leader.view.picture.clock];
    if (!mine || !theirs || !to || !from) return null;
    return counterpart(
      { clock: from, offset_seconds: theirs.offset_seconds },
      { clock: to, offset_seconds: mine.offset_seconds },
      seconds,
      mine.by,
    );
  }

  /** Where this video should be at this moment. @param {Link} leader @param {number} [later] seconds */
  now(leader, later = 0) {
    const { video, clock } = leader.view.picture;
    return clock && this.counterpart(leader, video.currentTime + later + clock.offset);
  }

  /** Every now and then: the leader says where it came to rest, the others see that they are near. */
  keepStep() {
    const leader = this.group?.leader;
    if (!leader || !this.isHeard) return;
    const { picture } = this.view;
    if (leader !== this) this.correct(leader);
    else if (!this.get("playing") && picture.shown !== null && picture.current !== this.told)
      this.moved(picture.current);
  }

  /** Bring this player back in step with the leader while that plays. @param {Link} leader */
  correct(leader) {
    const { picture, model, session } = this.view;
    const { video, clock } = picture;
    const wanted = this.now(leader);
    if (wanted === null || !clock || session === leader.view.session || !leader.get("playing")) return;
    if (!model.get("playing")) {
      // Its part begins now, or it ended and the leader has gone back.
      if (this.group) this.group.isTelling = true;
      this.playWith(leader);
      if (this.group) this.group.isTelling = false;
      return;
    }
    if (video.paused || video.seeking || !this.isInside(wanted)) return;
    const ahead = leader.view.picture.video;
    const gap = wanted - (video.currentTime + clock.offset);
    const stands = ahead.seeking || ahead.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
    // By frames, two videos go at different speeds.
    const step = 0.25;
    const slope = clamp(((this.now(leader, step) ?? wanted) - wanted) / step, 0.1, 10);
    const rate = stands && gap <= 0 ? 0 : correctedRate(model.get("speed") * slope, gap);
    if (rate === null) picture.jump(wanted - clock.offset);
    else picture.setRate(rate);
  }

  close() {
    this.leave();
    const { model, picture } = this.view;
    model.off("change:_link", this.onLink);
    model.off("change:playing", this.onPlaying);
    model.off("change:speed", this.onSpeed);
    picture.moveListeners.delete(this.onMove);
  }
}
