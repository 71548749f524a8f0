// @ts-check
/** The front end of `SamplingView`, as anywidget loads it. */

/** @import { Model } from "./types.js" */
import { SamplingView } from "./sampling_view.js";

export default () => ({
  /** @param {{model: Model, el: HTMLElement}} context */
  render({ model, el }) {
    let view = new SamplingView(model, el);
    // Another language: every word is another one, so all of it is made again.
    const remake = () => {
      view.close();
      view = new SamplingView(model, el);
    };
    model.on("change:locale", remake);
    return () => {
      model.off("change:locale", remake);
      view.close();
    };
  },
});
