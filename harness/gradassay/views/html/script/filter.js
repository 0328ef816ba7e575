// The filter: kept in the address, `#target=torch/float32&property=gradients`, so that it can be sent and gone back to.

const KEYS = ['run', 'target', 'with', 'property', 'tensor', 'dtype', 'outcome', 'case', 'report', 'q'];
const TRUTH = 'truth'; // what a verdict of no agreement is held against: `#target=torch&with=truth`
const SEARCHED = ['target', 'property', 'tensor', 'outcome', 'reason', 'waived', 'against'];

function parsed(hash) {
  const told = new URLSearchParams(hash.replace(/^#/, ''));
  return Object.fromEntries(KEYS.filter((key) => told.get(key)).map((key) => [key, told.get(key)]));
}

function address(filter) {
  const parts = KEYS.filter((key) => filter[key]).map((key) => `${key}=${encodeURIComponent(filter[key])}`);
  return '#' + parts.join('&').replace(/%(2F|3A|2C|20)/g, (code) => (code === '%20' ? '+' : decodeURIComponent(code)));
}

// Parts of a target in any order, as the command takes them; one that is not complete yet matches what begins with it.
function targets(names, typed) {
  const wanted = typed.toLowerCase().split('/').filter((part) => part);
  const split = names.map((name) => name.toLowerCase().split('/'));
  const known = new Set(split.flat());
  const exact = names.indexOf(typed);
  return Uint8Array.from(names, (name, i) =>
    name !== '' && (exact >= 0 ? i === exact
      : wanted.every((part) => split[i].some((own) => (known.has(part) ? own === part : own.startsWith(part))))));
}

function exactly(names, typed) {
  return Uint8Array.from(names, (name) => name === typed);
}

function partly(names, typed) {
  const wanted = typed.toLowerCase();
  const known = names.includes(typed);
  return Uint8Array.from(names, (name) => (known ? name === typed : name.toLowerCase().includes(wanted)));
}

function within(names, typed) {
  const wanted = typed.toLowerCase();
  return Uint8Array.from(names, (name) => name.toLowerCase().includes(wanted));
}

// Return which verdicts of a run a filter lets through: 1 or 0 for each.
function matching(run, filter) {
  const passed = new Uint8Array(run.count).fill(1);
  if (filter.run && filter.run !== run.letter) return passed.fill(0);
  const keep = (column, mask) => {
    const { at } = run[column];
    for (let i = 0; i < passed.length; i++) passed[i] &= mask[at[i]];
  };
  for (const key of ['property', 'outcome', 'report']) if (filter[key]) keep(key, exactly(run[key].values, filter[key]));
  if (filter.tensor) keep('tensor', partly(run.tensor.values, filter.tensor));
  if (filter.case) keep('question', partly(run.question.names, filter.case));
  if (filter.dtype) keep('target', exactly(run.dtypes, filter.dtype));
  if (filter.with === TRUTH) {
    keep('against', exactly(run.against.values, ''));
    if (filter.target) keep('target', targets(run.target.values, filter.target));
  } else if (filter.target || filter.with) {
    sides(run, filter, passed);
  }
  if (filter.q) {
    const found = new Uint8Array(run.count);
    const masks = SEARCHED.map((name) => [run[name].at, within(run[name].values, filter.q)]);
    masks.push([run.question.at, within(run.question.names, filter.q)]);
    for (const [at, mask] of masks) {
      if (mask.includes(1)) for (let i = 0; i < found.length; i++) found[i] |= mask[at[i]];
    }
    for (let i = 0; i < found.length; i++) passed[i] &= found[i];
  }
  return passed;
}

// A verdict of agreement has two targets, and either may be the one that is meant.
function sides(run, filter, passed) {
  const at = [run.target.at, run.against.at];
  const masks = (typed) => [run.target, run.against].map((one) =>
    typed ? targets(one.values, typed) : Uint8Array.from(one.values, (name) => name !== ''));
  const one = masks(filter.target);
  const other = masks(filter.with);
  for (let i = 0; i < passed.length; i++) {
    const [a, b] = [at[0][i], at[1][i]];
    const told = filter.with
      ? (one[0][a] && other[1][b]) || (one[1][b] && other[0][a])
      : one[0][a] || one[1][b];
    passed[i] &= told;
  }
}
