// What the components of a descriptor stand for, by the axes of its extractor.

/** @typedef {{name: string, labels: string[], outlines?: any[]}} Axis The last axis of a table runs fastest. */

/**
 * Return the axes of a collection's descriptor; none where no extractor of the server declares some.
 * @param {any[]} extractors
 * @param {{name: string, fingerprint: string}} descriptor
 * @returns {Axis[]}
 */
export function axesOf(extractors, { name, fingerprint }) {
  const short = name.slice(name.lastIndexOf(".") + 1);
  const extractor = extractors.find((each) => fingerprint && each.fingerprint === fingerprint);
  return extractor?.descriptors.find((each) => each.name === short)?.axes ?? [];
}

/** Return a component's place on every axis. @param {Axis[]} axes @param {number} bin */
export function placesOf(axes, bin) {
  const places = [];
  for (const { labels } of [...axes].reverse()) {
    places.unshift(bin % labels.length);
    bin = Math.floor(bin / labels.length);
  }
  return places;
}

/** Return a component's place in words; "" without axes. @param {Axis[]} axes @param {number} bin */
export const binName = (axes, bin) => placesOf(axes, bin).map((at, axis) => axes[axis].labels[at]).join(", ");

/**
 * Return the colour amid a bin, or "" where its axes are no colours.
 * @param {Axis[]} axes
 * @param {number} bin
 */
export function colourOf(axes, bin) {
  const places = placesOf(axes, bin);
  /** @type {Record<string, number>} */
  const middle = Object.fromEntries(axes.map(({ name, labels }, axis) => [name, (places[axis] + 0.5) / labels.length]));
  if ("hue" in middle) return fromHsv(360 * middle.hue, middle.saturation, middle.value);
  if ("red" in middle) return rgb(middle.red, middle.green, middle.blue);
  if ("L*" in middle) return `lab(${100 * middle["L*"]} ${220 * middle["a*"] - 110} ${220 * middle["b*"] - 110})`;
  if ("grey" in middle) return rgb(middle.grey, middle.grey, middle.grey);
  return "";
}

/** A. R. Smith, Color gamut transform pairs, 1978. */
function fromHsv(hue, saturation, value) {
  const channel = (turn) => {
    const sixth = (turn + hue / 60) % 6;
    return value - value * saturation * Math.max(0, Math.min(sixth, 4 - sixth, 1));
  };
  return rgb(channel(5), channel(3), channel(1));
}

const rgb = (...channels) => `rgb(${channels.map((each) => Math.round(255 * each)).join(" ")})`;
