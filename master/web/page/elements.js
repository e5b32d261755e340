'use strict';
// The live page. Whatever comes from the proxy is shown as text: it goes through textContent and attributes, never through HTML.

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
