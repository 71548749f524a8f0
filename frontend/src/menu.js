// @ts-check
/** The settings under ⚙: what is drawn on the picture, the threshold, the timeline, the selection. */

/** @import { ColoredBy, Info, OverlayName } from "./types.js" */
/** @import { Texts } from "./texts.js" */
import { h } from "./dom.js";

/**
 * @typedef {object} Settings  how the menu changes things
 * @property {(name: OverlayName, on: boolean) => void} setOverlay
 * @property {(what: ColoredBy) => void} setColoredBy
 * @property {(name: string) => void} setHeatShown
 * @property {(share: number) => void} setHeatOpacity
 * @property {(value: number | null) => void} setThreshold
 * @property {(on: boolean) => void} setLoop
 * @property {(step: 1 | 0 | -1) => void} zoom
 * @property {(edge: "start" | "stop") => void} select
 */

const FIRST_THRESHOLD = 0.5;

export class Menu {
  /**
   * @param {Texts} texts
   * @param {Info} info
   * @param {Settings} settings
   */
  constructor(texts, info, settings) {
    const isPredicted = info.models.length > 0;
    this.element = h("div", {
      class: "vl-menu",
      role: "group",
      "aria-label": texts.settings,
      hidden: true,
    });
    /** @type {Map<OverlayName, HTMLInputElement>} */
    this.overlays = new Map();
    const drawable = info.overlays ?? (isPredicted ? ["label", "caption", "bars"] : []);
    const boxes = drawable.map((/** @type {OverlayName} */ name) => {
      const [label, box] = checkbox(texts.overlays[name], (on) => settings.setOverlay(name, on));
      this.overlays.set(name, box);
      return label;
    });
    if (boxes.length) this.element.append(group(texts.drawOnPicture, boxes));
    this.coloredBy = h("select", { class: "vl-speed vl-choose", "aria-label": texts.coloredBy });
    const several = (info.keypoints?.length ?? 0) > 1;
    for (const [value, text] of Object.entries(texts.colors))
      if (several || value !== "model") this.coloredBy.append(h("option", { value, text }));
    this.coloredBy.addEventListener("change", () =>
      settings.setColoredBy(/** @type {ColoredBy} */ (this.coloredBy.value)),
    );
    if (info.keypoints?.length) this.element.append(group(texts.coloredBy, [this.coloredBy]));

    const layers = info.heatmaps ?? [];
    this.heatShown = h("select", { class: "vl-speed vl-choose", "aria-label": texts.heatShown });
    for (const { name, shown } of layers)
      this.heatShown.append(h("option", { value: name, text: shown }));
    this.heatShown.addEventListener("change", () => settings.setHeatShown(this.heatShown.value));
    this.heatOpacity = h("input", {
      class: "vl-range",
      type: "range",
      min: 0,
      max: 100,
      step: 1,
      "aria-label": texts.heatOpacity,
      title: texts.heatOpacity,
    });
    this.heatOpacity.addEventListener("input", () =>
      settings.setHeatOpacity(Number(this.heatOpacity.value) / 100),
    );
    this.heatOpacityText = h("output", { class: "vl-number vl-threshold-text" });
    const choice = layers.length > 1 ? [this.heatShown] : [];
    if (layers.length)
      this.element.append(
        group(texts.overlays.heat, [...choice, this.heatOpacity, this.heatOpacityText]),
      );

    const [use, used] = checkbox("", (on) => settings.setThreshold(on ? this.lastThreshold : null));
    used.setAttribute("aria-label", texts.thresholdUse);
    this.thresholdUsed = used;
    this.lastThreshold = FIRST_THRESHOLD;
    this.threshold = h("input", {
      class: "vl-range",
      type: "range",
      min: 0,
      max: 1,
      step: 0.01,
      "aria-label": texts.threshold,
      title: texts.thresholdHint,
    });
    this.thresholdText = h("output", { class: "vl-number vl-threshold-text" });
    this.threshold.addEventListener("input", () =>
      settings.setThreshold(Number(this.threshold.value)),
    );
    if (isPredicted)
      this.element.append(group(texts.threshold, [use, this.threshold, this.thresholdText]));

    const [loop, loopBox] = checkbox(texts.loopShort, settings.setLoop);
    this.loop = loopBox;
    this.element.append(
      group(texts.zoom, [
        link("−", texts.zoomOut, () => settings.zoom(-1)),
        link("+", texts.zoomIn, () => settings.zoom(1)),
        link(texts.whole, texts.zoomAll, () => settings.zoom(0)),
      ]),
      group(texts.selection, [
        link(texts.selectFrom, texts.selectFromHere, () => settings.select("start")),
        link(texts.selectTo, texts.selectToHere, () => settings.select("stop")),
      ]),
      group(texts.playing, [loop]),
    );
  }

  /** @param {string} name @param {number} opacity */
  showHeat(name, opacity) {
    const percent = Math.round(100 * opacity);
    this.heatShown.value = name;
    this.heatOpacity.value = String(percent);
    this.heatOpacityText.textContent = `${percent} %`;
  }

  /**
   * @param {Set<OverlayName>} overlays
   * @param {ColoredBy} coloredBy
   * @param {number | null} threshold
   * @param {boolean} loop
   */
  show(overlays, coloredBy, threshold, loop) {
    for (const [name, box] of this.overlays) box.checked = overlays.has(name);
    this.coloredBy.value = coloredBy;
    this.loop.checked = loop;
    if (threshold !== null) this.lastThreshold = threshold;
    this.thresholdUsed.checked = threshold !== null;
    this.threshold.value = String(this.lastThreshold);
    this.thresholdText.textContent = threshold === null ? "–" : threshold.toFixed(2);
    this.threshold.classList.toggle("vl-off", threshold === null);
  }
}

/**
 * @param {string} name
 * @param {Node[]} children
 */
function group(name, children) {
  return h("div", { class: "vl-setting", role: "group", "aria-label": name }, [
    h("span", { class: "vl-setting-name vl-muted", text: name, "aria-hidden": "true" }),
    ...children,
  ]);
}

/**
 * @param {string} text
 * @param {string} label
 * @param {() => void} onClick
 */
function link(text, label, onClick) {
  const element = h("button", {
    type: "button",
    class: "vl-link",
    text,
    title: label,
    "aria-label": label,
  });
  element.addEventListener("click", onClick);
  return element;
}

/**
 * @param {string} text
 * @param {(on: boolean) => void} onChange
 * @returns {[HTMLLabelElement, HTMLInputElement]}
 */
function checkbox(text, onChange) {
  const box = h("input", { type: "checkbox", class: "vl-check" });
  box.addEventListener("change", () => onChange(box.checked));
  const words = text ? h("span", { text }) : null;
  return [h("label", { class: "vl-choice" }, [box, words]), box];
}
