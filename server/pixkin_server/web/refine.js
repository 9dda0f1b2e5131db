// What is done to the first candidates: presets for most, every stage and option for those who want them.

import { el } from "./elements.js";
import { button, field, select } from "./fields.js";
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
  const { app, settings, prefix, set } = panel;
  const { expansions, rerankers } = app.server.settings.stages;
  const known = new Set([...expansions, ...rerankers].map(({ name }) => name));
  const offered = PRESETS.filter(
    ({ expand, rerank }) => [expand, ...rerank].every((text) => !text || known.has(parseStage(text).name))
  );
  const now = offered.findIndex(
    ({ expand, rerank }) => expand === settings.expand && String(rerank) === String(settings.rerank)
  );
  const entries = offered.map(({ name }, at) => [String(at), name]);
  const take = (at) => {
    const { expand, rerank } = offered[Number(at)];
    set({ expand, rerank });
  };
  return el(
    "fieldset", {},
    el("legend", { text: "Refine" }),
    field(
      "Re-ranking",
      select(now < 0 ? [...entries, ["-1", "As set below"]] : entries, String(now), take, { id: `${prefix}preset` })
    ),
    el("details", { class: "fine", id: `${prefix}stages`, open: panel.unfolded || now < 0 },
      el("summary", { text: "Stage by stage" }),
      expansionStage(panel, expansions),
      ...settings.rerank.map((text, at) => rerankStage(panel, text, at)),
      addRerank(panel)),
  );
}

function expansionStage({ settings, prefix, set }, expansions) {
  const stage = parseStage(settings.expand);
  const known = expansions.find(({ name }) => name === stage.name);
  return el("div", { class: "stage" },
    stageSelect(`${prefix}expand`, "Query expansion", expansions, stage.name, (name) => set({ expand: name }), "none"),
    known && optionFields(`${prefix}expand`, known, stage, (changed) => set({ expand: formatStage(changed) })));
}

function rerankStage({ app, settings, prefix, set }, text, at) {
  const stage = parseStage(text);
  const known = app.server.settings.stages.rerankers.find(({ name }) => name === stage.name);
  const id = `${prefix}rerank-${at}`;
  const replace = (...stages) => set({ rerank: settings.rerank.toSpliced(at, 1, ...stages) });
  const earlier = () => set({ rerank: settings.rerank.toSpliced(at - 1, 2, text, settings.rerank[at - 1]) });
  const way = (name, label, sign, act) => button(sign, act, {
    class: "quiet", id: `${id}-${name}`, "aria-label": `${label} ${stage.name}`, title: label,
  });
  return el("div", { class: "stage", role: "group", "aria-label": `Re-ranking ${at + 1}: ${stage.name}` },
    el("p", { class: "stage-head" }, `${at + 1}. ${stage.name}`,
      el("span", { class: "ways" },
        at > 0 && way("up", "Do earlier:", "↑", earlier),
        way("away", "Take away", "✕", () => replace()))),
    optionFields(id, known, stage, (changed) => replace(formatStage(changed))));
}


function addRerank(panel) {
  const { app, settings, prefix } = panel;
  const add = (name) => name && panel.set({ rerank: [...settings.rerank, name] });
  return stageSelect(
    `${prefix}add-rerank`, "Add a re-ranking", app.server.settings.stages.rerankers, "", add, "choose …"
  );
}
