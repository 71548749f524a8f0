// @ts-check
/** One card of a gallery: a picture, and what is known of the clip. */

/** @import { Label } from "./types.js" */
/** @import { Texts } from "./texts.js" */
/** @import { Answer, GalleryInfo, Rows } from "./gallery_rows.js" */
import { h } from "./dom.js";
import { chip } from "./marks.js";
import { clockText, probText } from "./numbers.js";

const LINE_PX = 20;

/** Above and below the words, and the card's border. */
const AROUND_PX = 14;

/** How many px of words each card has under its picture. @param {Rows} rows */
export function wordsHeight({ info }) {
  const others = Number(info.label !== null) + Number(hasPart(info));
  return AROUND_PX + LINE_PX * (1 + info.models.length + others + info.told.length);
}

/** Whether there is more to tell of a clip than its video. @param {GalleryInfo} info */
const hasPart = ({ start, end, divergence }) => [start, end, divergence].some((each) => each !== null);

export class Card {
  /**
   * @param {Texts} texts
   * @param {Rows} rows
   * @param {Map<string, Label>} labels  how labels look
   * @param {number} row
   * @param {string} id
   */
  constructor(texts, rows, labels, row, id) {
    this.row = row;
    this.texts = texts;
    this.picture = h("img", { class: "vl-card-picture", alt: "", draggable: "false", hidden: true });
    this.picture.decoding = "sync"; // or a preview flickers
    this.reason = h("span", { class: "vl-card-reason", hidden: true });
    this.screen = h("span", { class: "vl-card-screen" }, [this.picture, this.reason]);
    this.element = h("div", { class: "vl-card", role: "option", id, "data-row": row }, [
      this.screen,
      h("span", { class: "vl-card-words" }, [
        titleLine(texts, rows, labels, row),
        ...rows.answers(row).map((answer) => answerLine(texts, rows, labels, answer)),
        rows.info.label === null ? null : nameLine(rows, row),
        hasPart(rows.info) ? partLine(texts, rows, row) : null,
        ...rows.info.told.map((name) => toldLine(name, rows.text(name, row))),
      ]),
    ]);
    /** Its thumbnail was asked for, or is there. */
    this.isAsked = false;
    this.url = "";
    this.wanting = new AbortController();
  }

  /** @param {string} url */
  setThumbnail(url) {
    this.url = url;
    this.isAsked = true;
    this.show(url);
  }

  /** @param {string} url */
  show(url) {
    this.picture.src = url;
    this.picture.hidden = false;
  }

  /** @param {string} why */
  fail(why) {
    this.reason.textContent = why;
    this.screen.title = why;
    this.reason.hidden = false;
  }

  remove() {
    this.wanting.abort();
    this.element.remove();
  }
}

/** What it is: its label, or without labels the video's name. @param {Texts} texts @param {Rows} rows @param {Map<string, Label>} labels @param {number} row */
function titleLine(texts, rows, labels, row) {
  const { label: column } = rows.info;
  const label = rows.text(column, row);
  if (column === null) return line(ellipsis(nameOf(rows, row), "vl-card-title"));
  if (label === null) return line(ellipsis(texts.gallery.noLabel, "vl-muted"));
  return line(look(labels, label), ellipsis(rows.nameOf(label), "vl-card-title"));
}

/** @param {Texts} texts @param {Rows} rows @param {Map<string, Label>} labels @param {Answer} answer */
function answerLine(texts, rows, labels, { title, letter, predicted, probability, correct }) {
  const { gallery } = texts;
  if (predicted === null) return line(ellipsis(gallery.noAnswer, "vl-muted"));
  const verdict = correct === null ? null : correct ? texts.right : texts.wrong;
  const text = ellipsis(rows.nameOf(predicted));
  text.title = `${title}: ${rows.nameOf(predicted)}${verdict === null ? "" : ` (${verdict})`}`;
  return line(
    rows.info.models.length > 1 ? h("span", { class: "vl-letter", text: letter, title }) : null,
    verdict === null
      ? null
      : h("span", { class: "vl-card-mark" }, [
          h("span", { text: correct ? "✓" : "✗", "aria-hidden": "true" }),
          h("span", { class: "vl-hidden", text: verdict }),
        ]),
    look(labels, predicted),
    text,
    probability === null ? null : h("span", { class: "vl-number", text: probText(probability) }),
  );
}

/** @param {Rows} rows @param {number} row */
function nameLine(rows, row) {
  const said = small(ellipsis(nameOf(rows, row), "vl-muted"));
  said.title = rows.text("video", row) ?? "";
  return said;
}

/** Which part of the video it is, and how far the models part on it. @param {Texts} texts @param {Rows} rows @param {number} row */
function partLine(texts, rows, row) {
  const { start, end, divergence } = rows.info;
  const [from, to] = [start, end].map((name) => {
    const seconds = rows.number(name, row);
    return seconds === null ? "" : clockText(seconds).slice(0, -2);
  });
  const apart = rows.number(divergence, row);
  return small(
    ellipsis(from || to ? `${from}–${to}` : "", "vl-muted"),
    apart === null
      ? null
      : h("span", {
          class: "vl-number",
          text: `Δ ${apart.toFixed(2)}`,
          title: texts.gallery.divergence(apart.toFixed(4)),
        }),
  );
}

/** @param {string} name @param {string | null} value */
function toldLine(name, value) {
  const said = small(
    h("span", { class: "vl-muted", text: name }),
    h("span", { class: "vl-ellipsis vl-number", text: value ?? "–" }),
  );
  said.title = `${name}: ${value ?? "–"}`;
  return said;
}

/** A file's name without its folders. @param {Rows} rows @param {number} row */
const nameOf = (rows, row) => (rows.text("video", row) ?? "–").replace(/^.*[/\\](?=.)/, "");

/** @param {Map<string, Label>} labels @param {string} label */
const look = (labels, label) => (labels.size ? chip(labels.get(label)) : null);

/** @param {(Node | null)[]} parts */
const line = (...parts) => h("span", { class: "vl-card-line" }, parts);

/** @param {(Node | null)[]} parts */
const small = (...parts) => h("span", { class: "vl-card-line vl-card-small" }, parts);

/** @param {string} text @param {string} [look] */
const ellipsis = (text, look = "") =>
  h("span", { class: `vl-ellipsis ${look}`, text, title: text });
