// Kernels over time: a row per region, a bar per kernel, the critical path below the bars.

const time = {
  canvas: element("time"),
  first: 0, last: 1, // cycles at the left and at the right
  rows: [],

  start() {
    const regions = [...new Set(data.kernels.map((kernel) => kernel.region))];
    this.rows = regions.map((name) => ({
      name,
      kernels: data.kernels.filter((kernel) => kernel.region === name),
      legs: data.path.filter((leg) => leg.region === name),
    }));
    if (!this.rows.length) {
      this.canvas.closest("section").hidden = true;
      return;
    }
    const row = this.rowHeight();
    this.canvas.style.height = `${30 + row * this.rows.length}px`;
    this.last = data.cycles;
    const width = () => this.canvas.clientWidth - this.margin();
    navigable(this.canvas, {
      move: (dx) => this.shift(-dx * (this.last - this.first) / width()),
      zoom: (factor, x) => this.zoom(factor, (x - this.margin()) / width()),
      point: (event, x, y) => this.point(event, x, y),
    });
    redraws.push(() => this.draw());
    this.draw();
  },

  rowHeight() {
    return clamp(600 / this.rows.length, 9, 34);
  },

  margin() {
    return 16 + Math.max(...this.rows.map((row) => row.name.length)) * 7.5;
  },

  shift(cycles) {
    const step = clamp(cycles, -this.first, data.cycles - this.last);
    this.first += step;
    this.last += step;
    this.draw();
  },

  zoom(factor, part) {
    const span = clamp((this.last - this.first) / factor, 20, data.cycles);
    const middle = this.first + part * (this.last - this.first);
    this.first = clamp(middle - part * span, 0, data.cycles - span);
    this.last = this.first + span;
    this.draw();
  },

  draw() {
    const { context, width, height } = prepared(this.canvas);
    const margin = this.margin(), row = this.rowHeight();
    const at = (cycle) => margin + ((cycle - this.first) / (this.last - this.first)) * (width - margin);
    context.fillStyle = style("--panel");
    context.fillRect(0, 0, width, height);
    this.drawAxis(context, at, width, height);
    const colors = kinds.map((kind) => style(`--${kind.key}`));
    context.textBaseline = "middle";
    this.rows.forEach((one, place) => {
      const top = 26 + place * row, high = row - 6;
      context.save();
      context.beginPath();
      context.rect(margin, top, width - margin, row);
      context.clip();
      for (const kernel of one.kernels) {
        if (kernel.end < this.first || kernel.begin > this.last) continue;
        const left = at(kernel.begin), wide = Math.max(0.6, at(kernel.end) - left);
        let from = top;
        kinds.forEach((kind, number) => {
          const part = kernel.cycles ? (kernel[kind.key] / kernel.cycles) * high : 0;
          context.fillStyle = colors[number];
          context.fillRect(left, from, wide, part);
          from += part;
        });
        if (wide > 5) {
          context.strokeStyle = style("--panel");
          context.strokeRect(left, top, wide, high);
        }
        const text = kernel.function;
        if (high >= 12 && context.measureText(text).width + 8 < wide) {
          context.fillStyle = "#fff";
          context.strokeStyle = "#0009";
          context.lineWidth = 2;
          context.strokeText(text, left + 4, top + high / 2);
          context.fillText(text, left + 4, top + high / 2);
          context.lineWidth = 1;
        }
      }
      context.fillStyle = style("--path");
      for (const leg of one.legs) context.fillRect(at(leg.begin), top + high + 1, at(leg.end) - at(leg.begin), 3);
      context.restore();
      context.fillStyle = style("--ink");
      if (row >= 12 || place % Math.ceil(12 / row) === 0) context.fillText(one.name, 8, top + high / 2);
    });
  },

  drawAxis(context, at, width, height) {
    const rough = (this.last - this.first) / 8;
    const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) || power * 10;
    context.textAlign = "center";
    context.textBaseline = "top";
    for (let cycle = Math.ceil(this.first / step) * step; cycle <= this.last; cycle += step) {
      context.strokeStyle = style("--line");
      context.beginPath();
      context.moveTo(at(cycle), 20);
      context.lineTo(at(cycle), height);
      context.stroke();
      context.fillStyle = style("--faint");
      if (at(cycle) > 90 && at(cycle) < width - 30) context.fillText(count(cycle), at(cycle), 4);
    }
    context.textAlign = "left";
    context.fillText("cycle", 8, 4);
  },

  point(event, x, y) {
    const row = this.rows[Math.floor((y - 26) / this.rowHeight())];
    const margin = this.margin(), width = this.canvas.clientWidth - margin;
    const cycle = this.first + ((x - margin) / width) * (this.last - this.first);
    const near = (2 / width) * (this.last - this.first); // bars may be thinner than a pixel
    const kernel = row?.kernels.find((one) => one.begin - near <= cycle && cycle <= one.end + near);
    if (!kernel || x < margin) return tip.hide();
    const lines = [`${kernel.region}: ${kernel.function}, ${kernel.operation}`];
    if (kernel.line) lines.push(kernel.line);
    lines.push(`${count(kernel.first)} (first PE begins) to ${count(kernel.last)} (last PE ends)`);
    for (const kind of kinds)
      lines.push(`${kind.title}: ${number(kernel[kind.key])} (${share(kernel[kind.key], kernel.cycles)})`);
    lines.push(`in all ${number(kernel.cycles)} cycles on the mean PE`);
    if (kernel.estimate !== null) lines.push(`estimate ${count(kernel.estimate)}`);
    lines.push(`at least ${count(kernel.least)} (${kernel.limit})`);
    tip.show(event, lines.join("\n"));
  },
};
