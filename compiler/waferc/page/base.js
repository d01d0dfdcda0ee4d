// What all parts of the page use: its data, colors, numbers, the tooltip, the theme.

const data = JSON.parse(document.getElementById("data").textContent);
const kinds = [
  { key: "compute", title: "computing" },
  { key: "moving", title: "moving words" },
  { key: "memory", title: "waiting for memory" },
  { key: "waiting", title: "waiting" },
];
const redraws = []; // drawn again when the theme or the window changes

const element = (id) => document.getElementById(id);
const count = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 0 });
const number = (value) =>
  value.toLocaleString("en-US", { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 });
const share = (part, whole) => (whole ? ((100 * part) / whole).toFixed(1) + " %" : "-");
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function made(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// Little-endian unsigned integers, deflated, in base 64.
async function unpacked(packed) {
  const text = atob(packed.data);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const buffer = await new Response(stream).arrayBuffer();
  if (packed.bytes === 8) return Float64Array.from(new BigUint64Array(buffer), Number);
  return new { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array }[packed.bytes](buffer);
}

// Dark to bright, even steps for the eye (after viridis).
const stops = [
  [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129],
  [92, 200, 99], [170, 220, 50], [253, 231, 37],
];
const ramp = Array.from({ length: 256 }, (_, place) => {
  const at = (place / 255) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2);
  return stops[low].map((from, i) => Math.round(from + (stops[low + 1][i] - from) * (at - low)));
});
const heat = (part) => ramp[Math.round(255 * clamp(part, 0, 1))];
const heatCss = (part) => `rgb(${heat(part).join(" ")})`;

const tip = {
  show(event, text) {
    const box = element("tip");
    box.textContent = text;
    box.style.display = "block";
    const { offsetWidth: width, offsetHeight: height } = box;
    const beyond = event.clientX + 16 + width > window.innerWidth;
    box.style.left = (beyond ? event.clientX - 12 - width : event.clientX + 16) + "px";
    box.style.top = clamp(event.clientY + 12, 4, window.innerHeight - height - 4) + "px";
  },
  hide() {
    element("tip").style.display = "none";
  },
};

// A canvas as sharp as the screen; returns its context and its size in CSS pixels.
function prepared(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  return { context, width, height, ratio };
}

// Drag, wheel and pinch on a canvas: `move(dx, dy)` and `zoom(factor, x, y)` in CSS pixels.
function navigable(canvas, { move, zoom, point, leave }) {
  const pointers = new Map();
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), ...at(event));
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = at(event);
    const before = pointers.get(event.pointerId);
    if (!before) return point(event, ...now);
    pointers.set(event.pointerId, now);
    if (pointers.size === 1) return move(now[0] - before[0], now[1] - before[1]);
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
    const span = (one) => Math.hypot(one[0] - other[0], one[1] - other[1]) || 1;
    zoom(span(now) / span(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  });
  const end = (event) => pointers.delete(event.pointerId);
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => { tip.hide(); leave?.(); });
}

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  for (const redraw of redraws) redraw();
}
element("theme").addEventListener("click", () =>
  setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
window.addEventListener("resize", () => { for (const redraw of redraws) redraw(); });
