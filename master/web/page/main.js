// Puts it all together, and draws it.

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
$('pool').addEventListener('change', e => { asked.pool = e.target.value; show(); connect(); });
$('short').addEventListener('click', () => { asked.day = false; show(); });
$('day').addEventListener('click', () => { asked.day = true; show(); });
drawTiles();
show();
connect();
setInterval(drawLink, 1000);
setInterval(() => { if (!document.hidden) { fetchHistory(); fetchSlow(); fetchKeys(); } }, 20000);
