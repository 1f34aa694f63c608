// One record in full, read from the log when somebody asks for it.

import { $, el, text, ask, number, plural } from "./dom.js";
import { marks, draw } from "./state.js";

export async function openDetail(state, p, o) {
  const mine = { p, o };
  marks.opened = mine;
  text($("detail-title"), `Partition ${p}, offset ${o}`);
  $("detail-body").replaceChildren(el("p", "note", "Reading it from the log …"));
  $("detail").hidden = false;
  $("detail-title").focus();
  draw();
  let body;
  try {
    body = describe(await ask("record", { topic: state.cluster.topic.name, partition: p, offset: o }));
  } catch (err) {
    body = el("p", "note", err instanceof TypeError ? "The board can't be reached." : String(err.message));
  }
  if (marks.opened === mine) $("detail-body").replaceChildren(body);
}

// closeDetail closes it, and returns the record that was shown.
export function closeDetail() {
  const was = marks.opened;
  marks.opened = null;
  $("detail").hidden = true;
  draw();
  return was;
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
  if (value.json) notes.push("it is JSON, and laid out on lines here");
  if (value.bytes === 0) return [el("span", "note", "empty, 0 bytes")];
  return [el("pre", "", value.text), notes.length ? el("p", "note", notes.join("; ")) : null];
}
