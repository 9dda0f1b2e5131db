// One item looked at closely: what is known of it, why it is a hit, and its descriptors.

import { item as askItem, search } from "./api.js";
import { figures, pathParts } from "./card.js";
import { axesOf } from "./colours.js";
import { DescriptorView } from "./descriptorview.js";
import { byId, el, fill } from "./elements.js";
import { trouble } from "./empty.js";
import { button } from "./fields.js";
import { originalOf, pictureElement } from "./originals.js";
import { recall } from "./pictures.js";
import { drawPicture } from "./preview.js";
import { chosen, measureOf, searchRequest } from "./request.js";
import { queryPictures } from "./searching.js";
import { plainSettings } from "./state.js";
import { explainedRegions, explanationSection } from "./why.js";

const NO_HIT = "It is not among the hits that are shown.";

/** The dialog. */
export class Inspector {
  /** @param {import("./app.js").App} app @param {import("./results.js").Results} results */
  constructor(app, results) {
    this.app = app;
    this.results = results;
    this.key = "";
    this.stop = new AbortController();
    this.dialog = byId("inspector");
    this.dialog.addEventListener("close", () => this.app.state.item && this.app.look(""));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => this.#press(event));
  }

  /** @param {import("./state.js").State} state */
  show(state) {
    const key = state.item && JSON.stringify([state.collection, state.item, state.beside, state.settings, state.other]);
    if (key === this.key) return;
    this.key = key;
    this.stop.abort();
    this.stop = new AbortController();
    if (!key) return this.dialog.close();
    this.#open(state, this.stop.signal);
  }

  async #open(state, signal) {
    const { collection } = this.app;
    if (!collection) return;
    const { name } = pathParts(state.item);
    this.pair = el("div", { class: "pair" });
    this.told = el("div", { class: "told" });
    this.body = el("div", { class: "inspector-body" });
    const quiet = (text, id, does, act) => button(
      text, act, { class: "quiet", id: `inspector-${id}`, "aria-label": does }
    );
    fill(
      this.dialog,
      el("header", { class: "inspector-head" },
        el("h2", { id: "inspector-title", text: name, title: state.item }),
        quiet("‹", "previous", "Previous picture", () => this.#walk(-1)),
        quiet("›", "next", "Next picture", () => this.#walk(1)),
        quiet("✕", "close", "Close", () => this.dialog.close())),
      el("div", { class: "inspector-top" }, this.pair, this.told),
      this.body,
    );
    if (!this.dialog.open) this.dialog.showModal();
    try {
      const found = await askItem(state.collection, state.item, signal);
      await this.results.searched;
      signal.throwIfAborted();
      const hit = this.results.hit(state.item, state.beside);
      await this.#showPair(state, found, hit);
      const why = el("div");
      fill(this.told, this.#facts(found, hit), this.#actions(found));
      const [compared] = chosen((state.beside && state.other) || state.settings, collection);
      fill(this.body, why, found.vectors?.length ? new DescriptorView(this.app, found, compared?.name).element : null);
      if (hit) await this.#explain(state, hit, why, signal);
      else if (state.queries.length) fill(why, el("p", { class: "note", text: NO_HIT }));
    } catch (error) {
      if (error.name !== "AbortError") fill(this.body, trouble(error.message, []));
    }
  }

  async #showPair(state, item, hit) {
    const frame = (picture, caption) => el(
      "figure", {}, el("div", { class: "framed" }, picture), el("figcaption", { class: "soft", text: caption })
    );
    const found = pictureElement(this.app, item.id, { large: true, alt: item.id });
    const example = hit && await this.#example(state);
    const more = state.queries.length > 1 ? `first of ${state.queries.length} examples` : "the example";
    fill(this.pair, example && frame(example, more), frame(found, hit ? `rank ${hit.rank}` : item.id));
  }

  async #example({ queries: [first] }) {
    if ("id" in first) return pictureElement(this.app, first.id, { large: true, alt: `The example ${first.id}` });
    const file = await recall(first.picture);
    if (!file) return null;
    try {
      const { canvas } = await drawPicture(file, first.box);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", "The example");
      return canvas;
    } catch {
      return null; // the server reads more formats than this browser
    }
  }

