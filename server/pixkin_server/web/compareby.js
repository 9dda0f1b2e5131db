// Which descriptors a search compares, by which measure, with which weight.

import { el } from "./elements.js";
import { chosen, measureOf } from "./request.js";
import { optionFields, stageSelect } from "./stagefields.js";
import { formatStage, parseStage } from "./stages.js";

/**
 * Return the controls.
 * @param {import("./settingspanel.js").Panel} panel
 */
export function compareBy(panel) {
  const { collection, settings } = panel;
  const choices = chosen(settings, collection);
  const groups = byExtractor(collection.descriptors);
  return el(
    "fieldset", {},
    el("legend", { text: "Compare by" }),
    ...[...groups].map(([extractor, descriptors]) => el("div", { class: "extractor", role: "group", "aria-label": extractor || "Without an extractor" },
      groups.size > 1 || descriptors.length > 1 ? el("p", { class: "group-name soft", text: extractor || "imported or derived" }) : null,
      ...descriptors.map((descriptor) => descriptorLine(panel, descriptor, choices)))),
    ...measureNotes(panel, choices),
    choices.length > 1 ? fusion(panel) : null,
  );
}

function byExtractor(descriptors) {
  const groups = new Map();
  for (const descriptor of descriptors) {
    const extractor = descriptor.fingerprint ? descriptor.name.slice(0, descriptor.name.lastIndexOf(".")) : "";
    groups.set(extractor, [...(groups.get(extractor) ?? []), descriptor]);
  }
  return groups;
}

function descriptorLine(panel, descriptor, choices) {
  const { collection } = panel;
  const choice = choices.find(({ name }) => name === descriptor.name);
  const id = `by-${panel.prefix}${descriptor.name}`;
  const replace = (change) => panel.set({ descriptors: choices.map((each) => (each === choice ? { ...each, ...change } : each)) });
  const toggle = () => panel.set({
    descriptors: choice ? choices.filter((each) => each !== choice) : [...choices, { name: descriptor.name, measure: "", weight: 1 }],
  });
  const only = collection.descriptors.length === 1;
  const name = descriptor.fingerprint ? descriptor.name.slice(descriptor.name.lastIndexOf(".") + 1) : descriptor.name;
  const head = only
    ? el("span", { class: "descriptor-name", text: descriptor.name })
    : el("label", { class: "check" }, el("input", { type: "checkbox", id, checked: Boolean(choice), disabled: Boolean(choice) && choices.length === 1, onchange: toggle }), el("span", { class: "descriptor-name", text: name }));
  return el(
    "div", { class: "descriptor-line" }, head,
    el("small", { class: "soft", text: `${descriptor.dim}-d` }),
    choice && el("select", { id: `${id}-measure`, "aria-label": `Measure of ${descriptor.name}`, onchange: ({ target }) => replace({ measure: target.value }) },
      ...measuresFor(panel, descriptor).map((measure) => el("option", { value: measure.name, text: measure.name, selected: measure.name === measureOf(choice, collection) }))),
    choice && choices.length > 1 ? el("input", {
      type: "number", id: `${id}-weight`, class: "short", min: 0, step: 0.1, value: choice.weight, "aria-label": `Weight of ${descriptor.name}`,
      onchange: ({ target }) => target.valueAsNumber > 0 && replace({ weight: target.valueAsNumber }),
    }) : null,
  );
}

/** Measures of mass need components that are never negative. */
const measuresFor = ({ app }, { non_negative: positive }) => app.server.settings.measures.filter(({ kind }) => positive || kind !== "mass");

function measureNotes({ app, collection }, choices) {
  const used = new Set(choices.map((choice) => measureOf(choice, collection)));
  return app.server.settings.measures.filter(({ name, note }) => used.has(name) && note)
    .map(({ name, note }) => el("p", { class: "hint soft" }, el("b", { text: name }), `: ${note}`));
}

function fusion(panel) {
  const { app, settings } = panel;
  const fusions = app.server.settings.stages.fusions;
  const stage = parseStage(settings.fuse || fusions[0].name);
  return el("div", { class: "stage" },
    stageSelect(`${panel.prefix}fuse`, "Fused by", fusions, stage.name, (name) => panel.set({ fuse: name })),
    optionFields(`${panel.prefix}fuse`, fusions.find(({ name }) => name === stage.name), stage, (changed) => panel.set({ fuse: formatStage(changed) })));
}
