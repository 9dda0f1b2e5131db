// The crop box over a picture, by mouse, touch and keyboard.

import { boxBetween, middleBox, movedBox, resizedBox } from "./box.js";
import { el } from "./elements.js";

const HELP = "Arrow keys move it, with Shift they resize it, with Alt by one pixel. Delete takes it away.";
const EDGES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const SETTLED_MS = 300;
const LEAST_DRAG = 6; // CSS pixels: less is a click

/** The crop box of one picture. `element` lies over the picture and has its size on the screen. */
export class CropBox {
  /**
   * @param {import("./box.js").Size} picture The full-size picture.
   * @param {{name: string, onChange: (box: import("./box.js").Box|null, settled: boolean) => void}} options
   *   `onChange` is told every step, and when it has settled.
   */
  constructor(picture, { name, onChange }) {
    this.picture = picture;
    this.onChange = onChange;
    /** @type {import("./box.js").Box|null} */
    this.box = null;
    this.frame = el(
      "div",
      {
        class: "crop-box", role: "group", tabindex: "0", "aria-label": `Crop box of ${name}`, "aria-description": HELP
      },
      ...EDGES.map((edges) => el("span", { class: `handle ${edges}`, "data-edges": edges })),
    );
    this.element = el("div", { class: "crop" }, this.frame);
    this.element.addEventListener("pointerdown", (event) => this.#grab(event));
    this.frame.addEventListener("keydown", (event) => this.#press(event));
    this.show(null);
  }

  /** Show a box without telling anyone. @param {import("./box.js").Box|null} box */
  show(box) {
    this.box = box;
    this.frame.hidden = !box;
    if (!box) return;
    const { width, height } = this.picture;
    const at = { left: box.x / width, top: box.y / height, width: box.width / width, height: box.height / height };
    for (const [side, share] of Object.entries(at)) this.frame.style[side] = `${100 * share}%`;
  }

  /** Begin with the middle of the picture, and have the keyboard there. */
  begin() {
    this.#set(this.box ?? middleBox(this.picture), true);
    this.frame.focus({ preventScroll: true });
  }

  #set(box, settled) {
    this.show(box);
    clearTimeout(this.waiting);
    this.onChange(box, settled);
  }

  /** Pixels of the picture for one CSS pixel. */
  get #scale() {
    return this.picture.width / this.element.getBoundingClientRect().width;
  }

  #place(event) {
    const { left, top } = this.element.getBoundingClientRect();
    return { x: (event.clientX - left) * this.#scale, y: (event.clientY - top) * this.#scale };
  }

  #grab(event) {
    const edges = event.target.dataset.edges;
    const inside = edges || event.target === this.frame;
    // A finger on the bare picture scrolls the page; it has the button and the handles.
    if (event.button !== 0 || (!inside && event.pointerType === "touch")) return;
    event.preventDefault();
    const before = this.box;
    const from = this.#place(event);
    const least = LEAST_DRAG * this.#scale;
    const drag = (moved) => {
      const to = this.#place(moved);
      const [right, down] = [to.x - from.x, to.y - from.y];
      if (edges) return resizedBox(before, edges, right, down, this.picture);
      if (inside) return movedBox(before, right, down, this.picture);
      return Math.max(Math.abs(right), Math.abs(down)) < least ? before : boxBetween(from, to, this.picture);
    };
    this.#follow(event.pointerId, drag, before);
  }

  #follow(pointer, drag, before) {
    const stop = new AbortController();
    const ours = (act) => (event) => event.pointerId === pointer && act(event);
    const listen = (name, act) => this.element.addEventListener(name, ours(act), stop);
    this.element.setPointerCapture(pointer);
    listen("pointermove", (event) => this.#set(drag(event), false));
    listen("pointercancel", () => {
      stop.abort();
      this.#set(before, true);
    });
    listen("pointerup", (event) => {
      stop.abort();
      this.#set(drag(event), true);
      this.frame.focus({ preventScroll: true });
    });
  }

  #press(event) {
    if (!this.box || event.ctrlKey || event.metaKey) return;
    if (event.key === "Delete" || event.key === "Backspace" || event.key === "Escape") {
      event.preventDefault();
      this.#set(null, true);
      return;
    }
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    const step = event.altKey ? 1 : Math.max(1, Math.round(Math.max(this.picture.width, this.picture.height) / 50));
    const by = arrow.map((way) => way * step);
    const box = event.shiftKey ? resizedBox(
      this.box, "se", ...by, this.picture
    ) : movedBox(this.box, ...by, this.picture);
    this.#set(box, false);
    this.waiting = setTimeout(() => this.#set(this.box, true), SETTLED_MS);
  }
}
