// Small helpers to build the page. Everything that is shown goes in as text:
// no function here, or elsewhere on the page, takes markup.

export const $ = (id) => document.getElementById(id);

// el makes an element of a class, with children that are elements or texts.
export function el(tag, className = "", ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children.filter((c) => c !== null && c !== undefined));
  return node;
}

// text sets an element's text, if it differs: what doesn't change isn't touched.
export function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

// attr sets an attribute, or removes it for null.
export function attr(node, name, value) {
  if (value === null) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

// className sets an element's classes from a list, where false is left out.
export function className(node, ...names) {
  const value = names.filter(Boolean).join(" ");
  if (node.className !== value) node.className = value;
}

// style sets a custom property.
export function style(node, name, value) {
  if (node.style.getPropertyValue(name) !== value) node.style.setProperty(name, value);
}

// sync makes the children of a node those of the items, in order. An element
// stays as long as its item does, and so keeps the focus.
export function sync(parent, items, keyOf, make, update) {
  const stays = new Set(items.map((item) => String(keyOf(item))));
  const old = new Map();
  for (const child of [...parent.children]) {
    // Those that go are removed first: then the others needn't be moved.
    if (stays.has(child.dataset.item)) old.set(child.dataset.item, child);
    else child.remove();
  }
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    let node = old.get(key);
    if (!node) {
      node = make(item);
      node.dataset.item = key;
    }
    if (update) update(node, item);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
}

const digits = new Intl.NumberFormat("en-US");
const rounded = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 3 });

export const number = (n) => digits.format(n);

// brief shortens a number that would take more room than there is beside a lane.
export const brief = (n) => (n < 100_000 ? number(n) : rounded.format(n));

// few lists numbers, or counts them if there are many.
export const few = (list, word) => (list.length > 8 ? plural(list.length, word) : list.join(", "));

// plural writes "1 record" or "2 records".
export const plural = (n, word) => `${number(n)} ${word}${n === 1 ? "" : "s"}`;

// post asks the board to do something. It returns what was done, or throws what
// the board says.
export async function post(what, order) {
  const answer = await fetch(`/do/${what}`, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-Board-Token": document.querySelector('meta[name="board-token"]').content,
    },
    body: JSON.stringify(order),
  });
  return (await bodyOf(answer)).done;
}

// ask asks the board for something.
export async function ask(what, query) {
  return bodyOf(await fetch(`/${what}?${new URLSearchParams(query)}`));
}

async function bodyOf(answer) {
  const type = answer.headers.get("Content-Type") || "";
  const body = type.startsWith("application/json") ? await answer.json() : { error: await answer.text() };
  if (!answer.ok) throw new Error(body.error);
  return body;
}
