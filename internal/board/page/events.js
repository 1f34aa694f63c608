// What has happened, newest first, with a headline.

import { $, el, text, attr, className, sync } from "./dom.js";
import { seen } from "./state.js";

// topFor is how many milliseconds an important line stays above newer ones.
const topFor = 8000;

const signs = { good: "✓", warning: "!", plain: "·" };
const time = (at) => new Date(at).toLocaleTimeString("en-GB");
let again = null;

export function drawEvents(state) {
  const list = [...state.events].reverse();
  const top = list.findIndex((e) => e.top);
  clearTimeout(again);
  if (top > 0) {
    const left = topFor - (Date.now() - list[top].at);
    if (left > 0) {
      list.unshift(...list.splice(top, 1));
      again = setTimeout(() => drawEvents(seen()), left + 50);
    }
  }
  const box = $("events");
  const at = box.scrollTop;
  const height = box.scrollHeight;
  if (list.length) {
    sync(box, list, (e) => `${e.n}-${e.at}`, (e) => el("li", e.text.length > 90 ? `${e.kind} long` : e.kind,
      el("span", "sign", signs[e.kind] || "·"), el("time", "", time(e.at)), el("span", "text theirs", e.text)));
  } else {
    sync(box, [{}], () => "none", () => el("li", "plain", el("span", "sign", "·"), el("time"), el("span", "text")), (li) => {
      const since = state.cluster ? ` at ${time(state.cluster.since)}` : "";
      text(li.lastElementChild, `Nothing has happened since the board began to look${since}.`);
    });
  }
  $("earlier").hidden = list.length < 2;
  // What somebody reads further down stays where it is.
  if (at > 0) box.scrollTop = at + box.scrollHeight - height;
  fitEvents();
}

// fitEvents hides what doesn't fit as a whole, until somebody scrolls. The first
// line is always there.
function fitEvents() {
  const box = $("events");
  const scrolled = box.scrollTop > 0 || earlierIsOpen();
  const bottom = box.clientHeight + 1;
  // All are measured before any is changed: so the page is laid out once.
  const out = [...box.children].map((line, i) => i > 0 && !scrolled && line.offsetTop - box.offsetTop + line.offsetHeight > bottom);
  [...box.children].forEach((line, i) => line.classList.toggle("out", out[i]));
}

$("events").addEventListener("scroll", fitEvents);

export function showEarlier(open) {
  const panel = $("happened");
  className(panel, "panel happened", open && "open");
  attr($("earlier"), "aria-expanded", String(open));
  text($("earlier"), open ? "Close" : "Earlier");
  $("events").scrollTop = 0;
  fitEvents();
}

export const earlierIsOpen = () => $("happened").classList.contains("open");

$("earlier").addEventListener("click", () => showEarlier(!earlierIsOpen()));

// A screen reader is told of events at a pace that it can follow.
let unspoken = [];
let speaking = null;

export function speak(events) {
  unspoken.push(...events.map((e) => e.text));
  if (unspoken.length > 4) unspoken = unspoken.slice(-4);
  if (speaking) return;
  speaking = setTimeout(() => {
    speaking = null;
    text($("spoken"), unspoken.join(" "));
    unspoken = [];
  }, 700);
}
