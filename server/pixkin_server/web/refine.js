// What is done to the first candidates: presets for most, every stage and option for those who want them.

import { el } from "./elements.js";
import { optionFields, stageSelect } from "./stagefields.js";
import { formatStage, parseStage } from "./stages.js";

/** Each is offered where the server has all of its stages. */
const PRESETS = [
  { name: "As measured", expand: "", rerank: [] },
  { name: "Average with the best answers", expand: "average:n=5", rerank: [] },
  { name: "Neighbours that agree", expand: "", rerank: ["k-reciprocal"] },
  { name: "Along neighbourhoods", expand: "", rerank: ["diffusion"] },
  { name: "Near-duplicates once", expand: "", rerank: ["collapse"] },
  { name: "Varied", expand: "", rerank: ["mmr"] },
];

/**
 * Return the controls.
 * @param {import("./settingspanel.js").Panel} panel
 */
export function refine(panel) {
  const { app, settings, prefix } = panel;
  const { expansions, rerankers } = app.server.settings.stages;
  const known = new Set([...expansions, ...rerankers].map(({ name }) => name));
  const offered = PRESETS.filter(({ expand, rerank }) => [expand, ...rerank].every((text) => !text || known.has(parseStage(text).name)));
  const now = offered.findIndex(({ expand, rerank }) => expand === settings.expand && String(rerank) === String(settings.rerank));
  const expansion = parseStage(settings.expand);
  return el(
    "fieldset", {},
    el("legend", { text: "Refine" }),
    el("label", { class: "field" }, el("span", { text: "Re-ranking" }),
      el("select", { id: `${prefix}preset`, onchange: ({ target }) => target.value && panel.set((({ expand, rerank }) => ({ expand, rerank }))(offered[Number(target.value)])) },
        ...offered.map(({ name }, at) => el("option", { value: String(at), text: name, selected: at === now })),
        now < 0 ? el("option", { value: "", text: "As set below", selected: true }) : null)),
    el("details", { class: "fine", id: `${prefix}stages`, open: panel.open.has("stages") || now < 0, ontoggle: ({ target }) => panel.open[target.open ? "add" : "delete"]("stages") },
      el("summary", { text: "Stage by stage" }),
      el("div", { class: "stage" },
        stageSelect(`${prefix}expand`, "Query expansion", expansions, expansion.name, (name) => panel.set({ expand: name }), "none"),
        settings.expand && optionFields(`${prefix}expand`, expansions.find(({ name }) => name === expansion.name), expansion, (changed) => panel.set({ expand: formatStage(changed) }))),
      ...settings.rerank.map((text, at) => rerankStage(panel, text, at)),
      addRerank(panel)),
  );
}

function rerankStage(panel, text, at) {
  const { app, settings, prefix } = panel;
  const stage = parseStage(text);
  const replace = (...stages) => panel.set({ rerank: settings.rerank.toSpliced(at, 1, ...stages) });
  const earlier = () => panel.set({ rerank: settings.rerank.toSpliced(at - 1, 2, text, settings.rerank[at - 1]) });
  const button = (name, label, sign, act) => el("button", { type: "button", class: "quiet", id: `${prefix}rerank-${at}-${name}`, "aria-label": `${label} ${stage.name}`, title: label, text: sign, onclick: act });
  return el("div", { class: "stage", role: "group", "aria-label": `Re-ranking ${at + 1}: ${stage.name}` },
    el("p", { class: "stage-head" }, `${at + 1}. ${stage.name}`, el("span", { class: "ways" }, at > 0 && button("up", "Do earlier:", "↑", earlier), button("away", "Take away", "✕", () => replace()))),
    optionFields(`${prefix}rerank-${at}`, app.server.settings.stages.rerankers.find(({ name }) => name === stage.name), stage, (changed) => replace(formatStage(changed))));
}

function addRerank(panel) {
  const { app, settings, prefix } = panel;
  const add = (name) => name && panel.set({ rerank: [...settings.rerank, name] });
  return stageSelect(`${prefix}add-rerank`, "Add a re-ranking", app.server.settings.stages.rerankers, "", add, "choose …");
}
