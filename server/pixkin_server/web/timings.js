// How long each stage of a search took, as a bar and in words.

import { el } from "./elements.js";

/**
 * Return the bar of a reply's stages.
 * @param {{stage: string, ms: number}[]} timings
 * @param {number} [shown] Milliseconds from a picture's arrival to its hits on the screen.
 */
export function timingBar(timings, shown = 0) {
  const total = timings.reduce((sum, { ms }) => sum + ms, 0);
  const bar = el("div", { class: "bar", "aria-hidden": "true" });
  timings.forEach(({ stage, ms }, at) => {
    const part = el("span", { title: `${stage} ${milliseconds(ms)}`, "data-shade": at % 4 });
    part.style.flexGrow = String(Math.max(ms, total / 200));
    bar.append(part);
  });
  const entries = timings.map(
    ({ stage, ms }, at) => el(
      "li", {}, el("span", { class: "key", "data-shade": at % 4 }), `${stage} ${milliseconds(ms)}`
    )
  );
  const browser = shown ? el(
    "li", { class: "soft", id: "shown-in", text: `from picture to pictures ${milliseconds(shown)}` }
  ) : null;
  return el(
    "details", { class: "timings" },
    el(
      "summary", { "aria-label": `Took ${milliseconds(total)}; how long each stage took` },
      el("span", { class: "number", text: milliseconds(total) }), bar
    ),
    el("ul", {}, ...entries, browser),
  );
}

/** Write milliseconds. @param {number} ms */
export const milliseconds = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
