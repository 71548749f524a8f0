// @ts-check
/** Puts a view of a widget into the page, and takes it away again. */

/** @import { Model } from "./types.js" */
/** @import { Session } from "./session.js" */
import { Link } from "./links.js";
import { View } from "./view.js";

/**
 * @param {Session} session
 * @param {Model} model
 * @param {HTMLElement} element
 * @returns {() => void} takes it away; the last one lets the session go
 */
export function mount(session, model, element) {
  let unmount = put(session, model, element);
  // Another language: every word is another one, so all of it is made again.
  const remount = () => {
    unmount();
    unmount = put(session, model, element);
  };
  model.on("change:locale", remount);
  return () => {
    model.off("change:locale", remount);
    unmount();
    if (session.views.size === 0) session.release();
  };
}

/**
 * @param {Session} session
 * @param {Model} model
 * @param {HTMLElement} element
 * @returns {() => void} takes it away
 */
function put(session, model, element) {
  const view = new View(session, model, element);
  const link = new Link(view);
  session.views.add(view);
  return () => {
    link.close();
    view.close();
    session.views.delete(view);
    if (session.driver !== view) return;
    session.driver = null;
    for (const other of session.views) other.obeyPlaying(); // the first of them takes over
  };
}
