// From what the page shows to the message SearchRequest.

/**
 * Return a search request.
 * @param {import("./state.js").State} state
 * @param {import("./state.js").Settings} settings
 * @param {{size: number, offset?: number, explain?: boolean}} page
 * @param {{descriptors: {name: string}[]}} collection
 */
export function searchRequest(state, settings, page, collection) {
  return { collection: state.collection, queries: state.queries.map(query), plan: plan(settings, collection), ...page };
}

/**
 * Return the descriptors that a search compares: those that were chosen, else the collection's first.
 * @param {import("./state.js").Settings} settings
 * @param {{descriptors: any[]}} collection
 * @returns {import("./stages.js").Choice[]}
 */
export function chosen(settings, collection) {
  const first = collection.descriptors[0];
  return settings.descriptors.length || !first ? settings.descriptors : [{ name: first.name, measure: "", weight: 1 }];
}

/**
 * Return the measure that a choice compares by.
 * @param {import("./stages.js").Choice} choice
 * @param {{descriptors: any[]}} collection
 * @returns {string}
 */
export const measureOf = (choice, collection) =>
  choice.measure || (collection.descriptors.find(({ name }) => name === choice.name)?.default_measure ?? "");

function query(one) {
  const weight = one.weight === 1 ? {} : { weight: one.weight };
  return "id" in one ? { id: one.id, ...weight } : { image: one.box ? { crop: one.box } : {}, ...weight };
}

function plan(settings, collection) {
  const descriptors = chosen(settings, collection).map(({ name, measure, weight }) => ({ name, measure, weight }));
  const said = {
    fuse: descriptors.length > 1 ? settings.fuse : "", candidates: settings.candidates, expand: settings.expand
  };
  return {
    descriptors,
    rerank: settings.rerank,
    filter: settings.filter,
    include_self: settings.self,
    ...Object.fromEntries(Object.entries({ ...said, normalise: settings.normalise }).filter(([, value]) => value)),
  };
}
