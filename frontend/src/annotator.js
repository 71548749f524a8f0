// @ts-check
/** Marks segments: keys, buttons, the list of what is marked, and whether it is saved. */

/** @import { Annotation, GivenLabel, Segment } from "./types.js" */
/** @import { Edge } from "./segment_lane.js" */
/** @import { View } from "./view.js" */
import { button, h } from "./dom.js";
import { isControlsOwn } from "./keys.js";
import { chip } from "./marks.js";
import { clamp, clockText, sentence } from "./numbers.js";
import { SegmentLane } from "./segment_lane.js";
import {
  History,
  areSame,
  excluding,
  including,
  nearestEdge,
  segmentAt,
  withEdge,
} from "./segments.js";
import { waitText } from "./texts.js";

const NUM_KEYS = 10;

// Before a segment's end its last frame is on screen.
const BEFORE_SECONDS = 3e-6;

/** @type {Annotation} */
const NOTHING = { revision: -1, segments: [], labels: [], added: [], file: "", path: "", error: "" };

export class Annotator {
  /** @param {View} view */
  constructor(view) {
    this.view = view;
    const { texts } = view;
    this.history = new History();
    /** @type {Segment[]} by time */
    this.segments = [];
    /** @type {GivenLabel[]} */
    this.labels = [];
    /** @type {Segment | null} the one chosen in the list, which counts where several are */
    this.chosen = null;
    /** The latest that is known of what the kernel keeps. */
    this.kept = NOTHING;
    /** Changes that the kernel has not answered yet. */
    this.num_unsaved = 0;
    /** Why the last change was not taken over. */
    this.refused = "";
    this.lane = new SegmentLane({
      onMove: (edge, boundary, final) => this.moveEdge(edge, boundary, final),
    });

    this.buttons = h("div", { class: "vl-labels", role: "group", "aria-label": texts.labels });
    this.search = h("input", {
      class: "vl-find",
      type: "text",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: texts.findLabel,
      "aria-label": texts.findLabel,
      title: texts.findLabelHint,
      hidden: true,
    });
    this.search.addEventListener("input", () => this.filter());
    this.search.addEventListener("keydown", (event) => this.onSearchKey(event));
    this.hint = h("p", { class: "vl-mark-hint vl-muted" });
    this.saved = h("span", { class: "vl-saved vl-muted vl-ellipsis" });
    this.error = h("p", { class: "vl-error", role: "alert", hidden: true });
    this.again = h("button", { type: "button", class: "vl-link", text: texts.tryAgain, hidden: true });
    this.again.addEventListener("click", () => {
      // It goes away, and would take the focus with it.
      view.timeline.element.focus({ preventScroll: true });
      void this.send();
    });
    this.added = h("p", { class: "vl-muted vl-added", hidden: true });
    this.undoButton = button("undo", texts.undo, () => this.step("undo"));
    this.redoButton = button("redo", texts.redo, () => this.step("redo"));
    this.body = h("tbody");
    this.table = h("table", { class: "vl-segments", "aria-label": texts.segments }, [
      h("thead", {}, [
        h("tr", {}, [
          ...[texts.label, texts.start, texts.end].map((text) => h("th", { scope: "col", text })),
          h("td"),
        ]),
      ]),
      this.body,
    ]);
    this.scroller = h("div", { class: "vl-segments-room" }, [this.table]);
    this.element = h("section", { class: "vl-annotator", "aria-label": texts.annotator }, [
      this.search,
      this.buttons,
      this.added,
      this.hint,
      h("div", { class: "vl-saved-row" }, [this.saved, this.undoButton, this.redoButton]),
      this.error,
      this.again,
      this.scroller,
    ]);
    view.follow("_annotation", () => this.hear());
    view.follow("_begun", () => this.showBegun());
    view.undo.push(view.session.channel.onEnd(() => this.showSaved()));
    this.hear();
  }

  get texts() {
    return this.view.texts;
  }

