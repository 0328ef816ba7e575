// Verdicts as `_columns.py` packs them. `column.values[column.at[i]]` is what verdict i has there.

const OUTCOMES = ['failed', 'errored', 'waived', 'passed', 'blind', 'skipped', 'not applicable']; // the worst first
const WHOLE = 'as a whole'; // what a verdict without a property is about
const runs = []; // {letter, count, target, property, ..., details, order()}

async function unpack(element) {
  const coded = atob(element.textContent);
  const bytes = new Uint8Array(coded.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = coded.charCodeAt(i);
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  const data = new Uint8Array(await new Response(inflated).arrayBuffer());
  const length = new DataView(data.buffer).getUint32(0, true);
  const head = JSON.parse(new TextDecoder().decode(data.subarray(4, 4 + length)));
  const run = { letter: element.dataset.run, count: head.count, details: head.details, mostDetailed: head.mostDetailed };
  let from = 4 + length;
  for (const [name, width, values] of head.columns) {
    const at = new Uint32Array(head.count);
    for (let byte = 0; byte < width; byte++, from += head.count) {
      for (let i = 0; i < head.count; i++) at[i] |= data[from + i] << (8 * byte);
    }
    run[name] = { values, at };
  }
  run.property.values = run.property.values.map((name) => name || WHOLE);
  run.question.names = run.question.values.map(([, suite, name]) =>
    !name ? 'every case' : name.startsWith(suite + '/') ? name : `${suite}/${name}`);
  run.dtypes = run.target.values.map((name) => name.slice(name.lastIndexOf('/') + 1));
  run.figures = run.max.values.map(number);
  run.limits = run.limit.values.map(number);
  run.ranks = run.outcome.values.map((name) => OUTCOMES.length - OUTCOMES.indexOf(name));
  run.beyonds = run.beyond.values.map((text) => text === 'True');
  run.order = once(() => order(run));
  return run;
}

const number = (text) => (text ? Number(text.replaceAll(',', '')) : NaN);
const of = (run, name, i) => run[name].values[run[name].at[i]];

function once(make) {
  let made;
  return () => (made ??= make());
}

// All verdicts, the worst first: by outcome, then what is wrong without bounds, then by how much of the limit was used.
// Numbers sort fast, and hold all of it.
function order(run) {
  const keys = new Float64Array(run.count);
  for (let i = 0; i < run.count; i++) {
    const figure = run.figures[run.max.at[i]];
    const wrong = run.ranks[run.outcome.at[i]] > OUTCOMES.length - OUTCOMES.indexOf('passed');
    const used = wrong && (run.beyonds[run.beyond.at[i]] || !(figure >= 0)) ? Infinity : figure / (run.limits[run.limit.at[i]] || 1);
    const step = used > 0 ? Math.round((Math.log2(used) + 64) * 2 ** 18) : 0; // below 2 ** 26 for what a double holds
    keys[i] = (run.ranks[run.outcome.at[i]] * 2 ** 26 + Math.min(step, 2 ** 26 - 1)) * 2 ** 22 + i;
  }
  return Uint32Array.from(keys.sort().reverse(), (key) => key % 2 ** 22);
}

function replay(run, i) {
  const stored = of(run, 'replay', i);
  if (stored) return stored;
  const [spec, suite, name] = of(run, 'question', i);
  const property = of(run, 'property', i);
  const against = of(run, 'against', i);
  const words = ['gradassay verify', of(run, 'target', i), against, `--spec ${spec}`];
  if (name) words.push(`--suite ${suite} --case ${name}`);
  if (property !== WHOLE && !against) words.push(`--property ${property}`);
  return words.filter((word) => word).join(' ');
}
