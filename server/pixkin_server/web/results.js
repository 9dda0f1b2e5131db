// The ranked pictures, one grid for each of the settings that are searched by.

import { items } from "./api.js";
import { card } from "./card.js";
import { byId, el, fill, say } from "./elements.js";
import { noCollections, noHits, startTitle, trouble } from "./empty.js";
import { button } from "./fields.js";
import { Growth } from "./growth.js";
import { movesBetween } from "./moves.js";
import { pictureElement } from "./originals.js";
import { Precision } from "./precision.js";
import { Searching, settingsOf, stateKey } from "./searching.js";
import { plainSettings } from "./state.js";
import { summary } from "./summary.js";
import { timingBar } from "./timings.js";

const FIRST = 24; // pictures that are asked for at once; those below the fold follow as they come near
const PATIENCE_MS = 120;
const STARTS = ["", ..."5CMSbcdefhmprt"];
const FEW = 3;

/** The results. */
export class Results {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.searching = new Searching();
    this.growth = new Growth(app, { onChange: () => this.searching.forget(), refresh: () => this.refresh() });
    this.precision = new Precision(app);
    /** @type {import("./searching.js").Ranking[]} */
    this.rankings = [];
    this.key = "";
    /** Settled when the search that runs has ended. */
    this.searched = Promise.resolve();
    this.head = el("div", { class: "results-head" });
    this.notes = el("div", { class: "notes" });
    this.columns = el("div", { class: "columns" });
    this.foot = el("div", { class: "results-foot" });
    this.root = byId("results");
    this.root.append(this.head, this.growth.element, this.notes, this.precision.element, this.columns, this.foot);
    this.root.addEventListener("keydown", (event) => walk(event));
    app.trouble = (message) => this.#complain(message);
  }

  /** @param {import("./state.js").State} state */
  show(state) {
    const { collection } = this.app;
    this.growth.show(state);
    if (!collection) this.#showMissing(state);
    else if (!state.queries.length) this.#showStart(state, collection);
    else this.searched = this.#showSearch(state, collection);
  }

  /** Search again, since the collection or the server has changed. */
  refresh() {
    this.searching.forget();
    this.key = "";
    this.show(this.app.state);
  }

  /** Return a hit that is shown. @param {string} id @param {boolean} beside */
  hit(id, beside) {
    return this.rankings[beside ? 1 : 0]?.hits.find((hit) => hit.id === id);
  }

  /**
   * Return the id of the hit before (-1) or after (1) one that is shown.
   * @param {string} id
   * @param {boolean} beside
   * @param {number} by
   */
  beside(id, beside, by) {
    const hits = this.rankings[beside ? 1 : 0]?.hits ?? [];
    const at = hits.findIndex((hit) => hit.id === id);
    return at < 0 ? undefined : hits[at + by]?.id;
  }

  #showMissing(state) {
    this.#clear("missing");
    if (!this.app.server.collections.length) return fill(this.columns, noCollections());
    const ways = this.app.server.collections.slice(0, 5).map(
      ({ name }) => ({ text: `Show ${name}`, act: () => this.app.change(name) })
    );
    fill(this.notes, trouble(`There is no collection ${state.collection} on this server. Choose one that is:`, ways));
  }

  async #showStart(state, collection) {
    const key = `start ${collection.incarnation} ${collection.generation}`;
    if (key === this.key) return;
    this.#clear(key);
    try {
      const found = await spread(collection.name, this.searching.abort());
      fill(this.head, startTitle(found.length));
      const grid = el(
        "ol", { class: "grid", "aria-label": "Pictures of the collection" },
        ...found.map((each) => card(this.app, each, { eager: true }))
      );
      fill(this.columns, found.length ? grid : noHits(collection, state));
    } catch (error) {
      this.#complainOf(error);
    }
  }

  async #showSearch(state, collection) {
    const key = stateKey(state);
    if (key === this.key) return this.precision.show(state, collection);
    this.key = key;
    fill(this.notes);
    const known = this.searching.remembered(key);
    if (known) {
      this.searching.abort();
      return this.#showRankings(state, collection, known);
    }
    this.#busy(true);
    try {
      const rankings = await this.searching.run(state, collection);
      await picturesReady(this.app, rankings);
      if (this.key !== key) return;
      this.#showRankings(state, collection, rankings);
      this.growth.settle();
    } catch (error) {
      this.#complainOf(error);
    }
  }

  async #more() {
    const { state, collection } = this.app;
    this.#busy(true);
    try {
      const longer = await this.searching.more(state, collection, this.rankings);
      this.key = stateKey({ ...state, pages: state.pages + 1 });
      const seen = this.rankings[0].hits.length;
      this.#showRankings(state, collection, longer);
      this.app.go({ pages: state.pages + 1 }, { replace: true });
      this.columns.querySelector("ol")?.children[seen]?.querySelector("button").focus({ preventScroll: true });
    } catch (error) {
      this.#complainOf(error);
    }
  }

  #showRankings(state, collection, rankings) {
    this.#busy(false);
    this.rankings = rankings;
    const [first] = rankings;
    const one = rankings.length === 1;
    fill(this.head, ...this.#headline(state, collection));
    fill(this.notes, ...this.#remarks(one ? first : null), one && first.trouble && this.#refused(first));
    this.columns.classList.toggle("two", !one);
    fill(this.columns, ...rankings.map((ranking, at) => this.#column(ranking, at, collection)));
    const more = rankings.some((ranking) => ranking.more);
    fill(this.foot, more && button("More", () => this.#more(), { id: "more" }));
    this.precision.show(state, collection);
    say(one ? spoken(first) : rankings.map((ranking, at) => `${"AB"[at]}: ${spoken(ranking)}`).join(" "));
    this.#whenShown(first);
  }

  #headline(state, collection) {
    const [first] = this.rankings;
    const one = this.rankings.length === 1;
    const said = ` ${first.hits.length.toLocaleString("en")} of ${Number(collection.items).toLocaleString("en")}`;
    const compare = () => this.app.go({ other: state.other ? null : structuredClone(state.settings), pages: 1 });
    return [
      one && first.trouble ? el("h2", { text: "No answer" }) : el("h2", {}, "Most alike", el("small", { text: said })),
      one && first.reply && el("div", { class: "timing-slot" }, timingBar(first.reply.timings ?? [])),
      el("div", { class: "tools" },
        this.precision.applies(state)
          && turnable("precision", "Precision", state.precision, () => this.app.go({ precision: !state.precision })),
        turnable("compare", "Compare", Boolean(state.other), compare)),
    ];
  }

  #column(ranking, at, collection) {
    const one = this.rankings.length === 1;
    const changes = at === 1 && !this.rankings[0].trouble && !ranking.trouble
      ? movesBetween(...this.rankings.map(({ hits }) => hits.map(({ id }) => id))) : null;
    const name = "AB"[at];
    const label = one ? "Most alike" : `Most alike by settings ${name}`;
    const cards = ranking.hits.map(
      (hit, place) => card(this.app, hit, { eager: place < FIRST, move: changes?.moves.get(hit.id), other: at === 1 })
    );
    return el(
      "section", { class: "column", "aria-label": label },
      el("header", { class: "column-head" },
        !one && el("h3", { text: name }),
        el("p", { class: "plan soft", text: summary(ranking, collection) }),
        !one && ranking.reply && timingBar(ranking.reply.timings ?? []),
        changes && el("p", { class: "changes", text: changed(changes, ranking.hits.length) })),
      el("div", {},
        !one && ranking.trouble && this.#refused(ranking, at === 1),
        cards.length ? el(
          "ol", { class: "grid", "aria-label": label }, ...cards
        ) : !ranking.trouble && noHits(collection, this.app.state),
        changes?.gone.length && this.#gone(changes.gone)),
    );
  }

  #gone(ids) {
    const cards = ids.map((id) => card(this.app, { id }, { move: { kind: "gone", by: 0 } }));
    return el("div", { class: "gone" }, el("h4", { text: "Gone" }),
      el("ol", { class: "grid small", "aria-label": "Hits of settings A that settings B left out" }, ...cards));
  }

  #remarks(ranking) {
    const { partial, skipped } = ranking?.reply ?? {};
    return [
      partial && el("p", { class: "note", text: partial }),
      skipped?.length && el("p", { class: "note", text: `Left out to be in time: ${skipped.join(", ")}.` }),
    ];
  }

  #refused(ranking, other = false) {
    return trouble(ranking.trouble, [
      { text: "Try again", act: () => this.refresh() },
      { text: "Plain settings", act: () => this.app.set(plainSettings(), other) },
    ]);
  }

  #complain(message, ways = []) {
    fill(this.notes, trouble(message, ways));
  }

  #complainOf(error) {
    if (error.name === "AbortError") return;
    this.#clear("");
    this.#complain(
      error.message, error.reason === "MISSING_PICTURE" ? [] : [{ text: "Try again", act: () => this.refresh() }]
    );
  }

  #clear(key) {
    this.key = key;
    this.rankings = [];
    this.searching.abort();
    this.#busy(false);
    for (const part of [this.head, this.notes, this.columns, this.foot]) fill(part);
    this.columns.classList.remove("two");
    this.precision.hide();
  }

  #busy(busy) {
    this.root.setAttribute("aria-busy", String(busy));
  }

  /** Measure from a picture's arrival until the pictures in view are painted. */
  async #whenShown({ reply }) {
    const { given } = this.app;
    if (!given || !reply) return;
    this.app.given = 0;
    const inView = [...this.columns.querySelectorAll("img")].filter(
      (picture) => picture.getBoundingClientRect().top < innerHeight
    );
    await Promise.all(inView.map((picture) => picture.decode().catch(() => {})));
    await new Promise(requestAnimationFrame);
    const end = performance.now();
    performance.measure("pixkin: from picture to pictures", { start: given, end });
    const slot = this.head.querySelector(".timing-slot");
    const open = slot?.querySelector("details")?.open;
    if (slot && this.rankings[0]?.reply === reply) fill(slot, timingBar(reply.timings ?? [], end - given));
    if (open) slot.querySelector("details").open = true;
  }
}

