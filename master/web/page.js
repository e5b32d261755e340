// The live page. Whatever comes from the proxy is shown as text: it goes through textContent and attributes, never through HTML.
'use strict';

const $ = id => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';
const NONE = -1;

// el makes an element: attributes, then children, of which texts stay texts.
function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  return fill(e, attributes, children);
}
function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}
function fill(e, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) if (value !== undefined && value !== null) e.setAttribute(name, value);
  e.append(...children.filter(c => c !== null && c !== undefined && c !== ''));
  return e;
}
function text(e, value) { if (e.textContent !== value) e.textContent = value; }
function tone(e, value) { if (e.dataset.tone !== value) e.dataset.tone = value; }

// Numbers as people read them: at most four characters and a unit.
function round(x) { return x >= 100 || x === Math.round(x) ? String(Math.round(x)) : x >= 10 ? x.toFixed(1) : x.toFixed(x < 0.1 && x > 0 ? 2 : 1); }
function parts(x) {
  if (x >= 1e9) return [round(x / 1e9), 'G'];
  if (x >= 1e6) return [round(x / 1e6), 'M'];
  if (x >= 1e4) return [round(x / 1e3), 'k'];
  return [round(x), ''];
}
function timeParts(us) {
  if (!(us > 0)) return ['–', ''];
  if (us >= 1e6) return [round(us / 1e6), 's'];
  if (us >= 1e3) return [round(us / 1e3), 'ms'];
  return [round(us), 'µs'];
}
function byteParts(b) {
  if (b >= 1 << 30) return [round(b / (1 << 30)), 'GiB'];
  if (b >= 1 << 20) return [round(b / (1 << 20)), 'MiB'];
  if (b >= 1 << 10) return [round(b / (1 << 10)), 'KiB'];
  return [String(b), 'B'];
}
const joined = ([value, unit], between = '') => unit ? value + between + unit : value;
const count = x => joined(parts(x));
const took = us => joined(timeParts(us), ' ');
const size = b => joined(byteParts(b), ' ');
const percent = share => share > 0 && share < 0.1 ? (100 * share).toFixed(1) + ' %' : Math.round(100 * share) + ' %';
function span(seconds) {
  const units = [[86400, 'd'], [3600, 'h'], [60, 'min']];
  for (const [length, name] of units) if (seconds >= length) return Math.floor(seconds / length) + ' ' + name;
  return Math.max(0, Math.floor(seconds)) + ' s';
}
const many = (n, one) => n + ' ' + one + (n === 1 ? '' : 's');
const two = n => String(n).padStart(2, '0');
function clock(ms, seconds) {
  const d = new Date(ms);
  return two(d.getHours()) + ':' + two(d.getMinutes()) + (seconds ? ':' + two(d.getSeconds()) : '');
}

// What the page knows, and what it was asked to show.
const known = { state: null, handoffs: [], chart: null, pools: new Map(), heard: 0, generations: '' };
const asked = { pool: '', day: false, sort: '' };
function readAsked() {
  const from = new URLSearchParams(location.hash.slice(1));
  asked.pool = from.get('pool') || '';
  asked.day = from.get('span') === 'day';
}
function writeAsked() {
  const to = new URLSearchParams();
  if (asked.pool) to.set('pool', asked.pool);
  if (asked.day) to.set('span', 'day');
  history.replaceState(null, '', '#' + to);
}

// The connection: it comes back by itself, from whichever master answers then.
let events = null;
function connect() {
  if (events) events.close();
  events = new EventSource('events');
  const on = (name, handle) => events.addEventListener(name, e => { known.heard = Date.now(); handle(JSON.parse(e.data)); });
  on('state', s => { const first = !known.state; known.state = s; append(s); if (first) fetchHistory(); draw(); });
  on('handoffs', h => { known.handoffs = h; drawHandoffs(); drawCharts(); });
  on('config', drawConfig);
  on('log', drawLog);
  let opened = false;
  events.onopen = () => { if (opened || known.chart) fetchHistory(); opened = true; };
  events.onerror = () => { if (events.readyState === EventSource.CLOSED) setTimeout(connect, 1000); };
}
function drawLink() {
  const silent = Date.now() - known.heard;
  const link = $('link');
  if (known.heard && silent < 6000) { text(link, '● live'); tone(link, 'good'); } else {
    text(link, known.heard ? '▲ no news for ' + span(silent / 1000) + ', connecting' : 'connecting');
    tone(link, known.heard ? 'warn' : 'quiet');
  }
}

