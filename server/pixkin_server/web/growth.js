// A collection that grows while it is searched: the page asks how far it is, and offers what has come in.

import { call, collectionPath } from "./api.js";
import { el, fill } from "./elements.js";
import { button, check } from "./fields.js";

const SOON_MS = 2000;
const LATER_MS = 15_000;
const QUIET = 3; // answers without a change after which it is asked more seldom

/** Watches the collection. `element` offers to search again. */
export class Growth {
  /**
   * @param {import("./app.js").App} app
   * @param {{onChange: () => void, refresh: () => void}} told `onChange` of every change, `refresh` when what is shown
   *   shall be searched again.
   */
  constructor(app, { onChange, refresh }) {
    this.app = app;
    this.onChange = onChange;
    this.refresh = refresh;
    this.automatic = false;
    this.still = 0;
    this.items = 0;
    this.element = el("div", { class: "growth", role: "status" });
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#soon());
  }

  /** @param {import("./state.js").State} state */
  show({ collection }) {
    if (collection === this.name) return;
    this.name = collection;
    this.still = 0;
    this.settle();
    this.#soon();
  }

  /** What is shown is of now. */
  settle() {
    this.items = Number(this.app.collection?.items ?? 0);
    fill(this.element, this.automatic && this.#choice("searching again as pictures come in"));
  }

  #soon(wait = SOON_MS) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#look(), wait);
  }

  async #look() {
    if (document.visibilityState !== "visible") return;
    try {
      if (this.app.collection) await this.#follow(this.app.collection);
      else await this.#await();
    } catch {
      this.still = QUIET; // a server that does not answer is said by the next search
    }
    this.#soon(this.still < QUIET ? SOON_MS : LATER_MS);
  }

  async #await() {
    this.still = 0;
    if ((await call("/v1/collections")).collections?.length) await this.app.load();
  }

  async #follow(before) {
    const now = await call(collectionPath(before.name));
    if (this.name !== before.name) return;
    const changed = ["generation", "incarnation"].some((key) => now[key] !== before[key]);
    this.still = changed ? 0 : this.still + 1;
    if (changed) {
      Object.assign(before, now);
      this.onChange();
      dispatchEvent(new Event("renewed"));
      if (this.automatic || !this.app.state.queries.length) this.refresh();
      else this.#offer(now);
    } else if (this.automatic && this.still === QUIET) {
      this.automatic = false;
      this.settle();
    }
  }

  #offer(now) {
    const more = Number(now.items) - this.items;
    const pictures = `${more.toLocaleString("en")} more ${more === 1 ? "picture" : "pictures"}`;
    const what = more > 0 ? pictures : "The collection has changed";
    const text = `${what} since this search`;
    fill(
      this.element, el("span", { text }),
      button("Search again", this.refresh, { id: "refresh" }),
      this.#choice("keep searching while it grows"),
    );
  }

  #choice(text) {
    const turn = (automatic) => {
      this.automatic = automatic;
      if (automatic) this.refresh();
      else this.settle();
    };
    return check(text, this.automatic, turn, { id: "automatic" });
  }
}
