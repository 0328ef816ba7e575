// The matrix under a filter: rows and columns without a verdict that matches go, and cells tell of those that do.

const GLYPHS = { failed: '✗', errored: '!', waived: 'w', passed: '✓', blind: '◌', skipped: '–', 'not applicable': '·' };
const FIGURED = ['failed', 'errored', 'waived', 'passed'];
const NUMBERED = /^([a-z])-(\d+)(?:-(\d+|all))?$/; // the anchor of a row or a cell
const matrices = new Map(); // letter -> {table, cells, rows, ...}

function look(run) {
  const table = document.querySelector(`table[data-matrix="${run.letter}"]`);
  if (!table) return;
  const width = run.property.values.length + 1; // the last is all of them
  const cells = new Map(); // number of the cell -> what it is when nothing is filtered
  const rows = [];
  for (const td of table.querySelectorAll('td:has(> a)')) {
    const [, , target, column] = NUMBERED.exec(td.firstChild.hash.slice(1));
    rows[target] = td.parentElement;
    const property = column === undefined ? width - 1 : column === 'all' ? run.property.values.indexOf(WHOLE) : +column;
    cells.set(target * width + property, { td, kind: td.className, face: td.firstChild.innerHTML, told: td.firstChild.title });
  }
  const style = document.head.appendChild(document.createElement('style'));
  matrices.set(run.letter, { table, cells, rows, width, style });
  for (const th of table.querySelectorAll('th[data-property]')) {
    link(th.firstChild, { property: run.property.values[th.dataset.property], run: several(run) });
  }
  rows.forEach((tr, number) => link(tr.cells[0], { target: run.target.values[number], run: several(run) }));
  for (const a of table.querySelectorAll('a')) a.tabIndex = -1;
  const first = table.querySelector('td > a');
  if (first) first.tabIndex = 0;
}

const several = (run) => (runs.length > 1 ? run.letter : '');

function link(element, filter) {
  const a = document.createElement('a');
  a.href = address(filter);
  a.append(...element.childNodes);
  element.append(a);
}

