// The floor plan: a heat map of one measure over all PEs, in blocks from afar, links close by.

const floor = {
  canvas: element("floor"),
  scale: 1, // CSS pixels per PE
  x: 0, y: 0, // the PE at the left upper corner
  map: null, // the measure that is shown
  levels: new Map(), // by measure and level: sums, largest values and counts of blocks
  images: new Map(), // by measure, level and way of summing up: a canvas with a pixel per block

  // Blocks of 2^level PEs in both directions; PEs without a program count for nothing.
  blocks(map, level) {
    const key = `${map.key} ${level}`;
    if (this.levels.has(key)) return this.levels.get(key);
    const finer = level ? this.blocks(map, level - 1) : null;
    const width = Math.ceil(data.width / 2 ** level), height = Math.ceil(data.height / 2 ** level);
    const sum = new Float64Array(width * height), max = new Float64Array(width * height);
    const pes = new Uint32Array(width * height);
    if (!finer) {
      for (let at = 0; at < sum.length; at++) {
        if (!data.owner[at]) continue;
        sum[at] = max[at] = map.values[at];
        pes[at] = 1;
      }
    } else {
      for (let row = 0; row < finer.height; row++) {
        for (let column = 0; column < finer.width; column++) {
          const from = row * finer.width + column, to = (row >> 1) * width + (column >> 1);
          sum[to] += finer.sum[from];
          pes[to] += finer.pes[from];
          max[to] = Math.max(max[to], finer.max[from]);
        }
      }
    }
    const found = { width, height, sum, max, pes };
    this.levels.set(key, found);
    return found;
  },

  image(map, level, way) {
    const low = this.low(map);
    const key = `${map.key} ${level} ${way} ${low}`;
    if (this.images.has(key)) return this.images.get(key);
    const { width, height, sum, max, pes } = this.blocks(map, level);
    const canvas = made("canvas", { width, height });
    const context = canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    for (let at = 0; at < pes.length; at++) {
      if (!pes[at]) continue;
      const value = way === "max" ? max[at] : sum[at] / pes[at];
      picture.data.set(heat(this.part(map, value)), 4 * at);
      picture.data[4 * at + 3] = 255;
    }
    context.putImageData(picture, 0, 0);
    this.images.set(key, canvas);
    return canvas;
  },

  // The value that the darkest color stands for, and where a value lies between that and the most.
  low(map) {
    return element("from").value === "least" ? map.least : 0;
  },

  part(map, value) {
    const low = this.low(map);
    return map.most > low ? (value - low) / (map.most - low) : 0;
  },

  level() {
    return Math.max(0, Math.ceil(Math.log2(1 / this.scale) - 1e-9));
  },

  draw() {
    const { context, width, height } = prepared(this.canvas);
    context.fillStyle = style("--panel");
    context.fillRect(0, 0, width, height);
    const left = -this.x * this.scale, top = -this.y * this.scale;
    context.fillStyle = style("--none");
    context.fillRect(left, top, data.width * this.scale, data.height * this.scale);
    const level = this.level();
    const image = this.image(this.map, level, element("blocks").value);
    context.imageSmoothingEnabled = false;
    const block = 2 ** level * this.scale;
    context.drawImage(image, left, top, image.width * block, image.height * block);
    if (this.scale >= 14) this.drawPes(context, width, height);
    this.drawRegions(context, left, top);
    element("place").textContent = level
      ? `a pixel is a block of ${2 ** level} x ${2 ** level} PEs`
      : `${number(this.scale)} pixels for a PE`;
  },

  // Borders, values and the load of links of the PEs that are in sight.
  drawPes(context, width, height) {
    const size = this.scale;
    const first = [Math.max(0, Math.floor(this.x)), Math.max(0, Math.floor(this.y))];
    const last = [
      Math.min(data.width, Math.ceil(this.x + width / size)),
      Math.min(data.height, Math.ceil(this.y + height / size)),
    ];
    const links = data.links, most = Math.max(1, ...links.map((link) => link.most));
    const panel = style("--panel"), ink = style("--ink");
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let row = first[1]; row < last[1]; row++) {
      for (let column = first[0]; column < last[0]; column++) {
        const at = row * data.width + column;
        const x = (column - this.x) * size, y = (row - this.y) * size;
        const hasLinks = this.map.isTraffic && size >= 22;
        if (hasLinks) this.drawLinks(context, links, at, x, y, most);
        context.strokeStyle = panel;
        context.strokeRect(x, y, size, size);
        if (size >= (hasLinks ? 64 : 44) && data.owner[at]) {
          const value = this.map.values[at];
          const bright = this.part(this.map, value) > 0.55;
          context.fillStyle = hasLinks ? ink : bright ? "#111" : "#fff";
          context.fillText(number(value), x + size / 2, y + size / 2);
        }
      }
    }
  },

  // On a plain ground, one bar per direction at the PE's edge: of the words that leave there.
  drawLinks(context, links, at, x, y, most) {
    const size = this.scale, thick = size / 5, long = size * 0.6, inset = size * 0.2;
    const bars = [
      [x + size - thick, y + inset, thick, long], [x, y + inset, thick, long],
      [x + inset, y, long, thick], [x + inset, y + size - thick, long, thick],
    ];
    context.fillStyle = style("--none");
    context.fillRect(x, y, size, size);
    links.forEach((link, direction) => {
      if (!link.values[at]) return;
      const [left, top, wide, high] = bars[direction];
      context.fillStyle = heatCss(link.values[at] / most);
      context.fillRect(left, top, wide, high);
    });
  },

  drawRegions(context, left, top) {
    context.lineWidth = 1.5;
    context.textAlign = "left";
    context.textBaseline = "top";
    for (const region of data.regions) {
      const x = left + region.x * this.scale, y = top + region.y * this.scale;
      const wide = region.width * this.scale, high = region.height * this.scale;
      context.strokeStyle = style("--outline");
      context.strokeRect(x, y, wide, high);
      const text = context.measureText(region.name).width;
      if (text + 8 > wide || high < 18) continue;
      context.fillStyle = style("--panel");
      context.fillRect(x + 1, y + 1, text + 6, 16);
      context.fillStyle = style("--ink");
      context.fillText(region.name, x + 4, y + 3);
    }
    context.lineWidth = 1;
  },

  fit() {
    const shape = data.height / data.width;
    this.canvas.style.height = `${clamp(this.canvas.clientWidth * shape, 180, 640) + 16}px`;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.scale = Math.min(width / data.width, height / data.height) * 0.98;
    this.x = (data.width - width / this.scale) / 2;
    this.y = (data.height - height / this.scale) / 2;
    this.draw();
  },

  zoom(factor, x, y) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const whole = Math.min(width / data.width, height / data.height);
    const scale = clamp(this.scale * factor, whole / 2, Math.max(120, 4 * whole));
    this.x += x / this.scale - x / scale;
    this.y += y / this.scale - y / scale;
    this.scale = scale;
    this.draw();
  },

  move(dx, dy) {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.draw();
  },

  point(event, x, y) {
    const size = 2 ** this.level();
    const column = Math.floor((this.x + x / this.scale) / size);
    const row = Math.floor((this.y + y / this.scale) / size);
    const inside = column >= 0 && row >= 0 && column * size < data.width && row * size < data.height;
    if (!inside) return tip.hide();
    tip.show(event, size > 1 ? this.tellBlock(column, row, size) : this.tellPe(column, row));
  },

  tellBlock(column, row, size) {
    const lines = [`block of ${size} x ${size} PEs from PE (${column * size}, ${row * size})`];
    for (const map of data.maps) {
      const { width, sum, max, pes } = this.blocks(map, this.level());
      const at = row * width + column;
      if (!pes[at]) return lines[0] + "\nno program";
      lines.push(`${map.title}: ${number(sum[at] / pes[at])} ${map.unit}, most ${number(max[at])}`);
    }
    return lines.join("\n");
  },

  tellPe(x, y) {
    const at = y * data.width + x, owner = data.owner[at];
    const lines = [`PE (${x}, ${y})` + (owner ? ` of ${data.owners[owner - 1]}` : "")];
    if (!owner) return lines[0] + "\nno program";
    for (const map of data.maps) lines.push(`${map.title}: ${count(map.values[at])} ${map.unit}`);
    const loads = data.links.map((link) => `${link.title} ${count(link.values[at])}`);
    return lines.concat(`words to the ${loads.join(", ")}`).join("\n");
  },

  legend() {
    const map = this.map;
    const steps = Array.from({ length: 17 }, (_, i) => heatCss(i / 16));
    element("legend-bar").style.background = `linear-gradient(to right, ${steps.join(", ")})`;
    element("legend-low").textContent = count(this.low(map));
    element("legend-high").textContent = count(map.most);
    element("legend-unit").textContent = map.legend;
  },

  choose(key) {
    this.map = data.maps.find((map) => map.key === key) || data.maps[0];
    element("map").value = this.map.key;
    this.legend();
  },

  start(wanted) {
    for (const map of data.maps) element("map").append(made("option", { value: map.key }, map.title));
    element("blocks").value = wanted.get("blocks") === "max" ? "max" : "mean";
    element("map").addEventListener("change", () => { this.choose(element("map").value); this.draw(); });
    element("from").value = wanted.get("from") === "least" ? "least" : "zero";
    element("from").addEventListener("change", () => { this.legend(); this.draw(); });
    element("blocks").addEventListener("change", () => this.draw());
    const middle = (factor) =>
      this.zoom(factor, this.canvas.clientWidth / 2, this.canvas.clientHeight / 2);
    element("closer").addEventListener("click", () => middle(1.6));
    element("farther").addEventListener("click", () => middle(1 / 1.6));
    element("fit").addEventListener("click", () => this.fit());
    this.canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
      if (steps[event.key]) this.move(...steps[event.key]);
      else if (event.key === "+") middle(1.6);
      else if (event.key === "-") middle(1 / 1.6);
      else return;
      event.preventDefault();
    });
    navigable(this.canvas, {
      move: (dx, dy) => this.move(dx, dy),
      zoom: (factor, x, y) => this.zoom(factor, x, y),
      point: (event, x, y) => this.point(event, x, y),
    });
    this.choose(wanted.get("map"));
    this.fit();
    const scale = Number(wanted.get("scale"));
    if (scale > 0) {
      this.scale = scale;
      this.x = Number(wanted.get("x")) || 0;
      this.y = Number(wanted.get("y")) || 0;
      this.draw();
    }
    redraws.push(() => this.draw());
  },
};
