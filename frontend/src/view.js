// @ts-check
/** One view: puts the parts together, and keeps them and the model in step. */

/** @import { ColoredBy, Info, Model, OverlayName, Progress, Media, Told } from "./types.js" */
/** @import { Session } from "./session.js" */
import { Annotator } from "./annotator.js";
import { Controls } from "./controls.js";
import { h } from "./dom.js";
import { Foot } from "./foot.js";
import { actionOf, isControlsOwn } from "./keys.js";
import { hideKept } from "./kept.js";
import { KernelEndedError, sayKernelEnded } from "./kernel.js";
import { Menu } from "./menu.js";
import { clamp, clockText, lastAtMost, placeOf, probText, sentence } from "./numbers.js";
import { Overlay } from "./overlay.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { Readings } from "./readings.js";
import { Status } from "./status.js";
import { textsOf, waitText } from "./texts.js";
import { Timeline } from "./timeline.js";

const POST_EVERY_MS = 100;
const SPEAK_AFTER_MS = 500;
const ZOOM_STEP = 2;

const MAX_PICTURE_HEIGHT_PX = 520;

const THEME_ATTRIBUTES = [
  "class",
  "style",
  "data-jp-theme-name",
  "data-jp-theme-light",
  "data-vscode-theme-kind",
];

// Traits that change how things are shown, and not what.
const SETTINGS = [
  "speed",
  "selection",
  "overlay",
  "keypoint_color",
  "heatmap_opacity",
  "heatmap_shown",
  "threshold",
  "loop",
];

const THEME_QUERIES = ["(prefers-color-scheme: dark)", "(forced-colors: active)"];

export class View {
  /**
   * @param {Session} session
   * @param {Model} model
   * @param {HTMLElement} el
   */
  constructor(session, model, el) {
    this.session = session;
    this.model = model;
    /** @type {Info} */
    const info = (this.info = model.get("_info"));
    /** @type {Told | null} */
    this.told = null;
    /** @type {Media | null} */
    this.media = null;
    this.closed = false;
    this.posted = -1;
    /** @type {number | null} the frame to go back to when a copy replaces what failed */
    this.resume = null;
    this.postTimer = 0;
    this.speakTimer = 0;
    this.spoken = "";
    /** @type {(() => void)[]} */
    this.undo = [];
    const texts = (this.texts = textsOf(this.model.get("locale")));
    this.root = h("div", {
      class: "vidlab-player",
      tabindex: -1,
      role: "group",
      lang: texts.language,
      "aria-label": texts.player(info.name),
    });
    const ratio = info.width / info.height;
    this.root.style.setProperty("--vl-ratio", String(ratio));
    // Never larger than twice its own size, nor taller than fits a notebook.
    const widest = Math.min(
      2 * info.width,
      Math.min(2 * info.height, MAX_PICTURE_HEIGHT_PX) * ratio,
    );
    this.root.style.setProperty("--vl-widest", `${Math.round(widest)}px`);
    this.root.classList.toggle("vl-many", info.models.length > 3);
    this.root.classList.toggle("vl-known", Boolean(info.has_truth));
    this.video = h("video", {
      class: "vl-video",
      playsinline: true,
      preload: "auto",
      tabindex: -1,
      "aria-label": info.name,
    });
    this.picture = new Picture(this.video, (index) => this.onFrame(index));
    this.overlay = new Overlay(info);
    this.status = new Status(texts);
    this.screen = h("div", { class: "vl-screen" }, [
      this.video,
      this.picture.canvas,
      this.overlay.canvas,
      this.status.element,
    ]);
    this.controls = new Controls(info, texts, {
      togglePlay: () => this.togglePlay(),
      goTo: (index) => this.goTo(index),
      step: (num_frames) => this.step(num_frames),
      setSpeed: (speed) => this.set("speed", speed),
      toggleSound: () => this.toggleSound(),
      toggleLoop: () => this.set("loop", !this.model.get("loop")),
      toggleFullScreen: () => void this.toggleFullScreen(),
      toggleMenu: () => this.toggleMenu(),
      toggleHelp: () => this.toggleHelp(),
      goToTyped: (text) => this.goToTyped(text),
      leaveInput: () => this.timeline.element.focus(),
    });
    const isPredicted = info.models.length > 0;
    this.menu = new Menu(texts, info, {
      setOverlay: (name, on) => this.setOverlay(name, on),
      setColoredBy: (what) => this.set("keypoint_color", what),
      setHeatShown: (name) => this.set("heatmap_shown", name),
      setHeatOpacity: (share) => this.set("heatmap_opacity", share),
      setThreshold: (value) => this.set("threshold", value),
      setLoop: (on) => this.set("loop", on),
      zoom: (step) => this.zoom(step),
      select: (edge) => this.selectHere(edge),
    });
    this.timeline = new Timeline(texts, {
      onSeek: (seconds, final) => this.seekTo(seconds, final),
      onSelect: (range) => this.set("selection", range),
      onThreshold: (value) => this.set("threshold", value),
    });
    this.foot = new Foot(info, texts, {
      find: (direction) => this.find(direction),
      clear: () => this.clearSelection(),
    });
    this.panel = new Panel(info, texts);
    this.readings = new Readings(info, texts, (frame) => this.goTo(frame));
    const isMeasured = [info.keypoints, info.curves, info.heatmaps].some((each) => each?.length);
    if (isMeasured) this.panel.element.append(this.readings.element);
    this.annotator = model.get("_annotation") ? new Annotator(this) : null;
    this.timeline.lane = this.annotator?.lane ?? null;
    this.help = this.makeHelp();
    this.notice = h("p", { class: "vl-error vl-notice", hidden: true });
    this.live = h("div", { class: "vl-hidden", "aria-live": "polite" });
    this.root.append(
      h("div", { class: "vl-grid" }, [
        h("div", { class: "vl-picture" }, [this.screen]),
        this.controls.element,
        this.notice,
        this.menu.element,
        this.help,
        h("div", { class: "vl-lines" }, [this.timeline.element, this.foot.element]),
        isPredicted || isMeasured ? this.panel.element : this.annotator ? null : this.makeHint(),
        this.annotator?.element ?? null,
      ]),
      this.live,
    );
    el.append(this.root);
    this.listen();
    this.obeySettings();
    void this.load();
    void this.loadPredictions();
    void this.loadOverlays();
  }

