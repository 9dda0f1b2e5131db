// Runs the searches that a state asks for. An older one never overwrites a newer one.

import { Refusal, search } from "./api.js";
import { recall } from "./pictures.js";
import { searchRequest } from "./request.js";

/**
 * @typedef {object} Hit
 * @property {string} id
 * @property {number} rank
 * @property {number} score
 * @property {number} value
 * @property {string[]} labels
 */

/**
 * @typedef {object} Ranking What one search found, or why it did not.
 * @property {import("./state.js").Settings} settings
 * @property {Hit[]} hits
 * @property {any} reply The last reply.
 * @property {boolean} more Whether there may be more hits.
 * @property {string} trouble
 */

const REMEMBERED = 30;

/** The searches of the page, one after the other. */
export class Searching {
  constructor() {
    this.stop = new AbortController();
    /** @type {Map<string, Ranking[]>} */
    this.known = new Map();
  }

  /** Stop what runs; it will tell nobody. */
  abort() {
    this.stop.abort();
    this.stop = new AbortController();
    return this.stop.signal;
  }

  /** Forget what was found: the collection has changed. */
  forget() {
    this.known.clear();
  }

  /** Return what is known of a state without asking. @param {string} key */
  remembered(key) {
    return this.known.get(key);
  }

  /**
   * Search by each of the state's settings. Rejects with AbortError when a newer search began, with a Refusal when a
   * picture is not in this browser.
   * @param {import("./state.js").State} state
   * @param {any} collection
   * @returns {Promise<Ranking[]>}
   */
  async run(state, collection) {
    const signal = this.abort();
    const pictures = await queryPictures(state);
    signal.throwIfAborted();
    const page = { size: state.size * state.pages, offset: 0 };
    const rankings = await Promise.all(
      settingsOf(state).map((settings) => rank(state, settings, page, collection, pictures, signal)),
    );
    if (rankings.every(({ trouble }) => !trouble)) this.#remember(stateKey(state), rankings);
    return rankings;
  }

  /**
   * Return the rankings with one page more.
   * @param {import("./state.js").State} state
   * @param {any} collection
   * @param {Ranking[]} rankings
   */
  async more(state, collection, rankings) {
    const signal = this.abort();
    const pictures = await queryPictures(state);
    const longer = await Promise.all(
      rankings.map(async (ranking) => {
        if (!ranking.more) return ranking;
        const page = { size: state.size, offset: ranking.hits.length };
        const next = await rank(state, ranking.settings, page, collection, pictures, signal);
        return { ...next, hits: [...ranking.hits, ...next.hits] };
      }),
    );
    this.#remember(stateKey({ ...state, pages: state.pages + 1 }), longer);
    return longer;
  }

  #remember(key, rankings) {
    this.known.delete(key);
    this.known.set(key, rankings);
    for (const old of [...this.known.keys()].slice(0, -REMEMBERED)) this.known.delete(old);
  }
}

/** The settings of each column. @param {import("./state.js").State} state */
export const settingsOf = (state) => (state.other ? [state.settings, state.other] : [state.settings]);

/** A text that two states share when they show the same hits. @param {import("./state.js").State} state */
export const stateKey = ({ collection, queries, settings, other, size, pages }) =>
  JSON.stringify([collection, queries, settings, other, size, pages]);

/**
 * Return the pictures of a state's queries, in their order.
 * @param {import("./state.js").State} state
 * @returns {Promise<File[]>}
 */
export async function queryPictures(state) {
  const keys = state.queries.flatMap((query) => ("picture" in query ? [query.picture] : []));
  const found = await Promise.all(keys.map(recall));
  const pictures = found.filter((file) => file !== undefined);
  if (pictures.length === found.length) return pictures;
  throw new Refusal("MISSING_PICTURE",
    "The picture of this link is not in this browser: pictures stay where they were dropped. "
    + "Drop or paste the same picture here to see this search.");
}

async function rank(state, settings, page, collection, pictures, signal) {
  try {
    const reply = await search(searchRequest(state, settings, page, collection), pictures, signal);
    const hits = hitsOf(reply);
    return { settings, hits, reply, more: hits.length === page.size, trouble: "" };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { settings, hits: [], reply: null, more: false, trouble: error.message };
  }
}

/** Return the hits of a reply. @param {any} reply @returns {Hit[]} */
export const hitsOf = ({ ids = [], scores, values, labels, offset = 0 }) =>
  ids.map((id, at) => ({
    id, rank: offset + at + 1, score: scores[at], value: values[at], labels: labels?.[at]?.labels ?? [],
  }));
