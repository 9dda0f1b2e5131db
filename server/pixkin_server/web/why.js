// Why a hit is where it is: which regions and bins its value comes from.

import { figures } from "./card.js";
import { axesOf, colourOf } from "./colours.js";
import { el } from "./elements.js";
import { regionDrawing } from "./regions.js";

const SHARED = [
  "intersection", "bhattacharyya"
]; // their terms are what two pictures share; those of others set them apart

/**
 * Return the section about one descriptor.
 * @param {import("./app.js").App} app
 * @param {any} explanation
 * @param {string} exampleName
 */
export function explanationSection(app, explanation, exampleName) {
  const { descriptor, measure, sum, bins = [], regions = [] } = explanation;
  const axes = axesIn(app, descriptor);
  const most = Math.max(...bins.map((bin) => Math.max(bin.query, bin.item)), Number.MIN_VALUE);
  const all = regions.reduce((total, { contribution }) => total + Math.abs(contribution), 0) || 1;
  return el(
    "section", { class: "why", "aria-label": `Why: ${descriptor} ${measure}` },
    el(
      "h3", {}, SHARED.includes(measure) ? "What they share" : "What sets them apart",
      el("small", { text: ` ${descriptor} ${measure}, ${figures(sum)} in all` })
    ),
    regions.length ? el(
      "ul", { class: "region-list" },
      ...regions.map(({ name, contribution }) => regionLine(name, contribution, Math.abs(contribution) / all))
    ) : null,
    el(
      "p", { class: "legend soft" }, el("span", { class: "key query" }), `${exampleName} `,
      el("span", { class: "key item" }), "this hit"
    ),
    el("ol", { class: "bins" }, ...bins.map((bin) => binLine(bin, colourOf(axes, bin.bin), most))),
  );
}

/**
 * Return the drawing of the regions over a picture, or null where the explanation has none.
 * @param {import("./app.js").App} app
 * @param {any[]} explanations
 */
export function explainedRegions(app, explanations) {
  const found = explanations.find(({ regions }) => regions?.length);
  if (!found) return null;
  const order = axesIn(app, found.descriptor).find(({ outlines }) => outlines?.length)?.labels ?? [];
  return regionDrawing(found.regions, order);
}

function axesIn(app, name) {
  const descriptor = app.collection?.descriptors.find((each) => each.name === name);
  return descriptor ? axesOf(app.server.extractors, descriptor) : [];
}

function regionLine(name, contribution, share) {
  const bar = el("span", { class: "share", "aria-hidden": "true" });
  bar.style.width = `${100 * share}%`;
  return el(
    "li", {}, el("span", { class: "region-name", text: name }), el("span", { class: "track" }, bar),
    el("span", { class: "number", title: figures(contribution), text: `${Math.round(100 * share)} %` })
  );
}

function binLine({ bin, name, query, item, contribution }, colour, most) {
  const swatch = el("span", { class: colour ? "swatch" : "swatch none", "aria-hidden": "true" });
  if (colour) swatch.style.backgroundColor = colour;
  const bar = (kind, amount) => {
    const found = el("span", { class: `amount ${kind}` });
    found.style.width = `${(100 * amount) / most}%`;
    return found;
  };
  return el(
    "li", {},
    swatch,
    el("span", { class: "bin-name", text: name || `component ${bin}` }),
    el("span", { class: "pair-of-bars", "aria-hidden": "true" }, bar("query", query), bar("item", item)),
    el("span", { class: "number", title: `example ${query}\nhit ${item}`, text: figures(contribution) }),
    el("span", { class: "unseen", text: `example ${figures(query)}, hit ${figures(item)}` }),
  );
}
