// @ts-check
/**
 * The front end of vidlab's player and comparison view, as anywidget loads it.
 *
 * Whatever comes from files or models (labels, names, errors) reaches the page through
 * textContent or canvas text only.
 */

/** @import { Model } from "./types.js" */
import { Session } from "./session.js";
import { View } from "./view.js";

// anywidget calls this once per widget and `render` once per view of it.
export default () => {
  /** @type {Session | null} */
  let session = null;
  return {
    /** @param {{model: Model, el: HTMLElement}} context */
    render({ model, el }) {
      session ??= new Session(model);
      const here = session;
      here.views += 1;
      const view = new View(here, model, el);
      return () => {
        view.close();
        here.views -= 1;
        if (here.driver === view) here.driver = null;
        if (here.views === 0) {
          here.release();
          if (session === here) session = null;
        }
      };
    },
  };
};
