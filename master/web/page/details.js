// The head of the page, and what stands below the servers.

// The head.
function drawHead() {
  const s = known.state;
  const phase = s.busy || s.phase, fine = !s.unready && s.phase === 'serving';
  text($('phase'), (s.busy ? '↻ ' : fine ? '● ' : '▲ ') + phase);
  tone($('phase'), s.busy ? 'warn' : fine ? 'good' : 'warn');
  text($('build'), 'pinion ' + s.build + ' · generation ' + s.generation + ' · up ' + span((s.now - s.started) / 1000) + ' · master pid ' + s.pid);
  const all = s.pools.reduce((n, p) => n + p.total, 0), down = all - s.pools.reduce((n, p) => n + p.live, 0);
  const idle = s.workers.filter(w => !w.serves).length;
  const slow = s.pools.flatMap(p => p.servers.filter(one => isSlow(one, p)).map(one => one.name));
  const words = [s.unready ? 'not ready: ' + s.unready : '', down ? '✕ ' + down + ' of ' + many(all, 'server') + ' not live' : '', idle ? many(idle, 'worker') + ' not serving' : '',
    ...(s.ending || []).map(c => c.ends <= s.now ? '✕ ' + c.key + ' of ' + c.pool + ' has ended' : '▲ ' + c.key + ' of ' + c.pool + ' ends in ' + span((c.ends - s.now) / 1000)),
    slow.length ? '▲ ' + (slow.length > 1 ? slow.length + ' servers' : slow[0]) + ' much slower than the others' : ''].filter(Boolean);
  text($('trouble'), words.length ? words.join(' · ') : all ? '● all ' + many(all, 'server') + ' live' : '');
  tone($('trouble'), down ? 'bad' : words.length ? 'warn' : 'good');
  document.title = (down ? '✕ ' : '') + count(s.rate) + '/s – Pinion';
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
// doubt is by how much a count may be wrong. Keys that may never have been asked for are not shown.
function doubt(k) { return Math.max(k.too_large, k.too_small) + k.chance; }
function keysTable(what, keys, format) {
  const rows = keys.filter(k => k.count > doubt(k)).slice(0, 10).map(k => {
    const bar = el('i'), off = doubt(k);
    bar.style.width = 100 * Math.min(1, k.share) + '%';
    return el('tr', {}, el('td', { class: 'name mono' }, k.key + (k.cut ? '…' : ''), asked.pool ? null : el('small', {}, k.pool)), el('td', {}, format(k.count), off ? el('small', {}, '± ' + format(off)) : null),
      el('td', {}, el('span', { class: 'meter', 'aria-hidden': 'true' }, bar), percent(k.share)));
  });
  const head = [what, '', 'of the pool'].map((h, i) => el('th', { scope: 'col', class: i ? null : 'left' }, h));
  return el('table', {}, el('thead', {}, el('tr', {}, ...head)), el('tbody', {}, ...rows));
}
async function fetchSlow() {
  try {
    const all = (await fetchOf('slowlog.json', {})).requests || [];
    $('slow-card').hidden = !all.length;
    const head = ['When', 'Request', 'Server', 'Client', 'Took', 'Wait', 'Server', 'Behind', 'Back', 'Held up'];
    const rows = all.slice(0, 50).map(r => el('tr', {}, el('td', {}, clock(Date.parse(r.at), true)), el('td', { class: 'name' }, [r.command || 'not known', ...r.args].join(' ')), el('td', { class: 'left server' }, r.server || '–'),
      el('td', { class: 'left' }, r.client_name || r.client_address), el('td', {}, took(r.took_us)), ...[r.wait_us, r.server_us, r.behind_us, r.back_us].map(us => el('td', { class: us > r.took_us / 2 ? 'hot' : null }, us ? took(us) : '0')), el('td', {}, String(r.held_up || 0))));
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