// The history, fetched now and then, and carried on between by what is told.
async function fetchChart(pool, day) {
  const answer = await fetch('history?' + new URLSearchParams({ pool, span: day ? 'day' : '10m' }));
  return answer.ok ? answer.json() : null;
}
let fetching = 0;
async function fetchHistory() {
  const mine = ++fetching;
  try {
    const chart = await fetchChart(asked.pool, asked.day);
    if (mine !== fetching || !chart) return;
    known.chart = chart;
    drawCharts();
    const pools = shownPools();
    for (const p of pools.length > 6 ? [] : pools) {
      const one = await fetchChart(p.name, false);
      if (mine !== fetching) return;
      if (one) known.pools.set(p.name, one);
    }
  } catch { /* the connection is shown anyway, and it is tried again */ }
}
function append(state) {
  const chart = known.chart;
  if (!chart || asked.day) return;
  const flow = asked.pool ? state.pools.find(p => p.name === asked.pool) : state;
  if (!flow) return;
  const at = Math.floor(state.now / 1000 / chart.step) * chart.step;
  if (at < chart.last) { fetchHistory(); return; } // the clock was set back
  for (; chart.last < at; chart.last += chart.step) {
    for (const name in chart.values) { chart.values[name].shift(); chart.values[name].push(NONE); }
  }
  for (const name in chart.values) {
    const value = flow[name], last = chart.values[name].length - 1;
    const fits = (at - chart.last) / chart.step;
    if (fits === 0) {
      const series = chart.values[name], now = name[0] === 'p' && !value ? NONE : value;
      for (let i = last; i > last - 4 && series[i] === NONE && series[last - 4] !== NONE; i--) series[i] = now;
      series[last] = now;
    }
  }
}

