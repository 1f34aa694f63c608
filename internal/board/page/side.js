// The brokers above the lanes, and the groups beside them.

import { $, el, text, attr, className, sync, number, plural, post } from "./dom.js";
import { draw } from "./board.js";

// ---- Brokers.

export function drawBrokers(state) {
  const c = state.cluster;
  if (!c) return;
  const box = $("brokers");
  className(box, "brokers", c.brokers.length > 6 && "many");
  const items = [...c.brokers];
  if (!c.replicates && c.brokers.length && c.brokers.length <= 4) items.push({ note: true });
  sync(box, items, (b) => (b.note ? "note" : b.id), makeBroker, (node, b) => {
    if (!b.note) drawBroker(node, b, state);
  });
}

function makeBroker(b) {
  if (b.note) {
    const words = "One copy of each partition: this embedded cluster doesn't replicate. Followers and in-sync replicas are drawn on Apache Kafka, where they are real.";
    return el("div", "panel broker note-card", el("p", "does", words));
  }
  const node = el("article", "panel broker",
    el("span", "token leads", String(b.id)), el("div", "what"), el("div", "does"), el("div", "how"));
  node.dataset.broker = b.id;
  attr(node, "aria-label", `Broker ${b.id}`);
  return node;
}

function drawBroker(node, b, state) {
  const c = state.cluster;
  const [token, what, does, how] = node.children;
  className(node, "panel broker", !b.up && "down");
  className(token, "token", b.up ? "leads" : "off");
  attr(node, "data-up", String(b.up));

  if (!what.firstChild) what.append(el("span", "name"), " ", el("span", "tag"), " ", el("span", "addr tagless"));
  text(what.children[0], b.up ? `Broker ${b.id}` : `Broker ${b.id} is down`);
  what.children[1].hidden = c.controller !== b.id || !b.up;
  text(what.children[1], "controller");
  attr(node, "title", b.addr ? `at ${b.addr}` : null);

  const leads = [];
  const follows = [];
  const behind = [];
  for (const lane of state.lanes) {
    if (lane.leader === b.id) leads.push(lane.p);
    else if ((lane.replicas || []).includes(b.id)) {
      if ((lane.inSync || []).includes(b.id)) follows.push(lane.p);
      else behind.push(lane.p);
    }
  }
  let words = leads.length ? `leads ${few(leads)}` : "leads none";
  if (c.replicates) {
    if (follows.length) words += ` · follows ${few(follows)}`;
    if (behind.length) words += ` · not in sync: ${few(behind)}`;
  }
  if (!b.up) words = behind.length && c.replicates ? `not in sync: ${few(behind)}` : "leads none";
  text(does, state.lanes.length ? words : b.up ? "up" : "");
  attr(node, "data-leads", leads.join(" "));
  attr(node, "data-follows", follows.join(" "));

  if (c.buttons) {
    let button = how.firstElementChild;
    if (!button) {
      button = el("button");
      button.type = "button";
      button.addEventListener("click", () => press(button, b.id));
      how.append(button);
    }
    text(button, b.up ? "Stop" : "Start");
    attr(button, "aria-label", b.up ? `Stop broker ${b.id}` : `Start broker ${b.id}`);
    attr(button, "data-do", b.up ? "stop" : "start");
  } else {
    const command = c.kind === "compose"
      ? `docker compose ${b.up ? "kill" : "start"} kafka-${b.id}`
      : c.kind === "embedded" ? `${b.up ? "stop" : "start"} ${b.id}` : "";
    if (!how.firstChild && command) how.append(el("span", "word"), el("code"));
    className(how, "how", "told");
    if (command) {
      text(how.children[0], c.kind === "embedded" ? "in its terminal: " : `to ${b.up ? "stop" : "start"} it: `);
      text(how.children[1], command);
    }
  }
}

async function press(button, id) {
  button.disabled = true;
  try {
    await post(button.dataset.do, { broker: id });
  } catch (err) {
    className($("said"), "said bad");
    text($("said"), String(err.message));
  }
  button.disabled = false;
}

// few lists numbers, or counts them if there are many.
function few(list) {
  return list.length > 8 ? plural(list.length, "partition") : list.join(", ");
}

// ---- Groups.

// chosenGroups are the groups that somebody switched on or off on the lanes.
export const chosenGroups = new Map();

// shownGroups are the groups that have a rail on the lanes.
export function shownGroups(state, most) {
  const here = state.groups.filter((g) => g.here);
  const chosen = here.filter((g) => chosenGroups.get(g.name) === true);
  const rest = here.filter((g) => !chosenGroups.has(g.name));
  // Groups with members come before those that only have old commits.
  rest.sort((a, b) => (b.members.length > 0) - (a.members.length > 0));
  const shown = new Set([...chosen, ...rest].slice(0, Math.max(most, chosen.length)));
  return here.filter((g) => shown.has(g));
}

// Each rail has a pattern of its own. It stays with the group.
const patterns = new Map();

export function railStyle(g) {
  return ["one", "two", "three"][(patterns.get(g.name) || 0) % 3];
}

