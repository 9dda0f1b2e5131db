// How elements are made. Text is only ever set as text.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an HTML element.
 * @param {string} tag
 * @param {Record<string, any>} [set] `text`, `value`, `checked`, `selected` and `on…` are set as such, all else as
 *   attributes; null, undefined and false are left out.
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {any}
 */
export function el(tag, set = {}, ...children) {
  return dressed(document.createElement(tag), set, children);
}

/**
 * Make an SVG element.
 * @param {string} tag
 * @param {Record<string, any>} [set]
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {any}
 */
export function svg(tag, set = {}, ...children) {
  return dressed(document.createElementNS(SVG, tag), set, children);
}

/**
 * Replace what an element holds; the element with the focus keeps it where its id is still there.
 * @param {Element} parent
 * @param {...(Node|string|null|undefined|false)} children
 */
export function fill(parent, ...children) {
  const focused = parent.contains(document.activeElement) ? document.activeElement?.id : "";
  parent.replaceChildren(...children.filter(Boolean));
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

/**
 * Return the element with an id.
 * @param {string} id
 * @returns {any}
 */
export const byId = (id) => document.getElementById(id);

/** Say something to screen readers. @param {string} text */
export function say(text) {
  byId("said").textContent = text;
}

function dressed(node, set, children) {
  for (const [key, value] of Object.entries(set)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "text") node.textContent = value;
    else if (key === "value" || key === "checked" || key === "selected") node[key] = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter(Boolean));
  return node;
}
