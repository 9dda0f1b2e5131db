// Where the picture itself is: at the URL that the item came from, or with the server where it was told to give it.

import { Refusal, itemPath } from "./api.js";
import { el } from "./elements.js";

/**
 * Return the address of an item's original picture, or "" where nobody gives it.
 * @param {import("./app.js").App} app
 * @param {{id: string, source?: string}} item
 */
export function originalOf(app, { id, source = "" }) {
  if (/^https?:\/\//i.test(source)) return source;
  return givesOriginals(app) ? itemPath(app.state.collection, id, "original") : "";
}

/** Whether the server gives the files that the collection was made of. @param {import("./app.js").App} app */
export const givesOriginals = ({ collection, server }) => Boolean(
  server.settings.originals && collection?.roots?.length
);

/**
 * Return the picture of an item, or words where none is kept.
 * @param {import("./app.js").App} app
 * @param {string} id
 * @param {{large?: boolean, alt?: string, loading?: string, decoding?: string}} [how]
 *   `large`: the original where there is one.
 */
export function pictureElement(app, id, { large = false, ...set } = {}) {
  const { collection } = app;
  const none = () => el("span", { class: "no-picture", text: "no picture is kept" });
  const encoded = collection?.descriptors.some(
    ({ fingerprint }) => fingerprint
  ); // imported vectors came without pictures
  const original = givesOriginals(app) && (large || !collection.thumbnails);
  if (!encoded || !(original || collection.thumbnails)) return none();
  const picture = el(
    "img",
    { src: itemPath(collection.name, id, original ? "original" : "thumbnail"), alt: "", draggable: "false", ...set }
  );
  picture.addEventListener("error", () => picture.replaceWith(none()));
  return picture;
}

/**
 * Fetch the original that the server gives.
 * @param {string} collection
 * @param {string} id
 * @returns {Promise<File>}
 */
export async function fetchOriginal(collection, id) {
  const answer = await fetch(itemPath(collection, id, "original"));
  if (!answer.ok) {
    const { reason, message } = await answer.json();
    throw new Refusal(reason, message, answer.status);
  }
  const picture = await answer.blob();
  return new File([picture], id.split("/").pop() ?? id, { type: picture.type });
}
