// @ts-check
/** The browser's camera: opened, and its pictures handed on as JPEG, no more than are taken. */

const JPEG_QUALITY = 0.85;
const MOST_WAITING = 2;
const NUM_KEPT = 300;
const NUM_SAMPLES = 100;

/** @typedef {"refused" | "none" | "busy" | "insecure" | "lost"} Failure  why there is no camera */

/** @type {Record<string, Failure>} what browsers call it */
const FAILURES = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

/** There is no camera: for a reason that there are words for, or in the browser's own words. */
export class CameraError extends Error {
  /** @param {Failure | null} failure @param {string} [message] */
  constructor(failure, message = "") {
    super(message);
    this.failure = failure;
  }
}

/** @param {unknown} error  of getUserMedia @returns {CameraError} */
export function failureOf(error) {
  if (error instanceof CameraError) return error;
  const { name = "", message = String(error) } = /** @type {Partial<Error>} */ (error ?? {});
  return new CameraError(FAILURES[name] ?? null, message || name);
}

/** Which frames are on their way: a few at most, so that nothing ever queues up. */
export class FrameWindow {
  constructor() {
    /** @type {number[]} sent, and not known to have come */
    this.waiting = [];
    /** @type {Map<number, number>} when each of the last frames was taken, ms */
    this.taken = new Map();
    this.next = 0;
    this.skipped = 0;
    this.firstMs = NaN;
    this.lastMs = -Infinity;
    // When the kernel last answered, or was first told something that it has not answered.
    this.heardMs = 0;
  }

  /** Begin anew, from second 0: what is still on its way is not waited for. */
  restart() {
    this.waiting = [];
    this.skipped = 0;
    this.firstMs = NaN;
  }

  get isOpen() {
    return this.waiting.length < MOST_WAITING;
  }

  /**
   * A frame is on its way.
   * @param {number} capturedMs  when the camera took it
   * @param {number} nowMs
   * @returns {{number: number, time_seconds: number, skipped: number}} what to tell of it
   */
  send(capturedMs, nowMs) {
    const number = this.next++;
    this.lastMs = Math.max(this.lastMs, capturedMs);
    if (Number.isNaN(this.firstMs)) this.firstMs = this.lastMs;
    if (!this.waiting.length) this.heardMs = nowMs;
    this.waiting.push(number);
    this.taken.set(number, this.lastMs);
    this.taken.delete(number - NUM_KEPT);
    return { number, time_seconds: (this.lastMs - this.firstMs) / 1000, skipped: this.skipped };
  }

  /** A frame has come; so have all before it. @param {number} number @param {number} nowMs */
  acknowledge(number, nowMs) {
    this.waiting = this.waiting.filter((each) => each > number);
    this.heardMs = nowMs;
  }

  /** Milliseconds for which the kernel has not taken what waits. @param {number} nowMs */
  silence(nowMs) {
    return this.waiting.length ? nowMs - this.heardMs : 0;
  }

  /** Milliseconds since a frame was taken, where that is still known. @param {number} number @param {number} nowMs */
  age(number, nowMs) {
    const taken = this.taken.get(number);
    return taken === undefined ? null : nowMs - taken;
  }
}

/** The last latencies. */
export class Latencies {
  constructor() {
    /** @type {number[]} */
    this.samples = [];
  }

  /** @param {number} ms */
  add(ms) {
    this.samples.push(ms);
    if (this.samples.length > NUM_SAMPLES) this.samples.shift();
  }

  /** @returns {{median_ms: number, p95_ms: number, count: number} | null} */
  get summary() {
    const sorted = this.samples.toSorted((a, b) => a - b);
    const count = sorted.length;
    const at = (/** @type {number} */ share) => sorted[Math.ceil(share * count) - 1] ?? 0;
    return count ? { median_ms: at(0.5), p95_ms: at(0.95), count } : null;
  }
}

/**
 * @typedef {object} Wishes
 * @property {(about: {number: number, time_seconds: number, skipped: number, width: number, height: number}, jpeg: ArrayBuffer) => void} onFrame
 * @property {() => void} onLost  the camera went away by itself
 */

export class Camera {
  /**
   * @param {HTMLVideoElement} video  shows it
   * @param {number} height  px that pictures are scaled down to
   * @param {Wishes} wishes
   */
  constructor(video, height, wishes) {
    this.video = video;
    this.height = height;
    this.wishes = wishes;
    this.frames = new FrameWindow();
    this.canvas = new OffscreenCanvas(1, 1);
    this.context = this.canvas.getContext("2d", { alpha: false });
    /** @type {MediaStream | null} */
    this.stream = null;
    this.isEncoding = false;
    this.callback = 0;
    // Counts what was opened: a stream that comes when another is wanted by now is let go.
    this.turn = 0;
  }

  get device() {
    return this.stream?.getVideoTracks()[0]?.getSettings().deviceId ?? "";
  }

  /**
   * Ask for a camera, and begin.
   * @param {string} [device]  its id; any by default
   * @throws {CameraError} with the reason
   * @returns {Promise<boolean>} false where it was closed meanwhile
   */
  async open(device) {
    const turn = ++this.turn;
    // Pages that are not secure have no such thing.
    if (!navigator.mediaDevices) throw new CameraError("insecure");
    const size = { width: { ideal: 640 }, frameRate: { ideal: 30 } };
    const wanted = device ? { ...size, deviceId: { exact: device } } : size;
    /** @type {MediaStream} */
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
    } catch (error) {
      throw failureOf(error);
    }
    if (turn !== this.turn) {
      letGo(stream);
      return false;
    }
    if (this.stream) letGo(this.stream);
    else this.frames.restart();
    this.stream = stream;
    for (const track of stream.getVideoTracks())
      track.addEventListener("ended", () => {
        if (this.stream === stream) this.wishes.onLost();
      });
    this.video.srcObject = stream;
    this.video.cancelVideoFrameCallback(this.callback);
    this.watch();
    // Refused where the page is left meanwhile; then nobody looks.
    await this.video.play().catch(() => {});
    return turn === this.turn;
  }

  /** The cameras there are; browsers name them once one is open. */
  async devices() {
    const all = await navigator.mediaDevices.enumerateDevices();
    return all.filter(({ kind }) => kind === "videoinput");
  }

  watch() {
    this.callback = this.video.requestVideoFrameCallback((now, { captureTime }) => {
      this.watch();
      void this.shoot(captureTime ?? now);
    });
  }

  /** @param {number} capturedMs */
  async shoot(capturedMs) {
    const { video, canvas, frames } = this;
    if (this.isEncoding || !frames.isOpen || !video.videoWidth) {
      frames.skipped++;
      return;
    }
    const scale = Math.min(1, this.height / video.videoHeight);
    const width = Math.max(1, Math.round(video.videoWidth * scale));
    const height = Math.max(1, Math.round(video.videoHeight * scale));
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    this.context?.drawImage(video, 0, 0, width, height);
    this.isEncoding = true;
    const turn = this.turn;
    try {
      const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: JPEG_QUALITY });
      const jpeg = await blob.arrayBuffer();
      if (turn === this.turn && this.stream)
        this.wishes.onFrame({ ...frames.send(capturedMs, performance.now()), width, height }, jpeg);
    } finally {
      this.isEncoding = false;
    }
  }

  /** Turn it off: its light goes out. */
  close() {
    this.turn++;
    if (this.stream) letGo(this.stream);
    this.stream = null;
    this.video.cancelVideoFrameCallback(this.callback);
    this.video.srcObject = null;
  }
}

/** @param {MediaStream} stream */
function letGo(stream) {
  for (const track of stream.getTracks()) track.stop();
}
