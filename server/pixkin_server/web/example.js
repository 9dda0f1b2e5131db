// One example of what is wanted: a picture with its crop box, or an item of the collection, and its weight.

import { fittedBox } from "./box.js";
import { CropBox } from "./crop.js";
import { el, fill } from "./elements.js";
import { button } from "./fields.js";
import { givesOriginals, pictureElement } from "./originals.js";
import { recall } from "./pictures.js";
import { drawPicture } from "./preview.js";
import { source } from "./state.js";

const SIDES = ["x", "y", "width", "height"];

/** One example. `element` is its card. */
export class Example {
  /**
   * @param {import("./app.js").App} app
   * @param {import("./state.js").Query} query
   */
  constructor(app, query) {
    this.app = app;
    this.source = source(query);
    this.name = "id" in query ? query.id : "the picture";
    this.frame = el("div", { class: "example-frame" });
    this.tools = el("div", { class: "example-tools" });
    this.sides = Object.fromEntries(SIDES.map((side) => [side, el("input", {
      type: "number", min: side.length > 1 ? 1 : 0, step: 1,
      onchange: ({ target }) => this.#typed(side, target.valueAsNumber),
    })]));
    this.numbers = el("div", { class: "example-box", role: "group", "aria-label": "Crop box in pixels" },
      ...SIDES.map((side) => el("label", {}, side, this.sides[side])));
    this.caption = el("p", { class: "example-name" });
    this.amount = el(
      "input", { type: "number", step: 0.1, onchange: ({ target }) => this.#weigh(target.valueAsNumber) }
    );
    this.sign = button("Less like this", () => this.#weigh(-this.query.weight), { class: "quiet" });
    this.weight = el("div", { class: "example-weight" }, el("label", {}, "Weight", this.amount), this.sign);
    const head = el("div", { class: "example-head" }, this.caption, this.tools);
    this.element = el(
      "section", { class: "example", "aria-label": "Example" }, this.frame, head, this.numbers, this.weight
    );
    this.ready = "id" in query ? this.#showItem(query.id) : this.#showPicture(query.picture);
  }

  /**
   * Bring the card up to the query.
   * @param {import("./state.js").Query} query
   * @param {number} at
   * @param {number} count
   */
  show(query, at, count) {
    this.at = at;
    this.query = query;
    this.element.id = `example-${at}`;
    if ("box" in query) this.crop?.show(query.box);
    this.#showTools();
    this.#showNumbers();
    this.#showWeight(count);
  }

  async #showItem(id) {
    this.caption.append(el("span", { text: id, title: id }));
    fill(this.frame, pictureElement(this.app, id, { large: true, alt: `The example ${id}` }));
  }

  async #showPicture(key) {
    const file = await recall(key);
    if (!file) {
      this.missing = true;
      fill(this.frame, el("p", { class: "no-picture", text: "not in this browser" }));
      return;
    }
    this.name = file.name || "pasted picture";
    this.element.setAttribute("aria-label", `Example ${this.name}`);
    try {
      const { canvas, size } = await drawPicture(file);
      this.size = size;
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", this.name);
      this.crop = new CropBox(size, { name: this.name, onChange: (box, settled) => this.#changed(box, settled) });
      if (this.query?.box) this.crop.show(this.query.box);
      fill(this.frame, canvas, this.crop.element);
      if (this.app.cropped === this.source) this.crop.begin();
      this.app.cropped = "";
    } catch {
      fill(
        this.frame,
        el(
          "p",
          { class: "no-picture", text: "this browser cannot show the picture; the server may read it all the same" }
        )
      );
    }
    const pixels = this.size ? ` · ${this.size.width} × ${this.size.height}` : "";
    fill(this.caption, el("span", { text: this.name, title: this.name }), el("small", { text: pixels }));
    if (this.query) this.#showTools();
  }

  #showTools() {
    const boxed = "box" in this.query && this.query.box;
    const id = `example-${this.at}`;
    const cropping = { class: "quiet", id: `${id}-crop` };
    const crop = () => (boxed ? this.#set({ box: null }) : this.crop.begin());
    const away = () => this.app.ask(this.app.state.queries.filter((_, at) => at !== this.at));
    fill(
      this.tools,
      this.crop && button(boxed ? "Whole picture" : "Crop", crop, cropping),
      "id" in this.query && givesOriginals(this.app)
        && button("Crop", () => this.app.cropOriginal(this.at), cropping),
      button(
        "✕", away, { class: "quiet", id: `${id}-away`, "aria-label": `Take away ${this.name}`, title: "Take away" }
      ),
    );
  }

  #showNumbers(box = this.query.box) {
    this.numbers.hidden = !box;
    if (box) for (const side of SIDES) this.sides[side].value = box[side];
  }

  #typed(side, number) {
    if (Number.isFinite(number)) this.#set({ box: fittedBox({ ...this.query.box, [side]: number }, this.size) });
    else this.#showNumbers();
  }

  #showWeight(count) {
    const { weight } = this.query;
    this.weight.hidden = count < 2 && weight === 1;
    this.amount.value = weight;
    this.sign.setAttribute("aria-pressed", String(weight < 0));
  }

  #weigh(weight) {
    if (weight) this.#set({ weight });
    else this.amount.value = this.query.weight; // 0 would be no example
  }

  #changed(box, settled) {
    if (settled) this.#set({ box });
    else this.#showNumbers(box);
  }

  #set(change) {
    this.app.ask(this.app.state.queries.map((query, at) => (at === this.at ? { ...query, ...change } : query)));
  }
}