  get clock() {
    return this.media?.clock ?? null;
  }

  // ------------------------------------------------------------ parts

  makeHelp() {
    const list = h("dl", { class: "vl-help", hidden: true });
    const { keyList, annotatorKeys } = this.texts;
    for (const [keys, meaning, needs] of [...(this.annotator ? annotatorKeys : []), ...keyList]) {
      if (needs === "compared" && this.info.models.length < 2) continue;
      if (needs === "audio" && !this.info.has_audio) continue;
      // The key of the tenth label is no other's.
      const free = this.annotator?.hasAllKeys ? keys.replace(/  0$/, "") : keys;
      const caps = free.split("  ").map((key) => h("kbd", { class: "vl-key", text: key }));
      list.append(h("div", {}, [h("dt", {}, caps), h("dd", { text: meaning })]));
    }
    return list;
  }

  makeHint() {
    return h("div", { class: "vl-hint" }, [
      h("span", { text: this.texts.noPredictions }),
      h("code", {
        text: 'vl.Player(video, vl.predict(video, vl.load_model("movinet-a0-stream")))',
      }),
    ]);
  }

  // ------------------------------------------------------------ loading

  async load({ transcode = false, again = false } = {}) {
    const { session, status, texts } = this;
    const listener = (/** @type {Progress} */ progress) => status.say(...waitText(texts, progress));
    session.listeners.add(listener);
    const noPoster = session.onPoster((url) => {
      if (this.picture.shown !== null) return;
      this.video.poster = url;
      this.screen.classList.add("vl-seen");
    });
    status.say(texts.asking);
    try {
      const media = await session.media({ transcode, again });
      if (!this.closed) this.use(media);
    } catch (error) {
      if (this.closed) return;
      const again = () => void this.load({ transcode, again: true });
      this.status.fail(sentence(error), error instanceof KernelEndedError ? null : again);
    } finally {
      session.listeners.delete(listener);
      noPoster();
    }
  }

