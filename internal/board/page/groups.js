// The consumer groups beside the lanes, with their members.

import { $, el, text, attr, className, sync, number, brief, few, plural } from "./dom.js";
import { draw } from "./state.js";
import { chosenGroups, shownGroups, giveStyles, railStyle, lagOf } from "./rails.js";

export function drawGroups(state) {
  const box = $("groups");
  const shown = shownGroups(state);
  giveStyles(shown);
  const groups = [...state.groups].sort((a, b) => shown.includes(b) - shown.includes(a) || b.here - a.here);
  const many = groups.length > 6;
  if (state.cluster && !state.cluster.groups) {
    sync(box, [{}], () => "unasked", () => el("p", "command",
      "The cluster has so many brokers that the board doesn't ask each of them for its groups."));
    return;
  }
  if (!groups.length) {
    sync(box, [{}], () => "none", () => el("p", "command",
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
  for (const lane of state.lanes) lag += lagOf(lane, g) ?? 0;
  const part = state.cluster && state.cluster.topic.partitions > state.lanes.length;
  text(lagsum, g.here && Object.keys(g.commits).length ? `lag ${brief(lag)}${part ? " here" : ""}` : "");
  attr(lagsum, "title", part ? `in the partitions that are shown: ${number(lag)}` : number(lag));
  className(lagsum, "lagsum", lag > 0 && "some");
  attr(node, "data-lag", lag);

  const short = many && !shown;
  const count = g.count ? plural(g.count, "member") : "no members";
  if (!words.firstChild) words.append(el("span"), el("span", "less"));
  let [state1, state2] = states[g.state] || [g.state, ""];
  if (g.kind === "share") {
    state1 = `share group, ${state1}`;
    if (g.state === "Stable") state2 = ": its members share partitions";
    if (g.state === "Empty") state2 = ": the cluster keeps what is left";
  } else if (g.kind === "consumer") {
    state1 = `new protocol, ${state1}`;
  }
  attr(node, "data-kind", g.kind);
  attr(words, "title", `${g.words}. ${g.explains}`);
  if (!g.here) text(words.firstChild, `${count}, reads ${plural(g.others, "other topic")}`);
  else if (short) text(words.firstChild, `${count} · ${g.stable ? g.state.toLowerCase() : "rebalances"}`);
  else text(words.firstChild, state1);
  text(words.lastChild, g.here && !short ? state2 : "");

  const listed = short || !g.here ? [] : g.members;
  members.hidden = !listed.length;
  const compact = g.count > (many ? 3 : 6);
  className(members, "members", compact && "few");
  const items = g.count > g.members.length && listed.length ? [...listed, { more: g.count - g.members.length }] : listed;
  sync(members, items, (m) => m.label || "more", (m) => {
    if (m.more) return el("li", "", el("span", "has"));
    const li = el("li", "", el("span", "chip", m.label), el("span", "client theirs"), el("span", "has"));
    li.dataset.member = m.label;
    return li;
  }, (li, m) => {
    const has = li.lastElementChild;
    if (m.more) {
      text(has, `and ${plural(m.more, "more member")}`);
      return;
    }
    text(li.children[1], m.client);
    className(has, "has", m.idle && g.stable && "idle");
    text(has, m.idle ? (!g.stable ? "…" : compact ? "idle" : `idle: ${m.idle}`) : owned(m, compact));
    attr(li, "title", `${m.client} at ${m.host}${m.idle ? `: ${m.idle}` : ""}`);
    attr(li, "data-has", m.has.join(" "));
    attr(li, "data-idle", m.idle || null);
  });

  command.hidden = short || !g.here;
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

// owned says which partitions a member has.
function owned(m, compact) {
  const all = m.count === m.has.length ? few(m.has, "partition") : plural(m.count, "partition");
  const long = !compact && m.count <= 8 && m.count === m.has.length;
  return [
    m.count ? `${long ? (m.count === 1 ? "partition " : "partitions ") : ""}${all}` : "",
    m.others ? `${m.others} of other topics` : "",
  ].filter(Boolean).join(", ");
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
