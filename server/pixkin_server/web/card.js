// One picture of the grid: a click searches with it; beside it stands what is known of it.

import { el } from "./elements.js";
import { HIT } from "./intake.js";
import { drawn, inWords } from "./moves.js";
import { pictureElement } from "./originals.js";

/**
 * Return the card of a hit, or of an item that was not searched for.
 * @param {import("./app.js").App} app
 * @param {{id: string, labels?: string[], rank?: number, score?: number, value?: number}} hit
 * @param {{eager?: boolean, move?: import("./moves.js").Move, other?: boolean}} [how] `move` against the other ranking,
 *   `other` where it is a hit of the settings that are compared with.
 */
export function card(app, hit, { eager = false, move, other = false } = {}) {
  const { folder, name } = pathParts(hit.id);
  const told = [hit.rank ? `Rank ${hit.rank}` : "", hit.id, move ? inWords(move) : ""].filter(Boolean).join(", ");
  const shot = el(
    "button",
    {
      type: "button", class: "shot", draggable: "true", "aria-label": `${told}: search with it`,
      title: "Search with this picture",
      onclick: () => app.take([{ id: hit.id }]),
      ondragstart: (event) => event.dataTransfer.setData(HIT, hit.id),
    },
    pictureElement(app, hit.id, { decoding: eager ? "sync" : "async", loading: eager ? "eager" : "lazy" }),
  );
  const labels = hit.labels?.join(", ");
  const asks = hit.rank ? "Why" : "About";
  const look = el("button", {
    type: "button", class: "look", "aria-label": `${asks} ${hit.id}`, text: asks,
    onclick: () => app.look(hit.id, other),
  });
  return el(
    "li",
    { class: "card", "data-id": hit.id, ...(move && { "data-move": move.kind }) },
    shot,
    el("div", { class: "line" },
      hit.rank && el("span", { class: "rank", text: String(hit.rank) }),
      el("span", { class: "name", title: hit.id },
        folder && el("span", { class: "folder", text: folder }), el("span", { class: "file", text: name })),
      look,
    ),
    el("div", { class: "line soft" },
      hit.score !== undefined && el("span", { class: "number", title: `score ${hit.score}\nvalue ${hit.value}` },
        el("span", { class: "score", text: figures(hit.score) }),
        el("span", { class: "value", text: figures(hit.value) })),
      move && el("span", { class: `move ${move.kind}`, text: drawn(move), title: inWords(move) }),
      labels && el("span", { class: "label", text: labels, title: labels }),
    ),
  );
}

/** Return an id's folder with its slash, and its file name. @param {string} id */
export function pathParts(id) {
  const at = id.lastIndexOf("/", id.length - 2) + 1;
  return { folder: id.slice(0, at), name: id.slice(at) };
}

/** Write a score or value. @param {number} number */
export function figures(number) {
  if (!Number.isFinite(number)) return String(number);
  const size = Math.abs(number);
  return size >= 1000 || (size > 0 && size < 0.001) ? number.toPrecision(3) : number.toFixed(4);
}
