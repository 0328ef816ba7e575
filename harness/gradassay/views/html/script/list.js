// The verdicts that match, a page at a time, the worst first. Everything foreign goes in as text.

const FEW = 20; // are enough while nothing is filtered
const MANY = 100;
let size = FEW;
let found = []; // of each run, the verdicts that match
let count = 0;
let start = 0;

function make(name, fields = {}, ...children) {
  const element = Object.assign(document.createElement(name), fields);
  element.append(...children);
  return element;
}

function collect(passed, filtered) {
  size = filtered ? MANY : FEW;
  found = runs.map((run, number) => run.order().filter((i) => passed[number][i]));
  count = found.reduce((sum, own) => sum + own.length, 0);
  start = 0;
}

// Verdicts from one place to another, run after run.
function between(from, to) {
  const shown = [];
  runs.forEach((run, number) => {
    for (const i of found[number].subarray(Math.max(from, 0), Math.max(to, 0))) shown.push([run, i]);
    from -= found[number].length;
    to -= found[number].length;
  });
  return shown;
}

function list() {
  const shown = between(start, start + size);
  const named = runs.length > 1 ? ['run'] : [];
  const heads = [...named, 'outcome', 'target', 'property', 'tensor', 'case', 'RMS', 'max', 'limit', ''];
  const table = make('table', { className: 'listed' },
    make('caption', { className: 'hidden', textContent: 'Verdicts that match, the worst first' }),
    make('thead', {}, make('tr', {}, ...heads.map((text) => {
      const th = make('th', { scope: 'col', textContent: text });
      if (!text) th.append(make('span', { className: 'hidden', textContent: 'more' }));
      if (['RMS', 'max', 'limit'].includes(text)) th.className = 'number';
      return th;
    }))),
    make('tbody', {}, ...shown.map(([run, i]) => row(run, i, heads.length))));
  const box = document.getElementById('list');
  box.replaceChildren(table);
  box.hidden = !count;
  const last = Math.min(start + size, count);
  document.getElementById('shown').textContent = count
    ? `${(start + 1).toLocaleString('en')} to ${last.toLocaleString('en')} of ${told(count)}, the worst first.`
    : 'No verdict matches.';
  document.getElementById('pages').hidden = count <= size;
  document.getElementById('previous').disabled = start === 0;
  document.getElementById('next').disabled = last >= count;
}

const told = (count) => `${count.toLocaleString('en')} verdict${count === 1 ? '' : 's'}`;

function row(run, i, columns) {
  const outcome = of(run, 'outcome', i);
  const against = of(run, 'against', i);
  const property = of(run, 'property', i) + (against ? ` with ${against}` : '');
  const button = make('button', { type: 'button', className: 'more', textContent: 'more' });
  button.ariaExpanded = 'false';
  button.ariaLabel = `more on ${property} of ${of(run, 'tensor', i)} on ${of(run, 'target', i)}`;
  const tr = make('tr', {},
    ...(runs.length > 1 ? [make('td', { textContent: run.letter.toUpperCase() })] : []),
    make('td', {}, make('span', { className: `outcome ${outcome.replaceAll(' ', '-')}`, textContent: outcome })),
    ...[of(run, 'target', i), property, of(run, 'tensor', i), run.question.names[run.question.at[i]]]
      .map((text) => make('td', { textContent: text })),
    ...['rms', 'max', 'limit'].map((name) => make('td', { className: 'number', textContent: of(run, name, i) || '–' })),
    make('td', {}, button));
  button.addEventListener('click', () => {
    const open = button.ariaExpanded === 'true';
    button.ariaExpanded = String(!open);
    button.textContent = open ? 'more' : 'less';
    if (open) tr.nextSibling.remove();
    else tr.after(make('tr', { className: 'detail' }, make('td', { colSpan: columns }, details(run, i))));
  });
  return tr;
}

function details(run, i) {
  const [got, want, where] = run.details[i] ?? [];
  const limit = of(run, 'limit', i);
  const above = of(run, 'limitRms', i);
  const far = of(run, 'max', i) && `${of(run, 'max', i)} noise units at most${limit && ` (limit ${limit})`}, ` +
    `RMS ${of(run, 'rms', i) || '–'}${above && ` (limit ${above})`}, ${of(run, 'elements', i)} elements`;
  const report = of(run, 'report', i);
  const left = of(run, 'detailed', i) === 'True' && !where &&
    `got, should be and where, which the page has of the ${run.mostDetailed.toLocaleString('en')} worst verdicts alone`;
  const lines = [
    ['how far', far], ['left out', left], ['got', got], ['should be', want], ['where', where],
    ['reason', of(run, 'reason', i)], ['waived', of(run, 'waived', i)],
  ].filter(([, text]) => text);
  const box = make('dl', {}, ...lines.flatMap(([name, text]) => [make('dt', { textContent: name }), make('dd', { textContent: text })]));
  const anchor = document.getElementById(`${run.letter}-cause-${report}`);
  if (report && anchor) {
    const why = make('a', { href: `#${anchor.id}`, textContent: anchor.querySelector('h3').textContent });
    box.append(make('dt', { textContent: 'why' }), make('dd', {}, why));
  }
  const code = make('code', { className: 'replay', textContent: replay(run, i) });
  box.append(make('dt', { textContent: 'replay' }), make('dd', {}, code, copier(code)));
  return box;
}

function copier(code) {
  const button = make('button', { type: 'button', className: 'copy', textContent: 'Copy' });
  button.addEventListener('click', async () => {
    const said = await copy(code);
    button.textContent = said;
    setTimeout(() => (button.textContent = 'Copy'), 1500);
  });
  return button;
}

async function copy(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return 'Copied';
  } catch { // a browser that does not let a file do that: the reader can
    getSelection().selectAllChildren(code);
    return 'Selected: press Ctrl+C';
  }
}
