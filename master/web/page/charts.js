// Charts and tiles: what happened in the time shown.

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
  ['p99', 'Latency, p99', timeParts], ['clients', 'Clients', parts], ['bytes', 'Bytes that wait', byteParts],
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
