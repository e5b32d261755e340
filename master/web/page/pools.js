// Pools and their servers. Where there are many, the proxy tells of each pool but the chosen one only some.

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
const tones = { live: 'good', down: 'bad', ejected: 'bad', failed: 'bad', probing: 'warn', unknown: 'warn' };
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
  draw(p) {
    text(this.note, [p.listen, p.protocol, p.distribution, many(p.clients, 'client'), count(p.rate) + ' requests/s', p.errors > 0 ? count(p.errors) + ' errors/s' : '',
      p.blocked ? p.blocked + ' blocked' : '', p.subscribers ? many(p.subscribers, 'subscriber') : '', p.unaccepted ? many(p.unaccepted, 'connection') + ' not accepted yet' : '', p.dropped > 0 ? '✕ ' + count(p.dropped) + ' connections dropped/s' : '', p.refused > 0 ? count(p.refused) + ' refused/s' : ''].filter(Boolean).join(' · '));
    columns.forEach(([key], i) => { if (key) this.heads[i].setAttribute('aria-sort', asked.sort === key ? 'descending' : 'none'); });
    const lagged = p.servers.some(s => s.replicas);
    this.heads[9].hidden = !lagged;
    const servers = p.servers.map(s => ({ ...s, color: palette[s.index % palette.length] }));
    const by = columns.find(([key]) => key && key === asked.sort);
    if (by) servers.sort((a, b) => by[2](b) - by[2](a) || a.index - b.index);
    const left = p.total - servers.length;
    text(this.rest, left ? many(left, 'more server') + ': choose the pool to see all' : '');
    if (!p.total) text(this.rest, 'No server is known yet.');
    const chart = known.pools.get(p.name);
    this.body.replaceChildren(...servers.map(s => serverRow(s, p, chart, lagged)));
    this.drawRing(p);
  }
  drawRing(p) {
    const parts = p.shares ? p.shares.map(share => ({ share, name: '' })) : p.servers;
    const key = JSON.stringify([p.live, p.total, parts.map(s => [s.share, s.name])]);
    if (key === this.drawn) return;
    this.drawn = key;
    const names = parts.filter(s => s.name).map(s => s.name + ' ' + percent(s.share)).join(', ');
    const root = svg('svg', { viewBox: '-50 -50 100 100', role: 'img', 'aria-label': 'shares of the ring: ' + (names || many(p.total, 'server')) });
    let from = 0;
    parts.forEach((s, i) => {
      if (s.share > 0) root.append(svg('path', { d: slice(from, from + s.share), fill: palette[i % palette.length] }, svg('title', {}, (s.name ? s.name + ': ' : '') + percent(s.share))));
      from += s.share;
    });
    if (from < 0.999) root.append(svg('path', { d: slice(from, 0.99999), fill: 'none' }));
    root.append(svg('text', { class: 'big', y: 4 }, p.live + '/' + p.total), svg('text', { y: 17, 'font-size': 9 }, 'live'));
    this.ring.replaceChildren(root);
  }
}
function slice(from, to) {
  to = Math.min(to, from + 0.99999);
  const at = (part, r) => (r * Math.sin(2 * Math.PI * part)).toFixed(2) + ' ' + (-r * Math.cos(2 * Math.PI * part)).toFixed(2), big = to - from > 0.5 ? 1 : 0;
  return `M${at(from, 47)}A47 47 0 ${big} 1 ${at(to, 47)}L${at(to, 31)}A31 31 0 ${big} 0 ${at(from, 31)}Z`;
}
// isSlow tells whether a server is much slower than the others of its pool.
function isSlow(s, p) { return p.usual > 0 && s.p99 > 1000 && s.p99 > 4 * p.usual; }
function serverRow(s, p, chart, lagged) {
  const cell = (label, attributes, ...children) => el('td', { 'data-label': label, ...attributes }, ...children);
  const swatch = el('span', { class: 'swatch', 'aria-hidden': 'true' });
  swatch.style.background = s.color;
  const where = [s.address && s.address !== s.name ? s.address : '', s.role !== 'primary' ? s.role : '', s.stale ? 'nobody confirms it' : ''].filter(Boolean).join(' · ');
  const state = el('span', { class: 'state', 'data-tone': s.stale ? 'warn' : tones[s.state] || 'quiet' }, s.starting ? 'starts slowly' : s.state);
  const why = s.why ? s.why + (s.since ? ', for ' + span((known.state.now - s.since) / 1000) : '') : s.starting ? 'has ' + percent(s.starting) + ' of its keys' : '';
  const bar = el('i');
  bar.style.width = Math.max(0, Math.min(100, 100 * s.share)) + '%';
  const share = p.total > 1 ? s.share : 1;
  const slow = isSlow(s, p);
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
  const pools = shownPools();
  const names = new Set(pools.map(p => p.name));
  for (const name of poolViews.keys()) if (!names.has(name)) poolViews.delete(name);
  const roots = pools.map(p => {
    if (!poolViews.has(p.name)) poolViews.set(p.name, new PoolView(p.name));
    const view = poolViews.get(p.name);
    view.draw(p);
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
