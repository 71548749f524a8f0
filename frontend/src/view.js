// @ts-check
/** One view: puts the parts together, with controls and keys. */

/** @import { Model, Info, Progress, Media, Told } from "./types.js" */
import { button, h, icon } from "./dom.js";
import { clamp, clockText, lastAtMost, probText, sentence } from "./numbers.js";
import { Panel } from "./panel.js";
import { Picture } from "./picture.js";
import { Session } from "./session.js";
import { Timeline } from "./timeline.js";

const POST_EVERY_MS = 100;

const JUMP_SECONDS = 1;

const SPEEDS = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4];

const MAX_PICTURE_HEIGHT_PX = 520;

/** @type {[string, string][]} */
const KEYS = [
  ["Space", "play or pause"],
  [",  .", "one frame back or on"],
  ["←  →", "one second back or on"],
  ["Home  End", "first or last frame"],
  ["[  ]", "selection starts or ends at this frame; Esc clears it"],
  ["n  p", "next or previous disagreement"],
  ["?", "show or hide these keys"],
];

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
    this.info = model.get("_info");
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
    /** @type {(() => void)[]} */
    this.undo = [];
    this.root = h("div", {
      class: "vidlab-player",
      tabindex: -1,
      role: "group",
      "aria-label": `Video player: ${this.info.name}`,
    });
    const { info } = this;
    const ratio = info.width / info.height;
    this.root.style.setProperty("--vl-ratio", String(ratio));
    // Never larger than twice its own size, nor taller than fits a notebook.
    const widest = Math.min(
      2 * info.width,
      Math.min(2 * info.height, MAX_PICTURE_HEIGHT_PX) * ratio,
    );
    this.root.style.setProperty("--vl-widest", `${Math.round(widest)}px`);
    this.root.classList.toggle("vl-many", info.models.length > 3);
    this.root.classList.toggle("vl-bare", info.models.length === 0);

    this.video = h("video", {
      class: "vl-video",
      playsinline: true,
      preload: "auto",
      tabindex: -1,
      "aria-label": info.name,
    });
    this.overlay = h("div", { class: "vl-overlay", hidden: true }, [
      h("span", { class: "vl-ellipsis" }),
      h("span", { class: "vl-number" }),
    ]);
    this.statusText = h("p", { class: "vl-status-text" });
    this.statusBar = h("progress", {
      class: "vl-progress",
      max: 1,
      hidden: true,
      "aria-label": "progress",
    });
    this.retry = h("button", { type: "button", class: "vl-link", text: "Try again", hidden: true });
    this.status = h("div", { class: "vl-status", role: "status" }, [
      this.statusText,
      this.statusBar,
      this.retry,
    ]);
    const picture = h("div", { class: "vl-picture" }, [
      h("div", { class: "vl-screen" }, [this.video, this.overlay, this.status]),
    ]);

    this.playButton = button("play", "Play (space)", () => this.togglePlay());
    this.speed = h("select", { class: "vl-speed", "aria-label": "Speed", title: "Speed" });
    for (const speed of SPEEDS) this.speed.append(h("option", { value: speed, text: `${speed}×` }));
    this.soundButton = button("sound", "Sound off", () => this.setMuted(!this.video.muted));
    this.soundButton.hidden = !info.has_audio;
    this.timeText = h("span", { class: "vl-time", text: clockText(0) });
    this.totalText = h("span", { class: "vl-muted" });
    this.frameInput = h("input", {
      class: "vl-frame",
      type: "text",
      inputmode: "numeric",
      autocomplete: "off",
      spellcheck: "false",
      value: "0",
      "aria-label": "Go to frame, or to a time such as 0:01.5",
      title:
        "Go to frame (or to a time such as 0:01.5): type and press Enter. The first frame is 0.",
    });
    this.lengthText = h("span", { class: "vl-muted" });
    this.badge = h("span", { class: "vl-badge vl-muted vl-ellipsis", hidden: true });
    this.helpButton = h("button", {
      type: "button",
      class: "vl-button vl-question",
      title: "Keys (?)",
      "aria-label": "Show the keys",
      "aria-expanded": "false",
      text: "?",
    });
    this.helpButton.addEventListener("click", () => this.toggleHelp());
    const controls = h("div", { class: "vl-controls", role: "toolbar", "aria-label": "Playback" }, [
      h("span", { class: "vl-group" }, [
        this.playButton,
        button("first", "First frame (Home)", () => this.goTo(0)),
        button("previous", "Previous frame (,)", () => this.step(-1)),
        button("next", "Next frame (.)", () => this.step(1)),
        button("last", "Last frame (End)", () => this.goTo(Infinity)),
        this.speed,
        this.soundButton,
      ]),
      h("span", { class: "vl-group vl-numbers" }, [this.timeText, this.totalText]),
      h("label", { class: "vl-group vl-numbers" }, [
        h("span", { class: "vl-muted", text: "frame" }),
        this.frameInput,
        this.lengthText,
      ]),
      this.badge,
      this.helpButton,
    ]);
    this.controls = controls;

    this.help = h("dl", { class: "vl-help", hidden: true });
    for (const [keys, meaning] of KEYS) {
      if (keys.startsWith("n") && info.models.length < 2) continue;
      this.help.append(h("dt", { text: keys }), h("dd", { text: meaning }));
    }

    this.timeline = new Timeline(this.root, (seconds, final) => this.seekTo(seconds, final));
    this.findMost = h("span", { class: "vl-muted vl-ellipsis vl-find-most" });
    this.findText = h("span", { class: "vl-muted vl-find-text" });
    this.finder = h("div", { class: "vl-finder", hidden: info.models.length < 2 }, [
      this.findMost,
      this.findText,
      button("left", "Previous disagreement (p)", () => this.find(-1)),
      button("right", "Next disagreement (n)", () => this.find(1)),
    ]);
    this.panel = new Panel(info);
    this.hint = h("div", { class: "vl-hint", hidden: info.models.length > 0 }, [
      h("span", {
        text: "No predictions yet. Get some, and see what the model says for each frame:",
      }),
      h("code", {
        text: 'vl.Player(video, vl.predict(video, vl.load_model("movinet-a0-stream")))',
      }),
    ]);
    this.live = h("div", { class: "vl-hidden", "aria-live": "polite" });
    this.root.append(
      h("div", { class: "vl-grid" }, [
        picture,
        controls,
        this.help,
        h("div", { class: "vl-lines" }, [this.timeline.element, this.finder]),
        info.models.length ? this.panel.element : this.hint,
      ]),
      this.live,
    );
    this.picture = new Picture(this.video, (index) => this.onFrame(index));
    el.append(this.root);
    this.showSpeed();
    this.showSelection();
    this.listen();
    void this.load();
    void this.loadPredictions();
  }

  get clock() {
    return this.media?.clock ?? null;
  }

  // ------------------------------------------------------------ loading

  async load({ transcode = false, again = false } = {}) {
    this.retry.hidden = true;
    const listener = (/** @type {Progress} */ progress) => this.say(...waitText(progress));
    this.session.listeners.add(listener);
    this.say("Asking the kernel for the video …");
    try {
      const media = await this.session.media({ transcode, again });
      if (this.closed) return;
      this.use(media);
    } catch (error) {
      if (!this.closed)
        this.fail(sentence(error), () => void this.load({ transcode, again: true }));
    } finally {
      this.session.listeners.delete(listener);
    }
  }

  /** @param {Media} media */
  use(media) {
    const { video, info } = this;
    this.media = media;
    // Padding that only makes the sizes even hangs over the edge of the screen.
    const pad = media.how === "transcode";
    video.style.width = pad ? `${(100 * media.coded_width) / info.width}%` : "100%";
    video.style.height = pad ? `${(100 * media.coded_height) / info.height}%` : "100%";
    this.picture.clock = media.clock;
    this.timeline.clock = media.clock;
    this.timeline.element.setAttribute("aria-valuemax", String(media.clock.length - 1));
    this.totalText.textContent = ` / ${clockText(media.clock.end)}`;
    this.lengthText.textContent = ` / ${media.clock.length}`;
    this.frameInput.style.setProperty(
      "width",
      `${Math.max(String(media.clock.length).length, 2) + 1.6}ch`,
    );
    this.soundButton.hidden = !media.has_audio;
    this.badge.hidden = media.how === "direct" && !media.warning;
    this.badge.textContent =
      media.warning ||
      (media.how === "transcode" ? `transcoded from ${media.codec}` : "repackaged");
    this.badge.title = [media.warning, media.why].filter(Boolean).join(" ");
    this.say("Opening the video …");
    video.src = media.url;
    video.load();
  }

  async loadPredictions() {
    if (!this.info.models.length) return;
    try {
      const told = await this.session.told();
      if (this.closed) return;
      this.told = told;
      this.timeline.told = told;
      this.panel.refill(told);
      this.timeline.draw();
      this.update(this.picture.shown ?? this.model.get("frame_index"));
    } catch (error) {
      if (this.closed) return;
      this.panel.element.prepend(
        h("p", { class: "vl-error", text: `The predictions cannot be shown: ${sentence(error)}` }),
      );
    }
  }

  /**
   * Say what is being waited for, over the empty picture; nothing takes it away.
   * @param {string} [text]
   * @param {number} [fraction]
   */
  say(text = "", fraction) {
    const { status, statusText, statusBar } = this;
    status.hidden = !text;
    status.classList.remove("vl-failed");
    statusText.textContent = text;
    statusBar.hidden = fraction === undefined;
    if (fraction !== undefined) statusBar.value = fraction;
  }

  /**
   * @param {string} text
   * @param {() => void} again
   */
  fail(text, again) {
    this.say(text);
    this.status.classList.add("vl-failed");
    this.retry.hidden = false;
    this.retry.onclick = again;
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
    const { video, speed, frameInput } = this;
    this.hear(video, "loadeddata", () => {
      this.say();
      this.picture.show(this.resume ?? this.model.get("frame_index"));
      this.resume = null;
      this.timeline.draw();
      this.update(this.picture.current);
      if (this.model.get("playing")) this.obeyPlaying();
    });
    this.hear(video, "error", () => this.onVideoError());
    this.hear(video, "play", () => this.showPlaying(true));
    this.hear(video, "pause", () => this.showPlaying(false));
    this.hear(video, "ended", () => {
      this.setPlaying(false);
      // At high speed the browser may leave the last frame out.
      this.goTo(Infinity);
    });
    this.hear(video, "click", () => {
      this.root.focus({ preventScroll: true });
      this.togglePlay();
    });
    this.hear(speed, "change", () => {
      this.model.set("speed", Number(speed.value));
      this.model.save_changes();
    });
    this.hear(frameInput, "keydown", (event) => {
      if (event.key === "Enter") this.goToTyped(frameInput.value);
      if (event.key === "Escape") frameInput.value = String(this.picture.current);
      if (event.key === "Enter" || event.key === "Escape") this.timeline.element.focus();
    });
    this.hear(frameInput, "focus", () => frameInput.select());
    // JupyterLab hears keys on the document before they reach the page's elements. While the
    // focus is in here, our keys (and only ours) are taken one step earlier, on the window.
    this.hear(window, "keydown", (event) => this.onKey(event), true);
    this.follow("frame_index", () => {
      const index = this.model.get("frame_index");
      if (index !== this.posted || this.session.driver !== this) this.obeyFrame(index);
    });
    this.follow("playing", () => this.obeyPlaying());
    this.follow("speed", () => this.showSpeed());
    this.follow("selection", () => this.showSelection());
    this.follow("overlay", () => this.update(this.picture.shown ?? 0));
    const theme = new MutationObserver(() => this.timeline.draw());
    for (const element of [document.documentElement, document.body]) {
      theme.observe(element, {
        attributes: true,
        attributeFilter: [
          "class",
          "style",
          "data-jp-theme-name",
          "data-jp-theme-light",
          "data-vscode-theme-kind",
        ],
      });
    }
    this.undo.push(() => theme.disconnect());
  }

  onVideoError() {
    if (!this.video.getAttribute("src") || !this.media) return;
    if (this.media.how === "transcode") {
      this.fail(
        "This browser cannot play H.264 video. Open the notebook in a browser that can, such as Chrome, Edge, Firefox or Safari.",
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
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    if (typing) return;
    const onButton = target instanceof HTMLButtonElement;
    const now = this.picture.current;
    /** @type {Record<string, () => void>} */
    const actions = {
      ",": () => this.step(-1),
      ".": () => this.step(1),
      ArrowLeft: () => this.jump(-JUMP_SECONDS),
      ArrowRight: () => this.jump(JUMP_SECONDS),
      Home: () => this.goTo(0),
      End: () => this.goTo(Infinity),
      "[": () => this.select(now, Math.max(this.selection?.[1] ?? 0, now + 1)),
      "]": () => this.select(Math.min(this.selection?.[0] ?? now, now), now + 1),
      "?": () => this.toggleHelp(),
    };
    if (!onButton) actions[" "] = () => this.togglePlay();
    if (this.selection) actions["Escape"] = () => this.select();
    if (this.info.models.length > 1) {
      actions["n"] = () => this.find(1);
      actions["p"] = () => this.find(-1);
    }
    const action = actions[event.key];
    if (!action) return;
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
    this.picture.show(clamp(index, 0, this.clock.length - 1));
    this.post();
  }

  /** @param {number} num_frames */
  step(num_frames) {
    this.goTo(this.picture.current + num_frames);
  }

  /** @param {number} seconds */
  jump(seconds) {
    if (!this.clock) return;
    this.takeOver();
    this.picture.show(this.clock.at(this.clock.start(this.picture.current) + seconds));
    this.post();
  }

  /**
   * @param {number} seconds
   * @param {boolean} final
   */
  seekTo(seconds, final) {
    if (!this.clock) return;
    this.takeOver();
    this.picture.show(this.clock.at(seconds));
    this.post();
    if (final) this.speak();
  }

  /** A frame number, or a time such as "1:02.5" or "2.5s". @param {string} text */
  goToTyped(text) {
    const typed = text.trim();
    const time = /^(?:(\d+):)?(\d+(?:\.\d*)?)\s*s?$/.exec(typed);
    if (/^\d+$/.test(typed)) this.goTo(Number(typed));
    else if (time && this.clock)
      this.goTo(this.clock.at(60 * Number(time[1] ?? 0) + Number(time[2])));
    else this.frameInput.value = String(this.picture.current);
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
      this.announce(
        direction > 0 ? "No disagreement after this frame." : "No disagreement before this frame.",
      );
  }

  togglePlay() {
    this.takeOver();
    this.setPlaying(!this.model.get("playing"));
  }

  takeOver() {
    const { driver } = this.session;
    if (driver !== this) driver?.video.pause();
    this.session.driver = this;
  }

  /** @param {boolean} playing */
  setPlaying(playing) {
    if (this.model.get("playing") === playing) return;
    this.model.set("playing", playing);
    this.model.save_changes();
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
    if (video.ended || picture.current >= clock.length - 1) video.currentTime = 0;
    video.play().catch((error) => {
      if (this.closed) return;
      this.setPlaying(false);
      if (error instanceof DOMException && error.name === "NotAllowedError") {
        this.announce(
          "The browser wants a click in the page before it plays sound. Press play.",
          true,
        );
      }
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
    this.update(index);
    if (this.session.driver === this) this.post();
  }

  /** @param {number} index */
  update(index) {
    const { clock, timeline, panel } = this;
    this.root.dataset["frame"] = String(index);
    panel.show(index);
    this.showOverlay(index);
    if (!clock) return;
    this.timeText.textContent = clockText(clock.start(index));
    if (document.activeElement !== this.frameInput) this.frameInput.value = String(index);
    timeline.frame = index;
    timeline.drawTop();
    timeline.element.setAttribute("aria-valuenow", String(index));
    timeline.element.setAttribute("aria-valuetext", this.describe(index));
    this.showFound(index);
    if (this.video.paused) this.speak();
  }

  /** @param {number} index */
  describe(index) {
    const parts = [`frame ${index}`, clockText(this.clock?.start(index) ?? 0)];
    for (const track of this.told?.tracks ?? []) {
      const row = lastAtMost(track.frames, index);
      const label = row < 0 ? undefined : this.told?.labels[track.topLabels[row * track.k] ?? -1];
      const who = (this.told?.tracks.length ?? 0) > 1 ? `${track.letter}: ` : "";
      if (label) parts.push(`${who}${label.name} ${probText(track.topProbs[row * track.k] ?? 0)}`);
    }
    return parts.join(", ");
  }

  /** @param {number} index */
  showOverlay(index) {
    const { overlay } = this;
    const track = this.told?.tracks[0];
    const row = track ? lastAtMost(track.frames, index) : -1;
    const label =
      track && row >= 0 ? this.told?.labels[track.topLabels[row * track.k] ?? -1] : undefined;
    overlay.hidden = !this.model.get("overlay") || !label;
    if (overlay.hidden || !track || !label) return;
    const [name, value] = /** @type {HTMLElement[]} */ ([...overlay.children]);
    if (name) name.textContent = label.name;
    if (value) value.textContent = probText(track.topProbs[row * track.k] ?? 0);
    overlay.style.borderLeftColor = label.color ?? "";
  }

  /** @param {number} index */
  showFound(index) {
    if (!this.told) return;
    const all = this.told.disagreements;
    const here = all.findIndex(({ start, stop }) => start <= index && index < stop);
    const count = all.length === 1 ? "1 disagreement" : `${all.length} disagreements`;
    const peak = this.told.divergence?.most;
    this.findMost.textContent =
      peak === undefined ? "" : `Δ divergence, at most ${peak.toFixed(peak < 0.1 ? 3 : 2)} nats`;
    this.findText.textContent =
      all.length === 0
        ? "the models agree throughout"
        : here >= 0
          ? `disagreement ${here + 1} of ${all.length}`
          : count;
    const [previous, next] = /** @type {HTMLButtonElement[]} */ ([
      ...(this.finder.querySelectorAll("button") ?? []),
    ]);
    // aria-disabled, not disabled: a disabled button would lose the keyboard's focus.
    previous?.setAttribute("aria-disabled", String(!all.some(({ start }) => start < index)));
    next?.setAttribute("aria-disabled", String(!all.some(({ start }) => start > index)));
  }

  /** @param {boolean} playing */
  showPlaying(playing) {
    const label = playing ? "Pause (space)" : "Play (space)";
    this.playButton.replaceChildren(icon(playing ? "pause" : "play"));
    this.playButton.setAttribute("aria-label", label);
    this.playButton.setAttribute("title", label);
  }

  showSpeed() {
    const value = this.model.get("speed");
    this.video.defaultPlaybackRate = this.video.playbackRate = value;
    if (
      !SPEEDS.includes(value) &&
      ![...this.speed.options].some((option) => Number(option.value) === value)
    ) {
      this.speed.append(h("option", { value, text: `${value}×` }));
    }
    this.speed.value = String(value);
  }

  /** @param {boolean} muted */
  setMuted(muted) {
    this.video.muted = muted;
    const label = muted ? "Sound on" : "Sound off";
    this.soundButton.replaceChildren(icon(muted ? "mute" : "sound"));
    this.soundButton.setAttribute("aria-label", label);
    this.soundButton.setAttribute("title", label);
  }

  /** @returns {[number, number] | null} */
  get selection() {
    return this.model.get("selection");
  }

  /** Select frames [start, stop), or nothing. @param {number} [start] @param {number} [stop] */
  select(start, stop) {
    this.model.set("selection", start === undefined || stop === undefined ? null : [start, stop]);
    this.model.save_changes();
  }

  showSelection() {
    this.timeline.selection = this.selection;
    this.timeline.drawTop();
  }

  toggleHelp() {
    this.help.hidden = !this.help.hidden;
    this.helpButton.setAttribute("aria-expanded", String(!this.help.hidden));
  }

  /** Tell the kernel where we are, at most every POST_EVERY_MS. */
  post() {
    if (this.postTimer || this.closed) return;
    this.postTimer = window.setTimeout(() => {
      this.postTimer = 0;
      const { clock, picture } = this;
      if (!clock || this.closed) return;
      const index = picture.current;
      if (index === this.model.get("frame_index")) return;
      this.posted = index;
      this.model.set("frame_index", index);
      this.model.set("time_seconds", clock.start(index));
      this.model.save_changes();
    }, POST_EVERY_MS);
  }

  /** Tell a screen reader where we are once things have come to rest. */
  speak() {
    clearTimeout(this.speakTimer);
    this.speakTimer = window.setTimeout(
      () => this.announce(this.describe(this.picture.current)),
      500,
    );
  }

  /**
   * @param {string} text
   * @param {boolean} [visibly]
   */
  announce(text, visibly = false) {
    if (this.closed) return;
    this.live.textContent = text;
    if (visibly) {
      this.badge.hidden = false;
      this.badge.textContent = text;
      this.badge.title = text;
    }
  }

  close() {
    this.closed = true;
    clearTimeout(this.postTimer);
    clearTimeout(this.speakTimer);
    for (const undo of this.undo) undo();
    this.timeline.close();
    this.picture.close();
    this.root.remove();
  }
}

/**
 * What is being waited for, in words.
 * @param {Progress} progress
 * @returns {[string, number | undefined]}
 */
function waitText({ phase, codec = "", fraction }) {
  const percent = fraction === undefined ? "" : `, ${Math.floor(100 * fraction)} %`;
  switch (phase) {
    case "kernel":
      return fraction && fraction >= 1
        ? [
            `The kernel has not answered for ${Math.round(fraction)} s: it is busy with another cell, or not running. If it is not running, run this cell again.`,
            undefined,
          ]
        : ["Asking the kernel for the video …", undefined];
    case "indexing":
      return ["Reading the frame times …", undefined];
    case "remuxing":
      return [`Repackaging ${codec} for the browser${percent}`, fraction];
    case "transcoding":
      return [`Transcoding ${codec} → H.264${percent}`, fraction];
    case "loading":
      return [`Loading ${codec}`, fraction];
    default:
      return [`${phase}${percent}`, fraction];
  }
}
