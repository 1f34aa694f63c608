// The board: what the server tells, put on the page. The server sends what is
// new over a WebSocket; this module keeps it and redraws once a frame at most.

import { $, el, text, attr, className, sync, post, plural } from "./dom.js";
import { drawBrokers, drawGroups, chosenGroups } from "./side.js";
import { drawLanes, moveInLanes, marks } from "./lanes.js";
import { openDetail, closeDetail, detailIsOpen } from "./detail.js";

const keptRecords = 80; // of a partition, at most
const params = new URLSearchParams(location.search);

export const state = {
  topic: params.get("topic") || "",
  connected: false,
  since: Date.now(), // of the connection, or of its loss
  cluster: null,
  groups: [],
  lanes: [],
  records: new Map(), // by partition, oldest first
  events: [],
};

// ---- The connection. It comes back by itself: after an end of the board, of
// the network or of a laptop's sleep. Each connection begins with everything.

let socket = null;
let heard = Date.now();
let pause = 250;

function connect() {
  const mine = new WebSocket(`ws://${location.host}/stream?topic=${encodeURIComponent(state.topic)}`);
  socket = mine;
  heard = Date.now();
  mine.onmessage = (message) => {
    if (socket !== mine) return;
    heard = Date.now();
    take(JSON.parse(message.data));
    if (!state.connected) {
      state.connected = true;
      state.since = Date.now();
      pause = 250;
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
  setTimeout(connect, pause);
  pause = Math.min(pause * 1.5, 2000);
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
    state.events.splice(0, state.events.length - 40);
    speak(m.events, Boolean(m.boot));
  }
}

// ---- Drawing.

let waiting = false;

export function draw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    drawTop();
    drawBrokers(state);
    drawGroups(state);
    drawLanes(state);
    drawEvents();
    drawControls();
  });
}

function drawTop() {
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
    const up = c.brokers.filter((b) => b.up).length;
    const kind = { embedded: "embedded cluster", compose: "Apache Kafka (docker-compose.yml)", other: "Kafka" }[c.kind];
    words = `live · ${kind} · ${up} of ${plural(c.brokers.length, "broker")} up`;
  }
  className($("state"), "state", bad && "bad");
  text($("state"), words);
  attr(document.body, "data-live", String(state.connected && Boolean(c && c.reachable)));

  if (!c) return;
  const select = $("topic");
  const topics = [...c.topics];
  if (!topics.some((t) => t.name === c.topic.name)) topics.unshift(c.topic);
  if (document.activeElement !== select) {
    sync(select, topics, (t) => t.name, (t) => {
      const option = el("option");
      option.value = t.name;
      return option;
    }, (option, t) => {
      text(option, t.partitions ? `${t.shown} · ${t.partitions}` : `${t.shown} (not there)`);
      const selected = t.name === c.topic.name;
      if (option.selected !== selected) option.selected = selected;
    });
    attr(select, "title", c.more ? `${c.more} more topics are not listed` : null);
  }
}

const signs = { good: "✓", warning: "!", plain: "·" };

function drawEvents() {
  const newest = state.events.slice(-8).reverse();
  sync($("events"), newest, (e) => `${e.n}-${e.at}`, (e) => {
    const time = el("time", "", new Date(e.at).toLocaleTimeString("en-GB"));
    const line = el("li", e.kind, el("span", "sign", signs[e.kind] || "·"), time, el("span", "text theirs", e.text));
    line.title = e.text;
    return line;
  });
  // A line that doesn't fit as a whole isn't shown at all.
  const box = $("events");
  const bottom = box.clientHeight + 1;
  for (const line of box.children) line.classList.toggle("out", line.offsetTop - box.offsetTop + line.offsetHeight > bottom);
  if (!newest.length && !$("events").children.length) {
    const line = el("li", "plain", el("span", "sign", "·"), el("span"), el("span", "text", "Nothing has happened since the board began to look."));
    line.dataset.item = "none";
    $("events").append(line);
  }
}

// A screen reader is told of events at a pace that it can follow.
let unspoken = [];
let speaking = null;

function speak(events, first) {
  if (first) return; // What was before isn't news.
  unspoken.push(...events.map((e) => e.text));
  if (unspoken.length > 4) unspoken = unspoken.slice(-4);
  if (speaking) return;
  speaking = setTimeout(() => {
    speaking = null;
    text($("spoken"), unspoken.join(" "));
    unspoken = [];
  }, 700);
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
  const url = new URL(location.href);
  url.searchParams.set("topic", state.topic);
  history.replaceState(null, "", url);
  state.lanes = [];
  state.records.clear();
  chosenGroups.clear();
  closeDetail();
  $("topic").blur();
  reconnect();
});

// ---- How it looks.

function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // The browser keeps nothing for this page.
  }
}

function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Then it holds until the page is closed.
  }
}

let theme = params.get("theme") || stored("theme") || "auto";
let projector = (params.get("view") || stored("view")) === "projector";
const darkSystem = matchMedia("(prefers-color-scheme: dark)");

function look() {
  const dark = theme === "dark" || (theme === "auto" && darkSystem.matches);
  attr(document.documentElement, "data-theme", dark ? "dark" : "light");
  attr(document.documentElement, "data-projector", projector ? "" : null);
  text($("theme"), `Theme: ${theme}`);
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
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && detailIsOpen()) closeDetail();
});

look();
connect();
