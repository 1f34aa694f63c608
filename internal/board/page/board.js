// The board: what the server tells, put on the page. The server sends what is
// new over a WebSocket; this module keeps it and redraws once a frame at most.

import { $, el, text, attr, className, sync, post, plural, number } from "./dom.js";
import { state, marks, seen, paused, pause, written, tooFast, draw, onDraw, param, stored, store, address } from "./state.js";
import { chosenGroups } from "./rails.js";
import { drawBrokers } from "./brokers.js";
import { drawGroups } from "./groups.js";
import { drawLanes, moveInLanes, focusRecord, point } from "./lanes.js";
import { drawEvents, speak, showEarlier, earlierIsOpen } from "./events.js";
import { findAgain, onTurn } from "./find.js";
import { openDetail, closeDetail } from "./detail.js";

const keptRecords = 80; // of a partition, at most
const keptEvents = 200;

// ---- The connection. It comes back by itself: after an end of the board, of
// the network or of a laptop's sleep. Each connection begins with everything.

let socket = null;
let heard = Date.now();
let retry = 250; // milliseconds

function connect() {
  const mine = new WebSocket(`ws://${location.host}/stream?topic=${encodeURIComponent(state.topic)}&from=${state.from}`);
  socket = mine;
  heard = Date.now();
  mine.onmessage = (message) => {
    if (socket !== mine) return;
    heard = Date.now();
    take(JSON.parse(message.data));
    if (!state.connected) {
      state.connected = true;
      state.since = Date.now();
      retry = 250;
    }
    draw();
  };
  mine.onclose = () => {
    if (socket === mine) lost();
  };
}

function lost() {
  socket = null;
  if (state.connected) {
    state.connected = false;
    state.since = Date.now();
  }
  setTimeout(connect, retry);
  retry = Math.min(retry * 1.5, 2000);
  draw();
}

// The server is heard every few seconds. If it isn't, the connection is dead,
// even if nobody has said so.
setInterval(() => {
  if (socket && Date.now() - heard > 16000) {
    const dead = socket;
    socket = null;
    dead.close();
    lost();
  }
}, 2000);

function reconnect() {
  const old = socket;
  socket = null;
  if (old) old.close();
  connect();
}

// take adds a message to the state.
function take(m) {
  if (m.boot && m.boot !== document.querySelector('meta[name="board-boot"]').content) {
    location.reload(); // The board was started anew, and so is its page.
    return;
  }
  if (m.boot) state.events = [];
  // Only what comes into a lane that was known before is new to who looks.
  const known = new Set(m.reset ? [] : state.lanes.filter((l) => l.end >= 0).map((l) => l.p));
  if (m.cluster) state.cluster = m.cluster;
  if (m.groups) state.groups = m.groups;
  if (m.lanes) state.lanes = m.lanes;
  if (m.reset) state.records.clear();
  const now = performance.now();
  for (const [partition, records] of Object.entries(m.records || {})) {
    const p = Number(partition);
    const all = state.records.get(p) || [];
    for (const r of records) {
      r.p = p;
      r.came = known.has(p) ? now : -1e9;
      // An offset that is read again begins a new log of the partition.
      while (all.length && all[all.length - 1].o >= r.o) all.pop();
      all.push(r);
    }
    if (all.length > keptRecords) all.splice(0, all.length - keptRecords);
    state.records.set(p, all);
  }
  for (const lane of state.lanes) {
    const all = state.records.get(lane.p);
    if (all && lane.end >= 0) {
      while (all.length && all[0].o < lane.start) all.shift();
      while (all.length && all[all.length - 1].o >= lane.end) all.pop();
    }
  }
  if (m.events) {
    state.events.push(...m.events);
    state.events.splice(0, state.events.length - keptEvents);
    if (!m.boot) speak(m.events); // What was before isn't news.
  }
}

// ---- Drawing.

// readable is the shortest time in milliseconds between two drawings while records
// come faster than anybody reads them: cells stand still for so long.
const readable = 500;

let waiting = false;
let drawn = 0; // when, and how long it took
let took = 0;

onDraw(() => {
  if (waiting) return;
  waiting = true;
  // However much there is to draw, most of the time stays for the browser itself.
  let rest = 4 * took;
  if (tooFast(state)) rest = Math.max(rest, readable);
  attr(document.body, "data-rest", Math.round(rest));
  rest -= performance.now() - drawn;
  if (rest > 0) setTimeout(requestAnimationFrame, rest, drawAll);
  else requestAnimationFrame(drawAll);
});

function drawAll() {
  waiting = false;
  drawn = performance.now();
  const shown = seen();
  drawTop(shown);
  drawBrokers(shown);
  drawGroups(shown);
  drawLanes(shown);
  drawEvents(shown);
  drawControls();
  findAgain();
  took = performance.now() - drawn;
}

