// What the page knows, what it was asked to show, and the connection over which it is told.

const known = { state: null, handoffs: [], chart: null, pools: new Map(), heard: 0, full: 0, generations: '' };
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
  events = new EventSource('events?' + new URLSearchParams(asked.pool ? { pool: asked.pool } : {}));
  const on = (name, handle) => events.addEventListener(name, e => { known.heard = Date.now(); handle(JSON.parse(e.data)); });
  on('state', s => { known.full = 0; const first = !known.state; known.state = s; append(s); if (first) fetchHistory(); draw(); });
  on('handoffs', h => { known.handoffs = h; drawHandoffs(); drawCharts(); });
  on('config', drawConfig);
  on('log', drawLog);
  on('full', n => { known.full = n; });
  let opened = false;
  events.onopen = () => { if (opened || known.chart) fetchHistory(); opened = true; };
  events.onerror = () => { if (events.readyState === EventSource.CLOSED) setTimeout(connect, 1000); };
}
function drawLink() {
  const silent = Date.now() - known.heard;
  const link = $('link');
  if (known.heard && silent < 6000) { text(link, '● live'); tone(link, 'good'); } else {
    const why = known.full ? ': ' + many(known.full, 'other page') + ' open' : '';
    text(link, known.heard ? '▲ no news for ' + span(silent / 1000) + (why || ', connecting') : 'connecting');
    tone(link, known.heard ? 'warn' : 'quiet');
  }
}

// The history, fetched now and then, and carried on between by what is told.
async function fetchChart(pool, day) {
  const answer = await fetch('history?' + new URLSearchParams({ ...(pool ? { pool } : {}), span: day ? 'day' : '10m' }));
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
