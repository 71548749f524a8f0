// @ts-check
/** Elements, icons and buttons: text goes in as text, never as markup. */


/**
 * Make an element. `text` goes in as text, never as markup.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {{class?: string, text?: string, title?: string, [attribute: string]: string | number | boolean | undefined}} [attributes]
 * @param {(Node | null)[]} [children]
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name === "text") element.textContent = String(value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

/** @type {Record<string, string>} 16 x 16 paths */
const ICONS = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 2.5h3v11H4zM9 2.5h3v11H9z",
  first: "M3 3h1.8v10H3zM13 3v10L5.6 8z",
  previous: "M11 3v10L4.5 8zM12 3h1.5v10H12z",
  next: "M5 3v10l6.5-5zM2.5 3H4v10H2.5z",
  last: "M11.2 3H13v10h-1.8zM3 3v10l7.4-5z",
  left: "M10.3 2.7 5 8l5.3 5.3 1.1-1.1L7.2 8l4.2-4.2z",
  right: "M5.7 2.7 11 8l-5.3 5.3-1.1-1.1L8.8 8 4.6 3.8z",
  sound:
    "M2 6h2.5L8 3v10L4.5 10H2zM9.5 5.2c1.9.9 1.9 4.7 0 5.6zM11 2.8c3.6 2 3.6 8.4 0 10.4l-.6-1c2.7-1.6 2.7-6.8 0-8.4z",
  mute: "M2 6h2.5L8 3v10L4.5 10H2zM9.7 6.5l.8-.8L12 7.2l1.5-1.5.8.8L12.8 8l1.5 1.5-.8.8L12 8.8l-1.5 1.5-.8-.8L11.2 8z",
};

/**
 * @param {string} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name] ?? "");
  svg.append(path);
  return svg;
}

/**
 * @param {string} name
 * @param {string} label
 * @param {() => void} onClick
 * @returns {HTMLButtonElement}
 */
export function button(name, label, onClick) {
  const element = h("button", {
    type: "button",
    class: "vl-button",
    title: label,
    "aria-label": label,
  });
  element.append(icon(name));
  element.addEventListener("click", onClick);
  return element;
}
