// @ts-check
/** Hears of the kernel's end, whatever ended it, and says so where it matters. */

/** @import { Model } from "./types.js" */
import { h } from "./dom.js";

// Jupyter's words for a kernel that is gone, or about to be another one that knows no widget.
const OVER = new Set(["restarting", "autorestarting", "terminating", "dead"]);

/** There is no kernel any more that could answer. */
export class KernelEndedError extends Error {}

/**
 * Call a function once when the kernel that a widget is of has ended.
 *
 * ipywidgets tells its models of a kernel that died or was restarted (`comm_live_update`, which
 * says nothing else of a model that is there already); that it was shut down only JupyterLab's
 * own kernel connection tells. Other hosts may tell neither: then requests that wait say how long.
 * @param {Model} model
 * @param {() => void} call
 * @returns {() => void} stops it
 */
export function whenKernelEnds(model, call) {
  const { kernel } = model.widget_manager ?? {};
  const stop = () => {
    model.off("comm_live_update", end);
    kernel?.statusChanged.disconnect(hear);
  };
  const end = () => {
    stop();
    call();
  };
  const hear = (/** @type {unknown} */ _sender, /** @type {string} */ status) => {
    if (OVER.has(status)) end();
  };
  model.on("comm_live_update", end);
  kernel?.statusChanged.connect(hear);
  return stop;
}

/**
 * Say on top of a widget that its kernel has ended, and what is left of it.
 * @param {HTMLElement} root
 * @param {string} text
 */
export function sayKernelEnded(root, text) {
  root.dataset["kernel"] = "ended";
  root.prepend(h("p", { class: "vl-error vl-ended", role: "alert", text }));
}