export function drawGroups(state) {
  const box = $("groups");
  const most = state.lanes.length <= 4 ? 3 : 2;
  const shown = shownGroups(state, most);
  shown.forEach((g, i) => patterns.set(g.name, i));
  const groups = [...state.groups].sort((a, b) => shown.includes(b) - shown.includes(a) || b.here - a.here);
  const many = groups.length > 6;
  if (!groups.length) {
    sync(box, [{ none: true }], () => "none", () => el("p", "command",
      "No group has come yet. Another terminal adds one: ", el("code", "", "go run ./02-consumer")));
    return;
  }
  sync(box, groups, (g) => `g ${g.name}`, makeGroup, (node, g) => drawGroup(node, g, shown.includes(g), many, state));
}

// What a state means: a word, and more where there is room.
const states = {
  Stable: ["stable", ": each partition has one owner"],
  Empty: ["no members", ": its commits wait for it"],
  PreparingRebalance: ["rebalances", ": its members come together"],
  CompletingRebalance: ["rebalances", ": partitions are being given out"],
  Assigning: ["rebalances", ": partitions are being given out"],
  Reconciling: ["rebalances", ": members hand partitions over"],
  Dead: ["it is being removed", ""],
};

function makeGroup() {
  const button = el("button", "", el("span", "letter chip"), el("span", "sample", el("span", "", el("span", "done"))), el("span", "gname theirs"), el("span", "lagsum"), el("span", "gstate"));
  button.type = "button";
  const node = el("article", "group", button, el("ul", "members"), el("div", "command"));
  button.addEventListener("click", () => {
    chosenGroups.set(node.dataset.group, button.getAttribute("aria-pressed") !== "true");
    draw();
  });
  return node;
}

function drawGroup(node, g, shown, many, state) {
  const [button, members, command] = node.children;
  const [letter, sample, name, lagsum, words] = button.children;
  node.dataset.group = g.name;
  className(node, "group", !g.stable && "moving", !g.here && "elsewhere");
  attr(node, "data-state", g.state);
  attr(button, "aria-pressed", String(shown));
  attr(button, "title", g.here ? (shown ? "its rail is on the lanes; click to take it away" : "click to see its rail on the lanes") : null);
  text(letter, g.letter);
  text(name, g.name);
  className(sample.firstChild, "rail", railStyle(g));
  sample.hidden = !shown;

  let lag = 0;
  for (const lane of state.lanes) {
    const committed = g.commits[lane.p];
    if (committed !== undefined && lane.end >= 0) lag += Math.max(0, lane.end - committed);
  }
  text(lagsum, g.here && Object.keys(g.commits).length ? `lag ${number(lag)}` : "");
  className(lagsum, "lagsum", lag > 0 && "some");
  attr(node, "data-lag", lag);

  const brief = many && !shown;
  const count = g.members.length ? plural(g.members.length, "member") : "no members";
  if (!words.firstChild) words.append(el("span"), el("span", "less"));
  const [state1, state2] = states[g.state] || [g.state, ""];
  if (!g.here) text(words.firstChild, `${count}, reads ${plural(g.others, "other topic")}`);
  else if (brief) text(words.firstChild, `${count} · ${g.stable ? g.state.toLowerCase() : "rebalances"}`);
  else text(words.firstChild, state1);
  text(words.lastChild, g.here && !brief ? state2 : "");

  members.hidden = brief || !g.here;
  const compact = g.members.length > (many ? 3 : 6);
  className(members, "members", compact && "few");
  sync(members, brief || !g.here ? [] : g.members.slice(0, 40), (m) => m.label, (m) => {
    const li = el("li", "", el("span", "chip", m.label), el("span", "has"));
    li.dataset.member = m.label;
    return li;
  }, (li, m) => {
    const has = li.lastElementChild;
    className(has, "has", m.idle && g.stable && "idle");
    if (!has.firstChild) has.append(el("span", "words"), " ", el("span", "client theirs"));
    text(has.firstChild, m.idle
      ? (!g.stable ? "…" : compact ? "idle" : `idle: ${m.idle}`)
      : [m.has.length ? (compact || m.has.length > 8 ? few(m.has) : `${m.has.length === 1 ? "partition" : "partitions"} ${few(m.has)}`) : "",
        m.others ? `${m.others} of other topics` : ""].filter(Boolean).join(", "));
    text(has.lastElementChild, m.client);
    attr(li, "title", `${m.client} at ${m.host}${m.idle ? `: ${m.idle}` : ""}`);
    attr(li, "data-has", m.has.join(" "));
    attr(li, "data-idle", m.idle || null);
  });

  command.hidden = brief || !g.here;
  if (!command.firstChild) {
    const copy = el("button", "copy", "Copy");
    copy.type = "button";
    copy.addEventListener("click", () => copyCommand(copy));
    command.append(el("span", "word"), el("code"), copy);
  }
  const [intro, code, copy] = command.children;
  text(intro, g.command ? "One more, in another terminal:" : "One more: start its program once more.");
  className(intro, "word less");
  code.hidden = copy.hidden = !g.command;
  text(code, g.command);
}

async function copyCommand(button) {
  try {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    text(button, "Copied");
  } catch {
    text(button, "Select it");
  }
  setTimeout(() => text(button, "Copy"), 1500);
}
