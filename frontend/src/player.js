// @ts-check
/**
 * The front end of vidlab's player and comparison view, as anywidget loads it.
 *
 * Whatever comes from files or models (labels, names, errors) reaches the page through
 * textContent or canvas text only.
 */

/** @import { Model } from "./types.js" */
import { mount } from "./mount.js";
import { Session } from "./session.js";

export { showOffline } from "./offline.js";

// anywidget calls this once per widget and `render` once per view of it.
export default () => {
  /** @type {Session | null} */
  let session = null;
  return {
    /** @param {{model: Model, el: HTMLElement}} context */
    render({ model, el }) {
      session ??= new Session(model);
      const here = session;
      const unmount = mount(here, model, el);
      return () => {
        unmount();
        if (session === here && here.views.size === 0) session = null;
      };
    },
  };
};
