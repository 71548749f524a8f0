// @ts-check
/**
 * One view of `SamplingView`: sliders and cells that choose a setting, and what it answers.
 *
 * Which setting and label are shown is in the traits `_setting` (its number) and `label`, so that
 * the kernel and all views know it.
 */

/** @import { Model } from "./types.js" */
/** @import { Choice, SamplingInfo, Setting } from "./sampling_settings.js" */
import { h } from "./dom.js";
import { hideKept } from "./kept.js";
import { sayKernelEnded, whenKernelEnds } from "./kernel.js";
import { isControlsOwn } from "./keys.js";
import { chip } from "./marks.js";
import { aligned, clockText, probText } from "./numbers.js";
import { Panel } from "./panel.js";
import { BandChart } from "./sampling_chart.js";
import { Answers, countOf, heldAt, nearest, placeOf, stopsOf } from "./sampling_settings.js";
import { textsOf } from "./texts.js";

/** "0.5", "12", "7.49". @param {number} value */
const short = (value) => String(Number(value.toFixed(2)));

/** @param {number} probability */
const figure = (probability) => (Number.isNaN(probability) ? "–" : probText(probability));

export class SamplingView {
  /**
   * @param {Model} model
   * @param {HTMLElement} el
   */
  constructor(model, el) {
    this.model = model;
    this.texts = textsOf(model.get("locale"));
    this.info = /** @type {SamplingInfo} */ (model.get("_info"));
    this.answers = new Answers(this.info);
    this.id = Math.random().toString(36).slice(2);
    this.chart = new BandChart(
      this.answers.times,
      this.info.span,
      this.texts.sampling.chart,
      (place) => this.tell(place),
    );
    this.picture = this.makePicture();
    this.sliders = [
      this.makeSlider("rate", "fps", ({ fps }) => this.rateText(fps)),
      this.makeSlider("rate", "stride", ({ stride }) => this.strideText(stride)),
      this.makeSlider("phase", "phase", ({ phase }) => short(phase)),
      this.makeSlider("crop", "crop", ({ crop }) => this.cropText(crop)),
    ];
    this.panel = this.makePanel();
    this.verdict = h("p", { class: "vl-sampling-verdict", role: "status" });
    this.picker = this.makePicker();
    this.figures = this.makeFigures();
    this.words = h("p", { class: "vl-sampling-words", role: "status" });
    /** @type {HTMLInputElement[]} by setting */
    this.cells = [];
    this.root = this.assemble();
    el.append(this.root);
    this.onKey = this.onKey.bind(this);
    this.show = this.show.bind(this);
    // JupyterLab hears keys on the document before they reach the page's elements. While the
    // focus is in here, our keys (and only ours) are taken one step earlier, on the window.
    window.addEventListener("keydown", this.onKey, true);
    model.on("change:_setting", this.show);
    model.on("change:label", this.show);
    this.showKept = hideKept(this.info.model_id);
    this.forgetKernel = whenKernelEnds(model, () =>
      sayKernelEnded(this.root, this.texts.kernelEnded.sampling),
    );
    this.show();
  }

  // ------------------------------------------------------------ words

  /** @param {number} fps */
  rateText(fps) {
    return this.texts.sampling.rate(short(fps));
  }

  /** @param {number | null} stride */
  strideText(stride) {
    const { every, uneven } = this.texts.sampling;
    return stride === null ? uneven : every(stride);
  }

  /** @param {string} crop */
  cropText(crop) {
    /** @type {Record<string, string>} */
    const names = this.texts.sampling.crops;
    return names[crop] ?? crop;
  }

  /** A setting and what it answers. @param {Setting} setting */
  sayOf({ fps, stride, phase, crop, top, probabilities }) {
    const { sampling } = this.texts;
    const label = this.info.labels[top[0] ?? -1]?.name ?? "";
    const parts = [this.rateText(fps), stride === null ? "" : this.strideText(stride)];
    parts.push(`${sampling.phase} ${short(phase)}`, this.cropText(crop));
    return `${parts.filter(Boolean).join(", ")}: ${label} ${probText(probabilities[0] ?? 0)}`;
  }

