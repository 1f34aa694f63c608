// The lanes: one for each partition, with the newest records as cells, and under
// them a rail for each group that shows how far its commits have come.

import { $, el, text, attr, className, style, sync, number, plural } from "./dom.js";
import { shownGroups, railStyle } from "./side.js";
import { detailOf } from "./detail.js";

// marks is what the page itself points at: the record that was sent from it.
export const marks = { sent: null };

const freshFor = 1200; // milliseconds that a new record is set off

// room says how much a lane shows.
function room(partitions) {
  if (partitions <= 4) return "roomy";
  return partitions <= 10 ? "medium" : "dense";
}

let focusKeeper = { p: -1, o: -1 };

export function drawLanes(state) {
  const box = $("lanes");
  const lanes = state.lanes;
  const kind = room(lanes.length);
  className(box, "lanes", kind);
  drawEmpty(state);

  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const size = cellSize(state, kind) * rem;
  style(box, "--cell", `${size}px`);
  const gap = (kind === "dense" ? 0.12 : 0.25) * rem;

  style(box, "--rows", String(Math.ceil(lanes.length / 2)));
  const chars = Math.max(2, Math.floor((size / rem - (kind === "dense" ? 0.15 : 0.5)) / ({ dense: 0.47, medium: 0.7, roomy: 0.78 }[kind])));

  const groups = shownGroups(state, kind === "roomy" ? 3 : 2);
  const hadFocus = document.activeElement && document.activeElement.classList.contains("cell") ? { ...document.activeElement.dataset } : null;

  sync(box, lanes, (lane) => lane.p, makeLane, (node, lane) => {
    drawHead(node, lane, state);
    const track = node.querySelector(".track");
    const fit = Math.max(3, Math.floor((track.clientWidth - 0.45 * rem + gap) / (size + gap)) - 1);
    const slots = slotsOf(lane, state.records.get(lane.p) || [], fit);
    drawCells(track.firstElementChild, lane, slots, lanes.length, chars);
    drawRails(track, node.querySelector(".owners"), lane, slots, groups, size, gap);
    drawEnds(node.querySelector(".ends"), lane);
  });
  keepFocus(box, hadFocus);
  drawLegend(state, kind, groups);
}

function makeLane(lane) {
  const node = el("section", "lane",
    el("div", "head", el("h3"), el("div", "led"), el("div", "rate")),
    el("div", "track", el("div", "cells")),
    el("div", "owners", el("div", "ends")));
  node.lastElementChild.firstElementChild.dataset.item = "ends";
  node.dataset.partition = lane.p;
  attr(node, "role", "group");
  return node;
}

function drawHead(node, lane, state) {
  const [title, led, rate] = node.firstElementChild.children;
  if (!title.firstChild) title.append(el("span", "word", "Partition "), String(lane.p));
  const up = new Set(state.cluster ? state.cluster.brokers.filter((b) => b.up).map((b) => b.id) : []);

  // The leader first; then, where the cluster replicates, the followers.
  const tokens = [];
  if (lane.leader >= 0) tokens.push({ id: lane.leader, leads: true, on: up.has(lane.leader) });
  for (const id of lane.replicas || []) {
    if (id !== lane.leader) tokens.push({ id, on: (lane.inSync || []).includes(id) && up.has(id) });
  }
  if (!led.firstChild) led.append(el("span", "word", "led by"), el("span", "tokens"));
  // Where followers are drawn, the legend says which token is the leader.
  text(led.firstElementChild, lane.leader < 0 ? "no leader" : tokens.length > 1 ? "" : "led by");
  sync(led.lastElementChild, tokens, (t) => t.id, (t) => el("span", "token", String(t.id)), (n, t) => {
    className(n, "token", t.leads && "leads", !t.on && "off");
    attr(n, "title", t.leads ? `broker ${t.id} leads${t.on ? "" : ", as far as is known: it is down"}` : t.on ? `broker ${t.id} follows, in sync` : `broker ${t.id} follows, not in sync`);
  });

  text(rate, lane.rate >= 2 ? `${number(lane.rate)} a second${lane.sampled ? ": a sample" : ""}` : "");
  const followers = tokens.filter((t) => !t.leads);
  const inSync = followers.filter((t) => t.on).map((t) => t.id);
  attr(node, "aria-label", [
    `Partition ${lane.p}`,
    lane.leader < 0 ? "without a leader" : `led by broker ${lane.leader}`,
    followers.length ? `in-sync followers: ${inSync.join(", ") || "none"}` : null,
    lane.end >= 0 ? (lane.end > lane.start ? `offsets ${lane.start} to ${lane.end - 1}` : "empty") : null,
  ].filter(Boolean).join(", "));
  attr(node, "data-leader", lane.leader);
  attr(node, "data-end", lane.end);
  attr(node, "data-in-sync", (lane.inSync || []).join(" "));
}

