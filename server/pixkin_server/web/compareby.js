// Which descriptors a search compares, by which measure, with which weight.

import { el } from "./elements.js";
import { check, select } from "./fields.js";
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
  const several = groups.size > 1 || collection.descriptors.length > 1;
  const group = ([extractor, descriptors]) => el(
    "div", { class: "extractor", role: "group", "aria-label": extractor || "Without an extractor" },
    several && el("p", { class: "group-name soft", text: extractor || "imported or derived" }),
    ...descriptors.map((descriptor) => descriptorLine(panel, descriptor, choices)),
  );
  return el(
    "fieldset", {},
    el("legend", { text: "Compare by" }),
    ...[...groups].map(group),
    ...measureNotes(panel, choices),
    choices.length > 1 && fusion(panel),
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
  const { collection, set } = panel;
  const choice = choices.find(({ name }) => name === descriptor.name);
  const id = `by-${panel.prefix}${descriptor.name}`;
  const replace = (change) => set(
    { descriptors: choices.map((each) => (each === choice ? { ...each, ...change } : each)) }
  );
  const toggle = (wanted) => set({
    descriptors: wanted ? [
      ...choices, { name: descriptor.name, measure: "", weight: 1 }
    ] : choices.filter((each) => each !== choice),
  });
  const name = descriptor.fingerprint ? descriptor.name.slice(descriptor.name.lastIndexOf(".") + 1) : descriptor.name;
  const last = Boolean(choice) && choices.length === 1;
  const measures = measuresFor(panel, descriptor).map((measure) => [measure.name, measure.name]);
  const named = { id: `${id}-measure`, "aria-label": `Measure of ${descriptor.name}` };
  return el(
    "div", { class: "descriptor-line" },
    collection.descriptors.length === 1 ? el("span", { text: descriptor.name }) : check(
      name, Boolean(choice), toggle, { id, disabled: last }
    ),
    el("small", { class: "soft", text: `${descriptor.dim}-d` }),
    choice && select(measures, measureOf(choice, collection), (measure) => replace({ measure }), named),
    choice && choices.length > 1 && el("input", {
      type: "number", id: `${id}-weight`, class: "short", min: 0, step: 0.1, value: choice.weight,
      "aria-label": `Weight of ${descriptor.name}`,
      onchange: ({ target }) => target.valueAsNumber > 0 && replace({ weight: target.valueAsNumber }),
    }),
  );
}

/** Measures of mass need components that are never negative. */
const measuresFor = ({ app }, { non_negative: positive }) => app.server.settings.measures.filter(
  ({ kind }) => positive || kind !== "mass"
);

function measureNotes({ app, collection }, choices) {
  const used = new Set(choices.map((choice) => measureOf(choice, collection)));
  return app.server.settings.measures.filter(({ name, note }) => used.has(name) && note)
    .map(({ name, note }) => el("p", { class: "hint soft" }, el("b", { text: name }), `: ${note}`));
}

function fusion({ app, settings, prefix, set }) {
  const { fusions } = app.server.settings.stages;
  const stage = parseStage(settings.fuse || fusions[0].name);
  const known = fusions.find(({ name }) => name === stage.name);
  return el("div", { class: "stage" },
    stageSelect(`${prefix}fuse`, "Fused by", fusions, stage.name, (name) => set({ fuse: name })),
    optionFields(`${prefix}fuse`, known, stage, (changed) => set({ fuse: formatStage(changed) })));
}
