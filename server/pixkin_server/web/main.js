// The page starts here.

import { App } from "./app.js";
import { Ask } from "./ask.js";
import { byId, fill } from "./elements.js";
import { trouble } from "./empty.js";
import { Head } from "./head.js";
import { Inspector } from "./inspector.js";
import { Results } from "./results.js";

const app = new App();
const results = new Results(app);
// The results come first: their search is on its way before anything else is drawn.
app.views = [results, new Head(app), new Ask(app), new Inspector(app, results)];

async function start() {
  try {
    await app.load();
  } catch (error) {
    const again = () => {
      fill(results.notes);
      start();
    };
    fill(results.notes, trouble(error.message, [{ text: "Try again", act: again }]));
  }
  byId("main").dataset.ready = "";
}

start();