// cellSize is the width that fits the keys, in rem.
function cellSize(state, kind) {
  let longest = 0;
  for (const records of state.records.values()) {
    for (const r of records.slice(-24)) if (r.k !== null) longest = Math.max(longest, r.k.length);
  }
  if (kind === "dense") return 1.6;
  let offsets = 0;
  for (const lane of state.lanes) offsets = Math.max(offsets, String(lane.end).length);
  return Math.min(Math.max(kind === "roomy" ? 2.8 : 2.4, 0.78 * longest + 0.7, 0.5 * offsets + 0.4), kind === "roomy" ? 6.2 : 4.8);
}

// slotsOf lays the newest records into slots. What lies between two records that
// aren't neighbours takes a slot of its own.
function slotsOf(lane, records, fit) {
  const slots = [];
  for (let i = records.length - 1; i >= 0 && slots.length < fit; i--) {
    const r = records[i];
    if (slots.length === 0 && lane.end >= 0 && r.o + 1 < lane.end) slots.push({ gap: lane.end - r.o - 1, from: r.o + 1, hole: false });
    slots.push({ record: r, from: r.o });
    const before = i > 0 ? records[i - 1].o : r.o - 1;
    if (r.o - before > 1 && slots.length < fit) slots.push({ gap: r.o - before - 1, from: before + 1, hole: Boolean(r.g) });
  }
  return slots.reverse();
}

function drawCells(box, lane, slots, count, chars) {
  const now = performance.now();
  const opened = detailOf();
  const items = [...slots, { next: lane.end, from: lane.end }];
  sync(box, items, (s) => (s.record ? `r${s.record.o}` : s.next !== undefined ? "next" : `g${s.from}`), (s) => {
    if (s.record) return makeCell(s.record, lane.p);
    if (s.next !== undefined) {
      const node = el("span", "next", el("span", "slot"), el("span", "at"));
      attr(node, "aria-hidden", "true");
      return node;
    }
    return el("span", "gap", "···");
  }, (node, s) => {
    if (s.next !== undefined) {
      text(node.lastElementChild, lane.end >= 0 ? String(lane.end) : "");
      attr(node, "title", `the next record gets offset ${lane.end}`);
    } else if (s.record) {
      const r = s.record;
      const home = r.k === null || !count ? lane.p : r.h % count;
      const away = home !== lane.p;
      className(node, "cell", r.k === null && !r.c && "keyless", r.c && "marker",
        now - r.came < freshFor && !lane.sampled && "fresh",
        marks.sent && marks.sent.p === lane.p && marks.sent.o === r.o && "sent");
      let tag = node.querySelector(".away");
      if (away && !tag) {
        tag = el("span", "away");
        node.append(tag);
      }
      if (away) text(tag, `→${home}`);
      else if (tag) tag.remove();
      attr(node, "aria-label", label(r, lane.p, away ? home : null));
      if (r.k) text(node.firstElementChild, ending(r.k, chars));
      attr(node, "aria-expanded", String(Boolean(opened && opened.p === lane.p && opened.o === r.o)));
    } else {
      const words = s.hole ? `${plural(s.gap, "offset")} here ${s.gap === 1 ? "is" : "are"} not in the log` : `${plural(s.gap, "record")} not shown`;
      attr(node, "title", words);
      attr(node, "aria-label", words);
      attr(node, "role", "img");
    }
  });
}

function makeCell(r, p) {
  const key = el("span", "key theirs", r.c ? "end" : r.k === null ? "–" : r.k === "" ? "“”" : r.k);
  const node = el("button", "cell", key, el("span", "at", String(r.o)));
  node.type = "button";
  node.tabIndex = -1;
  node.dataset.partition = p;
  node.dataset.offset = r.o;
  if (r.k !== null) {
    node.dataset.key = r.k;
    style(key, "--k", `var(--k${(r.h >>> 3) % 8})`);
  }
  node.dataset.came = Date.now();
  return node;
}

