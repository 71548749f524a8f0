// @ts-check
/** Numbers about people on the frame on screen: whose skeletons, how far apart, curves' values. */

/** @import { ColoredBy, HeatLayer, Info, Overlays } from "./types.js" */
/** @import { Texts } from "./texts.js" */
import { colorOf, gapsAt, letterOf, SHARES } from "./bodies.js";
import { numberText, valuesText } from "./curves.js";
import { h } from "./dom.js";
import { mapAt, nearestMap } from "./heat.js";
import { probText } from "./numbers.js";

const APART = "A ↔ B, px";

/** An end of a scale, to two digits. @param {number} value */
const scaleText = (value) => String(Number(value.toPrecision(2))).replace("-", "−");

export class Readings {
  /**
   * @param {Info} info
   * @param {Texts} texts
   * @param {(frame: number) => void} goTo
   */
  constructor(info, texts, goTo) {
    this.info = info;
    this.texts = texts;
    this.element = h("section", { class: "vl-block vl-readings", "aria-label": texts.readings });
    /** @type {Overlays | null} */
    this.data = null;
    /** @type {ColoredBy} */
    this.coloredBy = "person";
    /** @type {HTMLElement[]} */
    this.swatches = [];
    this.legend = h("div", { class: "vl-legend", hidden: true }, [
      h("span", { class: "vl-muted", text: texts.colors.confidence }),
      h("span", { class: "vl-number", text: "0" }),
      h("span", { class: "vl-ramp" }),
      h("span", { class: "vl-number", text: "1" }),
    ]);
    const ramp = /** @type {HTMLElement} */ (this.legend.children[2]);
    ramp.style.background = `linear-gradient(to right, ${SHARES.join(", ")})`;
    this.mean = h("span", { class: "vl-share" });
    this.joints = h("ul", { class: "vl-joints", "aria-label": APART });
    this.apart = h("div", { hidden: true }, [
      h("div", { class: "vl-head" }, [h("span", { text: APART }), this.mean]),
      this.joints,
    ]);
    /** @type {HTMLElement[]} */
    this.distances = [];
    /** @type {HTMLElement[]} */
    this.values = [];
    this.list = h("dl", { class: "vl-values" });
    /** @type {string | null} the heat maps that are drawn; null where none are */
    this.heatShown = null;
    this.heatAbout = h("span", { class: "vl-ellipsis" });
    this.heatLeast = h("span", { class: "vl-number" });
    this.heatRamp = h("span", { class: "vl-ramp" });
    this.heatMost = h("span", { class: "vl-number" });
    this.heatNearest = h("button", { type: "button", class: "vl-link" });
    this.heatNearest.addEventListener("click", () =>
      goTo(Number(this.heatNearest.dataset["frame"])),
    );
    this.heat = h("div", { class: "vl-heat", hidden: true }, [
      h("div", { class: "vl-heat-about" }, [this.heatAbout, this.heatNearest]),
      h("div", { class: "vl-legend" }, [this.heatLeast, this.heatRamp, this.heatMost]),
    ]);
    this.element.append(this.makeTitles(), this.legend);
    if (info.heatmaps?.length) this.element.append(this.heat);
    this.element.append(this.apart, this.list);
  }

  makeTitles() {
    const titles = this.info.keypoints ?? [];
    return h(
      "div",
      { hidden: !titles.some(Boolean) },
      titles.map((title, number) => {
        // One model's people have a colour each.
        const swatch = h("span", { class: number > 0 ? "vl-limb vl-dashed" : "vl-limb" });
        this.swatches.push(swatch);
        swatch.hidden = titles.length < 2;
        return h("div", { class: "vl-head", title }, [
          swatch,
          titles.length > 1 ? h("span", { class: "vl-letter", text: letterOf(number) }) : null,
          h("span", { class: "vl-ellipsis", text: title }),
        ]);
      }),
    );
  }

  /** @param {ColoredBy} coloredBy */
  setColoredBy(coloredBy) {
    this.coloredBy = coloredBy;
    this.legend.hidden = coloredBy !== "confidence" || !this.info.keypoints?.length;
    this.swatches.forEach((swatch, number) => {
      swatch.style.color = coloredBy === "model" ? colorOf(number) : "";
    });
  }

  /** Which heat maps are drawn; null where none are. @param {string | null} name */
  setHeat(name) {
    this.heatShown = name;
    this.heat.hidden = !this.heatLayer;
  }

  /** @returns {HeatLayer | undefined} */
  get heatLayer() {
    return this.data?.heat.find(({ name }) => name === this.heatShown);
  }

  /** What the map on screen is about, or where the nearest one is. @param {number} frame */
  showHeat(frame) {
    const layer = this.heatLayer;
    this.heat.hidden = !layer;
    if (!layer) return;
    const map = mapAt(layer, frame);
    const { texts } = this;
    const kind = texts.heatKinds[map?.what ?? ""] ?? map?.what ?? "";
    const about = map ? texts.heatAbout(kind, map.label, probText(map.probability)) : texts.noHeatHere;
    this.heatAbout.textContent = this.heatAbout.title = about;
    this.heatAbout.classList.toggle("vl-muted", !map);
    this.heatRamp.style.background = `linear-gradient(to right, ${layer.colors.join(", ")})`;
    this.heatLeast.textContent = scaleText(layer.least);
    this.heatMost.textContent = scaleText(layer.most);
    const nearest = nearestMap(layer, frame);
    this.heatNearest.hidden = map !== null;
    this.heatNearest.dataset["frame"] = String(nearest);
    this.heatNearest.textContent = texts.goToHeat(nearest);
  }

  /** The numbers have come. @param {Overlays} data */
  fill(data) {
    this.data = data;
    const names = data.gaps?.names ?? [];
    this.apart.hidden = !names.length;
    this.distances = names.map(() => h("span", { class: "vl-number" }));
    this.joints.replaceChildren(
      ...names.map((name, which) =>
        h("li", { title: name }, [
          h("span", { class: "vl-ellipsis", text: name.replaceAll("_", " ") }),
          this.distances[which] ?? null,
        ]),
      ),
    );
    // How far two models are apart is told above.
    const curves = this.curves;
    this.values = curves.map(() => h("dd", { class: "vl-number" }));
    this.list.replaceChildren(
      ...curves.flatMap(({ name }, which) => [
        h("dt", { class: "vl-ellipsis", text: name, title: name }),
        this.values[which] ?? h("dd", {}),
      ]),
    );
  }

  get curves() {
    return this.data?.gaps ? this.data.curves.slice(1) : (this.data?.curves ?? []);
  }

  /** @param {number} frame */
  show(frame) {
    if (!this.data) return;
    this.showHeat(frame);
    if (this.data.gaps) {
      const apart = gapsAt(this.data.gaps, frame);
      const known = apart.filter((value) => !Number.isNaN(value));
      const mean = known.reduce((a, b) => a + b, 0) / known.length;
      this.mean.textContent = this.texts.apartOf(numberText(mean));
      const most = Math.max(...known);
      this.distances.forEach((element, which) => {
        const value = apart[which] ?? NaN;
        element.textContent = numberText(value);
        element.classList.toggle("vl-most", value === most);
      });
    }
    this.curves.forEach((curve, which) => {
      const element = this.values[which];
      if (element) element.textContent = valuesText(curve, frame);
    });
  }
}
