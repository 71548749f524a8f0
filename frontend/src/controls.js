// @ts-check
/** The one quiet row under the picture. */

/** @import { Info } from "./types.js" */
/** @import { Clock } from "./clock.js" */
/** @import { Texts } from "./texts.js" */
import { button, h, relabel } from "./dom.js";
import { clockText } from "./numbers.js";

const SPEEDS = [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 4];

/**
 * @typedef {object} Commands  what the row can ask for
 * @property {() => void} togglePlay
 * @property {(index: number) => void} goTo
 * @property {(num_frames: number) => void} step
 * @property {(speed: number) => void} setSpeed
 * @property {() => void} toggleSound
 * @property {() => void} toggleLoop
 * @property {() => void} toggleFullScreen
 * @property {() => void} toggleMenu
 * @property {() => void} toggleHelp
 * @property {(text: string) => void} goToTyped
 * @property {() => void} leaveInput
 */

export class Controls {
  /**
   * @param {Info} info
   * @param {Texts} texts
   * @param {Commands} commands
   */
  constructor(info, texts, commands) {
    this.texts = texts;
    this.place = 0;
    this.play = button("play", texts.play, commands.togglePlay);
    this.play.classList.add("vl-play");
    this.speed = h("select", { class: "vl-speed", "aria-label": texts.speed, title: texts.speed });
    for (const speed of SPEEDS) this.speed.append(h("option", { value: speed, text: `${speed}×` }));
    this.speed.addEventListener("change", () => commands.setSpeed(Number(this.speed.value)));
    this.sound = button("sound", texts.soundOff, commands.toggleSound);
    this.sound.hidden = !info.has_audio;
    this.loop = button("loop", texts.loop, commands.toggleLoop);
    this.loop.setAttribute("aria-pressed", "false");
    this.time = h("span", { class: "vl-time", text: clockText(0) });
    this.total = h("span", { class: "vl-muted" });
    this.length = h("span", { class: "vl-muted" });
    this.input = this.makeInput(commands);
    this.badge = h("span", { class: "vl-badge vl-muted vl-ellipsis" });
    /** @type {[string, string]} its text and title */
    this.badgeText = ["", ""];
    this.full = button("full", texts.fullScreen, commands.toggleFullScreen);
    this.full.hidden = !document.fullscreenEnabled;
    this.menu = button("settings", texts.settings, commands.toggleMenu);
    this.menu.setAttribute("aria-expanded", "false");
    this.help = button("keys", texts.keys, commands.toggleHelp);
    this.help.setAttribute("aria-expanded", "false");
    this.element = h(
      "div",
      { class: "vl-controls", role: "toolbar", "aria-label": texts.playback },
      [
        h("span", { class: "vl-group" }, [
          this.play,
          button("first", texts.first, () => commands.goTo(0)),
          button("previous", texts.previous, () => commands.step(-1)),
          button("next", texts.next, () => commands.step(1)),
          button("last", texts.last, () => commands.goTo(Infinity)),
        ]),
        h("span", { class: "vl-group vl-ways" }, [this.speed, this.loop, this.sound]),
        h("span", { class: "vl-group vl-numbers" }, [this.time, this.total]),
        h("label", { class: "vl-group vl-numbers" }, [
          h("span", { class: "vl-muted", text: texts.frame }),
          this.input,
          this.length,
        ]),
        this.badge,
        h("span", { class: "vl-group vl-end" }, [this.full, this.menu, this.help]),
      ],
    );
  }

  /** @param {Commands} commands */
  makeInput(commands) {
    const input = h("input", {
      class: "vl-frame",
      type: "text",
      inputmode: "text",
      autocomplete: "off",
      spellcheck: "false",
      value: "0",
      "aria-label": this.texts.frameInput,
      title: this.texts.frameInputHint,
    });
    input.addEventListener("focus", () => input.select());
    input.addEventListener("blur", () => (input.value = String(this.place)));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") commands.goToTyped(input.value);
      else if (event.key !== "Escape") return;
      commands.leaveInput();
    });
    return input;
  }

  /** @param {number} frame @param {number} seconds */
  showPlace(frame, seconds) {
    this.place = frame;
    this.time.textContent = clockText(seconds);
    if (document.activeElement !== this.input) this.input.value = String(frame);
  }

  /** How long the video is: room for its largest numbers, so that nothing moves. @param {Clock} clock */
  showLength(clock) {
    this.total.textContent = ` / ${clockText(clock.end)}`;
    this.length.textContent = ` / ${clock.length}`;
    const digits = Math.max(String(clock.length).length, 2);
    this.input.style.width = `${digits + 1.8}ch`;
    this.time.style.minWidth = `${clockText(clock.end).length}ch`;
  }

  /** @param {boolean} playing */
  showPlaying(playing) {
    relabel(this.play, playing ? "pause" : "play", playing ? this.texts.pause : this.texts.play);
  }

  /** @param {number} value */
  showSpeed(value) {
    if (![...this.speed.options].some((option) => Number(option.value) === value))
      this.speed.append(h("option", { value, text: `${value}×` }));
    this.speed.value = String(value);
  }

  /** @param {boolean} muted */
  showMuted(muted) {
    relabel(this.sound, muted ? "mute" : "sound", muted ? this.texts.soundOn : this.texts.soundOff);
  }

  /** @param {boolean} loop @param {boolean} selected */
  showLoop(loop, selected) {
    relabel(this.loop, "loop", selected ? this.texts.loopSelection : this.texts.loop);
    this.loop.setAttribute("aria-pressed", String(loop));
  }

  /** @param {boolean} isFull */
  showFullScreen(isFull) {
    const label = isFull ? this.texts.leaveFullScreen : this.texts.fullScreen;
    relabel(this.full, isFull ? "leave" : "full", label);
  }

  /** A word about how the video is played. @param {string} text @param {string} [title] */
  showBadge(text, title = text) {
    this.badgeText = [text, title];
    this.say("");
  }

  /** Say something in the badge's place; nothing brings the badge back. @param {string} text */
  say(text) {
    const [shown, title] = text ? [text, text] : this.badgeText;
    if (this.badge.textContent !== shown) this.badge.textContent = shown;
    this.badge.title = title;
  }
}
