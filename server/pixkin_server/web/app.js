// The page's state, and what changes it.

import { Refusal, call } from "./api.js";
import { middleBox } from "./box.js";
import { fetchOriginal } from "./originals.js";
import { keep } from "./pictures.js";
import { drawPicture } from "./preview.js";
import { formatState, parseState, plainSettings, sameSource, source } from "./state.js";

/** @typedef {{show: (state: import("./state.js").State) => void}} View */

/** What the page knows and shows. Views follow every change. */
export class App {
  constructor() {
    this.state = parseState(location.search);
    /** @type {{settings: any, collections: any[], extractors: any[]}} */
    this.server = { settings: { measures: [] }, collections: [], extractors: [] };
    /** @type {View[]} */
    this.views = [];
    /** @type {(message: string) => void} */
    this.trouble = () => {};
    /** The picture whose crop box gets the keyboard once it is drawn. */
    this.cropped = "";
    /** When the picture came that is being searched with, in milliseconds of this page; 0 where none did. */
    this.given = 0;
    addEventListener("popstate", () => this.#show(parseState(location.search)));
  }

  /** The collection that is searched; undefined where there is none of that name. */
  get collection() {
    return this.server.collections.find(({ name }) => name === this.state.collection);
  }

  /** Ask the server what it has, and show the page. */
  async load() {
    const [settings, { collections }, { extractors }] = await Promise.all([
      call("/v1/settings"), call("/v1/collections"), call("/v1/extractors").catch(() => ({})), // bins without names
    ]);
    this.server = { settings, collections: collections ?? [], extractors: extractors ?? [] };
    const [first] = [...this.server.collections.filter(({ items }) => Number(items)), ...this.server.collections];
    this.go(this.state.collection ? {} : { collection: first?.name ?? "" }, { replace: true });
  }

  /**
   * Change the state, and with it the address.
   * @param {Partial<import("./state.js").State>} change
   * @param {{replace?: boolean}} [how] `replace` leaves no step to go back to.
   */
  go(change, { replace = false } = {}) {
    const state = { ...this.state, ...change };
    const address = `${location.pathname}${formatState(state)}`;
    if (
      address !== `${location.pathname}${location.search}`
    ) history[replace ? "replaceState" : "pushState"](null, "", address);
    this.#show(state);
  }

  /** Search with other examples. @param {import("./state.js").Query[]} queries */
  ask(queries) {
    this.go({ queries, pages: 1, item: "", precision: this.state.precision && queries.length === 1 });
  }

  /**
   * Search by other settings.
   * @param {Partial<import("./state.js").Settings>} change
   * @param {boolean} [other] Those to compare with.
   */
  set(change, other = false) {
    const key = other ? "other" : "settings";
    this.go({ [key]: { ...(this.state[key] ?? plainSettings()), ...change }, pages: 1 });
  }

  /**
   * Look at an item closely; "" closes it.
   * @param {string} item
   * @param {boolean} [beside] A hit of the settings to compare with.
   */
  look(item, beside = false) {
    this.go({ item, beside });
  }

  /** Search another collection, with the pictures of this search. @param {string} collection */
  change(collection) {
    const queries = this.state.queries.filter((query) => "picture" in query);
    this.go({ collection, queries, settings: plainSettings(), other: null, pages: 1, item: "", precision: false });
  }

  /**
   * Search with what came in, or add it to the examples.
   * @param {(File|{id: string})[]} things
   * @param {{add?: boolean}} [how]
   */
  async take(things, { add = false } = {}) {
    this.given = performance.now();
    try {
      const queries = await Promise.all(things.map((thing) => this.#query(thing)));
      // A picture that this address already names, as in a link from another browser, fills its place there.
      const places = queries.every((one) => this.state.queries.some((other) => sameSource(one, other)));
      if (places) this.#show(this.state);
      else this.ask(add ? [...this.state.queries, ...queries] : queries);
    } catch (error) {
      this.trouble(error.message);
    }
  }

  /** Search with a part of the original of an example that is an item. @param {number} at */
  async cropOriginal(at) {
    const { id, weight } = this.state.queries[at];
    try {
      const file = await fetchOriginal(this.state.collection, id);
      const { size } = await drawPicture(file);
      const query = { ...(await this.#query(file)), weight, box: middleBox(size) };
      this.cropped = source(query);
      this.ask(this.state.queries.map((other, place) => (place === at ? query : other)));
    } catch (error) {
      this.trouble(error.message);
    }
  }

  async #query(thing) {
    if (!(thing instanceof File)) return { id: thing.id, weight: 1 };
    const most = this.server.settings.pictures?.max_bytes ?? Infinity;
    if (thing.type && !thing.type.startsWith("image/")) {
      throw new Refusal("INVALID_IMAGE", `${thing.name} is no picture; drop a JPEG, PNG, WebP, GIF or BMP file.`);
    }
    if (thing.size > most) {
      const [has, may] = [thing.size, most].map((bytes) => (bytes / 2 ** 20).toFixed(1));
      throw new Refusal("INVALID_IMAGE", `${thing.name} has ${has} MiB and the server takes ${may}; make it smaller.`);
    }
    return { picture: await keep(thing), weight: 1, box: null };
  }

  #show(state) {
    this.state = state;
    for (const view of this.views) view.show(state);
  }
}