  /** @param {Media} media */
  use(media) {
    const { video, info, texts, status } = this;
    this.media?.detach();
    this.media = media;
    media.onFailed((error) =>
      status.fail(sentence(error), () => void this.load({ again: true })),
    );
    media.onStopped((why) => {
      this.showLength();
      this.showNotice(why);
    });
    // What a wait for a missing piece is about: the kernel cuts it, or encodes it again.
    const phase = media.how === "transcode" ? "transcoding" : "loading";
    const codec = media.how === "transcode" ? media.codec : "…";
    media.onWait((progress) =>
      progress
        ? status.say(
            ...waitText(texts, progress.phase === "loading" ? { ...progress, phase, codec } : progress),
          )
        : status.say(),
    );
    // Padding that only makes the sizes even hangs over the edge of the screen.
    const isPadded = media.how === "transcode" && !media.scaled;
    for (const { style } of [video, this.picture.canvas]) {
      style.width = isPadded ? `${(100 * media.coded_width) / info.width}%` : "100%";
      style.height = isPadded ? `${(100 * media.coded_height) / info.height}%` : "100%";
    }
    this.picture.use(media);
    this.showLength();
    this.controls.sound.hidden = !media.has_audio;
    this.showNotice(media.warning);
    const said = [
      media.how === "transcode" ? texts.transcodedFrom(media.codec) : "",
      media.how === "remux" ? texts.repackaged : "",
      media.scaled ? texts.scaled : "",
    ].filter(Boolean);
    this.controls.showBadge(said.join(", "), [...said, media.why].filter(Boolean).join(". "));
    status.say(texts.opening);
    media.attach(video);
    this.picture.show(this.resume ?? this.model.get("frame_index"));
    this.resume = null;
  }

  /** How long the video is; shorter than it said where it turns out to be damaged. */
  showLength() {
    if (!this.clock) return;
    this.timeline.setClock(this.clock);
    this.controls.showLength(this.clock);
    this.showSelection();
    this.annotator?.showBegun();
  }

  async loadPredictions() {
    if (!this.info.models.length && !this.info.has_truth) return;
    try {
      const told = await this.session.told();
      if (this.closed) return;
      this.told = this.overlay.told = told;
      this.timeline.setTold(told);
      this.panel.refill(told, this.timeline.verdicts);
      this.update(this.picture.shown ?? this.model.get("frame_index"));
    } catch (error) {
      this.complain(this.texts.predictionsFailed(sentence(error)));
    }
  }

  async loadOverlays() {
    const { overlays, curves } = this.info;
    const isAny = ["boxes", "keypoints", "heat"].some((each) =>
      overlays?.includes(/** @type {OverlayName} */ (each)),
    );
    if (!isAny && !curves?.length) return;
    try {
      const data = await this.session.overlays();
      if (this.closed) return;
      this.overlay.data = data;
      this.overlay.draw();
      this.timeline.setCurves(data.curves);
      this.readings.fill(data);
      this.readings.show(this.picture.shown ?? this.model.get("frame_index"));
    } catch (error) {
      this.complain(this.texts.overlaysFailed(sentence(error)));
    }
  }

  /** What is wrong with the file, as long as it is played. @param {string} text */
  showNotice(text) {
    this.notice.hidden = !text;
    this.notice.textContent = text;
    if (text) this.announce(text);
  }

  /** An error beside the picture, which goes on. @param {string} text */
  complain(text) {
    if (!this.closed) this.panel.element.prepend(h("p", { class: "vl-error", role: "alert", text }));
  }

  // ------------------------------------------------------------ events

  /**
   * @param {EventTarget} target
   * @param {string} name
   * @param {(event: any) => void} listener
   * @param {boolean} [capture]
   */
  hear(target, name, listener, capture = false) {
    target.addEventListener(name, listener, capture);
    this.undo.push(() => target.removeEventListener(name, listener, capture));
  }

  /**
   * @param {string} name
   * @param {() => void} listener
   */
  follow(name, listener) {
    this.model.on(`change:${name}`, listener);
    this.undo.push(() => this.model.off(`change:${name}`, listener));
  }

