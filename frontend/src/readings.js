// @ts-check
/** Numbers about people on the frame on screen: whose skeletons, how far apart, curves' values. */

/** @import { ColoredBy, Info, Overlays } from "./types.js" */
/** @import { Texts } from "./texts.js" */
import { colorOf, gapsAt, letterOf, SHARES } from "./bodies.js";
import { numberText, valuesText } from "./curves.js";
import { h } from "./dom.js";

const APART = "A ↔ B, px";

export class Readings {
  /**
   * @param {Info} info
   * @param {Texts} texts
   */
  constructor(info, texts) {
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
    this.element.append(this.makeTitles(), this.legend, this.apart, this.list);
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