  // ------------------------------------------------------------ parts

  makePicture() {
    const { jpeg, width, height } = this.info.picture;
    this.address = URL.createObjectURL(new Blob([aligned(jpeg)], { type: "image/jpeg" }));
    const box = h("div", { class: "vl-sampling-crop" });
    const image = h("img", { class: "vl-sampling-image", src: this.address, alt: "" });
    const screen = h("div", { class: "vl-screen", role: "img" }, [image, box]);
    screen.style.setProperty("--vl-ratio", `${width} / ${height}`);
    return { box, screen };
  }

  /**
   * A choice as a slider, or in words where there is nothing to choose.
   * @param {Choice} choice
   * @param {"fps" | "stride" | "phase" | "crop"} name
   * @param {(stop: Setting) => string} say
   */
  makeSlider(choice, name, say) {
    const { sampling } = this.texts;
    const { settings } = this.info;
    const stops = stopsOf(settings, choice);
    // The larger the stride, the lower the rate: to the right there is more of what is named.
    if (name === "stride") stops.reverse();
    const title = sampling.hints[name];
    const value = h("span", { class: "vl-sampling-value vl-ellipsis" });
    const input =
      stops.length > 1
        ? h("input", {
            class: "vl-range",
            type: "range",
            min: 0,
            max: stops.length - 1,
            step: 1,
            "aria-label": sampling[name],
          })
        : null;
    input?.addEventListener("input", () => {
      const stop = stops[Number(input.value)];
      if (stop) this.choose(nearest(settings, this.setting, choice, stop));
    });
    const element = h("div", { class: "vl-sampling-choice", title }, [
      h("span", { class: "vl-muted", text: sampling[name] }),
      input,
      value,
    ]);
    const show = (/** @type {Setting} */ setting) => {
      value.textContent = value.title = say(setting);
      if (!input) return;
      input.value = String(placeOf(stops, choice, setting));
      input.setAttribute("aria-valuetext", say(setting));
    };
    return { element, show };
  }

  /** The answers of the whole video: a panel that has settings where others have frames. */
  makePanel() {
    const { labels, settings, title } = this.info;
    const k = settings[0]?.top.length ?? 0;
    const info = { name: "", width: 0, height: 0, top_k: k, models: [title], has_audio: false };
    const panel = new Panel(info, this.texts);
    const track = {
      title,
      letter: "",
      k,
      frames: Int32Array.from(settings.keys()),
      times: new Float64Array(),
      topLabels: Int32Array.from(settings.flatMap(({ top }) => top)),
      topProbs: Float32Array.from(settings.flatMap(({ probabilities }) => probabilities)),
      curveLabels: [],
      curveProbs: new Float32Array(),
      clipStarts: null,
    };
    panel.refill({ labels, tracks: [track], divergence: null, disagreements: [], truth: [] }, []);
    return panel;
  }

  makePicker() {
    const { sampling } = this.texts;
    const known = this.info.labels.slice(0, this.answers.bands.length);
    const picker = h(
      "select",
      { class: "vl-speed vl-choose vl-sampling-label", "aria-label": sampling.label },
      known.map(({ label, letter, name }) => h("option", { value: label, text: `${letter}  ${name}` })),
    );
    picker.addEventListener("change", () => {
      this.model.set("label", picker.value);
      this.model.save_changes();
    });
    return picker;
  }

  /** The values at one time; what they are called is the legend too. */
  makeFigures() {
    const { sampling } = this.texts;
    const make = (/** @type {string} */ kind, /** @type {string} */ text) => {
      const value = h("span", { class: "vl-number" });
      const element = h("span", { class: `vl-sampling-figure vl-sampling-${kind}` }, [
        h("span", { class: "vl-sampling-key", "aria-hidden": "true" }),
        h("span", { class: "vl-muted", text }),
        value,
      ]);
      return { element, value };
    };
    return {
      time: h("span", { class: "vl-number" }),
      line: make("line", sampling.line),
      median: make("median", sampling.median),
      range: make("range", sampling.range),
    };
  }