const turnable = (id, text, on, turn) => button(text, turn, { id, "aria-pressed": String(on) });

const spoken = ({ hits, trouble: why }) =>
  why || (hits.length ? `${hits.length} pictures; most alike: ${hits[0].id}.` : "No picture fits.");

const changed = ({ moves, gone, kept }, count) => {
  const still = [...moves.values()].filter(({ kind }) => kind === "same").length;
  return `${kept} of ${kept + gone.length} kept, ${still} at the same rank, ${count - kept} new`;
};

/**
 * Wait until the first pictures are there, but not for long: hits that appear at once cost one frame, hits that trickle
 * in cost ten.
 */
function picturesReady(app, rankings) {
  const first = rankings.flatMap(({ hits }) => hits.slice(0, FIRST));
  const pictures = first.map(({ id }) => pictureElement(app, id)).filter(
    (picture) => picture instanceof HTMLImageElement
  );
  const ready = Promise.all(pictures.map((picture) => picture.decode().catch(() => {})));
  return Promise.race([ready, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
}

/** Return pictures from all over a collection, by where their ids may begin. */
async function spread(collection, signal) {
  const pages = await Promise.all(
    STARTS.map((after) => items(collection, { size: after ? FEW : FIRST, after }, signal))
  );
  const [first, ...others] = pages;
  const found = new Map([...first.slice(0, FEW), ...others.flat(), ...first].map((each) => [each.id, each]));
  return [...found.values()].slice(0, FIRST).sort((one, other) => (one.id < other.id ? -1 : 1));
}

/** Walk through the pictures of a grid with the arrow keys. */
function walk(event) {
  const grid = event.target.closest?.(".grid");
  const shots = [...(grid?.querySelectorAll(".shot") ?? [])];
  const at = shots.indexOf(event.target);
  if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  const across = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key];
  const next = step && shots[at + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}