// ending shows the end of a long key, since keys often begin alike.
function ending(key, chars) {
  const all = [...key];
  if (all.length <= chars) return key;
  return chars < 4 ? all.slice(-chars).join("") : `…${all.slice(1 - chars).join("")}`;
}

function label(r, p, home) {
  if (r.c) return `offset ${r.o}, end of a transaction`;
  return `offset ${r.o}, ${r.k === null ? "no key" : `key ${r.k}`}, value ${r.v}` +
    (home === null ? "" : `, its key belongs to partition ${home} now`);
}

// position is the place on the track that an offset has, in slots.
function position(slots, offset) {
  for (let i = 0; i < slots.length; i++) {
    const s = slots[i];
    if (s.record ? s.from >= offset : s.from >= offset) return i;
    if (s.gap && offset < s.from + s.gap) return i + 0.5;
  }
  return slots.length;
}

function drawRails(track, owners, lane, slots, groups, size, gap) {
  const rails = groups.map((g, i) => ({ g, i }));
  const boxes = [...track.children].slice(1);
  while (boxes.length > rails.length) boxes.pop().remove();
  while (boxes.length < rails.length) {
    const rail = el("div", "rail", el("span", "done"), el("span", "mark"), el("span", "behind"));
    track.append(rail);
    boxes.push(rail);
  }
  rails.forEach(({ g, i }) => {
    const rail = boxes[i];
    const committed = g.commits[lane.p];
    const known = committed !== undefined && lane.end >= 0;
    const first = slots.length ? slots[0].from : lane.end;
    const before = known && committed < first;
    const at = known ? position(slots, committed) : 0;
    className(rail, "rail", railStyle(g), !g.stable && "moving");
    style(rail, "--to", `${known && at > 0 ? at * (size + gap) - gap / 2 : 0}px`);
    rail.children[0].hidden = !known || at === 0;
    rail.children[1].hidden = !known || before;
    const behind = before ? `◂ ${number(first - committed)} further back` : !known && lane.end > lane.start && g.stable && g.members.length ? "nothing committed yet" : "";
    text(rail.children[2], behind);
    attr(rail, "aria-hidden", "true");
    rail.dataset.group = g.name;
    attr(rail, "data-committed", known ? committed : "");
  });

  sync(owners, [{ ends: true }, ...rails], (r) => (r.ends ? "ends" : r.g.name), (r) => el("div", "owner", el("span", "chip"), el("span", "lag")), (node, r) => {
    if (r.ends) return;
    const { g } = r;
    const owner = g.members.find((m) => m.has.includes(lane.p));
    const committed = g.commits[lane.p];
    const lag = committed === undefined || lane.end < 0 ? null : Math.max(0, lane.end - committed);
    const [chip, words] = node.children;
    if (!g.stable) {
      className(chip, "chip none");
      text(chip, `${g.letter} ?`);
      className(words, "lag moving");
      text(words, "rebalances");
    } else {
      className(chip, "chip", !owner && "none");
      text(chip, owner ? owner.label : `${g.letter} –`);
      className(words, "lag", lag > 0 && "some");
      if (!words.firstElementChild) words.replaceChildren(el("span", "word"), el("span", "n"));
      text(words.children[0], !owner && !g.members.length ? "no member " : !owner ? "no owner " : lag === null ? "" : "lag ");
      text(words.children[1], lag === null || !owner && !lag ? "" : number(lag));
    }
    attr(node, "title", `${g.name}: ${owner ? `${owner.label} owns partition ${lane.p}` : `nobody owns partition ${lane.p}`}${lag === null ? "" : `, lag ${number(lag)}`}`);
    attr(node, "aria-label", node.title);
    attr(node, "role", "img");
    node.dataset.group = g.name;
    attr(node, "data-owner", owner && g.stable ? owner.label : "");
    attr(node, "data-lag", lag === null ? "" : lag);
  });
}

function drawEnds(node, lane) {
  if (!node.firstChild) node.append(el("span"), el("span"));
  const count = lane.end < 0 ? -1 : lane.end - lane.start;
  text(node.firstChild, count < 0 ? "" : count === 0 ? "empty" : plural(count, "record"));
  text(node.lastChild, lane.start > 0 && count > 0 ? `from offset ${number(lane.start)}` : "");
}

