// Which groups have a rail on the lanes, and what it looks like.

// chosenGroups are the groups that somebody switched on or off on the lanes.
export const chosenGroups = new Map();

// shownGroups are the groups that have a rail on the lanes.
export function shownGroups(state) {
  const most = state.lanes.length <= 4 ? 3 : 2;
  const here = state.groups.filter((g) => g.here);
  const chosen = here.filter((g) => chosenGroups.get(g.name) === true);
  const rest = here.filter((g) => !chosenGroups.has(g.name));
  // Groups with members come before those that only have old commits.
  rest.sort((a, b) => (b.count > 0) - (a.count > 0));
  const shown = new Set([...chosen, ...rest].slice(0, Math.max(most, chosen.length)));
  return here.filter((g) => shown.has(g));
}

// Each rail has a pattern of its own. It stays with the group.
const patterns = new Map();

export function giveStyles(groups) {
  groups.forEach((g, i) => patterns.set(g.name, i));
}

export function railStyle(g) {
  return ["one", "two", "three"][(patterns.get(g.name) || 0) % 3];
}

// lagOf is how many records a group has left in a partition, or null where it
// isn't known. In a share group records behind its mark may be done too, so the
// cluster counts there.
export function lagOf(lane, g) {
  if (g.lags[lane.p] !== undefined) return g.lags[lane.p];
  const committed = g.commits[lane.p];
  return committed === undefined || lane.end < 0 ? null : Math.max(0, lane.end - committed);
}
