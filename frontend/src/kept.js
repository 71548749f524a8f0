// @ts-check
/** The static output beside a live player: hidden as long as the player is there. */

/**
 * @param {string | undefined} modelId  as `data-vidlab-kept` names it
 * @returns {() => void} shows it again
 */
export function hideKept(modelId) {
  if (!modelId) return () => {};
  // A rule, not a search: the static output may come after the player.
  const sheet = document.createElement("style");
  sheet.textContent = `[data-vidlab-kept="${CSS.escape(modelId)}"] { display: none !important; }`;
  document.head.append(sheet);
  return () => sheet.remove();
}
