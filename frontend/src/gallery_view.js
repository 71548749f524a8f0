// @ts-check
/**
 * One view of `Gallery`: filters, and a grid of cards of which only those in sight exist.
 *
 * What a person selects, and what the filters leave, the kernel is told as numbers of rows, in the
 * traits `_selected` and `_shown`. All views of one gallery have the same `_query` and selection.
 */

/** @import { Model } from "./types.js" */
/** @import { GalleryInfo, Query } from "./gallery_rows.js" */
import { CancelledError, Channel } from "./channel.js";
import { h } from "./dom.js";
import { Card, wordsHeight } from "./gallery_card.js";
import { ConfusionPanel } from "./gallery_confusion.js";
import { Filters } from "./gallery_filters.js";
import { Layout } from "./gallery_layout.js";
import { Pictures } from "./gallery_pictures.js";
import { ALL, Rows, between, isFiltering } from "./gallery_rows.js";
import { hideKept } from "./kept.js";
import { sayKernelEnded } from "./kernel.js";
import { isControlsOwn } from "./keys.js";
import { sentence } from "./numbers.js";
import { textsOf } from "./texts.js";

/** Cards that are scrolled past sooner are not asked for. */
const SETTLE_MS = 120;
const HOVER_MS = 200;
/** What takes longer to open says so. */
const OPENING_MS = 400;
const PREVIEW_EVERY_MS = 250;

const EXAMPLE = 'vl.Gallery(pandas.DataFrame({"video": ["one.mp4", "two.mp4"]}))';

