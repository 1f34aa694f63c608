// The lanes: one for each partition, with the newest records as cells, and under
// them a rail for each group that shows how far its commits have come.

import { $, el, text, attr, className, style, sync, number, brief, plural } from "./dom.js";
import { marks, sameKey, tooFast } from "./state.js";
import { shownGroups, railStyle, lagOf } from "./rails.js";

const freshFor = 1200; // milliseconds that a new record is set off
const calmRate = 4; // records a second in any lane, from which on new ones aren't set off: all are new

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
  drawTurn(state);

  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  const size = cellSize(state, kind) * rem;
  style(box, "--cell", `${size}px`);
  const gap = (kind === "dense" ? 0.12 : 0.25) * rem;
  style(box, "--rows", String(Math.ceil(lanes.length / 2)));
  const chars = Math.max(2, Math.floor((size / rem - (kind === "dense" ? 0.15 : 0.5)) / ({ dense: 0.47, medium: 0.7, roomy: 0.78 }[kind])));

  const groups = shownGroups(state);
  style(box, "--owners", `${ownersWidth(lanes, groups, kind)}rem`);
  const hadFocus = document.activeElement && document.activeElement.classList.contains("cell") ? { ...document.activeElement.dataset } : null;
  const count = state.cluster ? state.cluster.topic.partitions : lanes.length;
  const down = new Set(state.cluster ? state.cluster.brokers.filter((b) => !b.up).map((b) => b.id) : []);

  // All tracks are equally wide. The width is read once, before anything is
  // changed: so the page is laid out once, however many lanes there are.
  sync(box, lanes, (lane) => lane.p, makeLane);
  const track = box.querySelector(".track");
  const fit = track ? Math.max(1, Math.floor((track.clientWidth - 0.45 * rem + gap) / (size + gap)) - 1) : 3;
  visible = fit;
  const calm = lanes.every((lane) => lane.rate < calmRate);
  sync(box, lanes, (lane) => lane.p, makeLane, (node, lane) => {
    drawHead(node, lane, down);
    const track = node.children[1];
    const slots = slotsOf(lane, state.records.get(lane.p) || [], fit);
    drawCells(track.firstElementChild, lane, slots, count, kind, chars, calm);
    drawRails(track, node.lastElementChild, lane, slots, groups, size, gap);
    drawEnds(node.lastElementChild.firstElementChild, lane);
  });
  keepFocus(box, hadFocus);
  drawLegend(state, kind, groups);
}

// owns says who owns a partition of a group, and what it has left to read. A
// partition of a share group may have several owners.
function owns(lane, g) {
  const owners = g.members.filter((m) => m.has.includes(lane.p));
  const owner = owners[0];
  const committed = g.commits[lane.p];
  const beyond = Boolean(g.beyond[lane.p]);
  const lag = lagOf(lane, g);
  return {
    owners, owner, committed, beyond, lag,
    chip: !g.stable ? `${g.letter} ?` : owners.length > 1 ? `${owner.label} +${owners.length - 1}` : owner ? owner.label : `${g.letter} –`,
    words: !g.stable ? "rebalances" : beyond ? "beyond end" : lag !== null ? `lag ${brief(lag)}` : owner ? "" : "no commit",
  };
}

// ownersWidth is what the longest of these needs beside the lanes, in rem. It
// grows in steps, so that the lanes seldom jump.
function ownersWidth(lanes, groups, kind) {
  let chip = 0;
  let words = 0;
  for (const lane of lanes) {
    for (const g of groups) {
      const o = owns(lane, g);
      chip = Math.max(chip, o.chip.length);
      words = Math.max(words, o.words.length);
    }
  }
  if (kind === "dense") return Math.min(groups.length, 2) * 4.2;
  return Math.ceil(Math.max(6.5, Math.max(2.1, 0.62 * chip + 0.9) + 0.4 + 0.6 * words));
}

