// @ts-check
/** Which key does what, while the focus is in the player. */

/** @import { View } from "./view.js" */

const JUMP_SECONDS = 1;
const FAR_SECONDS = 10;

/**
 * What a key does, or nothing where it is the page's own or a field's.
 * @param {KeyboardEvent} event
 * @param {Node} target
 * @param {View} view
 * @returns {(() => void) | undefined}
 */
export function actionOf(event, target, view) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return undefined;
  const isField = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
  if (event.key === "Escape" && view.isOpen && !isText(target)) return () => view.closeOpen();
  if (isField) return undefined;
  const jump = event.shiftKey ? FAR_SECONDS : JUMP_SECONDS;
  /** @type {Record<string, () => void>} */
  const actions = {
    ",": () => view.step(-1),
    ".": () => view.step(1),
    ArrowLeft: () => view.jump(-jump),
    ArrowRight: () => view.jump(jump),
    Home: () => view.goTo(0),
    End: () => view.goTo(Infinity),
    "[": () => view.selectHere("start"),
    "]": () => view.selectHere("stop"),
    "+": () => view.zoom(1),
    "=": () => view.zoom(1),
    "-": () => view.zoom(-1),
    "0": () => view.zoom(0),
    l: () => view.set("loop", !view.model.get("loop")),
    "?": () => view.toggleHelp(),
  };
  if (!(target instanceof HTMLButtonElement)) actions[" "] = () => view.togglePlay();
  if (view.selection) actions["Escape"] = () => view.clearSelection();
  if (view.info.has_audio) actions["m"] = () => view.toggleSound();
  if (document.fullscreenEnabled) actions["f"] = () => void view.toggleFullScreen();
  if (view.info.models.length > 1) {
    actions["n"] = () => view.find(1);
    actions["p"] = () => view.find(-1);
  }
  return actions[event.key];
}

/**
 * Whether a key without an action here is one that a control answers by itself. Text fields are
 * left out: hosts know them, and they hear their keys as events.
 * @param {KeyboardEvent} event
 * @param {Node} target
 */
export function isControlsOwn(event, target) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.key === "Tab") return false;
  if (target instanceof HTMLButtonElement) return event.key === "Enter" || event.key === " ";
  const isField = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
  return isField && !isText(target);
}

/** @param {Node} target */
const isText = (target) => target instanceof HTMLInputElement && target.type === "text";
