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
  loop: "M4.5 4h6V2l3.5 3-3.5 3V6H5.5a1 1 0 0 0-1 1v1.5h-2V6a2 2 0 0 1 2-2zm7 8h-6v2L2 11l3.5-3v2h5a1 1 0 0 0 1-1V7.5h2V10a2 2 0 0 1-2 2z",
  full: "M2 2h5v1.6H3.6V7H2zM9 2h5v5h-1.6V3.6H9zM2 9h1.6v3.4H7V14H2zM12.4 9H14v5H9v-1.6h3.4z",
  leave: "M5.4 2H7v5H2V5.4h3.4zM9 2h1.6v3.4H14V7H9zM2 9h5v5H5.4v-3.4H2zM9 9h5v1.6h-3.4V14H9z",
  keys: "M1.5 3.5h13a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-13a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1zM2 5v6h12V5zM3.2 6.2h1.4v1.4H3.2zM5.9 6.2h1.4v1.4H5.9zM8.6 6.2H10v1.4H8.6zM11.3 6.2h1.4v1.4h-1.4zM4.6 8.8h6.8v1.3H4.6z",
  close: "M3.8 2.7 8 6.9l4.2-4.2 1.1 1.1L9.1 8l4.2 4.2-1.1 1.1L8 9.1l-4.2 4.2-1.1-1.1L6.9 8 2.7 3.8z",
  undo: "M6 2.2 7.1 3.3 5.4 5H9.5a4.25 4.25 0 0 1 0 8.5H5V12h4.5a2.75 2.75 0 0 0 0-5.5H5.4l1.7 1.7L6 9.3 2.5 5.75z",
  redo: "M10 2.2 8.9 3.3 10.6 5H6.5a4.25 4.25 0 0 0 0 8.5H11V12H6.5a2.75 2.75 0 0 1 0-5.5h4.1L8.9 8.2 10 9.3l3.5-3.55z",
  settings:
    "M7 1h2l.4 2 1.2.5 1.7-1.1 1.4 1.4-1.1 1.7.5 1.2 2 .4v2l-2 .4-.5 1.2 1.1 1.7-1.4 1.4-1.7-1.1-1.2.5L9 15H7l-.4-2-1.2-.5-1.7 1.1-1.4-1.4 1.1-1.7-.5-1.2-2-.4V7l2-.4.5-1.2-1.1-1.7 1.4-1.4 1.7 1.1L6.6 3zm1 4.6a2.4 2.4 0 1 0 0 4.8 2.4 2.4 0 0 0 0-4.8z",
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
  path.setAttribute("fill-rule", "evenodd");
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

/**
 * Give a button another icon and name: it does something else now.
 * @param {HTMLButtonElement} element
 * @param {string} name
 * @param {string} label
 */
export function relabel(element, name, label) {
  if (element.title === label) return;
  element.replaceChildren(icon(name));
  element.title = label;
  element.setAttribute("aria-label", label);
}
