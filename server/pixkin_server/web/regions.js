// The regions of a picture, tinted by what they contribute.

import { svg } from "./elements.js";

let drawings = 0;

/**
 * Return a drawing that lies over a picture.
 * @param {{name: string, contribution: number, outline: any}[]} regions
 * @param {string[]} order The names of all regions in their order: later ones lie on top of earlier ones.
 */
export function regionDrawing(regions, order) {
  const most = Math.max(...regions.map(({ contribution }) => Math.abs(contribution)), Number.MIN_VALUE);
  const stacked = [...regions].sort((one, other) => order.indexOf(one.name) - order.indexOf(other.name));
  const drawing = `regions-${++drawings}`;
  const parts = stacked.map((region, at) => {
    const id = `${drawing}-${at}`;
    const above = stacked.slice(at + 1).map(({ outline }) => shape(outline, { fill: "#000" }));
    const strength = Math.abs(region.contribution) / most;
    return svg("g", {},
      svg(
        "mask", { id, maskUnits: "userSpaceOnUse", x: 0, y: 0, width: 1, height: 1 },
        shape(region.outline, { fill: "#fff" }), ...above
      ),
      svg("g", { mask: `url(#${id})` },
        svg("rect", { class: "tint", width: 1, height: 1, "fill-opacity": (0.6 * strength).toFixed(3) }),
        shape(region.outline, { class: "outline" })));
  });
  return svg(
    "svg", { class: "regions", viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" }, ...parts
  );
}

/** @param {{box: any, ellipse?: boolean}} outline @param {Record<string, string>} set */
function shape({ box: { x = 0, y = 0, width, height }, ellipse }, set) {
  if (!ellipse) return svg("rect", { x, y, width, height, ...set });
  return svg("ellipse", { cx: x + width / 2, cy: y + height / 2, rx: width / 2, ry: height / 2, ...set });
}
