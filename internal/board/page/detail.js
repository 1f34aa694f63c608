// One record in full, read from the log when somebody asks for it.

import { $, el, text, number, plural } from "./dom.js";
import { draw } from "./board.js";
import { focusRecord } from "./lanes.js";

let shown = null; // { p, o }

export const detailOf = () => shown;
export const detailIsOpen = () => shown !== null;

export async function openDetail(state, p, o) {
  shown = { p, o };
  const mine = shown;
  text($("detail-title"), `Partition ${p}, offset ${o}`);
  $("detail-body").replaceChildren(el("p", "note", "Reading it from the log …"));
  $("detail").hidden = false;
  $("detail-title").focus();
  draw();
  let body;
  try {
    const query = new URLSearchParams({ topic: state.cluster.topic.name, partition: p, offset: o });
    const answer = await fetch(`/record?${query}`);
    const record = await answer.json();
    body = answer.ok ? describe(record) : el("p", "note", record.error);
  } catch {
    body = el("p", "note", "The board can't be reached.");
  }
  if (shown === mine) $("detail-body").replaceChildren(body);
}

export function closeDetail() {
  if (!shown) return;
  const { p, o } = shown;
  shown = null;
  $("detail").hidden = true;
  focusRecord(p, o);
  draw();
}

function describe(r) {
  const list = el("dl");
  const add = (term, ...what) => list.append(el("dt", "", term), el("dd", "", ...what));
  if (!r.control) {
    add("Key", ...bytes(r.key, "none"));
    add("Value", ...bytes(r.value, "none: it says that the key's earlier records may go"));
    if (r.headers.length) {
      for (const h of r.headers) add("Header", el("b", "theirs", h.key), ...bytes(h.value, ""));
      if (r.more) add("", el("span", "note", `and ${plural(r.more, "more header")}`));
    } else {
      add("Headers", "none");
    }
  }
  const time = new Date(r.time);
  const readable = Number.isNaN(time.getTime()) ? String(r.time) : `${time.toLocaleDateString("en-CA")} ${time.toLocaleTimeString("en-GB")}.${String(time.getMilliseconds()).padStart(3, "0")}`;
  add("Time", `${readable}, by ${r.timeOf}`);
  add("Size", `${plural(r.bytes, "byte")} of key, value and headers`);
  if (r.why) add("Why here", el("div", "why", ...r.why.map((line) => el("p", "theirs", line))));
  return list;
}

function bytes(value, none) {
  if (!value) return [el("span", "note", none)];
  const notes = [];
  if (value.cut) notes.push(`the beginning of ${number(value.bytes)} bytes`);
  if (!value.plain && value.bytes) notes.push("not all of it is text: other bytes are shown by their numbers");
  if (value.bytes === 0) return [el("span", "note", "empty, 0 bytes")];
  return [el("pre", "", value.text), notes.length ? el("p", "note", notes.join("; ")) : null];
}

$("detail-close").addEventListener("click", closeDetail);