function drawTop(shown) {
  const c = state.cluster;
  let words = "connecting …";
  let bad = false;
  if (!state.connected) {
    if (c || Date.now() - state.since > 1500) {
      bad = true;
      words = "The board has ended, or can't be reached. This page comes back by itself when it runs again.";
    }
  } else if (c && c.asked && !c.reachable) {
    bad = true;
    words = c.brokers.length && c.buttons && c.brokers.every((b) => !b.up)
      ? "All brokers are stopped: nobody can write or read. Start one."
      : "The cluster doesn't answer. The board goes on asking.";
  } else if (c && c.asked) {
    const kind = { embedded: "embedded cluster", compose: "Apache Kafka", other: "Kafka" }[c.kind];
    const brokers = `${number(c.up)} of ${plural(c.count, "broker")} up`;
    words = projector ? `live · ${brokers}` : `live · ${kind} · ${brokers}`;
  }
  if (paused() && !bad) {
    const later = written(state) - written(shown);
    words = later > 0 ? `paused · ${plural(later, "record")} since` : "paused";
  }
  attr($("pause"), "aria-pressed", String(paused()));
  text($("pause"), paused() ? "Go on" : "Pause");
  className($("state"), "state", bad ? "bad" : paused() && "paused");
  text($("state"), words);
  attr(document.body, "data-live", String(state.connected && Boolean(c && c.reachable)));

  if (!c) return;
  const select = $("topic");
  const topics = [...c.topics];
  if (!topics.some((t) => t.name === c.topic.name)) topics.unshift(c.topic);
  if (document.activeElement !== select) {
    if (c.more) topics.push({ name: " ", more: `${number(c.more)} more: add ?topic=name to the address` });
    sync(select, topics, (t) => t.name, (t) => {
      const option = el("option");
      option.disabled = Boolean(t.more);
      option.value = t.name;
      return option;
    }, (option, t) => {
      text(option, t.more || (t.partitions ? `${t.shown} · ${t.partitions}` : `${t.shown} (not there)`));
      const selected = t.name === c.topic.name;
      if (option.selected !== selected) option.selected = selected;
    });
    attr(select, "title", "This page's address can name a topic, too: ?topic=its-name");
  }
}

// ---- The controls.

function drawControls() {
  const c = state.cluster;
  const there = Boolean(state.connected && c && c.reachable && c.topic.partitions);
  for (const button of [$("add"), $("send").querySelector("button")]) button.disabled = !there;
}

function say(words, bad) {
  className($("said"), "said", bad && "bad");
  text($("said"), words);
}

$("send").addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = $("send-key").value;
  say("sending …");
  try {
    const place = await post("send", { topic: state.cluster.topic.name, key: key === "" ? null : key, value: $("send-value").value });
    marks.sent = { p: place.partition, o: place.offset };
    say(`It lies in partition ${place.partition}, at offset ${place.offset}.`);
    draw();
  } catch (err) {
    say(String(err.message), true);
  }
});

// What can't be undone takes two clicks.
let sure = null;

$("add").addEventListener("click", async () => {
  const button = $("add");
  if (!sure) {
    text(button, "Yes, add it");
    className(button, "sure");
    say("It can't be taken away again, and keys move: the order within a key holds only from then on.");
    sure = setTimeout(calm, 8000);
    return;
  }
  calm();
  try {
    await post("partitions", { topic: state.cluster.topic.name, partitions: state.cluster.topic.partitions });
    say("");
  } catch (err) {
    say(String(err.message), true);
  }
});

function calm() {
  clearTimeout(sure);
  sure = null;
  text($("add"), "Add a partition");
  className($("add"), "");
  say("");
}

$("topic").addEventListener("change", () => {
  state.topic = $("topic").value;
  chosenGroups.clear();
  $("topic").blur();
  turn(0);
});

// turn shows the partitions from a number on.
function turn(from) {
  state.from = from;
  state.lanes = [];
  state.records.clear();
  address({ topic: state.topic, from: from || "" });
  pause(false);
  closeDetail();
  reconnect();
}

$("turn-back").addEventListener("click", () => turn(Math.max(0, state.from - state.cluster.most)));
$("turn-on").addEventListener("click", () => turn(state.from + state.cluster.most));
onTurn(turn);

$("pause").addEventListener("click", () => {
  pause(!paused());
  draw();
});

// ---- How it looks.

let theme = param("theme") || stored("theme") || "auto";
let projector = (param("view") || stored("view")) === "projector";
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

function look() {
  const dark = theme === "dark" || (theme === "auto" && darkSystem.matches);
  attr(document.documentElement, "data-theme", dark ? "dark" : "light");
  attr(document.documentElement, "data-projector", projector ? "" : null);
  text($("theme").lastElementChild, theme);
  attr($("theme"), "aria-label", `Theme: ${theme}`);
  attr($("projector"), "aria-pressed", String(projector));
  draw();
}

$("theme").addEventListener("click", () => {
  theme = { auto: "light", light: "dark", dark: "auto" }[theme] || "auto";
  store("theme", theme);
  look();
});
$("projector").addEventListener("click", () => {
  projector = !projector;
  store("view", projector ? "projector" : "");
  look();
});
darkSystem.addEventListener("change", look);
new ResizeObserver(draw).observe($("lanes"));

// ---- Keys and clicks in the lanes.

$("lanes").addEventListener("click", (event) => {
  const cell = event.target.closest(".cell");
  if (cell) openDetail(state, Number(cell.dataset.partition), Number(cell.dataset.offset));
});
$("lanes").addEventListener("keydown", moveInLanes);
for (const kind of ["mouseover", "focusin"]) $("lanes").addEventListener(kind, (event) => point(event.target.closest(".cell")));
$("lanes").addEventListener("mouseleave", () => point(null));

function leaveDetail() {
  const was = closeDetail();
  if (was) focusRecord(was.p, was.o);
}

$("detail-close").addEventListener("click", leaveDetail);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (marks.opened) leaveDetail();
  else if (earlierIsOpen()) showEarlier(false);
});

look();
connect();
