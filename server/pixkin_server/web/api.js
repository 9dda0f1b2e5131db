// The calls of the server. Every refusal is one sentence that came from the server, or says what to do without it.

/** A call that failed: the reason for programs, the message for people. */
export class Refusal extends Error {
  /** @param {string} reason @param {string} message @param {number} [status] 0 when nothing answered. */
  constructor(reason, message, status = 0) {
    super(message);
    this.reason = reason;
    this.status = status;
  }
}

/**
 * Call a route.
 * @param {string} path
 * @param {{method?: string, body?: any, signal?: AbortSignal}} [options] A plain object is sent as
 *   JSON, a form as it is.
 * @returns {Promise<any>} The reply.
 */
export async function call(path, { method = "GET", body, signal } = {}) {
  const form = body instanceof FormData;
  const answer = await reach(path, {
    method,
    signal,
    body: body === undefined || form ? body : JSON.stringify(body),
    headers: body === undefined || form ? {} : { "content-type": "application/json" },
  });
  const reply = await answer.json().catch((error) => {
    if (error.name === "AbortError") throw error;
    return {};
  });
  if (!answer.ok) throw refusal(reply, answer.status);
  return reply;
}

/**
 * The address of an item, or of its thumbnail or original.
 * @param {string} collection
 * @param {string} id
 * @param {string} [what]
 */
export const itemPath = (collection, id, what) =>
  `${collectionPath(collection)}/items/${encodeURIComponent(id)}${what ? `/${what}` : ""}`;

/** @param {string} name */
export const collectionPath = (name) => `/v1/collections/${encodeURIComponent(name)}`;

/** Ask for one item with its vectors. @param {string} collection @param {string} id @param {AbortSignal} [signal] */
export const item = (collection, id, signal) => call(`${itemPath(collection, id)}?vectors=true`, { signal });

/**
 * Ask for items by id.
 * @param {string} collection
 * @param {{size?: number, after?: string}} [page]
 * @param {AbortSignal} [signal]
 * @returns {Promise<any[]>}
 */
export async function items(collection, { size = 24, after = "" } = {}, signal) {
  const asked = new URLSearchParams({ size: String(size), ...(after && { after }) });
  return (await call(`${collectionPath(collection)}/items?${asked}`, { signal })).items ?? [];
}

/**
 * Search.
 * @param {object} request The message SearchRequest.
 * @param {File[]} pictures In the order of the queries that are pictures.
 * @param {AbortSignal} [signal]
 */
export function search(request, pictures, signal) {
  if (!pictures.length) return call("/v1/search", { method: "POST", body: request, signal });
  const form = new FormData();
  form.append("request", JSON.stringify(request));
  for (const picture of pictures) form.append("image", picture, "picture");
  return call("/v1/search", { method: "POST", body: form, signal });
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("UNREACHABLE", "The server does not answer. See that `pixkin serve` runs, then try again.");
  }
}

function refusal(reply, status) {
  const message = reply.message || `The server answered with status ${status}; try again, or look at its log.`;
  return new Refusal(reply.reason || "UNKNOWN", message, status);
}
