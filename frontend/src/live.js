// @ts-check
/** The front end of `Live`, as anywidget loads it. */

/** @import { Model } from "./types.js" */
import { LiveView } from "./live_view.js";

// anywidget calls `render` once per view. A view has all that it needs: what it shows is told to
// every one, and the camera is its own.
export default () => ({
  /** @param {{model: Model, el: HTMLElement}} context */
  render({ model, el }) {
    let view = new LiveView(model, el);
    // Another language: every word is another one, so all of it is made again.
    const remake = () => {
      view.close();
      view = new LiveView(model, el);
    };
    model.on("change:locale", remake);
    return () => {
      model.off("change:locale", remake);
      view.close();
    };
  },
});
