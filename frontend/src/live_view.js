// @ts-check
/**
 * One view of `Live`: the picture with the best label on it, the answers, and the last minute.
 *
 * What the page tells the kernel, each with the view's id: `hello`, `start`, `stop`, `reset`,
 * `frame` (with a JPEG), `told` (latencies), `ack` (a picture was shown), `bye`. What the kernel
 * tells every view: `open` (start the camera), `ack` (a frame was taken), `answer`, `event`,
 * `state`, `picture` (with a JPEG), `error`.
 */

/** @import { Info, Model, Told } from "./types.js" */
/** @import { Failure } from "./camera.js" */
/** @import { LiveEvent, LiveLabel } from "./live_lanes.js" */
import { Camera, Latencies, failureOf } from "./camera.js";
import { h } from "./dom.js";
import { hideKept } from "./kept.js";
import { sayKernelEnded, whenKernelEnds } from "./kernel.js";
import { History, LiveLanes } from "./live_lanes.js";
import { aligned, clockText, probText } from "./numbers.js";
import { Overlay } from "./overlay.js";
import { Panel } from "./panel.js";
import { Status } from "./status.js";
import { textsOf } from "./texts.js";

const MAX_PICTURE_HEIGHT_PX = 400;
const TICK_MS = 500;
const TELL_EVERY_MS = 1000;
const PATIENCE_MS = 5000;
const SPEAK_AFTER_MS = 1000;
const NUM_EVENTS = 5;
const NO_RUN = -1;

/**
 * @typedef {object} LiveParts  what this widget adds
 * @property {boolean} is_camera  the browser's camera is looked at, not a source of the kernel's
 * @property {number} picture_height  px that pictures are sent at
 * @property {string} recording       the folder that is recorded into, as Python writes it; or none
 */

/** @typedef {{rate_fps: number | null, dropped: number, median_ms: number | null, p95_ms: number | null}} Stats  of one model */

/** @typedef {LiveLabel & {probability: number}} Answer */

/**
 * @typedef {object} State  as the kernel tells it
 * @property {"idle" | "waiting" | "running" | "lost" | "ended" | "stopped" | "failed"} state
 * @property {string} message
 * @property {number} run    how often it was started
 * @property {string | null} owner  the view that has the camera
 * @property {Stats[]} stats
 */

/** What one run has brought so far. */
class Seen {
  /** @param {Info} info @param {number} run */
  constructor(info, run) {
    this.run = run;
    this.num_answers = 0;
    this.history = new History(info.models.length);
    this.latencies = info.models.map(() => new Latencies());
    /** @type {Told} the newest answers, as if they were predictions of one frame */
    this.told = {
      labels: this.history.labels,
      tracks: info.models.map((title, index) => ({
        title,
        letter: letterOf(index),
        k: 0,
        frames: new Int32Array(),
        times: new Float64Array(),
        topLabels: new Int32Array(),
        topProbs: new Float32Array(),
        curveLabels: [],
        curveProbs: new Float32Array(),
        clipStarts: null,
      })),
      divergence: null,
      disagreements: [],
      truth: [],
    };
  }
}