// Charts.
const charts = [];
class Chart {
  constructor(host, options) {
    Object.assign(this, options, { host, at: null });
    charts.push(this);
    const move = e => { const box = host.getBoundingClientRect(); this.point((e.clientX - box.left - this.left) / (box.width - this.left - 6)); };
    host.addEventListener('pointermove', move);
    host.addEventListener('pointerleave', () => this.leave());
    host.addEventListener('blur', () => this.leave());
    host.addEventListener('keydown', e => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20 }[e.key];
      if (!step || !this.n) return;
      e.preventDefault();
      this.at = Math.min(this.n - 1, Math.max(0, (this.at ?? this.n) + step));
      this.show();
    });
    new ResizeObserver(() => this.draw(known.chart)).observe(host);
  }
  left = 46;
  point(part) { if (this.n) { this.at = Math.min(this.n - 1, Math.max(0, Math.round(part * (this.n - 1)))); this.show(); } }
  leave() { this.at = null; $('tip').hidden = true; if (this.cursor) this.cursor.setAttribute('visibility', 'hidden'); }
  draw(chart) {
    if (!chart) return;
    const width = this.host.clientWidth, height = this.host.clientHeight, bottom = height - 20, top = 8;
    const n = this.n = chart.values.rate.length, x = i => this.left + (width - this.left - 6) * i / (n - 1);
    this.x = x;
    const { y, ticks } = this.scale(chart, top, bottom);
    const root = svg('svg', { role: 'img', 'aria-label': this.summary(chart) });
    for (const [value, label] of ticks) {
      root.append(svg('line', { class: 'grid', x1: this.left, x2: width, y1: y(value), y2: y(value) }), svg('text', { x: this.left - 7, y: y(value) + 4, 'text-anchor': 'end' }, label));
    }
    const every = asked.day ? 6 * 3600 : 120, first = chart.last - (n - 1) * chart.step;
    const offset = asked.day ? new Date().getTimezoneOffset() * 60 : 0;
    for (let t = Math.ceil((first - offset) / every) * every + offset; t <= chart.last; t += every) {
      const at = x((t - first) / chart.step);
      root.append(svg('line', { class: 'grid', x1: at, x2: at, y1: bottom, y2: bottom + 4 }), svg('text', { x: Math.min(Math.max(at, this.left + 14), width - 14), y: height - 3, 'text-anchor': 'middle' }, clock(t * 1000)));
    }
    for (const h of known.handoffs) {
      const at = (Date.parse(h.at) / 1000 - first) / chart.step;
      if (at < 0 || at > n - 1) continue;
      root.append(svg('line', { class: 'mark', x1: x(at), x2: x(at), y1: top, y2: bottom }),
        h.outcome === 'failed' ? svg('path', { class: 'flag failed', d: `M${x(at) - 4} ${top - 5}l8 0l-4 7z` }) : svg('circle', { class: 'flag', cx: x(at), cy: top - 2, r: 3.5 }, svg('title', {}, h.kind + ' to generation ' + h.generation)));
    }
    for (const [name, style, filled] of this.lines) {
      const d = line(chart.values[name], x, y);
      if (filled && d) root.append(svg('path', { class: 'fill', d: area(chart.values[name], x, y, bottom) }));
      root.append(svg('path', { class: style, d }));
    }
    this.cursor = svg('line', { class: 'cursor', y1: top, y2: bottom, visibility: 'hidden' });
    root.append(this.cursor);
    if (!chart.values.rate.some(v => v !== NONE)) root.append(svg('text', { x: (width + this.left) / 2, y: height / 2, 'text-anchor': 'middle' }, 'nothing yet'));
    this.host.replaceChildren(root);
    if (this.at !== null) this.show();
  }
  show() {
    const chart = known.chart, at = this.at, tip = $('tip');
    if (!chart || at === null) return;
    this.cursor.setAttribute('x1', this.x(at)); this.cursor.setAttribute('x2', this.x(at)); this.cursor.setAttribute('visibility', 'visible');
    const when = (chart.last - (this.n - 1 - at) * chart.step) * 1000;
    const lines = this.lines.map(([name, , , label, format]) => label + '  ' + (chart.values[name][at] === NONE ? '–' : format(chart.values[name][at])));
    tip.textContent = [clock(when, !asked.day), ...lines].join('\n');
    tip.hidden = false;
    const box = this.host.getBoundingClientRect(), left = box.left + this.x(at) + 12;
    tip.style.left = Math.max(4, scrollX + (left + tip.offsetWidth > document.documentElement.clientWidth - 4 ? left - tip.offsetWidth - 24 : left)) + 'px';
    tip.style.top = scrollY + box.top + 14 + 'px';
  }
  summary(chart) {
    return this.title + ': ' + this.lines.map(([name, , , label, format]) => { const v = chart.values[name].findLast(v => v !== NONE); return label + ' ' + (v === undefined ? 'none' : format(v)); }).join(', ');
  }
}
function line(values, x, y) {
  let d = '', on = false;
  values.forEach((v, i) => {
    if (v === NONE) { on = false; return; }
    d += (on ? 'L' : 'M') + x(i).toFixed(1) + ' ' + y(v).toFixed(1);
    if (!on && (i + 1 >= values.length || values[i + 1] === NONE)) d += 'h1.5';
    on = true;
  });
  return d;
}
function area(values, x, y, bottom) {
  let d = '', from = -1;
  values.forEach((v, i) => {
    if (v === NONE) return;
    if (from < 0) { from = i; d += `M${x(i).toFixed(1)} ${bottom}`; }
    d += `L${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
    if (i + 1 >= values.length || values[i + 1] === NONE) { d += `L${x(i).toFixed(1)} ${bottom}Z`; from = -1; }
  });
  return d;
}
// linear is a scale from 0 on, with about four round ticks.
function linear(chart, top, bottom) {
  const most = Math.max(4, ...chart.values.rate, ...chart.values.errors);
  const rough = most / 4, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map(f => f * power).find(s => s >= rough);
  const end = step * Math.ceil(most / step), ticks = [];
  for (let v = 0; v <= end * 1.001; v += step) ticks.push([v, count(v)]);
  return { y: v => bottom - (bottom - top) * v / end, ticks };
}
// logarithmic is a scale of powers of ten, since a percentile may be a hundred times another.
function logarithmic(chart, top, bottom) {
  const all = [...chart.values.p50, ...chart.values.p99, ...chart.values.p999].filter(v => v > 0);
  const low = all.length ? Math.floor(Math.log10(Math.min(...all))) : 1, high = all.length ? Math.max(low + 1, Math.ceil(Math.log10(Math.max(...all)))) : 4;
  const ticks = [];
  for (let p = low; p <= high; p++) ticks.push([10 ** p, took(10 ** p)]);
  return { y: v => bottom - (bottom - top) * (Math.log10(Math.max(v, 10 ** low)) - low) / (high - low), ticks };
}
function drawCharts() {
  for (const c of charts) c.draw(known.chart);
  drawTiles();
}
function spark(values, attributes) {
  const root = svg('svg', { viewBox: '0 0 100 26', preserveAspectRatio: 'none', 'aria-hidden': 'true', ...attributes });
  if (!values) return root;
  const most = Math.max(1, ...values), x = i => 100 * i / (values.length - 1), y = v => 24 - 21 * v / most;
  root.append(svg('path', { class: 'fill', d: area(values, x, y, 26) }), svg('path', { class: 'a', d: line(values, x, y) }));
  return root;
}

// Tiles.
const tiles = [
  ['rate', 'Requests per second', parts], ['errors', 'Errors per second', parts], ['p50', 'Latency, median', timeParts],
  ['p99', 'Latency, p99', timeParts], ['clients', 'Clients', parts], ['bytes', 'Waiting requests', byteParts],
].map(([name, what, format]) => {
  const value = el('span'), unit = el('small'), line = el('div');
  const tile = el('div', { class: 'tile' }, el('div', { class: 'what' }, what), el('div', { class: 'value' }, value, unit), line);
  line.append(spark(null));
  return { name, format, value, unit, line, tile };
});
function shownFlow() {
  const s = known.state;
  return s && (asked.pool ? s.pools.find(p => p.name === asked.pool) : s);
}
function drawTiles() {
  const flow = shownFlow();
  for (const t of tiles) {
    const [value, unit] = flow ? t.format(flow[t.name]) : ['–', ''];
    text(t.value, value); text(t.unit, unit);
    tone(t.tile, t.name === 'errors' && flow && flow.errors > 0 ? 'bad' : 'quiet');
    t.line.replaceChildren(spark(known.chart && known.chart.values[t.name]));
  }
}

// Pools and servers.
const palette = ['#0b6bcb', '#e69f00', '#2a9d7c', '#cc79a7', '#7c5cd6', '#d55e00', '#56b4e9', '#8a8f98'];
const columns = [
  ['', 'Server', s => s.name], ['', 'State', null], ['share', 'Share', s => s.share], ['rate', 'Requests/s', s => s.rate], ['p50', 'p50', s => s.p50],
  ['p99', 'p99', s => s.p99], ['errors', 'Errors/s', s => s.errors], ['queue', 'Waiting', s => s.queued + s.sent + s.held], ['conns', 'Conns', s => s.conns], ['lag', 'Replica lag', lagOf],
];
function lagOf(s) { return s.replicas ? Math.max(...s.replicas.map(r => r.lag_ms)) : NONE; }
function shownPools() {
  const s = known.state;
  return !s ? [] : asked.pool ? s.pools.filter(p => p.name === asked.pool) : s.pools;
}
const ok = s => s.state === 'live' && !s.stale;
const tones = { live: 'good', ejected: 'bad', failed: 'bad', probing: 'warn', unknown: 'warn' };
const poolViews = new Map();
class PoolView {
  constructor(name) {
    this.title = el('h3', {}, name);
    this.note = el('span', { class: 'note' });
    this.body = el('tbody');
    this.heads = columns.map(([key, label]) => {
      const head = el('th', { scope: 'col', class: label === 'State' || label === 'Server' ? 'left' : key === 'lag' ? 'lag' : null });
      if (!key) { head.append(label); return head; }
      const button = el('button', { type: 'button', title: 'sort by it' }, label);
      button.addEventListener('click', () => { asked.sort = asked.sort === key ? '' : key; draw(); });
      head.append(button);
      return head;
    });
    this.ring = el('div', { class: 'ring' });
    this.rest = el('p', { class: 'note' });
    this.table = el('table', { class: 'servers' }, el('thead', {}, el('tr', {}, ...this.heads)), this.body);
    this.root = el('section', { class: 'pool' }, el('div', { class: 'title' }, this.title, this.note), this.ring, el('div', {}, el('div', { class: 'wide' }, this.table), this.rest));
  }
  draw(p, brief) {
    const live = p.servers.filter(ok).length;
    text(this.note, [p.listen, p.protocol, p.distribution, many(p.clients, 'client'), count(p.rate) + ' requests/s', p.errors > 0 ? count(p.errors) + ' errors/s' : '',
      p.blocked ? p.blocked + ' blocked' : '', p.subscribers ? many(p.subscribers, 'subscriber') : '', p.refused > 0 ? count(p.refused) + ' refused/s' : ''].filter(Boolean).join(' · '));
    columns.forEach(([key], i) => { if (key) this.heads[i].setAttribute('aria-sort', asked.sort === key ? 'descending' : 'none'); });
    const lagged = p.servers.some(s => s.replicas);
    this.heads[9].hidden = !lagged;
    let servers = p.servers.map((s, i) => ({ ...s, color: palette[i % palette.length], index: i }));
    const by = columns.find(([key]) => key && key === asked.sort);
    if (by) servers.sort((a, b) => by[2](b) - by[2](a) || a.index - b.index);
    let left = 0;
    if (brief) {
      const busiest = [...servers].sort((a, b) => b.rate - a.rate).slice(0, 3);
      const some = servers.filter(s => !ok(s) || busiest.includes(s));
      left = servers.length - some.length;
      servers = some;
    }
    text(this.rest, left ? many(left, 'more live server') + ': choose the pool to see all' : '');
    if (!p.servers.length) text(this.rest, 'No server is known yet.');
    const chart = known.pools.get(p.name), usual = median(p.servers.filter(s => s.rate > 0).map(s => s.p99));
    this.body.replaceChildren(...servers.map(s => serverRow(s, p, chart, usual, lagged)));
    this.drawRing(p, live);
  }
  drawRing(p, live) {
    const key = JSON.stringify(p.servers.map(s => [s.share, s.name, ok(s)]));
    if (key === this.drawn) return;
    this.drawn = key;
    const root = svg('svg', { viewBox: '-50 -50 100 100', role: 'img', 'aria-label': 'shares of the ring: ' + p.servers.map(s => s.name + ' ' + percent(s.share)).join(', ') });
    let from = 0;
    p.servers.forEach((s, i) => {
      if (s.share > 0) root.append(svg('path', { d: slice(from, from + s.share), fill: palette[i % palette.length] }, svg('title', {}, s.name + ': ' + percent(s.share))));
      from += s.share;
    });
    if (from < 0.999) root.append(svg('path', { d: slice(from, 0.99999), fill: 'none' }));
    root.append(svg('text', { class: 'big', y: 4 }, live + '/' + p.servers.length), svg('text', { y: 17, 'font-size': 9 }, 'live'));
    this.ring.replaceChildren(root);
  }
}
function slice(from, to) {
  to = Math.min(to, from + 0.99999);
  const at = (part, r) => (r * Math.sin(2 * Math.PI * part)).toFixed(2) + ' ' + (-r * Math.cos(2 * Math.PI * part)).toFixed(2), big = to - from > 0.5 ? 1 : 0;
  return `M${at(from, 47)}A47 47 0 ${big} 1 ${at(to, 47)}L${at(to, 31)}A31 31 0 ${big} 0 ${at(from, 31)}Z`;
}
function median(values) {
  const sorted = values.filter(v => v > 0).sort((a, b) => a - b);
  return sorted.length ? sorted[sorted.length >> 1] : 0;
}
function serverRow(s, p, chart, usual, lagged) {
  const cell = (label, attributes, ...children) => el('td', { 'data-label': label, ...attributes }, ...children);
  const swatch = el('span', { class: 'swatch', 'aria-hidden': 'true' });
  swatch.style.background = s.color;
  const where = [s.address && s.address !== s.name ? s.address : '', s.role !== 'primary' ? s.role : '', s.stale ? 'nobody confirms it' : ''].filter(Boolean).join(' · ');
  const state = el('span', { class: 'state', 'data-tone': s.stale ? 'warn' : tones[s.state] || 'quiet' }, s.starting ? 'starts slowly' : s.state);
  const why = s.why ? s.why + (s.since ? ', for ' + span((known.state.now - s.since) / 1000) : '') : s.starting ? 'has ' + percent(s.starting) + ' of its keys' : '';
  const bar = el('i');
  bar.style.width = Math.max(0, Math.min(100, 100 * s.share)) + '%';
  const share = p.servers.length > 1 ? s.share : 1;
  const slow = usual > 0 && s.p99 > 1000 && s.p99 > 4 * usual;
  const waiting = s.queued + s.sent + s.held;
  const row = el('tr', {},
    el('td', { class: 'name' }, swatch, s.name, where ? el('small', {}, where) : null),
    el('td', { class: 'left state-cell' }, state, why ? el('span', { class: 'why' }, why) : null),
    cell('Share', {}, el('span', { class: 'meter', 'aria-hidden': 'true' }, bar), percent(share)),
    cell('Requests/s', {}, chart && chart.servers && chart.servers[s.name] ? spark(thin(chart.servers[s.name]), { class: 'spark' }) : null, count(s.rate)),
    cell('p50', {}, took(s.p50)),
    cell('p99', { class: slow ? 'hot' : null, title: slow ? 'much slower than the others' : null }, (slow ? '▲ ' : '') + took(s.p99)),
    cell('Errors/s', { class: s.errors > 0 ? 'badly' : null }, s.errors > 0 ? '✕ ' + count(s.errors) : '0'),
    cell('Waiting', { title: s.queued + ' to be sent, ' + s.sent + ' for a reply, ' + s.held + ' for the server to come back' }, s.held ? waiting + ' (' + s.held + ' held)' : String(waiting)),
    cell('Conns', {}, String(s.conns)));
  if (lagged) row.append(cell('Replica lag', { title: (s.replicas || []).map(r => r.address + (r.zone ? ' in ' + r.zone : '') + ': ' + r.state + ', ' + r.lag_ms + ' ms').join('\n') }, s.replicas ? replicasText(s.replicas) : '–'));
  return row;
}
function replicasText(replicas) {
  const fit = replicas.filter(r => r.state === 'fit').length;
  return took(1000 * Math.max(...replicas.map(r => r.lag_ms))).replace('–', '0 ms') + ' · ' + fit + '/' + replicas.length + ' fit';
}
function thin(values) {
  const few = [];
  for (let i = 0; i < values.length; i += 5) few.push(Math.max(...values.slice(i, i + 5)));
  return few;
}
function drawPools() {
  const pools = shownPools(), all = pools.reduce((n, p) => n + p.servers.length, 0);
  const brief = !asked.pool && pools.length > 1 && (pools.length > 6 || all > 100);
  const names = new Set(pools.map(p => p.name));
  for (const name of poolViews.keys()) if (!names.has(name)) poolViews.delete(name);
  const roots = pools.map(p => {
    if (!poolViews.has(p.name)) poolViews.set(p.name, new PoolView(p.name));
    const view = poolViews.get(p.name);
    view.draw(p, brief);
    return view.root;
  });
  const host = $('pools');
  if (!roots.length) host.replaceChildren(el('p', { class: 'empty' }, 'There is no pool of that name now.'));
  else if (roots.length !== host.children.length || roots.some((r, i) => host.children[i] !== r)) host.replaceChildren(...roots);
  text($('sorted'), asked.sort ? 'sorted by ' + columns.find(c => c[0] === asked.sort)[1].toLowerCase() : '');
}
function drawChoice() {
  const names = known.state.pools.map(p => p.name), select = $('pool'), key = JSON.stringify(names);
  if (asked.pool && !names.includes(asked.pool)) names.push(asked.pool);
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    select.replaceChildren(el('option', { value: '' }, 'all pools'), ...names.map(n => el('option', { value: n }, n)));
  }
  if (document.activeElement !== select) select.value = asked.pool;
}

// The head.
function drawHead() {
  const s = known.state;
  const phase = s.busy || s.phase, fine = !s.unready && s.phase === 'serving';
  text($('phase'), (s.busy ? '↻ ' : fine ? '● ' : '▲ ') + phase);
  tone($('phase'), s.busy ? 'warn' : fine ? 'good' : 'warn');
  text($('build'), 'pinion ' + s.build + ' · generation ' + s.generation + ' · up ' + span((s.now - s.started) / 1000) + ' · master pid ' + s.pid);
  const down = s.pools.flatMap(p => p.servers).filter(x => !ok(x)), all = s.pools.reduce((n, p) => n + p.servers.length, 0);
  const idle = s.workers.filter(w => !w.serves).length;
  const words = [s.unready ? 'not ready: ' + s.unready : '', down.length ? '✕ ' + down.length + ' of ' + many(all, 'server') + ' not live' : '', idle ? many(idle, 'worker') + ' not serving' : ''].filter(Boolean);
  text($('trouble'), words.length ? words.join(' · ') : all ? '● all ' + many(all, 'server') + ' live' : '');
  tone($('trouble'), down.length ? 'bad' : words.length ? 'warn' : 'good');
  document.title = (down.length ? '✕ ' : '') + count(s.rate) + '/s – Pinion';
}

// Workers.
function drawWorkers() {
  const s = known.state;
  const rows = s.workers.map(w => {
    const bar = el('i');
    bar.style.width = Math.min(100, 100 * w.cpu) + '%';
    return el('tr', {}, el('td', {}, 'worker ' + w.slot, el('span', { class: 'note' }, w.pid ? '  pid ' + w.pid : '')),
      el('td', { class: 'left' }, el('span', { class: 'state', 'data-tone': w.serves ? 'good' : 'warn' }, w.serves ? 'serves' : w.pid ? 'not serving' : 'vacant')),
      el('td', {}, el('span', { class: 'meter', 'data-tone': w.cpu > 0.9 ? 'warn' : 'good', 'aria-hidden': 'true' }, bar), percent(w.cpu)),
      el('td', {}, String(w.clients)), el('td', { title: 'held for clients and servers; resident ' + size(w.rss) }, size(w.bytes)), el('td', {}, w.pid ? span(w.age) : '–'));
  });
  const head = el('thead', {}, el('tr', {}, ...['Worker', 'State', 'CPU', 'Clients', 'Holds', 'Age'].map((h, i) => el('th', { scope: 'col', class: i === 1 ? 'left' : null }, h))));
  const foot = el('p', { class: 'note' }, 'master: ' + percent(s.master_cpu) + ' CPU, ' + size(s.master_bytes) + (s.memory_limit ? ' · each worker may hold ' + size(s.memory_limit) : '') + ' · ' + many(s.connections, 'connection'));
  $('workers').replaceChildren(el('div', { class: 'wide' }, el('table', {}, head, el('tbody', {}, ...rows))), foot);
}

// Generations and handoffs.
function drawHandoffs() {
  const s = known.state, host = $('handoffs');
  if (!s) return;
  const generations = s.generations.map(g => {
    const clients = g.workers.reduce((n, w) => n + w.connections, 0);
    return 'generation ' + g.number + ' ' + g.state + ', ' + g.build + ', ' + many(g.workers.filter(w => w.pid).length, 'worker') + ', ' + many(clients, 'client');
  });
  const key = JSON.stringify([generations, known.handoffs, Math.floor(s.now / 60000), host.clientWidth]);
  if (key === known.generations) return;
  known.generations = key;
  const list = el('ol', { class: 'events' }, ...[...known.handoffs].reverse().map(h => el('li', {},
    el('time', { datetime: h.at, title: h.at }, span((s.now - Date.parse(h.at)) / 1000) + ' ago'),
    el('div', {}, el('b', {}, (h.outcome === 'done' ? '● ' : h.outcome === 'failed' ? '✕ ' : '↻ ') + h.kind + ' to generation ' + h.generation + (h.outcome === 'done' ? '' : ', ' + h.outcome)),
      el('small', {}, h.reason || (many(h.moved, 'client') + ' moved in ' + took(h.took_us) + ', longest pause ' + took(h.pause_us) + ', ' + many(h.stragglers, 'straggler') + (h.lost ? ', ' + h.lost + ' lost' : '') + ' · ' + h.build))))));
  host.replaceChildren(timeline(host.clientWidth, s.now), ...generations.map(g => el('p', { class: 'note' }, g)), known.handoffs.length ? list : el('p', { class: 'empty' }, 'No reload and no upgrade yet.'));
}
function timeline(width, now) {
  const oldest = Math.min(now - 600e3, ...known.handoffs.map(h => Date.parse(h.at) - 60e3)), x = t => 8 + (width - 16) * (t - oldest) / (now - oldest);
  const root = svg('svg', { role: 'img', 'aria-label': many(known.handoffs.length, 'handoff') + ' since ' + clock(oldest) });
  root.append(svg('line', { class: 'grid', x1: 8, x2: width - 8, y1: 22, y2: 22 }), svg('text', { x: 8, y: 46 }, span((now - oldest) / 1000) + ' ago'), svg('text', { x: width - 8, y: 46, 'text-anchor': 'end' }, 'now'));
  for (const h of known.handoffs) {
    const at = x(Date.parse(h.at)), title = svg('title', {}, h.kind + ' to generation ' + h.generation + ', ' + h.outcome);
    root.append(h.outcome === 'failed' ? svg('path', { class: 'flag failed', d: `M${at - 6} 16l12 12m0 -12l-12 12`, stroke: 'currentColor', 'stroke-width': 2.5 }, title)
      : h.kind === 'upgrade' ? svg('path', { class: 'flag', d: `M${at - 7} 28l7 -13l7 13z` }, title) : svg('circle', { class: 'flag', cx: at, cy: 22, r: 6 }, title));
    root.append(svg('text', { x: at, y: 9, 'text-anchor': 'middle' }, String(h.generation)));
  }
  return root;
}

// Hot and big keys, and slow requests, where the proxy keeps them.
async function fetchOf(path, more) {
  const answer = await fetch(path + '?' + new URLSearchParams({ ...more, ...(asked.pool ? { pool: asked.pool } : {}) }));
  return answer.ok ? answer.json() : {};
}
async function fetchKeys() {
  try {
    const hot = (await fetchOf('hotkeys.json', { count: 10 })).keys || [], big = (await fetchOf('bigkeys.json', { count: 10 })).keys || [];
    $('keys-card').hidden = !hot.length && !big.length;
    $('hot').replaceChildren(keysTable('Most requests', hot, count));
    $('big').replaceChildren(keysTable('Most bytes', big, size));
  } catch { /* next time */ }
}
function keysTable(what, keys, format) {
  const rows = keys.slice(0, 10).map(k => {
    const bar = el('i'), off = k.too_large + k.too_small + k.chance;
    bar.style.width = 100 * Math.min(1, k.share) + '%';
    return el('tr', {}, el('td', { class: 'name mono' }, k.key + (k.cut ? '…' : ''), asked.pool ? null : el('small', {}, k.pool)), el('td', { title: off ? 'give or take ' + format(off) : null }, format(k.count)),
      el('td', {}, el('span', { class: 'meter', 'aria-hidden': 'true' }, bar), percent(k.share)));
  });
  const head = [what, '', 'of the pool'].map((h, i) => el('th', { scope: 'col', class: i ? null : 'left' }, h));
  return el('table', {}, el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows));
}
async function fetchSlow() {
  try {
    const all = (await fetchOf('slowlog.json', {})).requests || [];
    $('slow-card').hidden = !all.length;
    const head = ['When', 'Request', 'Server', 'Client', 'Took', 'To send', 'Server', 'Behind', 'Back'];
    const rows = all.slice(0, 50).map(r => el('tr', {}, el('td', {}, clock(Date.parse(r.at), true)), el('td', { class: 'name' }, [r.command, ...r.args].join(' ')), el('td', { class: 'left server' }, r.server || '–'),
      el('td', { class: 'left' }, r.client_name || r.client_address), el('td', {}, took(r.took_us)), ...[r.wait_us, r.server_us, r.behind_us, r.back_us].map(us => el('td', { class: us > r.took_us / 2 ? 'hot' : null }, us ? took(us) : '0'))));
    $('slow').replaceChildren(el('table', {}, el('thead', {}, el('tr', {}, ...head.map((h, i) => el('th', { scope: 'col', class: i > 0 && i < 4 ? 'left' : null }, h)))), el('tbody', {}, ...rows)));
  } catch { /* next time */ }
}

// Configuration and log.
function drawConfig(sections) {
  $('config').replaceChildren(el('div', { class: 'sections' }, ...sections.map(s => el('div', {}, el('h3', {}, s.name),
    el('dl', {}, ...(s.keys || []).flatMap(k => [el('dt', {}, k.name), el('dd', { class: k.default ? 'default' : null }, k.values.join(', '))]))))));
}
function drawLog(log) {
  const host = $('log'), end = host.scrollTop + host.clientHeight >= host.scrollHeight - 8;
  host.replaceChildren(...(log.lines || []).map(l => {
    const at = l.indexOf('] ') + 1;
    return el('div', {}, el('span', { class: 't' }, l.slice(0, at)), l.slice(at));
  }));
  if (end || !host.dataset.seen) host.scrollTop = host.scrollHeight;
  host.dataset.seen = 'yes';
}

function draw() {
  if (!known.state) return;
  drawLink(); drawChoice(); drawHead(); drawPools(); drawWorkers(); drawHandoffs(); drawCharts();
  text($('hash'), known.state.config_hash ? 'hash ' + known.state.config_hash : '');
  document.body.dataset.drawn = 'yes';
}
function show() {
  $('short').setAttribute('aria-pressed', String(!asked.day));
  $('day').setAttribute('aria-pressed', String(asked.day));
  known.chart = null;
  writeAsked();
  fetchHistory();
  fetchSlow();
  fetchKeys();
  draw();
}

readAsked();
$('now').append(...tiles.map(t => t.tile));
new Chart($('rate'), { title: 'Requests per second', scale: linear, lines: [['rate', 'a', true, 'requests/s', count], ['errors', 'e', false, 'errors/s', count]] });
new Chart($('latency'), { title: 'Latency of servers', scale: logarithmic, lines: [['p50', 'a', false, 'p50', took], ['p99', 'b', false, 'p99', took], ['p999', 'c', false, 'p99.9', took]] });
$('pool').addEventListener('change', e => { asked.pool = e.target.value; show(); });
$('short').addEventListener('click', () => { asked.day = false; show(); });
$('day').addEventListener('click', () => { asked.day = true; show(); });
drawTiles();
show();
connect();
setInterval(drawLink, 1000);
setInterval(() => { if (!document.hidden) { fetchHistory(); fetchSlow(); fetchKeys(); } }, 20000);