  #facts(item, hit) {
    const { labels = [], attributes = {} } = item;
    const facts = {
      Id: item.id,
      ...(hit && { Rank: String(hit.rank), Score: hit.score.toPrecision(7), Value: hit.value.toPrecision(7) }),
      ...(item.width && { Size: `${item.width} × ${item.height}` }),
      ...(![`${item.root}/${item.id}`, item.id, ""].includes(item.source) && { Source: item.source }),
      ...Object.fromEntries(
        Object.entries(attributes).map(([key, value]) => [key, String(value.text ?? value.number)])
      ),
    };
    const rows = Object.entries(facts).flatMap(([name, text]) => [el("dt", { text: name }), el("dd", { text })]);
    const told = { class: "tag", title: "Only pictures with this label" };
    const tags = labels.map((label) => button(label, () => this.#only(label), told));
    return el(
      "dl", { class: "facts" }, ...rows, ...(tags.length ? [el("dt", { text: "Labels" }), el("dd", {}, ...tags)] : [])
    );
  }

  #actions(item) {
    const { app } = this;
    const { queries } = app.state;
    const original = originalOf(app, item);
    const less = () => app.ask([...queries, { id: item.id, weight: -0.5 }]);
    return el(
      "div", { class: "ways" },
      button("Search with it", () => app.take([{ id: item.id }]), { class: "primary" }),
      queries.length && button("More like this too", () => app.take([{ id: item.id }], { add: true })),
      queries.length && button("Less like this", less),
      original && el(
        "a", { class: "button", href: original, target: "_blank", rel: "noopener noreferrer", text: "Original" }
      ),
    );
  }

  #only(label) {
    const { state } = this.app;
    const filter = [...new Set([...state.settings.filter, `label=${label}`])];
    this.app.go({ settings: { ...state.settings, filter }, pages: 1, item: "" });
  }

  async #explain(state, hit, place, signal) {
    const settings = (state.beside && state.other) || state.settings;
    const { collection } = this.app;
    const kinds = Object.fromEntries(this.app.server.settings.measures.map(({ name, kind }) => [name, kind]));
    const choices = chosen(settings, collection);
    if (!choices.some((choice) => kinds[measureOf(choice, collection)] === "mass")) {
      fill(place, this.#whyNot(choices, kinds, state));
      return;
    }
    const request = searchRequest(state, settings, { size: 1, offset: hit.rank - 1, explain: true }, collection);
    const reply = await search(request, await queryPictures(state), signal);
    const explanations = reply.ids?.[0] === hit.id ? reply.explanations?.[0]?.descriptors ?? [] : null;
    if (!explanations) return fill(
      place, el("p", { class: "note", text: "The collection has changed since this search. Search again to see why." })
    );
    for (const framed of this.pair.querySelectorAll(".framed")) {
      const drawing = explainedRegions(this.app, explanations);
      if (drawing) framed.append(drawing);
    }
    const example = state.queries.length > 1 ? "the examples' mean" : "the example";
    fill(place, ...explanations.map((each) => explanationSection(this.app, each, example)));
  }

  #whyNot(choices, kinds, state) {
    const names = choices.map(({ name }) => name);
    const positive = this.app.collection.descriptors.filter(({ non_negative: fit }) => fit);
    // Bins that have names say more than components of a network.
    const fits = positive.find((each) => axesOf(this.app.server.extractors, each).length)
      ?? positive.find(({ name }) => names.includes(name)) ?? positive[0];
    const mass = Object.entries(kinds).filter(([, kind]) => kind === "mass").map(([name]) => name);
    const measures = [...new Set(choices.map((choice) => measureOf(choice, this.app.collection)))].join(" and ");
    const measure = fits && kinds[fits.default_measure] === "mass" ? fits.default_measure : mass[0];
    const change = () => this.app.go({
      [state.beside ? "other" : "settings"]: {
        ...((state.beside ? state.other : state.settings) ?? plainSettings()),
        descriptors: [{ name: fits.name, measure, weight: 1 }]
      },
      pages: 1,
    });
    return el("section", { class: "why" },
      el("h3", { text: "Why this hit" }),
      el("p", { text: `${measures} compares all components at once, so no bin or region can be named.` }),
      el("p", { text: `Measures of mass, such as ${measure}, add up what each bin contributes.` }),
      fits && button(`Compare by ${fits.name} ${measure}`, change, { id: "explain-by" }));
  }

  #press(event) {
    if (event.target.closest("input, select, canvas") || event.altKey || event.ctrlKey || event.metaKey) return;
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this.#walk(by);
  }

  #walk(by) {
    const { item, beside } = this.app.state;
    const next = this.results.beside(item, beside, by);
    if (next) this.app.go({ item: next }, { replace: true });
  }
}