  /** All settings: a column for each rate and phase, a row for each crop. */
  makeCells() {
    const { sampling } = this.texts;
    const { labels, settings } = this.info;
    const stops = /** @type {const} */ (["rate", "phase", "crop"]).map((choice) =>
      stopsOf(settings, choice),
    );
    const [rates = [], phases = [], crops = []] = stops;
    const cells = h("div", {
      class: "vl-sampling-cells",
      role: "radiogroup",
      "aria-label": sampling.settings,
    });
    /** @param {string} text @param {string} area @param {string} [kind] */
    const head = (text, area, kind = "vl-sampling-column") => {
      const element = h("span", { class: `${kind} vl-muted`, text, "aria-hidden": "true" });
      element.style.gridArea = area;
      cells.append(element);
    };
    head(sampling.fps, "1 / 1", "vl-sampling-row");
    head(sampling.phase, "2 / 1", "vl-sampling-row");
    rates.forEach(({ fps }, place) => {
      const first = 2 + place * phases.length;
      head(this.rateText(fps), `1 / ${first} / 2 / ${first + phases.length}`);
      phases.forEach(({ phase }, step) => head(short(phase), `2 / ${first + step}`));
    });
    crops.forEach(({ crop }, place) =>
      head(this.cropText(crop), `${3 + place} / 1`, "vl-sampling-row"),
    );
    this.cells = settings.map((setting, number) => {
      const text = number ? this.sayOf(setting) : sampling.byDefault(this.sayOf(setting));
      const input = h("input", { type: "radio", name: `${this.id}-setting`, "aria-label": text });
      input.addEventListener("change", () => this.choose(number));
      const cell = h("label", { class: "vl-sampling-cell", title: text }, [
        input,
        chip(labels[setting.top[0] ?? -1]),
      ]);
      cell.classList.toggle("vl-sampling-default", number === 0);
      const column = placeOf(rates, "rate", setting) * phases.length;
      const row = 3 + placeOf(crops, "crop", setting);
      cell.style.gridArea = `${row} / ${2 + column + placeOf(phases, "phase", setting)}`;
      cells.append(cell);
      return input;
    });
    return h("div", { class: "vl-sampling-all" }, [
      h("div", { class: "vl-sampling-room" }, [cells]),
      this.makeLegend(),
    ]);
  }

  /** What the cells' letters stand for, and how many of them there are. */
  makeLegend() {
    const { labels, settings } = this.info;
    const counts = labels.map((label, number) => ({ label, count: countOf(settings, number) }));
    return h(
      "ul",
      { class: "vl-sampling-legend" },
      counts
        .filter(({ count }) => count > 0)
        .map(({ label, count }) =>
          h("li", { title: label.name }, [
            chip(label),
            h("span", { class: "vl-ellipsis", text: label.name }),
            h("span", { class: "vl-number", text: String(count) }),
          ]),
        ),
    );
  }

  assemble() {
    const { info, texts, figures } = this;
    const { sampling } = texts;
    const root = h(
      "div",
      {
        class: "vidlab-player vidlab-sampling",
        role: "group",
        lang: texts.language,
        "aria-label": sampling.name(info.title, info.video),
      },
      [
        h("div", { class: "vl-grid" }, [
          h("div", { class: "vl-picture" }, [this.picture.screen]),
          h("div", { class: "vl-sampling-side" }, [
            h(
              "div",
              { role: "group", "aria-label": sampling.choices },
              this.sliders.map(({ element }) => element),
            ),
            this.panel.element,
            this.verdict,
          ]),
        ]),
        h("div", { class: "vl-sampling-figures" }, [
          this.picker,
          figures.time,
          figures.line.element,
          figures.median.element,
          figures.range.element,
        ]),
        this.chart.element,
        this.words,
        this.makeCells(),
      ],
    );
    const { width, height } = info.picture;
    root.style.setProperty("--vl-widest", `${Math.round((240 * width) / height)}px`);
    return root;
  }

  // ------------------------------------------------------------ what is shown

