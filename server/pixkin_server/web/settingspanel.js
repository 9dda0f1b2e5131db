// The settings of a search, folded away: what is there fits the collection and the server.

import { compareBy } from "./compareby.js";
import { el, fill } from "./elements.js";
import { button, check, field, select } from "./fields.js";
import { filters } from "./filters.js";
import { refine } from "./refine.js";
import { formatStage, parseStage } from "./stages.js";
import { plainSettings } from "./state.js";
import { summary } from "./summary.js";

const SIZES = [12, 24, 48, 96];
const CANDIDATES = [["auto", "automatic"], ["exact", "exact"], ["approximate", "approximate"]];
const NORMALISE = [["", "yes"], ["none", "no, as stored"]];

/**
 * @typedef {object} Panel What the parts of the panel are made from.
 * @property {import("./app.js").App} app
 * @property {any} collection
 * @property {import("./state.js").Settings} settings
 * @property {string} prefix Of the ids of its fields.
 * @property {boolean} unfolded Whether the stages are shown.
 * @property {(change: Partial<import("./state.js").Settings>) => void} set
 */

/** The panel. `element` is the fold. */
export class SettingsPanel {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.other = false;
    this.key = "";
    this.line = el("span", { class: "soft", id: "settings-line" });
    this.body = el("div", { class: "settings-body" });
    this.element = el(
      "details", { class: "settings", id: "settings", ontoggle: () => this.#fill() },
      el("summary", {}, "Settings ", this.line), this.body
    );
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
    this.line.textContent = summary(
      { reply: null, settings: state.settings, hits: [], more: false, trouble: "" }, collection
    );
    // The change of a field comes before the focus has gone on to the next one.
    requestAnimationFrame(() => this.#fill());
  }

  #fill() {
    const { state, other } = this;
    if (!this.element.open || !state) return;
    const settings = (other && state.other) || state.settings;
    const unfolded = this.body.querySelector(".fine")?.open; // the event of a fold may come after this
    /** @type {Panel} */
    const panel = {
      app: this.app, settings, prefix: other ? "b-" : "a-", collection: this.app.collection, unfolded,
      set: (change) => this.app.set(change, other),
    };
    fill(this.body, state.other && this.#tabs(), compareBy(panel), refine(panel), filters(panel), this.#rest(panel));
  }

  #tabs() {
    return el(
      "div", { class: "tabs", role: "radiogroup", "aria-label": "Which settings" }, this.#tab("A", false),
      this.#tab("B", true)
    );
  }

  #tab(name, other) {
    const turn = () => {
      this.other = other;
      this.#fill();
    };
    const radio = el(
      "input", { type: "radio", name: "side", id: `side-${name}`, checked: other === this.other, onchange: turn }
    );
    return el("label", { class: "tab" }, radio, el("span", { text: `Settings ${name}` }));
  }

  #rest({ collection, settings, prefix, set }) {
    const { name, options: { depth = "" } } = parseStage(settings.candidates || "auto");
    const candidates = (stage, deep) => set(
      { candidates: stage === "auto" && !deep ? "" : formatStage({ name: stage, options: { depth: deep } }) }
    );
    const sizes = [...new Set([...SIZES, this.state.size])].sort((one, other) => one - other).map(String);
    const offered = CANDIDATES.filter(([way]) => way !== "approximate" || way === name || collection.approximate_by_index);
    const plain = JSON.stringify(settings) === JSON.stringify(plainSettings());
    return el(
      "fieldset", {},
      el("legend", { text: "Search" }),
      field("Candidates", select(offered, name, (stage) => candidates(stage, depth), { id: `${prefix}candidates` })),
      field("How many candidates", el("input", {
        type: "number", id: `${prefix}depth`, min: 1, step: 1, placeholder: "as needed", value: depth,
        onchange: ({ target }) => (target.validity.valid ? candidates(name, target.value) : target.reportValidity()),
      })),
      field("Pictures on a page", select(sizes.map((size) => [size, size]), String(this.state.size),
        (size) => this.app.go({ size: Number(size), pages: 1 }), { id: `${prefix}size` })),
      field(
        "Divide histograms by their sum",
        select(NORMALISE, settings.normalise, (normalise) => set({ normalise }), { id: `${prefix}normalise` })
      ),
      check("show the example itself", settings.self, (self) => set({ self }), { id: `${prefix}self` }),
      !plain && button("Back to plain settings", () => set(plainSettings()), { class: "quiet", id: `${prefix}plain` }),
    );
  }
}