export class LiveView {
  /**
   * @param {Model} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.model = model;
    this.id = Math.random().toString(36).slice(2);
    const info = (this.info = /** @type {Info & LiveParts} */ (model.get("_info")));
    const texts = (this.texts = textsOf(model.get("locale")));
    /** @type {State} */
    this.state = { state: "idle", message: "", run: 0, owner: null, stats: [] };
    this.isAsking = false;
    /** The kernel was told to start and has not said yet that it did. */
    this.isStarting = false;
    /** @type {string | null} why there is no camera, until the next try */
    this.failure = null;
    this.hasEnded = false;
    this.startedMs = 0;
    this.toldMs = 0;
    this.speakTimer = 0;
    this.spoken = "";
    this.hasPicture = false;
    this.seen = new Seen(info, NO_RUN);
    this.video = h("video", {
      class: "vl-video",
      playsinline: true,
      tabindex: -1,
      "aria-label": info.name,
    });
    this.video.muted = true; // the attribute counts only where a page is parsed
    this.video.addEventListener("resize", () =>
      this.shape(this.video.videoWidth || info.width, this.video.videoHeight || info.height),
    );
    this.canvas = h("canvas", { class: "vl-video", role: "img", "aria-label": info.name });
    this.camera = new Camera(this.video, info.picture_height, {
      onFrame: (about, jpeg) => this.send({ kind: "frame", ...about }, [jpeg]),
      onLost: () => this.loseCamera(),
    });
    this.overlay = new Overlay(info);
    this.overlay.names = new Set(["label"]);
    this.status = new Status(texts);
    this.panel = new Panel(info, { ...texts, noPredictionHere: texts.live.noAnswer });
    this.figures = this.makeFigures();
    this.lanes = new LiveLanes(texts, info.models.map((_, index) => letterOf(index)));
    this.startButton = this.makeButton(texts.live.start, "", () => this.toggle());
    this.startButton.classList.add("vl-live-start");
    this.resetButton = this.makeButton(texts.live.reset, texts.live.resetHint, () =>
      this.send({ kind: "reset" }),
    );
    this.picker = h("select", {
      class: "vl-speed vl-choose vl-live-cameras",
      "aria-label": texts.live.cameras,
      hidden: true,
    });
    this.picker.addEventListener("change", () => void this.openCamera(this.picker.value));
    this.badge = h("span", { class: "vl-badge vl-muted vl-ellipsis", role: "status" });
    this.notice = h("p", { class: "vl-error vl-notice", role: "status", hidden: true });
    this.events = h("ol", { class: "vl-live-events", "aria-live": "polite" });
    this.noEvents = h("span", { class: "vl-muted", text: texts.live.noEvents });
    this.panel.element.append(
      h("section", { class: "vl-block vl-live-list", "aria-label": texts.live.events }, [
        h("div", { class: "vl-head", text: texts.live.events }),
        this.events,
        this.noEvents,
      ]),
    );
    this.spokenLabels = h("div", { class: "vl-hidden", "aria-live": "polite" });
    this.root = this.assemble();
    this.shape(info.width, info.height);
    el.append(this.root);
    this.begin(NO_RUN);
    this.receive = this.receive.bind(this);
    this.leave = this.leave.bind(this);
    model.on("msg:custom", this.receive);
    window.addEventListener("pagehide", this.leave);
    this.showKept = hideKept(info.model_id);
    this.forgetKernel = whenKernelEnds(model, () => this.end());
    this.ticking = window.setInterval(() => this.tick(), TICK_MS);
    this.send({ kind: "hello" });
    this.show();
  }

  // ------------------------------------------------------------ parts

  assemble() {
    const { info, texts } = this;
    const name = info.is_camera ? texts.live.cameras : info.name;
    const root = h(
      "div",
      {
        class: "vidlab-player vidlab-live",
        role: "group",
        lang: texts.language,
        "aria-label": texts.live.name(name),
      },
      [
        h("div", { class: "vl-grid" }, [
          h("div", { class: "vl-picture" }, [
            h("div", { class: "vl-screen" }, [
              info.is_camera ? this.video : this.canvas,
              this.overlay.canvas,
              this.status.element,
            ]),
          ]),
          h("div", { class: "vl-controls", role: "toolbar", "aria-label": texts.live.controls }, [
            h("span", { class: "vl-group vl-live-buttons" }, [this.startButton, this.resetButton]),
            this.picker,
            this.notice,
            this.badge,
          ]),
          h("div", { class: "vl-lines" }, [this.lanes.element]),
          this.panel.element,
        ]),
        this.spokenLabels,
      ],
    );
    root.classList.toggle("vl-many", info.models.length > 3);
    return root;
  }

  /** A line under each model's answers: its rate, what it dropped, how late it is. */
  makeFigures() {
    const { live } = this.texts;
    const late = this.info.is_camera ? live.latencyHint.screen : live.latencyHint.kernel;
    return [...this.panel.element.querySelectorAll(".vl-block")].map((block) => {
      const rate = h("span", { title: live.numbersHint });
      const latency = h("span", { title: late });
      block.append(h("div", { class: "vl-live-figures vl-muted" }, [rate, latency]));
      return { rate, latency };
    });
  }

  /** @param {string} text @param {string} title @param {() => void} onClick */
  makeButton(text, title, onClick) {
    const element = h("button", { type: "button", class: "vl-link", text, title: title || undefined });
    element.addEventListener("click", onClick);
    return element;
  }

  /** The picture's shape. @param {number} width @param {number} height */
  shape(width, height) {
    const ratio = width / height;
    const widest = Math.round(MAX_PICTURE_HEIGHT_PX * ratio);
    this.root.style.setProperty("--vl-ratio", String(ratio));
    this.root.style.setProperty("--vl-widest", `${widest}px`);
  }

  // ------------------------------------------------------------ what a person does

  get isRunning() {
    return ["waiting", "running", "lost"].includes(this.state.state);
  }

  toggle() {
    if (this.isRunning || this.isAsking || this.isStarting) this.stop();
    else if (this.info.is_camera) void this.openCamera();
    else this.start();
  }

  start() {
    this.isStarting = true;
    this.failure = null;
    this.startedMs = performance.now();
    this.begin(NO_RUN); // what was seen before goes at once, not only when the kernel has begun
    this.send({ kind: "start" });
    this.show();
  }

  stop() {
    this.camera.close();
    this.isAsking = this.isStarting = false;
    this.send({ kind: "stop" });
    // Here it is off already, whenever the kernel gets to it.
    if (this.isRunning) this.state = { ...this.state, state: "stopped", message: "" };
    this.show();
  }

  /** @param {string} [device] */
  async openCamera(device) {
    const isOther = this.camera.stream !== null;
    this.isAsking = true;
    this.failure = null;
    this.show();
    try {
      if (!(await this.camera.open(device))) return;
      this.isAsking = false;
      if (!isOther) this.start();
      await this.listCameras();
    } catch (error) {
      this.isAsking = false;
      if (isOther) this.stop();
      this.fail(error);
    }
    this.show();
  }

  /** @param {unknown} error */
  fail(error) {
    const { failure, message } = failureOf(error);
    this.failure = failure ? this.texts.live.failures[failure] : this.texts.live.failed(message);
    this.root.dataset["failure"] = failure ?? "other";
    this.show();
  }

  /** The camera went away by itself. */
  loseCamera() {
    this.stop();
    this.failure = this.texts.live.failures[/** @type {Failure} */ ("lost")];
    this.root.dataset["failure"] = "lost";
    this.show();
  }

  async listCameras() {
    const cameras = await this.camera.devices();
    this.picker.replaceChildren(
      ...cameras.map(({ deviceId, label }, index) =>
        h("option", { value: deviceId, text: label || this.texts.live.cameraNumber(index + 1) }),
      ),
    );
    this.picker.value = this.camera.device;
    this.picker.hidden = cameras.length < 2;
  }

  /** The kernel has ended, and with it whatever ran. */
  end() {
    this.hasEnded = true;
    this.isAsking = false;
    this.failure = null;
    this.stop();
    const { live, recorded } = this.texts.kernelEnded;
    const { recording } = this.info;
    sayKernelEnded(this.root, recording ? `${live} ${recorded(recording)}` : live);
  }

  // ------------------------------------------------------------ what the kernel tells

  /**
   * @param {any} content
   * @param {ArrayBuffer[]} [buffers]
   */
  send(content, buffers) {
    try {
      this.model.send({ ...content, view: this.id }, undefined, buffers);
    } catch {
      // Without a kernel nothing is taken, which `tick` says after a while.
    }
  }

  /**
   * @param {any} content
   * @param {DataView[]} [buffers]
   */
  receive(content, buffers = []) {
    switch (content?.kind) {
      case "open":
        if (content.view === this.id && !this.camera.stream && !this.isAsking)
          void this.openCamera();
        break;
      case "ack":
        if (content.view === this.id)
          this.camera.frames.acknowledge(content.number, performance.now());
        break;
      case "answer":
        this.answer(content);
        break;
      case "event":
        if (content.run === this.seen.run) this.addEvent(content.event);
        break;
      case "state":
        this.obey(content);
        break;
      case "picture":
        void this.draw(content, buffers);
        break;
      case "error":
        this.refuse(content);
        break;
    }
  }

  /** Forget what was seen: it starts anew. @param {number} run */
  begin(run) {
    this.seen = new Seen(this.info, run);
    this.lanes.use(this.seen.history);
    this.root.dataset["answers"] = "0";
    this.events.replaceChildren();
    this.noEvents.hidden = false;
    this.showAnswers();
  }

  /** @param {State} state */
  obey(state) {
    if (state.run !== this.seen.run) this.begin(state.run);
    this.state = state;
    const isMine = state.owner === this.id;
    if (isMine) this.isStarting = false;
    // Another view took over, or it was stopped in Python.
    if (this.camera.stream && !this.isStarting && !(isMine && this.isRunning)) this.camera.close();
    this.show();
  }

  /** The kernel could not do what was asked for here. @param {{view: string, message: string}} content */
  refuse({ view, message }) {
    if (view !== this.id) return;
    this.camera.close();
    this.isStarting = false;
    this.failure = message;
    this.show();
  }

  /** @param {{run: number, model: number, view: string | null, number: number | null, time_seconds: number, epoch: number, top: Answer[]}} told */
  answer({ run, model, view, number, time_seconds, epoch, top }) {
    const { seen } = this;
    const track = seen.told.tracks[model];
    const [best] = top;
    if (run !== seen.run || !track) return;
    // A model's options may leave no label at all.
    if (best) seen.history.add(model, time_seconds, best, epoch);
    else seen.history.moveTo(time_seconds);
    track.k = top.length;
    track.frames = new Int32Array(1);
    track.times = Float64Array.of(time_seconds);
    track.topLabels = Int32Array.from(top, (each) => seen.history.numberOf(each));
    track.topProbs = Float32Array.from(top, (each) => each.probability);
    seen.num_answers++;
    this.root.dataset["answers"] = String(seen.num_answers);
    this.showAnswers();
    this.lanes.draw();
    this.speak();
    if (view !== this.id || number === null) return;
    // What is drawn now is on screen with the page's next frame.
    requestAnimationFrame(() => {
      const age = this.camera.frames.age(number, performance.now());
      if (age !== null) seen.latencies[model]?.add(age);
    });
  }

  showAnswers() {
    this.panel.refill(this.seen.told, []);
    this.panel.show(0);
    this.overlay.told = this.seen.told;
    this.overlay.show(0);
  }

  /** @param {LiveEvent} event */
  addEvent(event) {
    this.seen.history.mark(event);
    this.lanes.draw();
    const { live } = this.texts;
    const about = [event.label, event.probability === null ? "" : probText(event.probability)];
    const { models } = this.info;
    const letter = models.length > 1 ? letterOf(models.indexOf(event.model)) : "";
    const item = h("li", { class: `vl-live-event vl-live-${event.kind}` }, [
      h("time", {
        class: "vl-live-clock",
        text: new Date().toTimeString().slice(0, 8),
        title: clockText(event.time_seconds),
      }),
      letter ? h("span", { class: "vl-letter", text: letter, title: event.model }) : null,
      h("span", { class: "vl-live-kind", text: live.kinds[event.kind] }),
      h("span", { class: "vl-live-rule vl-ellipsis", text: event.rule, title: event.rule }),
      h("span", { class: "vl-muted vl-ellipsis", text: about.filter(Boolean).join(" ") }),
    ]);
    this.events.prepend(item);
    while (this.events.children.length > NUM_EVENTS) this.events.lastChild?.remove();
    this.noEvents.hidden = true;
  }

  /**
   * A picture of the kernel's source.
   * @param {{run: number, number: number, time_seconds: number}} about
   * @param {DataView[]} buffers
   */
  async draw({ run, number, time_seconds }, buffers) {
    try {
      const picture = await createImageBitmap(
        new Blob([aligned(buffers[0])], { type: "image/jpeg" }),
      );
      const { width, height } = picture;
      if (!this.hasPicture || this.canvas.width !== width || this.canvas.height !== height) {
        [this.canvas.width, this.canvas.height] = [width, height];
        this.shape(width, height);
      }
      this.canvas.getContext("2d")?.drawImage(picture, 0, 0);
      picture.close();
      if (!this.hasPicture) {
        this.hasPicture = true;
        this.show();
      }
      if (run === this.seen.run) this.seen.history.moveTo(time_seconds);
      this.lanes.draw();
    } finally {
      this.send({ kind: "ack", number });
    }
  }

  // ------------------------------------------------------------ showing

  show() {
    const { state, texts, info } = this;
    const isOn = this.isRunning || this.isAsking || this.isStarting;
    this.root.dataset["state"] = state.state;
    this.root.dataset["camera"] = this.camera.stream ? "on" : "off";
    if (!this.failure) delete this.root.dataset["failure"];
    this.startButton.textContent = isOn ? texts.live.stop : texts.live.start;
    this.resetButton.disabled = !this.isRunning;
    this.startButton.disabled = this.hasEnded;
    const isSeen = info.is_camera ? this.camera.stream !== null : this.hasPicture;
    const words = this.words();
    const problem = this.failure ?? (state.state === "failed" ? state.message : "");
    // Where there is a picture, it is not covered: what is to be said stands below.
    if (isSeen) this.status.say();
    else if (problem) this.status.fail(problem, () => this.toggle());
    else this.status.say(words);
    const isWarning = state.state === "lost" || this.silence >= PATIENCE_MS;
    const notice = isSeen ? problem || (isWarning ? words : "") : "";
    if (this.notice.textContent !== notice) this.notice.textContent = notice;
    this.notice.hidden = !notice;
    const said = isSeen && !notice ? words : "";
    if (this.badge.textContent !== said) this.badge.textContent = said;
    this.badge.title = said;
    this.showFigures();
  }

  /** What goes on, in words. */
  words() {
    const { state, info } = this;
    const { live, kernelEnded } = this.texts;
    if (this.hasEnded) return kernelEnded.short;
    if (this.isAsking) return live.askingCamera;
    if (this.silence >= PATIENCE_MS) return live.busyKernel(Math.floor(this.silence / 1000));
    if (this.isStarting) return live.opening;
    switch (state.state) {
      case "waiting":
      case "running":
        if (info.is_camera && state.owner !== this.id) return live.elsewhere;
        if (!this.seen.num_answers) return live.waiting;
        return live.running;
      case "lost":
        return live.lost(state.message);
      case "ended":
        return live.ended;
      case "stopped":
        return live.stopped;
      default:
        return info.is_camera ? live.pressStart : live.pressStartSource(info.name);
    }
  }

  /** Milliseconds for which the kernel has not taken what it was told. */
  get silence() {
    const now = performance.now();
    if (this.isStarting) return now - this.startedMs;
    return this.isRunning && this.camera.stream ? this.camera.frames.silence(now) : 0;
  }

  showFigures() {
    const { live } = this.texts;
    this.figures.forEach(({ rate, latency }, model) => {
      const stats = this.state.stats[model];
      const isKnown = stats && stats.rate_fps !== null;
      rate.textContent = isKnown ? live.numbers(stats.rate_fps?.toFixed(1) ?? "", stats.dropped) : "";
      const late = this.info.is_camera ? this.seen.latencies[model]?.summary : stats;
      const median = late?.median_ms ?? null;
      const p95 = late?.p95_ms ?? null;
      latency.textContent =
        median === null || p95 === null ? "" : live.latency(Math.round(median), Math.round(p95));
    });
  }

  tick() {
    const now = performance.now();
    this.show();
    this.lanes.draw(); // the theme may be another one
    if (!this.camera.stream || !this.isRunning || now - this.toldMs < TELL_EVERY_MS) return;
    this.toldMs = now;
    const on_screen = this.seen.latencies.map((each) => each.summary);
    if (on_screen.some(Boolean) && !this.silence) this.send({ kind: "told", on_screen });
  }

  /** Tell a screen reader of labels that stay for a moment. */
  speak() {
    const { labels, tracks } = this.seen.told;
    const names = tracks
      .map(({ topLabels }) => labels[topLabels[0] ?? -1]?.name ?? "")
      .filter(Boolean)
      .join(", ");
    if (names === this.spoken) return;
    this.spoken = names;
    clearTimeout(this.speakTimer);
    this.speakTimer = window.setTimeout(() => {
      this.spokenLabels.textContent = names;
    }, SPEAK_AFTER_MS);
  }

  // ------------------------------------------------------------ life

  /** The page is left: the camera's light goes out at once. */
  leave() {
    this.camera.close();
    this.send({ kind: "bye" });
  }

  close() {
    clearInterval(this.ticking);
    clearTimeout(this.speakTimer);
    window.removeEventListener("pagehide", this.leave);
    this.forgetKernel();
    this.showKept();
    this.leave();
    this.model.off("msg:custom", this.receive);
    this.lanes.close();
    this.overlay.close();
    this.root.remove();
  }
}

/** The capital letter of a model. @param {number} index */
const letterOf = (index) => String.fromCharCode(65 + (index % 26));
