// What the page shows, and the address that says it: reload, back and sharing work because nothing else is kept.

import { finite, formatChoice, parseChoice } from "./stages.js";

/** @typedef {{x: number, y: number, width: number, height: number}} Box In pixels of the upright, full-size picture. */
/** @typedef {{id: string, weight: number}} IdQuery An item of the collection. */
/** @typedef {{picture: string, weight: number, box: Box|null}} PictureQuery A picture of this browser, by its key. */
/** @typedef {IdQuery|PictureQuery} Query */

/**
 * @typedef {object} Settings What a search does.
 * @property {import("./stages.js").Choice[]} descriptors
 * @property {string} fuse
 * @property {string} candidates
 * @property {string} expand
 * @property {string[]} rerank
 * @property {string[]} filter
 * @property {string} normalise
 * @property {boolean} self
 */

/**
 * @typedef {object} State
 * @property {string} collection
 * @property {Query[]} queries
 * @property {Settings} settings
 * @property {Settings|null} other The settings to compare with.
 * @property {number} size Hits of a page.
 * @property {number} pages
 * @property {string} item The item that is looked at closely.
 * @property {boolean} beside Whether it is a hit of the settings to compare with.
 * @property {boolean} precision Whether precision against rank is shown.
 */

export const SIZE = 24;

/** @returns {Settings} */
export const plainSettings = () => ({
  descriptors: [], fuse: "", candidates: "", expand: "", rerank: [], filter: [], normalise: "", self: false,
});

/**
 * Read the query part of an address.
 * @param {string} search
 * @returns {State}
 */
export function parseState(search) {
  const found = new URLSearchParams(search);
  const other = found.get("with");
  return {
    collection: found.get("collection") ?? "",
    queries: found.getAll("q").map(parseQuery).filter((query) => query !== null),
    settings: parseSettings(found),
    other: other === null ? null : parseSettings(new URLSearchParams(other)),
    size: whole(found.get("size"), SIZE, 1000),
    pages: whole(found.get("pages"), 1, 400),
    item: found.get("item") ?? "",
    beside: found.has("beside"),
    precision: found.has("precision"),
  };
}

/**
 * Write a state as the query part of an address; what is as by default is left out.
 * @param {State} state
 * @returns {string}
 */
export function formatState(state) {
  const found = new URLSearchParams();
  if (state.collection) found.set("collection", state.collection);
  for (const query of state.queries) found.append("q", formatQuery(query));
  writeSettings(found, state.settings);
  if (state.other) found.set("with", writeSettings(new URLSearchParams(), state.other).toString());
  if (state.size !== SIZE) found.set("size", String(state.size));
  if (state.pages > 1) found.set("pages", String(state.pages));
  if (state.item) found.set("item", state.item);
  if (state.item && state.beside) found.set("beside", "1");
  if (state.precision) found.set("precision", "1");
  const text = found.toString().replace(/%(3A|2F|2C|3B|3D)/g, decodeURIComponent);
  return text && `?${text}`;
}

/** Tell whether two queries have the same source. @param {Query} one @param {Query} other */
export const sameSource = (one, other) => source(one) === source(other);

/** Return a word for where a query comes from, as it stands in the address. @param {Query} query */
export const source = (query) => ("id" in query ? `id:${query.id}` : `picture:${query.picture}`);

function parseQuery(text) {
  /** @type {Record<string, string>} */
  const told = {};
  let rest = text;
  for (
    let part; (part = /^(weight|box)=([^;]*);/.exec(rest)); rest = rest.slice(part[0].length)
  ) told[part[1]] = part[2];
  const weight = finite(told.weight, 1);
  if (rest.startsWith("id:")) return { id: rest.slice(3), weight };
  if (rest.startsWith("picture:")) return { picture: rest.slice(8), weight, box: parseBox(told.box) };
  return null;
}

function formatQuery(query) {
  const weight = query.weight === 1 ? "" : `weight=${query.weight};`;
  const box = "box" in query && query.box;
  return `${weight}${box ? `box=${box.x},${box.y},${box.width},${box.height};` : ""}${source(query)}`;
}

function parseBox(text) {
  const [x, y, width, height] = (text ?? "").split(",").map(Number);
  return x >= 0 && y >= 0 && width > 0 && height > 0 ? { x, y, width, height } : null;
}

function parseSettings(found) {
  return {
    descriptors: found.getAll("descriptor").map(parseChoice),
    fuse: found.get("fuse") ?? "",
    candidates: found.get("candidates") ?? "",
    expand: found.get("expand") ?? "",
    rerank: found.getAll("rerank"),
    filter: found.getAll("filter"),
    normalise: found.get("normalise") ?? "",
    self: found.has("self"),
  };
}

function writeSettings(found, settings) {
  for (const choice of settings.descriptors) found.append("descriptor", formatChoice(choice));
  for (const key of ["fuse", "candidates", "expand", "normalise"]) if (settings[key]) found.set(key, settings[key]);
  for (const text of settings.rerank) found.append("rerank", text);
  for (const text of settings.filter) found.append("filter", text);
  if (settings.self) found.set("self", "1");
  return found;
}

function whole(text, other, most) {
  const number = Math.floor(finite(text ?? "", other));
  return Math.min(Math.max(number, 1), most);
}
