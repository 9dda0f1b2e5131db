// The query: the drop area at first, then the examples with their settings.

import { byId, fill } from "./elements.js";
import { Example } from "./example.js";
import { Intake } from "./intake.js";
import { SettingsPanel } from "./settingspanel.js";
import { source } from "./state.js";

/** The column beside the results. */
export class Ask {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.root = byId("ask");
    this.intake = new Intake(app);
    this.settings = new SettingsPanel(app);
    /** @type {Example[]} */
    this.examples = [];
    this.shown = "";
  }

  /** @param {import("./state.js").State} state */
  show(state) {
    this.root.hidden = false;
    this.settings.show(state);
    const { queries } = state;
    document.body.classList.toggle("asked", queries.length > 0);
    this.intake.hero.hidden = !this.app.collection;
    const kept = [...this.examples];
    this.examples = queries.map((query) => {
      const at = kept.findIndex(
        (each) => each.source === source(query) && each.collection === state.collection && !each.missing
      );
      const example = at < 0 ? new Example(this.app, query) : kept.splice(at, 1)[0];
      example.collection = state.collection;
      return example;
    });
    this.examples.forEach((example, at) => example.show(queries[at], at, queries.length));
    const elements = this.examples.map(({ element }) => element);
    const same = elements.length === this.root.querySelectorAll(":scope > .example").length && elements.every(
      (element, at) => this.root.children[at] === element
    );
    if (same && this.root.childElementCount) return;
    fill(this.root, ...(queries.length ? [...elements, this.intake.more, this.settings.element] : [this.intake.hero]));
  }
}
