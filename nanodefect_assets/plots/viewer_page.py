"""The web page of the three-dimensional view; `viewer` fills in the title and the data."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>__TITLE__</title>
<style>
  body { margin: 0; font: 14px/1.4 system-ui, sans-serif; background: #fff; color: #222; display: flex; height: 100vh; }
  #view { flex: 1; min-width: 0; height: 100%; cursor: grab; touch-action: none; }
  #panel { width: 15em; padding: 1em; overflow-y: auto; border-left: 1px solid #ddd; box-sizing: border-box; }
  h1 { font-size: 1.1em; margin: 0 0 .7em; overflow-wrap: anywhere; }
  label { display: block; margin: .15em 0; }
  .dot { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin: 0 .4em 0 .2em; }
  p { color: #666; font-size: .85em; }
  select, input[type=range] { width: 100%; }
</style>
</head>
<body>
<canvas id="view" tabindex="0" aria-label="The particle in three dimensions"></canvas>
<div id="panel">
  <h1>__TITLE__</h1>
  <label for="colouring">Colour by</label><select id="colouring"></select>
  <div id="classes"></div>
  <label for="cut">Cut from the front</label><input id="cut" type="range" min="0" max="100" value="0">
  <label for="size">Size of atoms</label><input id="size" type="range" min="20" max="120" value="80">
  <p>Drag or use the arrow keys to turn, scroll or + and - to zoom. Bar: 1 nm.</p>
</div>
<script id="data" type="application/json">__DATA__</script>
<script>
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer;
const places = Float32Array.from(new Int16Array(bytes(data.positions)), v => v * data.scale);
data.colourings.forEach(c => { c.values = new Uint8Array(bytes(c.values)); c.shown = c.names.map(() => true); });
const canvas = document.getElementById("view"), pen = canvas.getContext("2d");
const byId = id => document.getElementById(id);
let turn = [1, 0, 0, 0, 1, 0, 0, 0, 1], zoom = 1, colouring = data.colourings[0], sprites = [], waiting = false;
const depth = new Float32Array(data.n), x = new Float32Array(data.n), y = new Float32Array(data.n);
let reach = 1;
for (let i = 0; i < data.n; i++) {
  reach = Math.max(reach, Math.hypot(places[3 * i], places[3 * i + 1], places[3 * i + 2]));
}
reach += data.bond; // atoms have a size: the outermost would stand out of the frame

function makeSprites(radius) {
  sprites = colouring.colours.map(colour => {
    const sprite = document.createElement("canvas"), edge = Math.max(2, Math.ceil(2 * radius));
    sprite.width = sprite.height = edge;
    const brush = sprite.getContext("2d"), r = edge / 2;
    brush.fillStyle = colour;
    brush.beginPath(); brush.arc(r, r, r, 0, 7); brush.fill();
    const shade = brush.createRadialGradient(0.7 * r, 0.7 * r, 0.1 * r, r, r, r);
    shade.addColorStop(0, "rgba(255,255,255,.55)"); shade.addColorStop(0.5, "rgba(255,255,255,0)");
    shade.addColorStop(1, "rgba(0,0,0,.45)");
    brush.fillStyle = shade;
    brush.beginPath(); brush.arc(r, r, r, 0, 7); brush.fill();
    return sprite;
  });
}

function draw() {
  waiting = false;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * ratio; canvas.height = canvas.clientHeight * ratio;
  const scale = zoom * Math.min(canvas.width, canvas.height) / 2.1 / reach;
  const radius = Math.max(1, byId("size").value / 100 * data.bond / 2 * scale);
  makeSprites(radius);
  const cut = reach - byId("cut").value / 100 * 2 * reach, order = [];
  for (let i = 0; i < data.n; i++) {
    const a = places[3 * i], b = places[3 * i + 1], c = places[3 * i + 2];
    depth[i] = turn[6] * a + turn[7] * b + turn[8] * c;
    if (depth[i] > cut + 1e-3 || !colouring.shown[colouring.values[i]]) continue;
    x[i] = turn[0] * a + turn[1] * b + turn[2] * c; y[i] = turn[3] * a + turn[4] * b + turn[5] * c;
    order.push(i);
  }
  order.sort((p, q) => depth[p] - depth[q]);
  for (const i of order) {
    const left = canvas.width / 2 + x[i] * scale, top = canvas.height / 2 - y[i] * scale;
    pen.drawImage(sprites[colouring.values[i]], left - radius, top - radius, 2 * radius, 2 * radius);
  }
  pen.fillStyle = "#222"; pen.fillRect(20 * ratio, canvas.height - 24 * ratio, 10 * scale, 4 * ratio);
  canvas.dataset.drawn = order.length;
}

function redraw() { if (!waiting) { waiting = true; requestAnimationFrame(draw); } }

function rotate(dx, dy) {
  const ca = Math.cos(dx), sa = Math.sin(dx), cb = Math.cos(dy), sb = Math.sin(dy), t = turn.slice();
  for (let k = 0; k < 3; k++) {
    const a = ca * t[k] + sa * t[6 + k], c = ca * t[6 + k] - sa * t[k], b = t[3 + k];
    turn[k] = a; turn[3 + k] = cb * b - sb * c; turn[6 + k] = sb * b + cb * c;
  }
  redraw();
}

function showClasses() {
  const box = byId("classes"); box.textContent = "";
  const counts = new Uint32Array(256);
  colouring.values.forEach(v => counts[v]++);
  colouring.names.forEach((name, at) => {
    if (!counts[at]) return;
    const line = document.createElement("label"), tick = document.createElement("input");
    const dot = document.createElement("span");
    tick.type = "checkbox"; tick.checked = colouring.shown[at];
    tick.onchange = () => { colouring.shown[at] = tick.checked; redraw(); };
    dot.className = "dot"; dot.style.background = colouring.colours[at];
    line.append(tick, dot, name.replace("_", " ") + " (" + counts[at] + ")");
    box.append(line);
  });
  redraw();
}

data.colourings.forEach((c, at) => byId("colouring").add(new Option(c.name, at)));
byId("colouring").onchange = event => { colouring = data.colourings[event.target.value]; showClasses(); };
byId("cut").oninput = byId("size").oninput = redraw;
let last = null;
canvas.onpointerdown = e => { last = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); };
canvas.onpointerup = canvas.onpointercancel = () => { last = null; };
canvas.onpointermove = e => {
  if (!last) return;
  rotate((e.clientX - last[0]) / 150, (e.clientY - last[1]) / 150);
  last = [e.clientX, e.clientY];
};
function zoomBy(factor) { zoom = Math.min(50, Math.max(0.2, zoom * factor)); redraw(); }
canvas.addEventListener("wheel", e => { e.preventDefault(); zoomBy(Math.exp(-e.deltaY / 500)); }, { passive: false });
const KEYS = {
  ArrowLeft: () => rotate(-0.1, 0), ArrowRight: () => rotate(0.1, 0), ArrowUp: () => rotate(0, -0.1),
  ArrowDown: () => rotate(0, 0.1), "+": () => zoomBy(1.15), "-": () => zoomBy(1 / 1.15),
};
canvas.onkeydown = e => { if (KEYS[e.key]) { e.preventDefault(); KEYS[e.key](); } };
window.onresize = redraw;
showClasses();
</script>
</body>
</html>
"""
