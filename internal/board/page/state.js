// What the page knows, and what is marked on it. Every other module may import
// this one; it imports none.

const params = new URLSearchParams(location.search);

export const state = {
  topic: params.get("topic") || "",
  from: Number(params.get("from")) || 0, // the first partition that is shown
  connected: false,
  since: Date.now(), // of the connection, or of its loss
  cluster: null,
  groups: [],
  lanes: [],
  records: new Map(), // by partition, oldest first
  events: [],
};

// marks is what stands out on the lanes. A key is { h, k }: its hash and the
// text of it that cells show.
export const marks = {
  sent: null, // the record that was sent from this page: { p, o }
  opened: null, // the record whose detail is open: { p, o }
  pointed: null, // the key that somebody points at
  found: null, // the key that somebody looks for, with its partition p and its whole text
};

export const sameKey = (a, b) => Boolean(a && b && a.k !== null && a.k === b.k && a.h === b.h);

// ---- Pausing: the page shows what it knew then, while the state goes on.

let frozen = null;

export const seen = () => frozen || state;
export const paused = () => frozen !== null;

export function pause(on) {
  frozen = on
    ? { ...state, records: new Map([...state.records].map(([p, all]) => [p, [...all]])), events: [...state.events] }
    : null;
}

// written is how many records the partitions that are shown have had so far.
export const written = (s) => s.lanes.reduce((sum, lane) => sum + Math.max(lane.end, 0), 0);

// tooFast tells whether records come into a lane faster than anybody reads them.
export const tooFast = (s) => s.lanes.some((lane) => lane.rate > 8);

// ---- Who changes something calls draw; the main module says what that does.

let drawing = () => {};

export const onDraw = (f) => {
  drawing = f;
};
export const draw = () => drawing();

// ---- What the browser keeps for this page.

export const param = (name) => params.get(name);

export function stored(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // The browser keeps nothing for this page.
  }
}

export function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // Then it holds until the page is closed.
  }
}

// address changes what the page's address says, without loading it again.
export function address(values) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(values)) {
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
  }
  history.replaceState(null, "", url);
}
