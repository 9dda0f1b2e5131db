// What stands where there are no hits: what happened, and what to do.

import { el } from "./elements.js";
import { button } from "./fields.js";

const FILTERED = "Every picture is left out by the filter; take a condition away.";
const ALONE = "The query is the only picture here. Add more, or search with another one.";

/** No collection yet. */
export function noCollections() {
  return el(
    "div", { class: "empty" },
    el("h2", { text: "No collection yet" }),
    el("p", { text: "A collection holds the pictures to search. Make one on the machine of this server:" }),
    commands(
      "pixkin export-model efficientnet-lite0",
      "pixkin index create photos --extractor efficientnet-lite0",
      "pixkin index add photos ~/Pictures",
    ),
    el("p", { class: "soft", text: "This page goes on by itself as soon as there is one." }),
  );
}

/**
 * Nothing fits.
 * @param {any} collection
 * @param {import("./state.js").State} state
 */
export function noHits(collection, state) {
  const filters = state.settings.filter.length || state.other?.filter.length;
  if (Number(collection.items) === 0) {
    return el("div", { class: "empty" },
      el("h2", { text: `${collection.name} is empty` }),
      el("p", { text: "Add pictures to it; they can be searched as soon as they are in:" }),
      commands(`pixkin index add ${collection.name} ~/Pictures`));
  }
  return el("div", { class: "empty" },
    el("h2", { text: "No picture fits" }),
    el("p", { text: filters ? FILTERED : ALONE }));
}

/** Commands to run, which the keyboard can scroll. */
const commands = (...lines) => el(
  "pre", { tabindex: "0", "aria-label": "Commands" }, el("code", { text: lines.join("\n") })
);

/** The heading over pictures to start from. @param {number} count */
export const startTitle = (count) => (count ? el("h2", { text: "Or start from one of these" }) : null);

/**
 * Something went wrong: the sentence, and ways on.
 * @param {string} message
 * @param {{text: string, act: () => void}[]} ways
 */
export function trouble(message, ways) {
  return el(
    "div", { class: "trouble", role: "alert" },
    el("p", { text: message }),
    ways.length ? el(
      "div", { class: "ways" }, ...ways.map(({ text, act }) => button(text, act))
    ) : null,
  );
}
