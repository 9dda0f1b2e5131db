// Arithmetic of crop boxes, in whole pixels of the full-size picture.

/** @typedef {import("./state.js").Box} Box */
/** @typedef {{width: number, height: number}} Size */

/**
 * Return the box between two corners, within the picture.
 * @param {{x: number, y: number}} one
 * @param {{x: number, y: number}} other
 * @param {Size} picture
 * @returns {Box}
 */
export function boxBetween(one, other, picture) {
  const [left, right] = ends(one.x, other.x, picture.width);
  const [top, bottom] = ends(one.y, other.y, picture.height);
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/**
 * Return a box moved as far as the picture allows.
 * @param {Box} box
 * @param {number} right
 * @param {number} down
 * @param {Size} picture
 * @returns {Box}
 */
export function movedBox(box, right, down, picture) {
  const x = within(Math.round(box.x + right), 0, picture.width - box.width);
  const y = within(Math.round(box.y + down), 0, picture.height - box.height);
  return { ...box, x, y };
}

/**
 * Return a box with the edges named in `edges` (n, s, w, e) moved.
 * @param {Box} box
 * @param {string} edges
 * @param {number} right
 * @param {number} down
 * @param {Size} picture
 * @returns {Box}
 */
export function resizedBox(box, edges, right, down, picture) {
  const start = { x: box.x, y: box.y };
  const end = { x: box.x + box.width, y: box.y + box.height };
  if (edges.includes("w")) start.x = Math.min(start.x + right, end.x - 1);
  if (edges.includes("e")) end.x = Math.max(end.x + right, start.x + 1);
  if (edges.includes("n")) start.y = Math.min(start.y + down, end.y - 1);
  if (edges.includes("s")) end.y = Math.max(end.y + down, start.y + 1);
  return boxBetween(start, end, picture);
}

/**
 * Return four numbers as a box within the picture.
 * @param {Box} box
 * @param {Size} picture
 * @returns {Box}
 */
export function fittedBox(box, picture) {
  const x = within(Math.round(box.x), 0, picture.width - 1);
  const y = within(Math.round(box.y), 0, picture.height - 1);
  const width = within(Math.round(box.width), 1, picture.width - x);
  return { x, y, width, height: within(Math.round(box.height), 1, picture.height - y) };
}

/** Return the middle of a picture, half as wide and high. @param {Size} picture @returns {Box} */
export const middleBox = ({ width, height }) =>
  fittedBox({ x: width / 4, y: height / 4, width: width / 2, height: height / 2 }, { width, height });

function ends(one, other, most) {
  const first = within(Math.round(Math.min(one, other)), 0, most - 1);
  return [first, within(Math.round(Math.max(one, other)), first + 1, most)];
}

function within(number, least, most) {
  return Math.min(Math.max(number, least), most);
}