  get number() {
    return /** @type {number} */ (this.model.get("_setting"));
  }

  get setting() {
    return /** @type {Setting} */ (this.info.settings[this.number]);
  }

  /** The number of the label whose band is shown. */
  get label() {
    const label = this.model.get("label");
    return this.info.labels.findIndex((each) => each.label === label);
  }

  /** @param {number} number  of a setting */
  choose(number) {
    this.model.set("_setting", number);
    this.model.save_changes();
  }

  show() {
    const { info, number, setting, label } = this;
    const { sampling } = this.texts;
    for (const slider of this.sliders) slider.show(setting);
    const cell = this.cells[number];
    if (cell) cell.checked = true;
    this.showCrop(setting.crop);
    this.panel.show(number);
    this.verdict.textContent = this.verdictOf(number);
    this.verdict.classList.toggle("vl-sampling-other", setting.top[0] !== info.settings[0]?.top[0]);
    this.picker.value = this.model.get("label");
    const [shown, band, line] = [
      info.labels[label],
      this.answers.bands[label],
      this.answers.lines[number]?.[label],
    ];
    if (!shown || !band || !line) return;
    this.root.style.setProperty("--vl-sampling-band", shown.color ?? "var(--vl-muted)");
    this.chart.use({ label: shown, band, line });
    const [low, high] = [band.low.at(-1) ?? NaN, band.high.at(-1) ?? NaN];
    const words = sampling.words(
      countOf(info.settings, label),
      info.settings.length,
      shown.name,
      low.toFixed(2),
      high.toFixed(2),
    );
    if (this.words.textContent !== words) this.words.textContent = words;
  }

  /** @param {number} number  of a setting */
  verdictOf(number) {
    const { labels, settings } = this.info;
    const { sampling } = this.texts;
    if (number === 0) return sampling.isDefault;
    const [said, other] = [settings[number]?.top[0], settings[0]?.top[0]];
    if (said === other) return sampling.same;
    return sampling.other(labels[said ?? -1]?.name ?? "", labels[other ?? -1]?.name ?? "");
  }

  /** @param {string} crop */
  showCrop(crop) {
    const [left = 0, top = 0, share = 1] = this.info.crops[crop] ?? [];
    const { box, screen } = this.picture;
    for (const [name, value] of Object.entries({ left, top, width: share, height: share }))
      box.style.setProperty(name, `${100 * value}%`);
    screen.setAttribute("aria-label", this.texts.sampling.picture(this.cropText(crop)));
  }

  /** Show the values at one of the times, and say them. @param {number} place */
  tell(place) {
    const { figures, label, number } = this;
    const { sampling } = this.texts;
    const band = this.answers.bands[label];
    const line = this.answers.lines[number]?.[label];
    const seconds = this.answers.times[place] ?? NaN;
    if (!band || !line) return "";
    const [low, median, high] = [band.low, band.median, band.high].map((each) =>
      figure(each[place] ?? NaN),
    );
    const time = clockText(seconds);
    const said = figure(heldAt(line, seconds));
    figures.time.textContent = time;
    figures.line.value.textContent = said;
    figures.median.value.textContent = median ?? "";
    figures.range.value.textContent = `${low} – ${high}`;
    return [
      time,
      `${sampling.line} ${said}`,
      `${sampling.median} ${median}`,
      `${sampling.range} ${low} – ${high}`,
    ].join(", ");
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const target = event.composedPath()[0];
    if (!(target instanceof Node) || !this.root.contains(target)) return;
    const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey;
    const isChart = target === this.chart.element;
    const action = isChart && isPlain ? this.chart.actionOf(event.key) : undefined;
    if (!action) {
      if (isControlsOwn(event, target)) event.stopImmediatePropagation();
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    action();
  }

  close() {
    window.removeEventListener("keydown", this.onKey, true);
    this.model.off("change:_setting", this.show);
    this.model.off("change:label", this.show);
    this.forgetKernel();
    this.showKept();
    this.chart.close();
    if (this.address) URL.revokeObjectURL(this.address);
    this.root.remove();
  }
}