  /** What is begun and not ended: a label, and its first frame. @returns {[string, number] | null} */
  get begun() {
    return this.view.model.get("_begun") ?? null;
  }

  /** Whether every number is a label's. */
  get hasAllKeys() {
    return this.labels.length >= NUM_KEYS;
  }

  /** The segment that keys are about: at the frame on screen. */
  get current() {
    const { chosen, segments, view } = this;
    const now = view.clock?.start(view.picture.current) ?? NaN;
    return (chosen && segmentAt([chosen], now)) || segmentAt(segments, now);
  }

  /** How a label is shown. @param {string} value  the kernel's word for it */
  nameOf(value) {
    return this.lane.labels.get(value)?.name ?? value;
  }

  // ------------------------------------------------------------ keys

  /**
   * What a key does here, before it means anything to the player.
   * @param {KeyboardEvent} event
   * @param {Node} target
   * @returns {(() => void) | undefined}
   */
  actionOf(event, target) {
    const isField = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    if (event.isComposing || event.altKey || isField) return undefined;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey) {
      if (key === "z") return () => this.step(event.shiftKey ? "redo" : "undo");
      return key === "y" ? () => this.step("redo") : undefined;
    }
    const label = /^\d$/.test(key) ? this.labels[(Number(key) + NUM_KEYS - 1) % NUM_KEYS] : undefined;
    if (label) return event.repeat ? () => {} : () => this.press(label.value);
    if (key === "Escape" && this.begun && !this.view.isOpen) return () => this.begin(null);
    if (key === "Enter" && this.begun && !isControlsOwn(event, target)) return () => this.finish();
    if (key === "Delete" || key === "Backspace") return () => this.removeCurrent();
    return key === "e" ? () => this.moveNearest() : undefined;
  }

  // ------------------------------------------------------------ marking

  /** A label's key or button. @param {string} value */
  press(value) {
    const { view, begun } = this;
    if (!view.clock) return;
    const [label, first] = begun ?? [null, 0];
    const now = view.picture.current;
    if (label === value) this.finish();
    else if (label !== null) {
      // It ends where the next one begins; pressed at the same frame, another label was meant.
      if (now > first) this.mark(label, first, now);
      if (now < first) this.mark(label, now, first + 1);
      this.begin(value);
    } else if (view.selection) {
      this.mark(value, ...view.selection);
      view.clearSelection();
    } else this.begin(value);
  }

  /** @param {string | null} label  null gives up the one begun */
  begin(label) {
    const { view } = this;
    view.takeOver();
    view.set("_begun", label === null ? null : [label, view.picture.current]);
    const { givenUp, begunSpoken } = this.texts;
    view.announce(label === null ? givenUp : begunSpoken(this.nameOf(label)));
  }

  /** End what is begun with the frame on screen; walked back, it is the other way round. */
  finish() {
    if (!this.begun) return;
    const [label, first] = this.begun;
    const now = this.view.picture.current;
    this.view.set("_begun", null);
    this.mark(label, Math.min(first, now), Math.max(first, now) + 1);
  }

  /** @param {string} label @param {number} start @param {number} stop  frames, half-open */
  mark(label, start, stop) {
    const { clock, timeline } = this.view;
    if (!clock) return;
    const segment = { label, from: timeline.edge(start), to: timeline.edge(stop) };
    this.change(including(this.segments, segment), this.texts.marked(this.nameOf(label)));
  }

  removeCurrent() {
    const { current } = this;
    if (current) this.remove(current);
    else this.view.announce(this.texts.noneHere, true);
  }

  /** @param {Segment} segment */
  remove(segment) {
    this.change(excluding(this.segments, segment), this.texts.removed(this.nameOf(segment.label)));
  }

  /** @param {Segment} segment @param {string} label */
  relabel(segment, label) {
    const next = including(excluding(this.segments, segment), { ...segment, label });
    this.change(next, this.texts.marked(this.nameOf(label)));
  }

  /** The nearest edge goes to the frame on screen. */
  moveNearest() {
    const { clock, picture } = this.view;
    if (!clock) return;
    const [start, stop] = [clock.start(picture.current), clock.stop(picture.current)];
    const { current } = this;
    const edge = nearestEdge(current ? [current] : this.segments, start, stop);
    if (!edge) {
      this.view.announce(this.texts.noneHere, true);
      return;
    }
    const { segment, side } = edge;
    const moved = withEdge(this.segments, segment, side, side === "from" ? start : stop);
    if (!moved) return;
    this.chosen = moved.moved;
    this.change(moved.list, this.texts.marked(this.nameOf(segment.label)));
  }

  /**
   * An edge is dragged: the picture shows the frame at it.
   * @param {Edge} edge
   * @param {number | null} boundary
   * @param {boolean} final
   */
  moveEdge({ segment, side }, boundary, final) {
    const { view, lane } = this;
    const { clock, timeline } = view;
    if (!clock) return;
    let moved = null;
    if (boundary !== null) {
      // One frame is left at least, and it is the one that is shown.
      const frame =
        side === "from"
          ? Math.min(boundary, clock.at(segment.to - BEFORE_SECONDS))
          : Math.max(boundary - 1, clock.at(segment.from));
      const seconds = timeline.edge(side === "from" ? frame : frame + 1);
      moved = withEdge(this.segments, segment, side, seconds);
      view.goTo(frame);
    }
    if (moved && final) {
      this.chosen = moved.moved;
      this.change(moved.list, this.texts.marked(this.nameOf(segment.label)));
    } else {
      lane.use(moved?.list ?? this.segments, lane.labels);
      lane.current = moved?.moved ?? null;
      timeline.draw();
    }
  }

  // ------------------------------------------------------------ changes

  /** @param {Segment[]} segments @param {string} said */
  change(segments, said) {
    if (areSame(segments, this.segments)) {
      this.show();
      return;
    }
    this.history.note(this.segments);
    this.use(segments);
    this.view.announce(said);
    void this.send();
  }

  /** @param {"undo" | "redo"} way */
  step(way) {
    const list = this.history[way](this.segments);
    if (!list) return;
    this.use(list);
    this.view.announce(way === "undo" ? this.texts.undone : this.texts.redone);
    void this.send();
  }

  /** Tell the kernel, which saves it, and says what it keeps now. */
  async send() {
    const { channel } = this.view.session;
    this.num_unsaved++;
    this.showSaved();
    /** @type {Annotation | null} */
    let kept = null;
    try {
      const segments = this.segments.map(({ from, to, label }) => [from, to, label]);
      const { content } = await channel.request(
        "annotate",
        { segments },
        { onProgress: (progress) => this.saySaved(waitText(this.texts, progress)[0]) },
      );
      kept = content.kept;
      this.refused = content.refused;
    } catch (error) {
      this.refused = sentence(error);
    }
    this.num_unsaved--;
    if (this.view.closed) return;
    if (kept) this.adopt(kept);
    this.showSaved();
  }

  /** The kernel keeps something else, perhaps because of another page, or of Python. */
  hear() {
    /** @type {Annotation} */
    const kept = this.view.model.get("_annotation");
    // It may come after the answer that said the same.
    if (this.num_unsaved || kept.revision <= this.kept.revision) return;
    const before = this.segments;
    const isFirst = this.kept === NOTHING;
    this.refused = kept.error;
    this.adopt(kept);
    if (!isFirst && this.segments !== before) this.history.note(before);
    this.showSaved();
  }

  /** Show what the kernel keeps, unless it does not know the latest yet. @param {Annotation} kept */
  adopt(kept) {
    if (this.num_unsaved) return;
    const hasNewLabels = kept.labels.length !== this.labels.length;
    this.kept = kept;
    this.labels = kept.labels;
    this.added.hidden = kept.added.length === 0;
    this.added.textContent = this.texts.addedLabels(kept.added.join(", "), kept.file);
    if (hasNewLabels) this.showButtons();
    const list = kept.segments.map(([from, to, label]) => ({ from, to, label }));
    // The same but for rounding: what is chosen stays so.
    if (hasNewLabels || !areSame(list, this.segments)) this.use(list);
  }

  /** @param {Segment[]} segments */
  use(segments) {
    this.segments = segments;
    if (this.chosen && !segments.includes(this.chosen)) this.chosen = null;
    this.lane.use(segments, new Map(this.labels.map((label) => [label.value, label])));
    this.view.timeline.draw();
    this.view.tellPlace(this.view.picture.current);
    this.showTable();
    this.showSaved();
    this.showBegun();
  }

  // ------------------------------------------------------------ showing

  /** The frame on screen is another one. */
  show() {
    const { lane, view, current } = this;
    lane.current = current;
    lane.begun = null;
    if (this.begun && view.clock) {
      const [label, first] = this.begun;
      const now = view.picture.current;
      lane.begun = {
        label,
        from: view.timeline.edge(Math.min(first, now)),
        to: view.timeline.edge(Math.max(first, now) + 1),
      };
    }
    view.timeline.drawTop();
    const row = current ? this.body.rows[this.segments.indexOf(current)] : undefined;
    const shown = this.body.querySelector(".vl-current");
    if (row === (shown ?? undefined)) return;
    shown?.classList.remove("vl-current");
    shown?.removeAttribute("aria-current");
    if (!row) return;
    row.classList.add("vl-current");
    row.setAttribute("aria-current", "true");
    this.reveal(row);
  }

  /** Scroll the list, and nothing else, until a row is seen. @param {HTMLTableRowElement} row */
  reveal({ offsetTop: top, offsetHeight: height }) {
    const { scroller, table } = this;
    const head = table.tHead?.offsetHeight ?? 0;
    const least = top + height - scroller.clientHeight;
    scroller.scrollTop = clamp(scroller.scrollTop, least, top - head);
  }

  showButtons() {
    this.buttons.replaceChildren(
      ...this.labels.map((label, index) => {
        const key = index < NUM_KEYS ? ` (${label.letter})` : "";
        const own = label.name === label.value ? "" : ` · ${label.value}`;
        const title = label.name + own + key;
        const element = h("button", { type: "button", class: "vl-link vl-label", title }, [
          chip(label),
          h("span", { class: "vl-ellipsis", text: label.name }),
        ]);
        element.addEventListener("click", () => this.press(label.value));
        return element;
      }),
    );
    // A few are seen at a glance.
    this.search.hidden = this.labels.length <= NUM_KEYS;
    this.filter();
  }

  /** Leave the labels that have the words of the field, as shown or as the kernel calls them. */
  filter() {
    const wanted = this.search.value.trim().toLowerCase();
    [...this.buttons.children].forEach((element, index) => {
      const label = this.labels[index];
      const isFound = [label?.name, label?.value].some((text) =>
        text?.toLowerCase().includes(wanted),
      );
      /** @type {HTMLElement} */ (element).hidden = !isFound;
    });
  }

  /** Enter takes the first label that is found, Escape gives up. @param {KeyboardEvent} event */
  onSearchKey(event) {
    // While a syllable is composed, the keys are the keyboard's.
    if (event.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    const first = [...this.buttons.children].findIndex((element) => !element.matches("[hidden]"));
    const label = event.key === "Enter" && this.search.value.trim() ? this.labels[first] : undefined;
    this.search.value = "";
    this.filter();
    this.view.timeline.element.focus({ preventScroll: true });
    if (label) this.press(label.value);
  }

  showBegun() {
    const { begun, texts, view } = this;
    [...this.buttons.children].forEach((element, index) =>
      element.setAttribute("aria-pressed", String(this.labels[index]?.value === begun?.[0])),
    );
    this.hint.textContent = begun
      ? texts.begun(this.nameOf(begun[0]), clockText(view.clock?.start(begun[1]) ?? 0))
      : texts.markHint;
    this.show();
  }

  showSaved() {
    const { texts, kept, refused } = this;
    const { hasEnded } = this.view.session.channel;
    const isWaiting = this.num_unsaved > 0;
    this.element.dataset["saved"] = isWaiting ? "waiting" : refused ? "failed" : "saved";
    const isEmpty = this.segments.length === 0;
    if (isWaiting) this.saySaved(texts.saving);
    else if (refused) this.saySaved(texts.notSaved);
    else this.saySaved(isEmpty ? texts.savedTo(kept.file) : texts.savedIn(kept.file), kept.path);
    this.error.hidden = isWaiting || !refused;
    this.again.hidden = this.error.hidden || hasEnded;
    const problem = refused && hasEnded ? texts.kernelEnded.unsaved : refused;
    if (!isWaiting && this.error.textContent !== problem) this.error.textContent = problem;
    this.undoButton.setAttribute("aria-disabled", String(!this.history.past.length));
    this.redoButton.setAttribute("aria-disabled", String(!this.history.future.length));
  }

  /** @param {string} text @param {string} [title] */
  saySaved(text, title = text) {
    this.saved.textContent = `${this.texts.numSegments(this.segments.length)} · ${text}`;
    this.saved.title = title;
  }

  showTable() {
    const { body, scroller } = this;
    // Made anew, so the focus is put back: at the same place of the list.
    const focused = document.activeElement;
    const row = focused?.closest("tr");
    const at = row && body.contains(row) ? [...body.rows].indexOf(row) : -1;
    const part = at >= 0 ? focused?.getAttribute("data-part") : null;
    body.replaceChildren(...this.segments.map((segment) => this.makeRow(segment)));
    scroller.hidden = this.segments.length === 0;
    if (at < 0) return;
    const next = body.rows[Math.min(at, body.rows.length - 1)];
    const again = next?.querySelector(`[data-part="${part}"]`) ?? this.view.timeline.element;
    /** @type {HTMLElement} */ (again).focus({ preventScroll: true });
  }

  /** @param {Segment} segment */
  makeRow(segment) {
    const { texts } = this;
    const said = `${this.nameOf(segment.label)}, ${clockText(segment.from)}`;
    const select = h("select", {
      class: "vl-speed vl-relabel",
      "aria-label": texts.relabel(said),
      "data-part": "label",
    });
    for (const { name, value } of this.labels) select.append(h("option", { value, text: name }));
    select.value = segment.label;
    select.addEventListener("change", () => this.relabel(segment, select.value));
    const place = (/** @type {"from" | "to"} */ side, /** @type {string} */ name) => {
      const time = h("button", {
        type: "button",
        class: "vl-time-link",
        text: clockText(segment[side]),
        title: name,
        "aria-label": `${name}: ${clockText(segment[side])}`,
        "data-part": side,
      });
      time.addEventListener("click", () => this.goTo(segment, side));
      return h("td", { class: "vl-number" }, [time]);
    };
    const remove = button("close", texts.remove(said), () => this.remove(segment));
    remove.dataset["part"] = "remove";
    const shown = this.lane.labels.get(segment.label);
    const row = h("tr", {}, [
      h("td", {}, [h("span", { class: "vl-segment-label" }, [chip(shown), select])]),
      place("from", texts.goToStart),
      place("to", texts.goToEnd),
      h("td", {}, [remove]),
    ]);
    // A click beside the controls goes there too.
    row.addEventListener("click", (event) => {
      const isControl = event.target instanceof Element && event.target.closest("button, select");
      if (!isControl) this.goTo(segment, "from");
    });
    return row;
  }

  /** Show its first, or its last frame. @param {Segment} segment @param {"from" | "to"} side */
  goTo(segment, side) {
    const { view } = this;
    const { clock } = view;
    if (!clock) return;
    this.chosen = segment;
    const first = clock.at(segment.from);
    view.goTo(side === "from" ? first : Math.max(first, clock.at(segment.to - BEFORE_SECONDS)));
    this.show();
  }
}
