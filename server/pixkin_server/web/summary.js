// A search in one line: what it compared and what it did, as the reply says or as the settings ask.

import { chosen, measureOf } from "./request.js";

/**
 * Return what ran, or what was asked for where nothing did.
 * @param {import("./searching.js").Ranking} ranking
 * @param {any} collection
 */
export function summary({ reply, settings }, collection) {
  const plan = reply?.plan ?? settings;
  const compared = reply ? plan.descriptors : chosen(settings, collection);
  const several = compared.length > 1;
  const weight = (choice) => (several && choice.weight !== 1 ? ` × ${choice.weight}` : "");
  const words = compared.map((choice) => `${choice.name} ${measureOf(choice, collection)}${weight(choice)}`);
  const done = [plan.candidates, plan.expand, several && plan.fuse, ...(plan.rerank ?? []), ...(plan.filter ?? [])];
  return [words.join(" + "), ...done].filter(Boolean).join(" · ");
}
