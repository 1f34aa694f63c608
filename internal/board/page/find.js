// Finding a key: its cells stand out, and its partition is named.

import { $, ask } from "./dom.js";
import { state, marks, draw, pause } from "./state.js";

let asking = 0;
let waiting = null;
let askedWith = 0; // so many partitions

async function find() {
  clearTimeout(waiting); // Who presses Enter is looking for it already.
  const key = $("find").value;
  const mine = ++asking;
  if (key === "" || !state.cluster || !state.cluster.topic.partitions) {
    marks.found = null;
    draw();
    return;
  }
  askedWith = state.cluster.topic.partitions;
  let found;
  try {
    const answer = await ask("key", { topic: state.cluster.topic.name, key });
    found = { k: answer.key, h: answer.hash, p: answer.partition };
  } catch {
    found = null; // The state of the page says what is wrong.
  }
  if (mine !== asking) return; // Somebody has typed on.
  marks.found = found;
  draw();
}

// findAgain asks anew if the topic has more partitions than it had: then the
// key may belong elsewhere.
export function findAgain() {
  const count = state.cluster ? state.cluster.topic.partitions : 0;
  if ($("find").value !== "" && count > 0 && count !== askedWith) find();
}

export function forget() {
  $("find").value = "";
  find();
}

$("find").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(find, 120);
});
$("find").addEventListener("keydown", (event) => {
  if (event.key === "Escape" && $("find").value !== "") {
    event.stopPropagation();
    forget();
  }
});
// Enter turns to the partitions among which the key's is.
export function onTurn(turn) {
  $("find-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    await find();
    if (!marks.found) return;
    const from = Math.floor(marks.found.p / state.cluster.most) * state.cluster.most;
    if (from !== state.from) {
      pause(false);
      turn(from);
    }
  });
}