// drawTurn says which partitions are shown, if there are more than have room.
function drawTurn(state) {
  const c = state.cluster;
  const many = Boolean(c && c.topic.partitions > c.most);
  $("turn").hidden = !many;
  if (!many) return;
  const last = Math.min(c.from + c.most, c.topic.partitions) - 1;
  text($("turn-words"), last < c.from
    ? `There are only ${plural(c.topic.partitions, "partition")}.`
    : `Partitions ${number(c.from)} to ${number(last)} of ${number(c.topic.partitions)}: the board shows ${c.most} at once.`);
  $("turn-back").disabled = c.from === 0;
  $("turn-on").disabled = last + 1 >= c.topic.partitions;
}

function makeLane(lane) {
  const node = el("section", "lane",
    el("div", "head", el("h3"), el("div", "led"), el("div", "led out"), el("div", "rate")),
    el("div", "track", el("div", "cells")),
    el("div", "owners", el("div", "ends")));
  node.lastElementChild.firstElementChild.dataset.item = "ends";
  node.dataset.partition = lane.p;
  attr(node, "role", "group");
  return node;
}

function drawHead(node, lane, down) {
  const [title, led, out, rate] = node.firstElementChild.children;
  if (!title.firstChild) title.append(el("span", "word", "Partition "), String(lane.p));
  className(node, "lane", Boolean(marks.found && marks.found.p === lane.p) && "home");

  // The leader first; then, where the cluster replicates, the followers that
  // are in sync, and on a line of their own those that aren't.
  const tokens = [];
  const behind = [];
  if (lane.leader >= 0) tokens.push({ id: lane.leader, leads: true, on: !down.has(lane.leader) });
  for (const id of lane.replicas || []) {
    if (id === lane.leader) continue;
    const on = (lane.inSync || []).includes(id);
    (on ? tokens : behind).push({ id, on });
  }
  if (!led.firstChild) {
    led.append(el("span", "word"), el("span", "tokens"));
    out.append(el("span", "tokens"), el("span", "word", "out of sync"));
  }
  // Where followers are drawn, the legend says which token is the leader.
  led.firstElementChild.hidden = lane.leader >= 0 && tokens.length > 1;
  text(led.firstElementChild, lane.leader < 0 ? "no leader" : "led by");
  const make = (t) => el("span", "token", String(t.id));
  sync(led.lastElementChild, tokens, (t) => t.id, make, (n, t) => {
    className(n, "token", t.leads && "leads", !t.on && "off");
    attr(n, "title", t.leads ? `broker ${t.id} leads${t.on ? "" : ", as far as is known: it is down"}` : `broker ${t.id} follows, in sync`);
  });
  sync(out.firstElementChild, behind, (t) => t.id, make, (n, t) => {
    className(n, "token", "off");
    attr(n, "title", `broker ${t.id} follows, not in sync`);
  });
  out.hidden = !behind.length;

  text(rate, lane.rate >= 2 ? `${brief(lane.rate)} a second${lane.sampled ? ": a sample" : ""}` : "");
  const inSync = tokens.filter((t) => !t.leads).map((t) => t.id);
  attr(node, "aria-label", [
    `Partition ${lane.p}`,
    lane.leader < 0 ? "without a leader" : `led by broker ${lane.leader}`,
    (lane.replicas || []).length > 1 ? `in-sync followers: ${inSync.join(", ") || "none"}` : null,
    behind.length ? `not in sync: ${behind.map((t) => t.id).join(", ")}` : null,
    lane.end >= 0 ? (lane.end > lane.start ? `offsets ${lane.start} to ${lane.end - 1}` : "empty") : null,
  ].filter(Boolean).join(", "));
  attr(node, "data-leader", lane.leader);
  attr(node, "data-end", lane.end);
  attr(node, "data-in-sync", (lane.inSync || []).join(" "));
}

let visible = 16; // cells that a lane has room for

