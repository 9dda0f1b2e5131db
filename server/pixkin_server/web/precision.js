// Precision against rank of one query whose item has labels: of the first k hits, the share that has a label of its.

import { item, search } from "./api.js";
import { el, fill, svg } from "./elements.js";
import { hitsOf, settingsOf } from "./searching.js";
import { searchRequest } from "./request.js";
import { formatState } from "./state.js";

const MOST = 200;
const READ = [1, 5, 10, 20, 50, 100, 200];
const WIDE = 640;
const HIGH = 200;
const EDGE = { left: 44, right: 20, top: 12, bottom: 28 };

/** The curve. `element` holds it. */
export class Precision {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.key = "";
    this.stop = new AbortController();
    this.element = el("section", { class: "precision", "aria-label": "Precision against rank", hidden: true });
  }

  /** Whether a state has one query that may have labels. @param {import("./state.js").State} state */
  applies(state) {
    return state.queries.length === 1 && "id" in state.queries[0];
  }

  hide() {
    this.stop.abort();
    this.key = "";
    this.element.hidden = true;
  }

  /** @param {import("./state.js").State} state @param {any} collection */
  async show(state, collection) {
    if (!state.precision || !this.applies(state)) return this.hide();
    const key = `${formatState({ ...state, item: "", pages: 1 })} ${collection.incarnation} ${collection.generation}`;
    if (key === this.key) return;
    this.hide();
    this.key = key;
    this.stop = new AbortController();
    try {
      const curves = await this.#curves(state, collection, this.stop.signal);
      fill(this.element, ...curves);
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(this.element, el("p", { class: "note", text: error.message }));
    }
    this.element.hidden = false;
  }

  async #curves(state, collection, signal) {
    const { id } = state.queries[0];
    const { labels = [] } = await item(state.collection, id, signal);
    if (!labels.length) return [
      el("p", { class: "note", text: `${id} has no labels, so no hit can be told right or wrong.` })
    ];
    const size = Math.max(1, Math.min(MOST, Number(collection.items) - (state.settings.self ? 0 : 1)));
    const rankings = await Promise.all(settingsOf(state).map(async (settings) => {
      const deep = { ...settings, candidates: settings.candidates.replace(/:depth=\d+/, "") };
      return hitsOf(await search(searchRequest(state, deep, { size, offset: 0 }, collection), [], signal));
    }));
    const curves = rankings.map(
      (hits) => precisionAt(hits.map((hit) => hit.labels.some((label) => labels.includes(label))))
    );
    return [
      el("h3", { text: `Precision against rank: hits with the label ${labels.join(" or ")}` }),
      el("div", { class: "precision-body" }, chart(curves), table(curves)),
    ];
  }
}

/**
 * Return the share of right ones among the first k, for every k.
 * @param {boolean[]} right
 */
export function precisionAt(right) {
  let count = 0;
  return right.map((each, at) => (count += Number(each)) / (at + 1));
}

function chart(curves) {
  const longest = Math.max(...curves.map((curve) => curve.length), 2);
  const across = (at) => EDGE.left + ((WIDE - EDGE.left - EDGE.right) * at) / (longest - 1);
  const down = (share) => EDGE.top + (HIGH - EDGE.top - EDGE.bottom) * (1 - share);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => svg("g", {},
    svg("line", { class: "rule", x1: EDGE.left, x2: WIDE - EDGE.right, y1: down(share), y2: down(share) }),
    svg("text", { x: EDGE.left - 6, y: down(share) + 4, "text-anchor": "end", text: String(share) })));
  const ticks = [1, Math.round(longest / 4), Math.round(longest / 2), Math.round((longest * 3) / 4), longest];
  const marks = [...new Set(ticks)].filter(Boolean).map(
    (k) => svg("text", { x: across(k - 1), y: HIGH - 6, "text-anchor": "middle", text: String(k) })
  );
  const lines = curves.map(
    (curve, at) => svg(
      "polyline",
      {
        class: `curve ${"ab"[at]}`,
        points: curve.map((share, place) => `${across(place).toFixed(1)},${down(share).toFixed(1)}`).join(" ")
      }
    )
  );
  const label = curves.map((curve, at) => `${curves.length > 1 ? `${"AB"[at]}: ` : ""}${shares(curve)}`).join("; ");
  return svg(
    "svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `Precision: ${label}` }, ...grid, ...marks,
    ...lines
  );
}

function table(curves) {
  const ranks = READ.filter((k) => curves.some((curve) => k <= curve.length));
  const row = (curve, at) => el(
    "tr", {}, curves.length > 1 && el("th", { scope: "row", class: "ab"[at], text: "AB"[at] }),
    ...ranks.map((k) => el("td", { text: curve[k - 1]?.toFixed(2) ?? "" }))
  );
  return el("table", {},
    el(
      "thead", {},
      el("tr", {}, curves.length > 1 && el("td"), ...ranks.map((k) => el("th", { scope: "col", text: `P@${k}` })))
    ),
    el("tbody", {}, ...curves.map(row)));
}

const shares = (curve) => READ.filter((k) => k <= curve.length).map(
  (k) => `${curve[k - 1].toFixed(2)} at ${k}`
).join(", ");
