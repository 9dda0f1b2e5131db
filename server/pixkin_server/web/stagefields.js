// Fields for stages and their options, made from what the server says that it takes.

import { el } from "./elements.js";
import { field, select } from "./fields.js";

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
  const entries = stages.map(({ name }) => [name, name]);
  return field(label, select(none ? [["", none], ...entries] : entries, chosen, choose, { id }));
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
    const options = Object.fromEntries(
      known.options.map((option) => [option.key, option.key === key ? value : stage.options[option.key] ?? ""])
    );
    change({ ...stage, options });
  };
  return el("div", { class: "options" },
    known.note && el("p", { class: "hint soft", text: known.note }),
    ...known.options.map((option) => optionField(`${prefix}-${option.key}`, option, stage.options[option.key] ?? "",
      (value) => set(option.key, value))));
}

function optionField(id, option, value, set) {
  const { key, kind, default: usual, lowest, highest, choices = [], required, note = "" } = option;
  const label = el("span", { text: key, title: note });
  if (choices.length) {
    const choose = (choice) => set(choice === usual ? "" : choice);
    return el(
      "label", { class: "option" }, label,
      select(choices.map((choice) => [choice, choice]), value || usual, choose, { id })
    );
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
