// Conditions that hits must meet.

import { items } from "./api.js";
import { el, fill } from "./elements.js";
import { button } from "./fields.js";

const SAMPLED = 1000; // items whose labels are suggested

/**
 * Return the controls.
 * @param {import("./settingspanel.js").Panel} panel
 */
export function filters(panel) {
  const { settings, prefix } = panel;
  const list = `${prefix}labels`;
  const input = el(
    "input",
    {
      type: "text", id: `${prefix}filter`, list, autocomplete: "off", spellcheck: "false",
      placeholder: "label, key=value, key=LOW..HIGH"
    }
  );
  const submit = (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text) panel.set({ filter: [...new Set([...settings.filter, text.includes("=") ? text : `label=${text}`])] });
  };
  const tags = settings.filter.map((text, at) => el("li", {}, button(
    `${text.replace(/^label=/, "")}  ✕`, () => panel.set({ filter: settings.filter.toSpliced(at, 1) }),
    { class: "tag", id: `${prefix}filter-${at}`, "aria-label": `Take away ${text}` },
  )));
  const suggested = el("datalist", { id: list });
  input.addEventListener("focus", () => suggest(panel, suggested), { once: true });
  return el(
    "fieldset", {},
    el("legend", { text: "Only pictures with" }),
    tags.length ? el("ul", { class: "tags" }, ...tags) : null,
    el(
      "form", { class: "joined", onsubmit: submit },
      el("label", { class: "unseen", for: `${prefix}filter`, text: "Label or condition" }), input,
      el("button", { type: "submit", text: "Add" })
    ),
    suggested,
  );
}

async function suggest({ app }, list) {
  const found = await items(app.state.collection, { size: SAMPLED }).catch(() => []);
  const labels = [...new Set(found.flatMap((item) => item.labels ?? []))].sort();
  fill(list, ...labels.map((label) => el("option", { value: label })));
}