export class GalleryView {
  /**
   * @param {Model} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.model = model;
    this.texts = textsOf(model.get("locale"));
    this.rows = new Rows(/** @type {GalleryInfo} */ (model.get("_info")));
    this.labels = new Map(this.rows.info.labels.map((label) => [label.name, label]));
    this.id = Math.random().toString(36).slice(2);
    this.channel = new Channel(model);
    /** Why a row could not be opened, and that no pictures come. */
    this.problems = { opening: "", silence: "" };
    this.pictures = new Pictures(this.channel, (seconds) =>
      this.say({ silence: seconds ? this.texts.gallery.silent(seconds) : "" }),
    );
    /** @type {Query} */
    this.query = ALL;
    /** @type {number[]} rows that fit, in order */
    this.shown = [];
    /** @type {Set<number>} */
    this.selected = new Set(model.get("_selected"));
    /** @type {Map<number, Card>} by row: those that exist */
    this.cards = new Map();
    /** @type {number | null} the row that keys are about */
    this.active = null;
    /** @type {number | null} the row from which Shift selects */
    this.anchor = null;
    this.layout = new Layout(0, 0, wordsHeight(this.rows));
    this.isInSight = false;
    this.settling = 0;
    this.drawing = 0;
    /** @type {(() => void) | null} */
    this.stopPreview = null;
    /** @type {number | null} the row of which it is */
    this.previewed = null;
    /** @type {Map<number, number>} where among those shown each row is */
    this.places = new Map();
    this.format = new Intl.NumberFormat(this.texts.language);
    this.filters = new Filters(this.texts, this.rows, (query) => this.change(query));
    this.confusion = ConfusionPanel.isFor(this.rows)
      ? new ConfusionPanel(
          this.texts,
          this.rows,
          this.labels,
          (query) => this.change(query),
          () => this.query,
        )
      : null;
    this.plane = h("div", { class: "vl-gallery-plane", role: "none" });
    this.scroller = this.makeScroller();
    this.none = this.makeNone();
    this.notice = h("p", { class: "vl-error vl-notice", role: "status", hidden: true });
    this.root = this.assemble();
    el.append(this.root);
    this.sizes = new ResizeObserver(() => this.lay());
    // A gallery further down the notebook asks for no pictures yet.
    this.sights = new IntersectionObserver(([entry]) => {
      this.isInSight = entry?.isIntersecting ?? false;
      this.askSoon();
    });
    this.onKey = this.onKey.bind(this);
    this.obeyQuery = this.obeyQuery.bind(this);
    this.obeySelected = this.obeySelected.bind(this);
    this.listen();
    this.obeyQuery();
    this.showKept = hideKept(this.rows.info.model_id);
    this.channel.onEnd(() => sayKernelEnded(this.root, this.texts.kernelEnded.gallery));
  }

  // ------------------------------------------------------------ parts

  makeScroller() {
    return h(
      "div",
      {
        class: "vl-gallery-cards",
        role: "listbox",
        tabindex: 0,
        "aria-multiselectable": "true",
        "aria-label": this.texts.gallery.cards,
        "aria-describedby": `${this.id}-hint`,
      },
      [this.plane],
    );
  }

  /** What stands there where no card does. */
  makeNone() {
    const { gallery } = this.texts;
    const isEmpty = this.rows.length === 0;
    return h("div", { class: "vl-gallery-none vl-muted" }, [
      h("p", { text: isEmpty ? gallery.noRows : gallery.noneFits }),
      isEmpty ? h("code", { text: EXAMPLE }) : null,
    ]);
  }

  assemble() {
    const { gallery, language } = this.texts;
    const name = gallery.name(this.format.format(this.rows.length));
    return h(
      "div",
      {
        class: "vidlab-player vidlab-gallery",
        role: "group",
        lang: language,
        "aria-label": name,
      },
      [
        this.filters.element,
        this.confusion?.element ?? null,
        h("div", { class: "vl-gallery-frame" }, [this.scroller, this.none]),
        this.notice,
        h("p", { class: "vl-gallery-hint vl-muted", id: `${this.id}-hint`, text: gallery.hint }),
      ],
    );
  }

  listen() {
    const { scroller, model } = this;
    // JupyterLab hears keys on the document before they reach the page's elements. While the
    // focus is in here, our keys (and only ours) are taken one step earlier, on the window.
    window.addEventListener("keydown", this.onKey, true);
    model.on("change:_query", this.obeyQuery);
    model.on("change:_selected", this.obeySelected);
    scroller.addEventListener("scroll", () => this.drawSoon(), { passive: true });
    scroller.addEventListener("click", (event) => this.onClick(event));
    scroller.addEventListener("dblclick", (event) => void this.open(rowOf(event)));
    scroller.addEventListener("pointerover", (event) => {
      if (event.pointerType === "mouse") this.preview(rowOf(event), HOVER_MS);
    });
    scroller.addEventListener("pointerleave", () => this.preview(null));
    scroller.addEventListener("blur", () => this.preview(null));
    this.sizes.observe(scroller);
    this.sights.observe(scroller);
  }

  /** Tell what is wrong, or that it is no more. @param {Partial<GalleryView["problems"]>} problem */
  say(problem) {
    Object.assign(this.problems, problem);
    const text = Object.values(this.problems).filter(Boolean).join(" ");
    if (this.notice.textContent !== text) this.notice.textContent = text;
    this.notice.hidden = !text;
  }

  // ------------------------------------------------------------ which cards there are

  /** Another view, or this one before it was made again, has chosen these. */
  obeyQuery() {
    /** @type {Query} */
    const query = { ...ALL, ...this.model.get("_query") };
    if (this.shown.length && JSON.stringify(query) === JSON.stringify(this.query)) return;
    this.apply(query);
  }

  /** @param {Query} query */
  change(query) {
    this.apply(query);
    const isAll = query.sort === null && !isFiltering(query);
    this.model.set("_query", query);
    this.model.set("_shown", isAll ? null : this.shown);
    this.model.save_changes();
  }

  /** @param {Query} query */
  apply(query) {
    this.query = query;
    this.shown = this.rows.find(query);
    this.places = new Map(this.shown.map((row, place) => [row, place]));
    this.none.hidden = this.shown.length > 0;
    this.scroller.hidden = !this.none.hidden;
    this.scroller.scrollTop = 0;
    this.confusion?.show();
    this.lay();
    this.tell();
  }

  /** Say how many there are. */
  tell() {
    const { gallery } = this.texts;
    const [shown, all, selected] = [this.shown.length, this.rows.length, this.selected.size].map(
      (each) => this.format.format(each),
    );
    const parts = [gallery.count(shown ?? "", all ?? "")];
    if (this.selected.size) parts.push(gallery.selected(selected ?? ""));
    this.filters.show(this.query, parts.join(" · "));
  }

  /** Place the cards anew; the one at the top stays there. */
  lay() {
    const { scroller, layout } = this;
    const top = Math.floor(scroller.scrollTop / layout.rowHeight) * layout.columns;
    const [width, words] = [this.plane.clientWidth, wordsHeight(this.rows)];
    this.layout = new Layout(width, this.shown.length, words);
    // Few cards need less height; how many the filters leave moves nothing.
    const whole = new Layout(width, this.rows.length, words).height;
    this.root.style.setProperty("--vl-gallery-whole", `${whole}px`);
    this.root.style.setProperty("--vl-card-width", `${this.layout.cardWidth}px`);
    this.root.style.setProperty("--vl-card-picture", `${this.layout.pictureHeight}px`);
    this.root.style.setProperty("--vl-card-height", `${this.layout.cardHeight}px`);
    this.plane.style.height = `${this.layout.height}px`;
    if (this.layout.columns !== layout.columns) scroller.scrollTop = this.layout.position(top).top;
    this.draw();
  }

  drawSoon() {
    this.drawing ||= requestAnimationFrame(() => {
      this.drawing = 0;
      this.draw();
    });
  }

  /** Make the cards that are in sight, and take the others away. */
  draw() {
    const { layout, scroller } = this;
    // Where it is not laid out, nothing is in sight.
    const [first, last] = layout.cardWidth
      ? layout.range(scroller.scrollTop, scroller.clientHeight)
      : [0, 0];
    const wanted = new Set(this.shown.slice(first, last));
    for (const [row, card] of this.cards) {
      if (wanted.has(row)) continue;
      if (row === this.previewed) this.preview(null);
      card.remove();
      this.cards.delete(row);
    }
    // In the order shown, for those who hear them read; none is moved needlessly.
    let next = this.plane.firstElementChild;
    let place = first;
    for (const row of wanted) {
      const { element } = this.cardOf(row);
      const { left, top } = layout.position(place++);
      element.style.translate = `${left}px ${top}px`;
      element.setAttribute("aria-posinset", String(place));
      element.setAttribute("aria-setsize", String(this.shown.length));
      if (element === next) next = element.nextElementSibling;
      else this.plane.insertBefore(element, next);
    }
    this.mark();
    this.askSoon();
  }

  /** @param {number} row */
  cardOf(row) {
    let card = this.cards.get(row);
    if (card) return card;
    card = new Card(this.texts, this.rows, this.labels, row, `${this.id}-${row}`);
    const known = this.pictures.known(row);
    if (known !== undefined) card.setThumbnail(known);
    this.cards.set(row, card);
    return card;
  }

  /** Show which are selected, and which one the keys are about. */
  mark() {
    for (const [row, { element }] of this.cards) {
      element.setAttribute("aria-selected", String(this.selected.has(row)));
      element.classList.toggle("vl-active", row === this.active);
    }
    const card = this.active === null ? undefined : this.cards.get(this.active);
    if (card) this.scroller.setAttribute("aria-activedescendant", card.element.id);
    else this.scroller.removeAttribute("aria-activedescendant");
  }

  // ------------------------------------------------------------ pictures

  askSoon() {
    this.settling ||= window.setTimeout(() => {
      this.settling = 0;
      this.ask();
    }, SETTLE_MS);
  }

  /** Ask for the thumbnails that are missing: those in sight first, then those about to be. */
  ask() {
    if (!this.isInSight) return;
    const { scrollTop, clientHeight } = this.scroller;
    const isVisible = (/** @type {Card} */ { row }) => {
      const { top } = this.layout.position(this.places.get(row) ?? 0);
      return top < scrollTop + clientHeight && top + this.layout.cardHeight > scrollTop;
    };
    const missing = [...this.cards.values()].filter(({ isAsked }) => !isAsked);
    const first = missing.filter(isVisible);
    for (const card of [...first, ...missing.filter((each) => !first.includes(each))])
      void this.askFor(card);
  }

  /** @param {Card} card */
  async askFor(card) {
    card.isAsked = true;
    try {
      card.setThumbnail(await this.pictures.thumbnail(card.row, card.wanting.signal));
    } catch (error) {
      if (!(error instanceof CancelledError)) card.fail(sentence(error));
    }
  }

  /**
   * Play a preview of a row after a while; null ends the one that plays.
   * @param {number | null} row
   * @param {number} [afterMs]
   */
  preview(row, afterMs = 0) {
    if (row === this.previewed) return;
    this.stopPreview?.();
    this.stopPreview = null;
    this.previewed = row;
    const card = row === null ? undefined : this.cards.get(row);
    if (!card || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const wanting = new AbortController();
    /** @type {string[]} */
    let urls = [];
    let next = 0;
    let playing = 0;
    const starting = window.setTimeout(async () => {
      try {
        urls = await this.pictures.preview(card.row, wanting.signal);
      } catch {
        return; // why there is no picture, the thumbnail tells
      }
      const step = () => card.show(urls[next++ % urls.length] ?? card.url);
      step();
      playing = window.setInterval(step, PREVIEW_EVERY_MS);
    }, afterMs);
    this.stopPreview = () => {
      clearTimeout(starting);
      clearInterval(playing);
      wanting.abort();
      if (urls.length && card.url) card.show(card.url);
      for (const url of urls) URL.revokeObjectURL(url);
    };
  }

  // ------------------------------------------------------------ selecting and opening

  obeySelected() {
    this.selected = new Set(this.model.get("_selected"));
    this.mark();
    this.tell();
  }

  /** @param {Iterable<number>} rows */
  select(rows) {
    this.model.set("_selected", [...new Set(rows)]);
    this.model.save_changes();
  }

  /**
   * @param {number} row
   * @param {{shiftKey: boolean, ctrlKey: boolean, metaKey: boolean}} keys
   */
  pick(row, { shiftKey, ctrlKey, metaKey }) {
    const adds = ctrlKey || metaKey;
    if (shiftKey && this.anchor !== null) {
      const range = between(this.shown, this.anchor, row);
      this.select(adds ? [...this.selected, ...range] : range);
      return;
    }
    this.anchor = row;
    if (!adds) this.select([row]);
    else if (this.selected.has(row)) this.select([...this.selected].filter((each) => each !== row));
    else this.select([...this.selected, row]);
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    this.scroller.focus({ preventScroll: true });
    const row = rowOf(event);
    if (row === null) return;
    this.active = row;
    this.pick(row, event);
    this.mark();
    this.preview(row); // a tap has no hover
  }

  /** @param {number | null} row */
  async open(row) {
    if (row === null) return;
    const opening = this.texts.gallery.opening(this.rows.text("video", row) ?? "");
    const waiting = window.setTimeout(() => this.say({ opening }), OPENING_MS);
    try {
      await this.channel.request("open", { row });
      this.say({ opening: "" });
    } catch (error) {
      this.say({ opening: sentence(error) });
    } finally {
      clearTimeout(waiting);
    }
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const target = event.composedPath()[0];
    if (!(target instanceof Node) || !this.root.contains(target)) return;
    const action =
      target === this.scroller ? this.actionOf(event) : this.confusion?.actionOf(event, target);
    if (!action) {
      if (isControlsOwn(event, target)) event.stopImmediatePropagation();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    action();
  }

  /** @param {KeyboardEvent} event @returns {(() => void) | undefined} */
  actionOf(event) {
    const { key, altKey, shiftKey } = event;
    const isCommand = event.ctrlKey || event.metaKey;
    if (altKey || !this.shown.length) return undefined;
    if (isCommand && key.toLowerCase() === "a") return () => this.select(this.shown);
    const { active } = this;
    const place = active === null ? undefined : this.places.get(active);
    const target = this.layout.move(key, place ?? 0, this.scroller.clientHeight);
    // The first key only shows where one is.
    if (target !== null) return () => this.moveTo(place === undefined ? 0 : target, shiftKey);
    if (isCommand) return undefined;
    if (key === "Escape") return () => this.select([]);
    if (active === null || place === undefined) return undefined;
    if (key === "Enter") return () => void this.open(active);
    if (key === " ")
      return () => this.pick(active, { shiftKey, ctrlKey: !shiftKey, metaKey: false });
    return undefined;
  }

  /** @param {number} place @param {boolean} isSelecting  from where it was */
  moveTo(place, isSelecting) {
    const row = this.shown[place];
    if (row === undefined) return;
    if (!isSelecting) this.anchor = row;
    this.anchor ??= this.active ?? row;
    this.active = row;
    const { scroller } = this;
    scroller.scrollTop = this.layout.scrollTo(place, scroller.scrollTop, scroller.clientHeight);
    this.draw();
    if (isSelecting) this.select(between(this.shown, this.anchor, row));
    this.preview(row, HOVER_MS);
  }

  // ------------------------------------------------------------ life

  close() {
    this.preview(null);
    window.removeEventListener("keydown", this.onKey, true);
    this.model.off("change:_query", this.obeyQuery);
    this.model.off("change:_selected", this.obeySelected);
    this.sizes.disconnect();
    this.sights.disconnect();
    clearTimeout(this.settling);
    cancelAnimationFrame(this.drawing);
    for (const card of this.cards.values()) card.remove();
    this.channel.close();
    this.showKept();
    this.pictures.close();
    this.root.remove();
  }
}

/** The row of the card that something happened to. @param {Event} event */
function rowOf(event) {
  const card = event.target instanceof Element ? event.target.closest("[data-row]") : null;
  return card instanceof HTMLElement ? Number(card.dataset["row"]) : null;
}
