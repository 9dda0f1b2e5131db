// The head of the page: the collection, and light or dark.

import { byId, el, fill } from "./elements.js";

const THEMES = { "": "as the system", light: "light", dark: "dark" };
const SIGNS = { "": "◐", light: "☀", dark: "☾" };
const KEY = "pixkin-theme";

/** The head. */
export class Head {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.select = byId("collection");
    this.select.addEventListener("change", () => app.change(this.select.value));
    byId("home").addEventListener("click", (event) => this.#home(event));
    addEventListener("renewed", () => this.show(app.state));
    this.theme = byId("theme");
    this.theme.addEventListener("click", () => this.#turn());
    this.#showTheme();
  }

  /** @param {import("./state.js").State} state */
  show(state) {
    const { collections } = this.app.server;
    byId("collection-field").hidden = !collections.length;
    const known = collections.some(({ name }) => name === state.collection);
    fill(
      this.select,
      !known && el("option", { value: state.collection, text: state.collection || "choose …", selected: true }),
      ...collections.map(
        ({ name, items }) => el(
          "option",
          { value: name, text: `${name} · ${Number(items).toLocaleString("en")}`, selected: name === state.collection }
        )
      ),
    );
    const [first] = state.queries;
    document.title = first && "id" in first ? `${first.id} · pixkin` : "pixkin";
  }

  #home(event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    this.app.go({ queries: [], other: null, item: "", precision: false, pages: 1 });
  }

  #turn() {
    const names = Object.keys(THEMES);
    const next = names[(names.indexOf(this.#now) + 1) % names.length];
    if (next) document.documentElement.dataset.theme = next;
    else delete document.documentElement.dataset.theme;
    try {
      localStorage.setItem(KEY, next);
    } catch {
      // It lasts as long as the page.
    }
    this.#showTheme();
  }

  get #now() {
    return document.documentElement.dataset.theme ?? "";
  }

  #showTheme() {
    this.theme.textContent = SIGNS[this.#now];
    this.theme.title = `Theme: ${THEMES[this.#now]}`;
    this.theme.setAttribute("aria-label", `Theme: ${THEMES[this.#now]}`);
  }
}
