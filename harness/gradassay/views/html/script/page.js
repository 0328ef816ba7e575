// What happens when: the address is the filter, and everything else follows it.

const form = document.getElementById('filter');
const NAMES = { q: 'text', report: 'cause' };
let filter = {};

function apply() {
  const filtered = Object.keys(filter).length > 0;
  const passed = runs.map((run) => matching(run, filter));
  runs.forEach((run, number) => show(run, passed[number], filtered));
  collect(passed, filtered);
  list();
  runs.forEach((run, number) => reports(run, passed[number], filtered));
  for (const field of form.elements) if (field.name && field.value !== (filter[field.name] ?? '')) field.value = filter[field.name] ?? '';
  const all = runs.reduce((sum, run) => sum + run.count, 0);
  document.getElementById('tally').textContent = filtered ? `${count.toLocaleString('en')} of ${told(all)}` : told(all);
  document.getElementById('clear').hidden = !filtered;
  document.getElementById('chips').replaceChildren(...['with', 'case', 'report'].filter((key) => filter[key]).map(chip));
}

// What is wrong, as far as it is among what matches.
function reports(run, passed, filtered) {
  const articles = document.querySelectorAll(`#run-${run.letter} article[data-report]`);
  if (!articles.length) return;
  const { at, values } = run.report;
  const seen = new Uint8Array(values.length);
  for (let i = 0; i < passed.length; i++) seen[at[i]] |= passed[i];
  for (const article of articles) article.hidden = filtered && !seen[values.indexOf(article.dataset.report)];
  const none = filtered && !values.some((name, i) => name && seen[i]);
  document.querySelector(`#run-${run.letter} .failures .none`).hidden = !none;
}

// What is filtered by, and has no field of its own.
function chip(key) {
  const button = make('button', { type: 'button', textContent: `${NAMES[key] ?? key} ${filter[key]} ×` });
  button.ariaLabel = `stop filtering by ${NAMES[key] ?? key} ${filter[key]}`;
  button.addEventListener('click', () => go({ ...filter, [key]: '' }));
  return button;
}

// A new entry in the history; the scroll position is kept in the one that is left.
function go(to) {
  history.replaceState({ y: scrollY }, '');
  location.hash = address(to);
}

function follow(event) {
  const { hash } = location;
  const anchor = meant(hash);
  if (anchor) {
    history.replaceState(null, '', address(anchor));
    filter = parsed(location.hash);
  } else {
    filter = parsed(hash);
  }
  apply();
  if (event?.state?.y !== undefined) scrollTo(0, event.state.y);
  else if (Object.keys(filter).length) reveal();
  else if (event && hash.length <= 1) scrollTo(0, 0);
}

// Bring what a link led to onto the screen: the matrix if it is small enough to be above its verdicts, else these.
function reveal() {
  const head = document.getElementById('verdicts-head');
  const top = form.getBoundingClientRect().top + scrollY;
  const below = head.getBoundingClientRect().top + scrollY;
  scrollTo(0, below - top < innerHeight * 0.7 ? top - 8 : below - 8);
  if (document.activeElement?.closest('.matrix, .agreement, .failures, .compare')) head.focus({ preventScroll: true });
}

// Typing is one entry in the history for each field, not one for each letter.
function typed(event) {
  const { name, value } = event.target;
  if (!name) return;
  const to = address({ ...filter, [name]: value });
  if (history.state?.typed === name) {
    history.replaceState({ typed: name }, '', to);
  } else {
    history.replaceState({ ...history.state, y: scrollY }, '');
    history.pushState({ typed: name }, '', to);
  }
  filter = parsed(location.hash);
  const above = form.getBoundingClientRect().top;
  apply();
  scrollBy(0, form.getBoundingClientRect().top - above);
}

function clicked(event) {
  const a = event.target.closest('a[href^="#"]');
  if (!a || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const hash = a.getAttribute('href');
  const to = a.dataset.filter ? parsed(a.dataset.filter) : hash.includes('=') ? parsed(hash) : meant(hash);
  if (to) {
    event.preventDefault();
    if (address(to) === location.hash) reveal();
    else go(to);
  } else if (Object.keys(filter).length) { // a place on the page: go there, and keep the filter
    event.preventDefault();
    const element = document.getElementById(hash.slice(1));
    for (let box = element; box; box = box.parentElement) if (box.tagName === 'DETAILS') box.open = true;
    element?.scrollIntoView();
    element?.focus({ preventScroll: true });
  }
}

function options(name, values) {
  const select = form.elements[name];
  select.replaceChildren(new Option('all', ''), ...values.map((value) => new Option(value, value)));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch { // not what an address may be: then it is meant as it is
    return text;
  }
}

async function begin() {
  for (const element of document.querySelectorAll('script.data')) {
    runs.push(await unpack(element));
    element.remove();
  }
  runs.forEach(look);
  const every = (values) => [...new Set(runs.flatMap(values))];
  const names = every((run) => run.target.values);
  const backends = every((run) => run.target.values.map((name) => name.split('/')[0]));
  options('property', every((run) => run.property.values));
  options('dtype', every((run) => run.dtypes));
  options('outcome', OUTCOMES.filter((name) => runs.some((run) => run.outcome.values.includes(name))));
  const choices = (id, values) => document.getElementById(id).append(...values.map((value) => new Option(value, value)));
  choices('targets', [...backends, ...names]);
  choices('tensors', every((run) => run.tensor.values).filter((name) => name));
  for (const code of document.querySelectorAll('.failures code.replay, .answers code.replay')) code.after(copier(code));
  form.hidden = false;
  document.documentElement.classList.add('scripted');
  history.scrollRestoration = 'manual';
  addEventListener('popstate', follow);
  addEventListener('click', clicked);
  addEventListener('keydown', walk);
  form.addEventListener('input', typed);
  form.addEventListener('submit', (event) => event.preventDefault());
  document.getElementById('clear').addEventListener('click', () => go({}));
  for (const [id, step] of [['previous', -1], ['next', 1]]) {
    document.getElementById(id).addEventListener('click', () => {
      start += step * size;
      list();
      document.getElementById('verdicts-head').scrollIntoView();
      document.getElementById('verdicts-head').focus({ preventScroll: true });
    });
  }
  const { hash } = location;
  follow();
  if (hash && !Object.keys(filter).length) document.getElementById(decoded(hash.slice(1)))?.scrollIntoView();
  document.documentElement.dataset.ready = 'yes';
}

begin();
