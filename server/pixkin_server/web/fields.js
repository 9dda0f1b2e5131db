// Fields of forms.

import { el } from "./elements.js";

/**
 * Return a field that chooses one of several.
 * @param {[string, string][]} entries Value and text of each.
 * @param {string} chosen
 * @param {(value: string) => void} choose
 * @param {Record<string, any>} [set] Attributes.
 */
export function select(entries, chosen, choose, set = {}) {
  const options = entries.map(([value, text]) => el("option", { value, text, selected: value === chosen }));
  return el("select", { ...set, onchange: ({ target }) => choose(target.value) }, ...options);
}

/**
 * Return a button.
 * @param {string} text
 * @param {() => void} act
 * @param {Record<string, any>} [set] Attributes.
 */
export const button = (text, act, set = {}) => el("button", { type: "button", text, onclick: () => act(), ...set });

/** Return a control with its name before it. @param {string} name @param {Element} control */
export const field = (name, control) => el("label", { class: "field" }, el("span", { text: name }), control);

/**
 * Return a box to tick.
 * @param {string} text
 * @param {boolean} ticked
 * @param {(ticked: boolean) => void} tick
 * @param {Record<string, any>} [set] Attributes.
 */
export function check(text, ticked, tick, set = {}) {
  const box = el("input", { type: "checkbox", ...set, checked: ticked, onchange: () => tick(box.checked) });
  return el("label", { class: "check" }, box, el("span", { text }));
}