function drawEmpty(state) {
  const c = state.cluster;
  let words = "";
  if (c && c.asked && c.reachable && !c.topic.partitions) {
    words = `There is no topic ${c.topic.shown} yet. It appears here as soon as a program creates it: go run ./01-producer`;
  } else if (!c || !c.asked) {
    words = "Asking the cluster …";
  } else if (!c.reachable && !state.lanes.length) {
    words = "Nothing is known of the topic until the cluster answers.";
  }
  $("empty").hidden = !words;
  $("lanes").hidden = Boolean(words);
  text($("empty"), words);
}

function drawLegend(state, kind, groups) {
  const box = $("legend");
  const sampled = state.lanes.some((l) => l.sampled);
  const away = Boolean(box.ownerDocument.querySelector(".away"));
  let words = "";
  if (sampled) {
    const rate = state.lanes.reduce((sum, l) => sum + l.rate, 0);
    words = `About ${number(Math.round(rate))} records a second: more than anybody can look at. The board shows a sample; ··· stands for records that it passes over. Offsets and lag are exact.`;
  } else if (state.lanes.length) {
    words = "A cell is a record: its key, and its offset below. Dashed: where the next record goes.";
    if (groups.length) words += " ▲ is a group's commit: all to its left is read.";
    if (state.lanes.some((l) => (l.replicas || []).length > 1)) words += " Of a partition's brokers the dark one leads; the others follow, and a crossed one isn't in sync.";
    if (away) words += " →n: by its key, a new record now goes to partition n.";
  }
  if (box.dataset.words !== words) {
    box.dataset.words = words;
    box.replaceChildren(sampled ? el("b", "", words) : words);
  }
  attr(box, "data-sampled", String(sampled));
  box.hidden = !words;
}

// ---- The keyboard: one cell can be reached by Tab, the arrow keys go on.

function keepFocus(box, had) {
  const cells = [...box.querySelectorAll(".cell")];
  if (!cells.length) return;
  const nearest = (p, o) => {
    let best = null;
    for (const c of cells) {
      if (Number(c.dataset.partition) !== p) continue;
      if (!best || Math.abs(c.dataset.offset - o) < Math.abs(best.dataset.offset - o)) best = c;
    }
    return best;
  };
  const wanted = nearest(focusKeeper.p, focusKeeper.o) || cells[0];
  for (const c of cells) c.tabIndex = c === wanted ? 0 : -1;
  // A record that has left its lane hands the focus to its neighbour.
  if (had && !document.activeElement.classList.contains("cell")) {
    const next = nearest(Number(had.partition), Number(had.offset));
    if (next) focusCell(next);
  }
}

function focusCell(cell) {
  focusKeeper = { p: Number(cell.dataset.partition), o: Number(cell.dataset.offset) };
  for (const c of $("lanes").querySelectorAll('.cell[tabindex="0"]')) c.tabIndex = -1;
  cell.tabIndex = 0;
  cell.focus();
}

export function moveInLanes(event) {
  const cell = event.target.closest(".cell");
  if (!cell) return;
  const row = [...cell.parentElement.querySelectorAll(".cell")];
  const i = row.indexOf(cell);
  let to = null;
  if (event.key === "ArrowLeft") to = row[i - 1];
  else if (event.key === "ArrowRight") to = row[i + 1];
  else if (event.key === "Home") to = row[0];
  else if (event.key === "End") to = row[row.length - 1];
  else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    let lane = cell.closest(".lane");
    do lane = event.key === "ArrowUp" ? lane.previousElementSibling : lane.nextElementSibling;
    while (lane && !lane.querySelector(".cell"));
    if (lane) {
      const others = [...lane.querySelectorAll(".cell")];
      to = others[Math.min(i, others.length - 1)];
    }
  } else return;
  event.preventDefault();
  if (to) focusCell(to);
}

export function focusRecord(p, o) {
  const cell = $("lanes").querySelector(`.cell[data-partition="${Number(p)}"][data-offset="${Number(o)}"]`) || $("lanes").querySelector(`.lane[data-partition="${Number(p)}"] .cell:last-of-type`);
  if (cell) focusCell(cell);
  else $("lanes").focus();
}