// cellSize is the width of all cells, in rem. It fits four of five keys that are
// shown: one long key is shortened, and doesn't take the others' room. There are
// few widths, so that lanes don't jump.
function cellSize(state, kind) {
  if (kind === "dense") return 1.6;
  const lengths = [];
  for (const records of state.records.values()) {
    for (const r of records.slice(-visible)) if (r.k !== null) lengths.push([...r.k].length);
  }
  lengths.sort((a, b) => a - b);
  const typical = lengths.length ? lengths[Math.floor((lengths.length - 1) * 0.8)] : 0;
  let offsets = 0;
  for (const lane of state.lanes) offsets = Math.max(offsets, String(lane.end).length);
  const wanted = Math.max(0.78 * typical + 0.7, 0.46 * offsets + 0.35);
  const widths = kind === "roomy" ? [2.8, 3.3, 3.9, 5, 6.2] : [2.4, 3.6, 4.8];
  return widths.find((w) => w >= wanted) || widths[widths.length - 1];
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

function drawCells(box, lane, slots, count, kind, chars, calm) {
  const now = performance.now();
  const opened = marks.opened;
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
        now - r.came < freshFor && calm && "fresh",
        sameKey(marks.pointed, r) && "same", sameKey(marks.found, r) && "found",
        marks.sent && marks.sent.p === lane.p && marks.sent.o === r.o && "sent");
      let tag = node.querySelector(".away");
      if (away && !tag) {
        tag = el("span", "away");
        node.append(tag);
      }
      if (away) text(tag, `→${home}`);
      else if (tag) tag.remove();
      attr(node, "aria-label", label(r, lane.p, away ? home : null));
      if (r.k) {
        const long = kind !== "dense" && [...r.k].length > chars;
        className(node.firstElementChild, "key theirs", long && "long");
        text(node.firstElementChild, ending(r.k, long ? Math.floor(chars * 1.5) + 1 : chars));
      }
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
    node.dataset.hash = r.h;
  }
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