// What an anchor of the matrix filters by.
function meant(hash) {
  const found = NUMBERED.exec(hash.replace(/^#/, ''));
  const run = found && runs.find((one) => one.letter === found[1]);
  if (!run || !(found[2] in run.target.values)) return null;
  const target = run.target.values[found[2]];
  if (found[3] === undefined) return { run: several(run), target, with: TRUTH }; // no agreement, which its cell leaves out
  return { run: several(run), target, property: found[3] === 'all' ? WHOLE : run.property.values[found[3]] };
}

// How far off a verdict is, as `how_bad` has it: what is infinitely wrong is further than any figure.
const far = (run, i) => Math.log1p(run.figures[run.max.at[i]] || 0) + (run.beyonds[run.beyond.at[i]] ? 1000 : 0);

// Count what passes a filter by cell and outcome, and find the verdict of each that is furthest off.
function tally(run, passed, width) {
  const length = run.target.values.length * width * OUTCOMES.length;
  const counts = new Uint32Array(length);
  const largest = new Int32Array(length).fill(-1);
  const outcomes = run.outcome.values.map((name) => OUTCOMES.indexOf(name));
  const own = run.against.values.map((name) => name === '');
  for (let i = 0; i < run.count; i++) {
    if (!passed[i] || !own[run.against.at[i]]) continue;
    const row = run.target.at[i] * width;
    const size = far(run, i);
    for (const column of [run.property.at[i], width - 1]) {
      const at = (row + column) * OUTCOMES.length + outcomes[run.outcome.at[i]];
      counts[at] += 1;
      if (!(largest[at] >= 0 && far(run, largest[at]) >= size)) largest[at] = i;
    }
  }
  return { counts, largest };
}

function show(run, passed, filtered) {
  const matrix = matrices.get(run.letter);
  if (!matrix) return;
  const { table, cells, rows, width } = matrix;
  matrix.whole ??= tally(run, new Uint8Array(run.count).fill(1), width);
  const { counts, largest } = filtered ? tally(run, passed, width) : matrix.whole;
  const columns = new Set();
  const empty = rows.map(() => true);
  for (const [number, cell] of cells) {
    const from = number * OUTCOMES.length;
    const own = counts.subarray(from, from + OUTCOMES.length);
    if (own.some((count) => count)) {
      columns.add(number % width);
      empty[Math.floor(number / width)] = false;
    }
    const all = own.every((count, i) => count === matrix.whole.counts[from + i]);
    face(run, cell, own, largest.subarray(from, from + OUTCOMES.length), all);
  }
  rows.forEach((tr, number) => (tr.hidden = empty[number]));
  for (const body of table.tBodies) {
    const held = [...body.rows].filter((tr) => !tr.matches('.group'));
    for (const tr of held) if (!tr.querySelector('td > a')) tr.hidden = filtered; // one that has no verdict at all
    body.hidden = held.every((tr) => tr.hidden);
  }
  table.hidden = filtered && !columns.size;
  const gone = [...table.tHead.rows[0].cells].filter((th) => th.dataset.property && !columns.has(+th.dataset.property));
  const hidden = gone.map((th) => `table[data-matrix="${run.letter}"] tr > :nth-child(${th.cellIndex + 1}):not([colspan])`);
  const rule = filtered && gone.length ? `${hidden.join()}{display:none}` : '';
  if (matrix.style.textContent !== rule) matrix.style.textContent = rule;
}

// Put into a cell what matches: all of it, a part, nothing.
function face(run, cell, counts, largest, all) {
  if (all && !cell.changed) return;
  const a = cell.td.firstChild;
  cell.changed = !all;
  if (all) {
    [cell.td.className, a.innerHTML, a.title] = [cell.kind, cell.face, cell.told];
    return;
  }
  const first = counts.findIndex((count) => count);
  if (first < 0) {
    cell.td.className = 'out';
    return;
  }
  const outcome = OUTCOMES[first];
  const errored = outcome === 'failed' && counts[1] && far(run, largest[1]) > far(run, largest[0]);
  const most = largest[errored ? 1 : first];
  const [figure, limit] = FIGURED.includes(outcome) ? [of(run, 'max', most), of(run, 'limit', most)] : ['', ''];
  const text = outcome === 'errored' ? '' : short(run.figures[run.max.at[most]], figure);
  const used = run.figures[run.max.at[most]] / (run.limits[run.limit.at[most]] || Infinity);
  const steps = [0.25, 0.5, 0.75].filter((step) => used >= step).length;
  const part = counts[OUTCOMES.indexOf('blind')] || counts[OUTCOMES.indexOf('skipped')] ? ' part' : '';
  cell.td.className = outcome === 'passed' ? `used-${steps}${part}` : outcome.replaceAll(' ', '-');
  a.textContent = outcome === 'passed' && text ? text : GLYPHS[outcome] + text;
  a.title = OUTCOMES.flatMap((name, i) => (counts[i] ? [`${counts[i].toLocaleString('en')} ${name}`] : [])).join(', ') +
    (figure && `; ${figure}${limit && ` of ${limit}`}`);
}

function short(figure, text) {
  if (!text || !(figure >= 100)) return text;
  return figure < 1000 ? figure.toFixed(0) : figure.toExponential(0).replace('+', '');
}

// Arrow keys go from cell to cell, so that a matrix is one stop of the tab key.
function walk(event) {
  const from = event.target.closest('table[data-matrix] a');
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!from || !step || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  const table = from.closest('table');
  const rows = [...table.rows].filter((tr) => tr.offsetParent !== null || tr.getClientRects().length);
  const cell = from.closest('td, th');
  let [y, x] = [rows.indexOf(cell.parentElement), cell.cellIndex];
  for (;;) {
    [y, x] = [y + step[0], x + step[1]];
    const to = rows[y]?.cells[x];
    if (y < 0 || y >= rows.length || x < 0 || x >= rows[0].cells.length) return;
    const a = to?.getClientRects().length ? to.querySelector('a') : null;
    if (a && !to.matches('.out')) {
      from.tabIndex = -1;
      a.tabIndex = 0;
      a.focus();
      to.scrollIntoView({ block: 'nearest', inline: 'nearest' });
      return;
    }
  }
}
