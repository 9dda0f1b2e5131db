// The settings of a search, folded away: what is there fits the collection and the server.

import { compareBy } from "./compareby.js";
import { el, fill } from "./elements.js";
import { filters } from "./filters.js";
import { refine } from "./refine.js";
import { formatStage, parseStage } from "./stages.js";
import { plainSettings } from "./state.js";
import { summary } from "./summary.js";

const SIZES = [12, 24, 48, 96];
const FOUND = { "": "automatic", exact: "exact", approximate: "approximate" };

/** @typedef {{app: import("./app.js").App, collection: any, settings: import("./state.js").Settings, prefix: string, open: Set<string>, set: (change: Partial<import("./state.js").Settings>) => void}} Panel */

/** The panel. `element` is the fold. */
export class SettingsPanel {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.open = new Set();
    this.other = false;
    this.key = "";
    this.line = el("span", { class: "soft", id: "settings-line" });
    this.body = el("div", { class: "settings-body" });
    this.element = el("details", { class: "settings", id: "settings" }, el("summary", {}, "Settings ", this.line), this.body);
  }

  /** @param {import("./state.js").State} state */
  show(state) {
    const { collection } = this.app;
    this.element.hidden = !collection;
    const key = JSON.stringify([state.collection, state.settings, state.other, state.size]);
    if (!collection || key === this.key) return;
    this.key = key;
    this.state = state;
    const begun = state.other && JSON.stringify(state.other) === JSON.stringify(state.settings);
    if (begun && !this.comparing) this.element.open = this.other = true; // what is new is set next
    this.comparing = Boolean(state.other);
    this.other &&= this.comparing;
    // The change of a field comes before the focus has gone on to the next one.
    requestAnimationFrame(() => this.#fill());
  }

  #fill() {
    const { state, other } = this;
    const settings = (other && state.other) || state.settings;
    /** @type {Panel} */
    const panel = {
      app: this.app, settings, prefix: other ? "b-" : "a-", collection: this.app.collection, open: this.open,
      set: (change) => this.app.set(change, other),
    };
    this.line.textContent = summary({ reply: null, settings: state.settings, hits: [], more: false, trouble: "" }, panel.collection);
    fill(this.body, state.other && this.#tabs(), compareBy(panel), refine(panel), filters(panel), this.#rest(panel));
  }

  #tabs() {
    const tab = (name, is) => el("label", { class: "tab" }, el("input", { type: "radio", name: "side", id: `side-${name}`, checked: is === this.other, onchange: () => {
      this.other = is;
      this.#fill();
    } }), el("span", { text: `Settings ${name}` }));
    return el("div", { class: "tabs", role: "radiogroup", "aria-label": "Which settings" }, tab("A", false), tab("B", true));
  }

  #rest(panel) {
    const { settings, prefix } = panel;
    const stage = parseStage(settings.candidates);
    const candidates = (name, depth) => panel.set({ candidates: name || depth ? formatStage({ name: name || "auto", options: { depth } }) : "" });
    const name = stage.name === "auto" ? "" : stage.name;
    const plain = JSON.stringify(settings) === JSON.stringify(plainSettings());
    return el(
      "fieldset", {},
      el("legend", { text: "Search" }),
      el("label", { class: "field" }, el("span", { text: "Candidates" }), el("select", { id: `${prefix}candidates`, onchange: ({ target }) => candidates(target.value, stage.options.depth ?? "") },
        ...Object.entries(FOUND).map(([value, text]) => el("option", { value, text, selected: value === name })))),
      el("label", { class: "field" }, el("span", { text: "How many candidates" }), el("input", { type: "number", id: `${prefix}depth`, min: 1, step: 1, placeholder: "as needed", value: stage.options.depth ?? "", onchange: ({ target }) => target.validity.valid && candidates(name, target.value) })),
      el("label", { class: "field" }, el("span", { text: "Pictures on a page" }), el("select", { id: `${prefix}size`, onchange: ({ target }) => this.app.go({ size: Number(target.value), pages: 1 }) },
        ...[...new Set([...SIZES, this.state.size])].sort((one, other) => one - other).map((size) => el("option", { value: String(size), text: String(size), selected: size === this.state.size })))),
      el("label", { class: "field" }, el("span", { text: "Divide histograms by their sum" }), el("select", { id: `${prefix}normalise`, onchange: ({ target }) => panel.set({ normalise: target.value }) },
        ...[["", "yes"], ["none", "no, as stored"]].map(([value, text]) => el("option", { value, text, selected: value === settings.normalise })))),
      el("label", { class: "check" }, el("input", { type: "checkbox", id: `${prefix}self`, checked: settings.self, onchange: ({ target }) => panel.set({ self: target.checked }) }), "show the example itself"),
      !plain && el("button", { type: "button", class: "quiet", id: `${prefix}plain`, text: "Back to plain settings", onclick: () => panel.set(plainSettings()) }),
    );
  }
}
