// The brokers above the lanes.

import { $, el, text, attr, className, sync, number, few, post } from "./dom.js";

export function drawBrokers(state) {
  const c = state.cluster;
  if (!c) return;
  const box = $("brokers");
  className(box, "brokers", c.brokers.length > 6 && "many");
  const items = [...c.brokers];
  const single = !c.replicates && c.brokers.length && c.brokers.length <= 4 && c.topic.partitions <= 10;
  if (single) items.push({ note: "One copy of each partition: this embedded cluster doesn't replicate. Followers and in-sync replicas are drawn on Apache Kafka, where they are real." });
  if (c.count > c.brokers.length) items.unshift({ note: `${number(c.count - c.brokers.length)} more brokers are not shown.` });
  sync(box, items, (b) => (b.note ? "note" : b.id), makeBroker, (node, b) => {
    if (b.note) text(node.firstElementChild, b.note);
    else drawBroker(node, b, state);
  });
}

function makeBroker(b) {
  if (b.note) return el("div", "panel broker note-card", el("p", "does"));
  const node = el("article", "panel broker",
    el("span", "token leads", String(b.id)), el("div", "what"), el("div", "does"), el("div", "how"));
  node.dataset.broker = b.id;
  attr(node, "aria-label", `Broker ${b.id}`);
  return node;
}

function drawBroker(node, b, state) {
  const c = state.cluster;
  const [token, what, does, how] = node.children;
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
  className(node, "panel broker", !b.up && "down", b.up && behind.length > 0 && "behind");
  let words = leads.length ? `leads ${few(leads, "partition")}` : "leads none";
  if (c.replicates) {
    if (follows.length) words += ` · follows ${few(follows, "partition")}`;
    if (behind.length) words += ` · not in sync: ${few(behind, "partition")}`;
  }
  if (!b.up) words = behind.length && c.replicates ? `not in sync: ${few(behind, "partition")}` : "leads none";
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
