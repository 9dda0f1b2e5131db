// Fields for stages and their options, made from what the server says that it takes.

import { el } from "./elements.js";

/**
 * Return a field that chooses a stage.
 * @param {string} id
 * @param {string} label
 * @param {{name: string}[]} stages
 * @param {string} chosen
 * @param {(name: string) => void} choose
 * @param {string} [none] The text of no stage, where there may be none.
 */
export function stageSelect(id, label, stages, chosen, choose, none = "") {
  return el("label", { class: "field" }, el("span", { text: label }),
    el("select", { id, onchange: ({ target }) => choose(target.value) },
      none ? el("option", { value: "", text: none, selected: !chosen }) : null,
      ...stages.map(({ name }) => el("option", { value: name, text: name, selected: name === chosen }))));
}

/**
 * Return a field for each option of a stage; an empty one is as by default.
 * @param {string} prefix
 * @param {{note?: string, options: any[]}|undefined} known What the server says of the stage.
 * @param {import("./stages.js").Stage} stage
 * @param {(changed: import("./stages.js").Stage) => void} change
 */
export function optionFields(prefix, known, stage, change) {
  if (!known) return null;
  const set = (key, value) => {
    const options = Object.fromEntries(known.options.map((option) => [option.key, option.key === key ? value : stage.options[option.key] ?? ""]));
    change({ ...stage, options });
  };
  return el("div", { class: "options" },
    known.note && el("p", { class: "hint soft", text: known.note }),
    ...known.options.map((option) => field(`${prefix}-${option.key}`, option, stage.options[option.key] ?? "", (value) => set(option.key, value))));
}

function field(id, option, value, set) {
  const { key, kind, default: usual, lowest, highest, choices = [], required, note = "" } = option;
  const label = el("span", { text: key, title: note });
  if (choices.length) {
    const select = el("select", { id, onchange: ({ target }) => set(target.value === usual ? "" : target.value) },
      ...choices.map((choice) => el("option", { value: choice, text: choice, selected: choice === (value || usual) })));
    return el("label", { class: "option" }, label, select);
  }
  const number = kind !== "text";
  return el("label", { class: "option" }, label, el("input", {
    id, type: number ? "number" : "text", value, required,
    placeholder: usual ?? (required ? "needed" : ""),
    min: number ? lowest ?? undefined : undefined, max: number ? highest ?? undefined : undefined,
    step: kind === "integer" ? 1 : "any",
    onchange: ({ target }) => (target.validity.valid || !number ? set(target.value) : target.reportValidity()),
  }));
}