  listen() {
    const { video, model } = this;
    this.hear(video, "loadeddata", () => {
      this.status.say();
      this.screen.classList.add("vl-seen");
      this.update(this.picture.current);
      if (model.get("playing")) this.obeyPlaying();
    });
    this.hear(video, "error", () => this.onVideoError());
    this.hear(video, "play", () => this.controls.showPlaying(true));
    this.hear(video, "pause", () => {
      this.controls.showPlaying(false);
      // Also where the browser itself did it: a key of the keyboard's, its own menu.
      if (video.paused && !video.ended && this.session.driver === this) this.setPlaying(false);
    });
    this.hear(video, "ended", () => {
      this.setPlaying(false);
      // At high speed the browser may leave the last frame out.
      this.goTo(Infinity);
    });
    this.hear(video, "click", () => {
      this.root.focus({ preventScroll: true });
      this.togglePlay();
    });
    // JupyterLab hears keys on the document before they reach the page's elements. While the
    // focus is in here, our keys (and only ours) are taken one step earlier, on the window.
    this.hear(window, "keydown", (event) => this.onKey(event), true);
    this.hear(window, "resize", () => {
      this.timeline.draw();
      this.overlay.draw();
    });
    // JupyterLab lays out no cell that is off screen, and Chromium keeps what was laid out there
    // before the curves and the times came: it is made anew where it comes into view.
    const seen = new IntersectionObserver(([entry]) => {
      if (!entry?.isIntersecting) return;
      this.root.style.containerType = "normal";
      void this.root.offsetHeight;
      this.root.style.containerType = "";
      this.timeline.draw();
      this.overlay.draw();
    });
    seen.observe(this.root);
    this.undo.push(() => seen.disconnect());
    this.hear(document, "fullscreenchange", () =>
      this.controls.showFullScreen(document.fullscreenElement === this.root),
    );
    this.follow("frame_index", () => {
      const index = model.get("frame_index");
      if (index !== this.posted || this.session.driver !== this) this.obeyFrame(index);
    });
    this.follow("playing", () => this.obeyPlaying());
    for (const name of SETTINGS) this.follow(name, () => this.obeySettings());
    const restyle = () => this.timeline.restyle();
    const theme = new MutationObserver(restyle);
    for (const element of [document.documentElement, document.body])
      theme.observe(element, { attributes: true, attributeFilter: THEME_ATTRIBUTES });
    this.undo.push(() => theme.disconnect());
    for (const query of THEME_QUERIES) this.hear(matchMedia(query), "change", restyle);
    this.undo.push(hideKept(this.info.model_id));
    this.undo.push(
      this.session.channel.onEnd(() => {
        const { player, annotator } = this.texts.kernelEnded;
        const marked = this.annotator && model.get("_annotation").file;
        sayKernelEnded(this.root, marked ? annotator(marked) : player);
      }),
    );
  }

