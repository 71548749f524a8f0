// @ts-check
/** The front end of `Quiz`, as anywidget loads it. */

/** @import { Model } from "./types.js" */
import { QuizView } from "./quiz_view.js";

export default () => ({
  /** @param {{model: Model, el: HTMLElement}} context */
  render({ model, el }) {
    let view = new QuizView(model, el);
    // Another language: every word is another one, so all of it is made again.
    const remake = () => {
      view.close();
      view = new QuizView(model, el);
    };
    model.on("change:locale", remake);
    return () => {
      model.off("change:locale", remake);
      view.close();
    };
  },
});