// point marks the key of the cell that somebody points at, by mouse or keyboard.
export function point(cell) {
  const key = cell && cell.dataset.key !== undefined ? { k: cell.dataset.key, h: Number(cell.dataset.hash) } : null;
  if (key === marks.pointed || sameKey(key, marks.pointed)) return;
  marks.pointed = key;
  for (const c of $("lanes").querySelectorAll(".cell")) {
    c.classList.toggle("same", sameKey(key, { k: c.dataset.key ?? null, h: Number(c.dataset.hash) }));
  }
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
    const behind = before ? `◂ ${brief(first - committed)} further back` : !known && lane.end > lane.start && g.stable && g.members.length ? (g.kind === "share" ? "nothing given out yet" : "nothing committed yet") : "";
    text(rail.children[2], behind);
    attr(rail, "aria-hidden", "true");
    rail.dataset.group = g.name;
    attr(rail, "data-committed", known ? committed : "");
  });

  sync(owners, [{ ends: true }, ...rails], (r) => (r.ends ? "ends" : r.g.name), (r) => el("div", "owner", el("span", "chip"), el("span", "lag")), (node, r) => {
    if (r.ends) return;
    const { g } = r;
    const o = owns(lane, g);
    const { owners: all, owner, committed, beyond, lag } = o;
    const [chip, words] = node.children;
    const nobody = owner ? "" : g.count ? "no member of it owns the partition" : "it has no members";
    className(chip, "chip", !(g.stable && owner) && "none");
    text(chip, o.chip);
    className(words, "lag", g.stable && lag > 0 && "some", (beyond || !g.stable) && "moving");
    text(words, o.words);
    attr(node, "title", `${g.name}: ` + [
      owner ? `${all.map((m) => `${m.label} (${m.client})`).join(", ")} ${all.length > 1 ? "share" : "owns"} partition ${lane.p}` : nobody,
      lag === null ? (g.kind === "share" ? "nothing is given out yet" : "nothing is committed") : beyond
        ? `its commit, ${number(committed)}, lies beyond the log's end, ${number(lane.end)}: it may skip the records that come before that offset`
        : `lag ${number(lag)}`,
    ].join(", "));
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
  text(node.firstChild, count < 0 ? "" : count === 0 ? "empty" : count < 100_000 ? plural(count, "record") : `${brief(count)} records`);
  text(node.lastChild, lane.start > 0 && count > 0 ? `from ${brief(lane.start)}` : "");
  attr(node, "title", lane.start > 0 && count > 0 ? `the oldest one is at offset ${number(lane.start)}` : null);
}

function drawEmpty(state) {
  const c = state.cluster;
  let words = "";
  if (c && c.asked && c.reachable && c.topic.partitions && c.from >= c.topic.partitions) {
    words = `The topic has no partition ${number(c.from)}.`;
  } else if (c && c.asked && c.reachable && !c.topic.partitions) {
    words = `There is no topic ${c.topic.shown} yet. It appears here as soon as a program creates it: go run ./01-producer. Choose another topic above, or name it in this page's address: ?topic=its-name`;
  } else if (!c || !c.asked) {
    words = "Asking the cluster …";
  } else if (!c.reachable && !state.lanes.length) {
    words = "Nothing is known of the topic until the cluster answers.";
  }
  $("empty").hidden = !words;
  $("lanes").hidden = Boolean(words);
  text($("empty"), words);
}

// The legend: what stands for what, of that which is on the lanes.
function drawLegend(state, kind, groups) {
  const box = $("legend");
  const items = [];
  const rate = state.lanes.reduce((sum, l) => sum + l.rate, 0);
  const sampled = state.lanes.some((l) => l.sampled);
  const cells = (marked) => $("lanes").querySelectorAll(`.cell.${marked}`).length;
  if (marks.found) {
    const elsewhere = $("lanes").querySelectorAll(`.cell.found:not([data-partition="${marks.found.p}"])`).length;
    const n = cells("found");
    items.push({ cell: "found", strong: true, words: `Key ${marks.found.k} belongs in partition ${marks.found.p}. ${n || "None"} of its records ${n > 1 ? "are" : "is"} shown` +
      (elsewhere ? `, ${elsewhere} of them in another partition.` : ".") });
  }
  if (sampled) {
    items.push({ strong: true, words: `About ${number(Math.round(rate))} records a second: more than anybody can look at. The board shows a sample; ··· stands for records that it passes over. Offsets and lag are exact.` });
  } else if (tooFast(state)) {
    items.push({ strong: true, words: `${number(Math.round(rate))} records a second: press Pause to read them.` });
  }
  if (!sampled && state.lanes.length) {
    if (kind !== "dense") items.push({ cell: "", words: `a record: its key${kind === "roomy" ? ", its offset below" : ""}` });
    items.push({ cell: "same", words: "the same key as the one that is pointed at" });
    if (kind !== "dense") items.push({ cell: "slot", words: "the next record", less: true });
    if (groups.length) items.push({ sign: "▲", words: "a group's commit: all to its left is done" });
    if (state.lanes.some((l) => (l.replicas || []).length > 1)) {
      items.push({ token: "leads", words: "leads" }, { token: "", words: "follows, in sync" });
      if (state.lanes.some((l) => (l.replicas || []).length > (l.inSync || []).length)) items.push({ token: "off", words: "not in sync" });
    }
    const left = groups.find((g) => g.stable && state.lanes.some((l) => !owns(l, g).owner));
    if (left) items.push({ chip: `${left.letter} –`, words: `nobody in ${left.name} owns it`, less: true });
    if (kind !== "dense" && $("lanes").querySelector(".away")) items.push({ sign: "→n", words: "by its key, a new record goes to partition n now" });
  }
  sync(box, items, (i) => JSON.stringify(i), (i) => {
    const item = el("span", [i.strong && "strong", i.less && "less"].filter(Boolean).join(" "));
    if (i.cell !== undefined) item.append(el("span", `sample-cell ${i.cell}`, i.cell === "slot" ? "" : "7"));
    if (i.token !== undefined) item.append(el("span", `token ${i.token}`, "1"));
    if (i.chip) item.append(el("span", "chip none", i.chip));
    if (i.sign) item.append(el("b", "", i.sign));
    item.append(el(i.strong ? "b" : "span", "words theirs", i.words));
    return item;
  });
  attr(box, "data-sampled", String(sampled));
  box.hidden = !items.length;
  text($("found-said"), marks.found ? items[0].words : "");
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
