// Tables: kernels (sorted and filtered), critical path, SRAM, colors; and the split of all cycles.

const MOST_ROWS = 400;
const columns = [
  { key: "region", title: "region", text: true }, { key: "function", title: "kernel", text: true },
  { key: "operation", title: "operation", text: true }, { key: "line", title: "line", text: true },
  { key: "cycles", title: "cycles" }, { key: "split", title: "split" },
  { key: "compute", title: "compute" }, { key: "moving", title: "moving" },
  { key: "memory", title: "memory" }, { key: "waiting", title: "waiting" },
  { key: "estimate", title: "estimate" }, { key: "least", title: "at least" },
];
let order = { key: "cycles", down: true };

function splitBar(parts) {
  const whole = kinds.reduce((sum, kind) => sum + parts[kind.key], 0) || 1;
  const bar = made("span", { class: "bar" });
  for (const kind of kinds) {
    const part = made("span", {});
    part.style.background = `var(--${kind.key})`;
    part.style.width = `${(100 * parts[kind.key]) / whole}%`;
    bar.append(part);
  }
  return bar;
}

function cell(kernel, column) {
  const value = kernel[column.key];
  if (column.key === "split") return made("td", {}, splitBar(kernel));
  if (column.text) return made("td", { class: "text" }, value);
  const text = value === null ? "?" : number(value);
  return made("td", {}, column.key === "least" ? `${text} ${kernel.limit[0]}` : text);
}

function showKernels() {
  const wanted = element("filter").value.trim().toLowerCase();
  const fits = (kernel) => columns.some((c) => c.text && kernel[c.key].toLowerCase().includes(wanted));
  const found = data.kernels.filter(fits);
  const value = (kernel) => (order.key === "split" ? kernel.compute / (kernel.cycles || 1) : kernel[order.key]);
  const compare = (a, b) =>
    typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : (a ?? -1) - (b ?? -1);
  found.sort((a, b) => (order.down ? -1 : 1) * compare(value(a), value(b)));
  const head = made("tr");
  for (const column of columns) {
    const title = made("th", { class: (column.text ? "text " : "") + "sortable", tabindex: 0 }, column.title);
    if (order.key === column.key) title.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    const sort = () => {
      order = { key: column.key, down: order.key === column.key ? !order.down : !column.text };
      showKernels();
    };
    title.addEventListener("click", sort);
    title.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
    head.append(title);
  }
  const body = made("tbody");
  for (const kernel of found.slice(0, MOST_ROWS))
    body.append(made("tr", {}, ...columns.map((column) => cell(kernel, column))));
  element("kernels").replaceChildren(made("thead", {}, head), body);
  const shown = Math.min(found.length, MOST_ROWS);
  element("count").textContent = `${count(shown)} of ${count(data.kernels.length)} kernels`;
}

function plainTable(id, titles, rows) {
  const head = made("tr", {}, ...titles.map((title, at) => made("th", at ? {} : { class: "text" }, title)));
  const body = made("tbody");
  for (const row of rows)
    body.append(made("tr", {}, ...row.map((value, at) => made("td", at ? {} : { class: "text" }, value))));
  element(id).replaceChildren(made("thead", {}, head), body);
  if (!rows.length) element(id).closest("section").hidden = true;
}

function showTables() {
  const whole = kinds.reduce((sum, kind) => sum + data.spent[kind.key], 0);
  for (const kind of kinds) {
    const part = made("div", { title: `${kind.title} ${share(data.spent[kind.key], whole)}` });
    part.style.background = `var(--${kind.key})`;
    part.style.width = `${(100 * data.spent[kind.key]) / (whole || 1)}%`;
    element("split").append(part);
    const swatch = made("span", { class: "swatch" });
    swatch.style.background = `var(--${kind.key})`;
    element("split-legend").append(
      made("span", {}, swatch, ` ${kind.title} ${share(data.spent[kind.key], whole)}`));
  }
  if (data.kernels.length) {
    element("filter").addEventListener("input", showKernels);
    showKernels();
  } else element("kernels").closest("section").hidden = true;
  plainTable("path", ["region", "kernels", "from", "to", "cycles"], data.path.map((leg) => [
    leg.region, leg.first === leg.last ? leg.first : `${leg.first} to ${leg.last}`,
    count(leg.begin), count(leg.end), count(leg.end - leg.begin),
  ]));
  plainTable("memory", ["region", "PEs", "bytes", "of the PE's", "share"], data.memory.map((part) => [
    part.region, count(part.pes), count(part.bytes), count(data.sram_bytes), share(part.bytes, data.sram_bytes),
  ]));
  plainTable("colors", ["color", "words x links", "links", "mean", "busiest link"], data.colors.map((load) => [
    `${load.color}`, count(load.hops), count(load.links), number(load.hops / load.links),
    `${count(load.busiest)} ${load.direction} from PE (${load.x}, ${load.y})`,
  ]));
}