  onVideoError() {
    if (!this.video.error || !this.media) return;
    if (this.media.how === "transcode") {
      this.status.fail(
        this.texts.noH264,
        () => void this.load({ transcode: true, again: true }),
      );
    } else {
      this.resume = this.picture.current;
      this.picture.reset();
      void this.load({ transcode: true, again: true });
    }
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const target = event.composedPath()[0];
    if (!(target instanceof Node) || !this.root.contains(target)) return;
    const action = this.annotator?.actionOf(event, target) ?? actionOf(event, target, this);
    if (!action) {
      // What a control does with the key itself, it does; no host's shortcut comes on top.
      if (isControlsOwn(event, target)) event.stopImmediatePropagation();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    action();
  }

  // ------------------------------------------------------------ moving

  /** @param {number} index */
  goTo(index) {
    if (!this.clock) return;
    this.takeOver();
    this.setPlaying(false);
    this.show(clamp(index, 0, this.clock.length - 1));
  }

  /** @param {number} num_frames */
  step(num_frames) {
    this.goTo(this.picture.current + num_frames);
  }

  /** @param {number} seconds */
  jump(seconds) {
    if (!this.clock) return;
    this.takeOver();
    this.show(this.clock.at(this.clock.start(this.picture.current) + seconds));
  }

  /**
   * @param {number} seconds
   * @param {boolean} final
   */
  seekTo(seconds, final) {
    if (!this.clock) return;
    this.takeOver();
    this.show(this.clock.at(seconds));
    if (final) this.speak();
  }

  /** @param {number} index */
  show(index) {
    this.picture.show(index);
    this.post();
  }

  /** A frame number, or a time such as "1:02.5" or "2.5s". @param {string} text */
  goToTyped(text) {
    const place = placeOf(text);
    if (!place || !this.clock) this.announce(this.texts.notAPlace(text), true);
    else this.goTo("frame" in place ? place.frame : this.clock.at(place.seconds));
  }

  /** Next or previous disagreement: its first frame. @param {1 | -1} direction */
  find(direction) {
    const all = this.told?.disagreements ?? [];
    const now = this.picture.current;
    const found =
      direction > 0
        ? all.find(({ start }) => start > now)
        : all.findLast(({ start }) => start < now);
    if (found) this.goTo(found.start);
    else if (all.length)
      this.announce(direction > 0 ? this.texts.noneAfter : this.texts.noneBefore);
  }

  togglePlay() {
    this.takeOver();
    this.setPlaying(!this.model.get("playing"));
  }

  takeOver() {
    const { driver } = this.session;
    this.session.driver = this;
    if (!driver || driver === this) return;
    driver.video.pause();
    this.obeyPlaying(); // what played there plays on here
  }

  /** @param {boolean} playing */
  setPlaying(playing) {
    if (this.model.get("playing") === playing) return;
    this.set("playing", playing);
    if (!playing) this.post();
  }

  obeyPlaying() {
    const { video, clock, picture } = this;
    if (!clock) return;
    const playing = this.model.get("playing");
    if (!playing) {
      const moving = !video.paused;
      video.pause();
      if (moving && this.session.driver === this) {
        this.post();
        this.speak();
      }
      return;
    }
    this.session.driver ??= this;
    if (this.session.driver !== this || !video.paused) return;
    picture.play().catch((error) => {
      if (this.closed) return;
      this.setPlaying(false);
      if (error instanceof DOMException && error.name === "NotAllowedError")
        this.announce(this.texts.wantsClick, true);
    });
  }

  /** The kernel (or another view) moved to a frame. @param {number} index */
  obeyFrame(index) {
    if (!this.clock) return;
    this.posted = index;
    this.picture.show(index);
  }

  // ------------------------------------------------------------ showing

  /** A frame came on screen. @param {number} index */
  onFrame(index) {
    this.controls.say("");
    this.update(index);
    if (this.session.driver === this) this.post();
  }

  /** @param {number} index */
  update(index) {
    const { clock, timeline } = this;
    this.root.dataset["frame"] = String(index);
    this.panel.show(index);
    this.readings.show(index);
    this.overlay.show(index);
    if (!clock) return;
    this.annotator?.show();
    this.controls.showPlace(index, clock.start(index));
    timeline.moveTo(index);
    this.tellPlace(index);
    if (this.told) this.foot.showFound(this.told, index);
    if (this.video.paused) this.speak();
    else this.speakLabels(index);
  }

  /** Tell who cannot see the timeline where it is, and what is there. @param {number} index */
  tellPlace(index) {
    this.timeline.element.setAttribute("aria-valuetext", this.describe(index));
  }

  /** What the models say of a frame. @param {number} index */
  answers(index) {
    const tracks = this.told?.tracks ?? [];
    return tracks.flatMap((track) => {
      const row = lastAtMost(track.frames, index);
      const label = row < 0 ? undefined : this.told?.labels[track.topLabels[row * track.k] ?? -1];
      if (!label) return [];
      const who = tracks.length > 1 ? `${track.letter}: ` : "";
      return [{ name: who + label.name, prob: track.topProbs[row * track.k] ?? 0 }];
    });
  }

  /** @param {number} index */
  describe(index) {
    const said = this.answers(index).map(({ name, prob }) => `${name} ${probText(prob)}`);
    const place = `${this.texts.frame} ${index}`;
    const marked = this.annotator?.current;
    if (marked) said.push(this.annotator?.nameOf(marked.label) ?? "");
    return [place, clockText(this.clock?.start(index) ?? 0), ...said].join(", ");
  }

  /** The model's settings, as they are now. */
  obeySettings() {
    const { model, timeline, picture, video } = this;
    const threshold = model.get("threshold") ?? null;
    const loop = Boolean(model.get("loop"));
    const names = new Set(/** @type {OverlayName[]} */ (model.get("overlay")));
    const coloredBy = /** @type {ColoredBy} */ (model.get("keypoint_color") ?? "person");
    this.overlay.names = names;
    this.overlay.coloredBy = coloredBy;
    this.readings.setColoredBy(coloredBy);
    const heat = model.get("heatmap_shown") ?? "";
    const opacity = model.get("heatmap_opacity") ?? 0;
    this.overlay.heatShown = heat;
    this.overlay.heatOpacity = opacity;
    this.menu.showHeat(heat, opacity);
    this.readings.setHeat(names.has("heat") ? heat : null);
    this.readings.show(picture.current);
    this.overlay.draw();
    timeline.threshold = threshold;
    timeline.draw();
    this.panel.setThreshold(threshold);
    this.panel.show(picture.current);
    this.menu.show(names, coloredBy, threshold, loop);
    this.controls.showLoop(loop, this.selection !== null);
    picture.loop = loop ? (this.selection ?? true) : null;
    const speed = model.get("speed");
    video.defaultPlaybackRate = speed;
    picture.setRate(speed);
    this.controls.showSpeed(speed);
    this.showSelection();
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  /** @param {OverlayName} name @param {boolean} on */
  setOverlay(name, on) {
    const names = new Set(/** @type {OverlayName[]} */ (this.model.get("overlay")));
    if (on) names.add(name);
    else names.delete(name);
    this.set("overlay", [...names]);
  }

  toggleSound() {
    this.video.muted = !this.video.muted;
    this.controls.showMuted(this.video.muted);
  }

  async toggleFullScreen() {
    try {
      if (document.fullscreenElement === this.root) await document.exitFullscreen();
      else await this.root.requestFullscreen();
    } catch {
      this.announce(this.texts.noFullScreen, true);
    }
  }

  /** @param {1 | 0 | -1} step */
  zoom(step) {
    if (step === 0) this.timeline.showAll();
    else this.timeline.zoom(step > 0 ? ZOOM_STEP : 1 / ZOOM_STEP);
  }

  /** @returns {[number, number] | null} */
  get selection() {
    return this.model.get("selection");
  }

  clearSelection() {
    const hadFocus = this.foot.element.contains(document.activeElement);
    this.set("selection", null);
    if (hadFocus) this.timeline.element.focus();
  }

  /** The selection starts, or ends, at the frame on screen. @param {"start" | "stop"} edge */
  selectHere(edge) {
    const now = this.picture.current;
    const [start, stop] = this.selection ?? [now, now + 1];
    this.set(
      "selection",
      edge === "start" ? [now, Math.max(stop, now + 1)] : [Math.min(start, now), now + 1],
    );
  }

  showSelection() {
    const { clock, selection, timeline } = this;
    timeline.selection = selection;
    timeline.drawTop();
    const [start, stop] = selection ?? [0, 0];
    const seconds = clock ? timeline.edge(stop) - timeline.edge(start) : 0;
    this.foot.showSelection(stop - start, seconds);
  }

  toggleHelp() {
    this.open(this.help, this.controls.help, this.help.hidden);
    this.open(this.menu.element, this.controls.menu, false);
  }

  toggleMenu() {
    this.open(this.menu.element, this.controls.menu, this.menu.element.hidden);
    this.open(this.help, this.controls.help, false);
  }

  get isOpen() {
    return !this.help.hidden || !this.menu.element.hidden;
  }

  /** Close what a button opened; the focus goes back to the button. */
  closeOpen() {
    const { controls } = this;
    const opener = this.help.hidden ? controls.menu : controls.help;
    this.open(this.help, controls.help, false);
    this.open(this.menu.element, controls.menu, false);
    opener.focus();
  }

  /** @param {HTMLElement} element @param {HTMLElement} opener @param {boolean} wanted */
  open(element, opener, wanted) {
    element.hidden = !wanted;
    opener.setAttribute("aria-expanded", String(wanted));
  }

  /** Tell the kernel where we are, at most every POST_EVERY_MS. */
  post() {
    if (this.postTimer || this.closed) return;
    this.postTimer = window.setTimeout(() => {
      this.postTimer = 0;
      const { clock, picture } = this;
      if (!clock || this.closed) return;
      if (picture.shown === null && picture.wanted === null) return; // nothing is on screen
      const index = picture.current;
      if (index === this.model.get("frame_index")) return;
      this.posted = index;
      this.model.set("frame_index", index);
      this.model.set("time_seconds", clock.start(index));
      this.model.save_changes();
    }, POST_EVERY_MS);
  }

  // ------------------------------------------------------------ speaking

  /** Tell a screen reader where we are once things have come to rest. */
  speak() {
    clearTimeout(this.speakTimer);
    this.speakTimer = window.setTimeout(
      () => this.announce(this.describe(this.picture.current)),
      SPEAK_AFTER_MS,
    );
  }

  /** While it plays, only other labels are told, and those that stay for a moment. @param {number} index */
  speakLabels(index) {
    const names = this.answers(index)
      .map(({ name }) => name)
      .join(", ");
    if (names === this.spoken) return;
    this.spoken = names;
    clearTimeout(this.speakTimer);
    this.speakTimer = window.setTimeout(() => this.announce(names), SPEAK_AFTER_MS);
  }

  /**
   * @param {string} text
   * @param {boolean} [visibly]
   */
  announce(text, visibly = false) {
    if (this.closed) return;
    this.live.textContent = text;
    if (visibly) this.controls.say(text);
  }

  // ------------------------------------------------------------ life

  close() {
    this.closed = true;
    clearTimeout(this.postTimer);
    clearTimeout(this.speakTimer);
    this.postTimer = 0;
    for (const undo of this.undo) undo();
    this.timeline.close();
    this.overlay.close();
    this.picture.close();
    this.media?.detach();
    this.root.remove();
  }
}
