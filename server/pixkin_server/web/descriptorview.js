// A descriptor of an item: as a histogram, log-scaled, or as a grid.

import { figures } from "./card.js";
import { axesOf, binName, colourOf } from "./colours.js";
import { el, fill } from "./elements.js";
import { select } from "./fields.js";

const VIEWS = { histogram: "Histogram", log: "Log-scaled", grid: "Grid" };
const WIDE = 1200;
const HIGH = 260;
const DECADES = 1000; // a log scale shows what is down to a thousandth of the largest component

/** The view of an item's vectors. */
export class DescriptorView {
  /**
   * @param {import("./app.js").App} app
   * @param {any} item With its vectors.
   * @param {string} first The descriptor that is shown first.
   */
  constructor(app, item, first) {
    this.app = app;
    this.vectors = Object.fromEntries(item.vectors.map(({ descriptor, data }) => [descriptor, floats(data)]));
    this.name = first in this.vectors ? first : Object.keys(this.vectors)[0];
    this.view = "histogram";
    this.canvas = el("canvas", { width: WIDE, height: HIGH, class: "descriptor-canvas", role: "img" });
    this.canvas.addEventListener("pointermove", (event) => this.#read(this.#under(event)));
    this.read = el("output", { class: "number soft", for: "component" });
    this.component = el(
      "input",
      {
        type: "number", id: "component", min: 0, step: 1, value: 0,
        oninput: (event) => this.#read(event.target.valueAsNumber)
      }
    );
    this.controls = el("div", { class: "descriptor-controls" });
    this.element = el(
      "section", { class: "descriptor", "aria-label": "Descriptor" },
      el("h3", { text: "Descriptor" }), this.controls, this.canvas,
      el("p", { class: "descriptor-read" }, el("label", {}, "Component ", this.component), " ", this.read),
    );
    this.#show();
  }

  #show() {
    const descriptor = this.app.collection.descriptors.find(({ name }) => name === this.name) ?? {
      name: this.name, fingerprint: ""
    };
    this.axes = axesOf(this.app.server.extractors, descriptor);
    this.vector = this.vectors[this.name];
    this.component.max = this.vector.length - 1;
    const choose = (key, name, entries) => {
      const turn = (value) => {
        this[key] = value;
        this.#show();
      };
      return select(entries, this[key], turn, { id: `view-${key}`, "aria-label": name });
    };
    const names = Object.keys(this.vectors).map((name) => [name, name]);
    fill(this.controls, choose("name", "Which descriptor", names), choose("view", "View", Object.entries(VIEWS)));
    this.canvas.setAttribute("aria-label", this.#inWords());
    if (this.view === "grid") this.#drawGrid();
    else this.#drawBars(this.view === "log" ? this.#log() : (value) => value);
    this.#read(this.#largest());
  }

  #inWords() {
    const used = this.vector.filter((value) => value !== 0).length;
    const at = this.#largest();
    const largest = `the largest is ${figures(this.vector[at])} at ${binName(this.axes, at) || at}`;
    return `${this.name}: ${this.vector.length} components, ${used} of them not 0; ${largest}`;
  }

  #largest() {
    return this.vector.reduce((best, value, at, all) => (Math.abs(value) > Math.abs(all[best]) ? at : best), 0);
  }

  #log() {
    const most = Math.abs(this.vector[this.#largest()]) || 1;
    return (value) => Math.sign(value) * Math.log1p((DECADES * Math.abs(value)) / most);
  }

  #drawBars(scale) {
    const { context, ink } = this.#clean();
    const scaled = this.vector.map(scale);
    const [least, most] = scaled.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [0, 0]);
    const high = (value) => ((HIGH - 2) * value) / (most - least || 1);
    const zero = HIGH - 1 + high(least);
    const wide = WIDE / scaled.length;
    const gap = wide > 3 ? 1 : 0;
    scaled.forEach((value, at) => {
      context.fillStyle = colourOf(this.axes, at) || ink;
      context.fillRect(at * wide, zero - Math.max(high(value), 0), Math.max(wide - gap, 1), Math.abs(high(value)));
    });
    context.fillStyle = ink;
    context.fillRect(0, zero, WIDE, 1);
  }

  #drawGrid() {
    const { context, ink } = this.#clean();
    const { across, down } = this.#shape();
    const most = Math.abs(this.vector[this.#largest()]) || 1;
    const [wide, high] = [WIDE / across, HIGH / down];
    const gap = Math.min(wide, high) > 4 ? 1 : 0;
    this.vector.forEach((value, at) => {
      context.fillStyle = colourOf(this.axes, at) || ink;
      context.globalAlpha = 0.06 + 0.94 * Math.sqrt(Math.abs(value) / most);
      context.fillRect((at % across) * wide, Math.floor(at / across) * high, wide - gap, high - gap);
    });
    context.globalAlpha = 1;
  }

  #clean() {
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, WIDE, HIGH);
    return {
      context, ink: getComputedStyle(this.element.isConnected ? this.element : document.body).getPropertyValue("color")
    };
  }

  /** The first axis down, the others across; without axes about four times as wide as high, as the canvas is. */
  #shape() {
    const down = this.axes.length > 1 ? this.axes[0].labels.length : Math.max(
      1, Math.round(Math.sqrt((this.vector.length * HIGH) / WIDE))
    );
    return { across: Math.ceil(this.vector.length / down), down };
  }

  #under(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    const [x, y] = [(event.clientX - left) / width, (event.clientY - top) / height];
    if (this.view !== "grid") return Math.floor(x * this.vector.length);
    const { across, down } = this.#shape();
    return Math.floor(y * down) * across + Math.floor(x * across);
  }

  #read(at) {
    if (!(at >= 0 && at < this.vector.length)) return;
    const name = binName(this.axes, at);
    if (this.component !== document.activeElement) this.component.value = at;
    this.read.textContent = `${name ? `${name}: ` : ""}${this.vector[at]}`;
  }
}

/** Return the numbers of base64 of little-endian float32. @param {string} data */
export function floats(data) {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Array.from({ length: bytes.length / 4 }, (_, at) => view.getFloat32(4 * at, true));
}
