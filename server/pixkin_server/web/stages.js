// The grammar of stages and choices: NAME or NAME:key=value,key=value.

/** @typedef {{name: string, options: Record<string, string>}} Stage */
/** @typedef {{name: string, measure: string, weight: number}} Choice One descriptor to compare. */

/**
 * Read a stage.
 * @param {string} text
 * @returns {Stage}
 */
export function parseStage(text) {
  const colon = text.indexOf(":");
  if (colon < 0) return { name: text, options: {} };
  const parts = text.slice(colon + 1).split(",").filter(Boolean);
  return { name: text.slice(0, colon), options: Object.fromEntries(parts.map((part) => halves(part, "="))) };
}

/**
 * Write a stage; options without a value are left out.
 * @param {Stage} stage
 * @returns {string}
 */
export function formatStage({ name, options }) {
  const written = Object.entries(options).filter(([, value]) => value !== "");
  return written.length ? `${name}:${written.map((pair) => pair.join("=")).join(",")}` : name;
}

/**
 * Read NAME:measure=M,weight=W.
 * @param {string} text
 * @returns {Choice}
 */
export function parseChoice(text) {
  const { name, options } = parseStage(text);
  return { name, measure: options.measure ?? "", weight: finite(options.weight, 1) };
}

/**
 * Write a choice; what is as by default is left out.
 * @param {Choice} choice
 * @returns {string}
 */
export function formatChoice({ name, measure, weight }) {
  return formatStage({ name, options: { measure, weight: weight === 1 ? "" : String(weight) } });
}

/** Return the two sides of the first separator. @param {string} text @param {string} by @returns {[string, string]} */
function halves(text, by) {
  const at = text.indexOf(by);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** Return a number that a text stands for, or another one. @param {string|undefined} text @param {number} other */
export function finite(text, other) {
  const found = Number(text);
  return text?.trim() && Number.isFinite(found) ? found : other;
}
