// How one ranking differs from another.

/** @typedef {{kind: "same"|"up"|"down"|"new"|"gone", by: number}} Move */

/**
 * Return how each id of `after` moved against `before`, and what `after` lost.
 * @param {string[]} before
 * @param {string[]} after
 * @returns {{moves: Map<string, Move>, gone: string[], kept: number}}
 */
export function movesBetween(before, after) {
  const ranks = new Map(before.map((id, at) => [id, at]));
  const moves = new Map(after.map((id, at) => [id, move(ranks.get(id), at)]));
  const gone = before.filter((id) => !moves.has(id));
  return { moves, gone, kept: before.length - gone.length };
}

/** Say a move in words. @param {Move} move */
export function inWords({ kind, by }) {
  if (kind === "up" || kind === "down") return `${kind} ${by}`;
  return kind === "same" ? "same rank" : kind;
}

/** Draw a move in a few characters. @param {Move} move */
export const drawn = ({ kind, by }) => ({ same: "=", up: `▲ ${by}`, down: `▼ ${by}`, new: "new", gone: "gone" })[kind];

/** @returns {Move} */
function move(was, is) {
  if (was === undefined) return { kind: "new", by: 0 };
  if (was === is) return { kind: "same", by: 0 };
  return was > is ? { kind: "up", by: was - is } : { kind: "down", by: is - was };
}
