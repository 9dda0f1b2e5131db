// The ways in: pictures that are dropped anywhere, pasted, picked or taken, and ids.

import { items } from "./api.js";
import { byId, el, fill } from "./elements.js";
import { button } from "./fields.js";

export const HIT = "application/x-pixkin-id";
// HEIC is left out on purpose: phones then hand over a JPEG.
const TYPES = "image/jpeg,image/png,image/webp,image/gif,image/bmp";
const SUGGESTED = 8;
const NO_ADDRESS = "Only the address of that picture came, and the server reads no addresses. "
  + "Copy the picture and paste it here, or save it and drop the file.";
const NO_PICTURE = "The clipboard holds no picture. Copy a picture itself, not its address, and paste again.";

/** Where pictures and ids come in. `hero` is the drop area of the first view, `more` adds an example to a query. */
export class Intake {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.file = this.#input({ multiple: true });
    this.camera = this.#input({ capture: "environment" });
    this.suggestions = el("datalist", { id: "ids" });
    this.hero = el(
      "div", { class: "hero", id: "drop" },
      el("h1", { text: "Drop a picture" }),
      el("p", { class: "soft", text: "anywhere on this page, or paste one" }),
      el(
        "div", { class: "hero-ways" }, this.#button("Choose a picture", this.file, false, "primary"),
        this.#button("Take a photo", this.camera, false, "camera")
      ),
      this.#idForm(false),
    );
    this.more = el(
      "details", { class: "more-examples" },
      el("summary", { text: "Add an example" }),
      el("p", { class: "soft", text: "Drop or paste it, or:" }),
      el(
        "div", { class: "hero-ways" }, this.#button("Choose a picture", this.file, true),
        this.#button("Take a photo", this.camera, true, "camera")
      ),
      this.#idForm(true),
    );
    document.body.append(this.file, this.camera, this.suggestions);
    this.#listen();
  }

  #button(text, input, add, kind = "") {
    const pick = () => {
      input.dataset.add = add ? "1" : "";
      input.click();
    };
    return button(text, pick, { class: kind });
  }

  #input(set) {
    return el("input", {
      type: "file", accept: TYPES, hidden: true, "aria-hidden": "true", tabindex: "-1", ...set,
      onchange: ({ target }) => {
        this.app.take([...target.files], { add: target.dataset.add === "1" });
        target.value = "";
      },
    });
  }

  #idForm(add) {
    const name = add ? "add-id" : "id";
    const input = el("input", {
      type: "text", id: name, list: "ids", autocomplete: "off", spellcheck: "false",
      placeholder: "id of a picture in the collection",
      oninput: () => this.#suggest(input.value),
    });
    const submit = (event) => {
      event.preventDefault();
      if (!input.value) return;
      this.app.take([{ id: input.value }], { add });
      input.value = "";
    };
    return el(
      "form", { class: "by-id", onsubmit: submit }, el("label", { for: name, class: "unseen", text: "Id" }), input,
      el("button", { type: "submit", text: add ? "Add" : "Search" })
    );
  }

  async #suggest(text) {
    const collection = this.app.state.collection;
    if (!text || !collection) return;
    const found = await items(collection, { size: SUGGESTED, after: text }).catch(() => []);
    fill(
      this.suggestions, ...found.filter(({ id }) => id.startsWith(text)).map(({ id }) => el("option", { value: id }))
    );
  }

  #listen() {
    const listen = (name, act) => addEventListener(name, act);
    listen("dragstart", ({ dataTransfer }) => (this.ours = !dataTransfer?.types.includes(HIT)));
    listen("dragenter", (event) => this.#takes(event) && this.#offer());
    listen("dragover", (event) => {
      if (!this.#takes(event)) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      for (const zone of byId("overlay").children) zone.classList.toggle("over", zone.contains(event.target));
    });
    listen("dragleave", (event) => event.relatedTarget === null && this.#withdraw());
    listen("dragend", () => {
      this.ours = false;
      this.#withdraw();
    });
    listen("drop", (event) => this.#drop(event));
    listen("paste", (event) => this.#paste(event));
  }

  /** Pictures and hits; not the page's own links and texts. */
  #takes({ dataTransfer }) {
    return !this.ours && ["Files", HIT, "text/uri-list"].some((type) => dataTransfer?.types.includes(type));
  }

  #offer() {
    const overlay = byId("overlay");
    if (!overlay.hidden) return;
    overlay.hidden = false;
    const zones = [
      ["search", "Search with it"], ...(this.app.state.queries.length ? [["add", "Add it as an example"]] : [])
    ];
    fill(
      overlay, ...zones.map(([does, text]) => el("div", { class: "zone", "data-drop": does }, el("span", { text })))
    );
  }

  #withdraw() {
    byId("overlay").hidden = true;
  }

  #drop(event) {
    if (!this.#takes(event)) return;
    event.preventDefault();
    this.#withdraw();
    const add = event.target instanceof Element && event.target.closest("[data-drop]")?.dataset.drop === "add";
    const id = event.dataTransfer.getData(HIT);
    const files = [...event.dataTransfer.files];
    if (id) this.app.take([{ id }], { add });
    else if (files.length) this.app.take(files, { add });
    else this.app.trouble(NO_ADDRESS);
  }

  #paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) {
      const typing = event.target instanceof Element && event.target.closest("input, textarea, select");
      if (!typing) this.app.trouble(NO_PICTURE);
      return;
    }
    event.preventDefault();
    this.app.take(files, { add: byId("ask").contains(document.activeElement) && this.more.open });
  }
}
