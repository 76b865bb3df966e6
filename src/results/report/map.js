// Maps: points on a canvas, moved and zoomed, with the image of the point that is pointed at.
{
  const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#9669ff", "#785a2d", "#b40069", "#f0e442"];
  const NEAR = 14;

  // Lines of CSV as objects; fields may be quoted.
  const parseCsv = (text) => {
    const lines = [];
    let row = [], cell = "", quoted = false;
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      if (quoted) {
        if (c === '"' && text[i + 1] === '"') { cell += '"'; i++; } else if (c === '"') quoted = false; else cell += c;
      } else if (c === '"') quoted = true;
      else if (c === ",") { row.push(cell); cell = ""; }
      else if (c === "\n") { row.push(cell); lines.push(row); row = []; cell = ""; }
      else cell += c;
    }
    const [head, ...body] = lines;
    return body.map((line) => Object.fromEntries(head.map((name, i) => [name, line[i]])));
  };

  class PointMap {
    constructor(figure) {
      this.figure = figure;
      this.canvas = figure.querySelector(".stage > canvas");
      this.tip = figure.querySelector(".tip");
      this.readout = figure.querySelector(".readout");
      this.labels = JSON.parse(figure.dataset.labels);
      this.sheet = document.getElementById(figure.dataset.sheet);
      this.thumb = (figure.dataset.thumb || "").split(",").map(Number);
      this.places = new Map(JSON.parse(this.sheet?.dataset.rows ?? "[]").map((row, place) => [String(row), place]));
      const href = figure.querySelector("a.data").getAttribute("href");
      this.points = parseCsv(decodeURIComponent(href.slice(href.indexOf(",") + 1)));
      this.points.forEach((point) => { point.x = +point.x; point.y = +point.y; });
      this.by = figure.querySelector("input:checked")?.value ?? (this.points[0]?.cluster ? "cluster" : "none");
      this.selected = null;
      this.reset();
      this.listen();
      this.draw();
    }

    // Errors beyond the evenly spaced points would make other maps look worse than they are.
    shown() {
      return this.by === "error" ? this.points : this.points.slice(0, +this.figure.dataset.evenly);
    }

    reset() {
      const range = (of) => this.points.reduce(([a, b], p) => [Math.min(a, of(p)), Math.max(b, of(p))], [Infinity, -Infinity]);
      const [left, right] = range((p) => p.x), [low, high] = range((p) => p.y);
      const side = Math.max(right - left, high - low) || 1;
      this.middle = { x: (left + right) / 2 || 0, y: (low + high) / 2 || 0 };
      this.scale = 0.92 / side;
    }

    // Of the side of the canvas, from the left and the top.
    place(point) {
      return [0.5 + (point.x - this.middle.x) * this.scale, 0.5 - (point.y - this.middle.y) * this.scale];
    }

    zoom(factor, at = [0.5, 0.5]) {
      const x = this.middle.x + (at[0] - 0.5) / this.scale, y = this.middle.y - (at[1] - 0.5) / this.scale;
      this.scale *= factor;
      this.middle = { x: x - (at[0] - 0.5) / this.scale, y: y + (at[1] - 0.5) / this.scale };
      this.draw();
    }

    category(point) {
      if (this.by === "label") return this.labels.indexOf(point.label);
      if (this.by === "error") return point.misassigned === "" ? -1 : +point.misassigned;
      return this.by === "cluster" && point.cluster !== "" ? +point.cluster : -1;
    }

    draw() {
      const side = this.canvas.clientWidth;
      if (!side) return;
      const ratio = window.devicePixelRatio || 1;
      this.canvas.width = this.canvas.height = Math.round(side * ratio);
      const ink = this.canvas.getContext("2d");
      const style = getComputedStyle(this.figure);
      const [dark, grey, paper] = ["--ink", "--grey", "--paper"].map((name) => style.getPropertyValue(name).trim());
      ink.scale(ratio, ratio);
      ink.fillStyle = paper;
      ink.fillRect(0, 0, side, side);
      const size = Math.min(5, 2.2 * Math.sqrt(side / 500) * Math.max(1, Math.sqrt(this.scale * this.extent()) * 0.9));
      const order = this.by === "error" ? [...this.points].sort((a, b) => this.category(a) - this.category(b)) : this.shown();
      const sums = new Map();
      for (const point of order) {
        const [x, y] = this.place(point).map((at) => at * side);
        const category = this.category(point);
        if (category >= 0) {
          const sum = sums.get(category) ?? { x: [], y: [] };
          sum.x.push(x); sum.y.push(y);
          sums.set(category, sum);
        }
        if (x < -9 || y < -9 || x > side + 9 || y > side + 9) continue;
        this.mark(ink, x, y, size, category, grey, dark);
      }
      if (this.by === "cluster" || this.by === "label") this.name(ink, sums, side, dark, paper);
      if (this.selected) {
        const [x, y] = this.place(this.selected).map((at) => at * side);
        ink.strokeStyle = dark;
        ink.lineWidth = 2.5;
        ink.beginPath();
        ink.arc(x, y, size + 5, 0, 7);
        ink.stroke();
      }
    }

    extent() {
      if (!this.whole) {
        const xs = this.points.map((p) => p.x), ys = this.points.map((p) => p.y);
        const span = (of) => of.reduce((a, b) => Math.max(a, b), -Infinity) - of.reduce((a, b) => Math.min(a, b), Infinity);
        this.whole = Math.max(span(xs), span(ys)) || 1;
      }
      return this.whole;
    }

    // Discs, squares, triangles, rings: each shape with the ten colours in turn.
    mark(ink, x, y, size, category, grey, dark) {
      if (category < 0 || (this.by === "error" && category === 0)) {
        ink.fillStyle = grey;
        ink.beginPath(); ink.arc(x, y, category < 0 ? size * 0.6 : size, 0, 7); ink.fill();
        return;
      }
      if (this.by === "error") {
        ink.strokeStyle = COLOURS[3]; ink.lineWidth = 2;
        const arm = size + 1.5;
        ink.beginPath(); ink.moveTo(x - arm, y - arm); ink.lineTo(x + arm, y + arm);
        ink.moveTo(x + arm, y - arm); ink.lineTo(x - arm, y + arm); ink.stroke();
        return;
      }
      const colour = COLOURS[category % COLOURS.length], shape = Math.floor(category / COLOURS.length) % 4;
      ink.fillStyle = ink.strokeStyle = colour;
      ink.beginPath();
      if (shape === 1) ink.rect(x - size, y - size, 2 * size, 2 * size);
      else if (shape === 2) { ink.moveTo(x, y - 1.4 * size); ink.lineTo(x + 1.3 * size, y + size); ink.lineTo(x - 1.3 * size, y + size); }
      else ink.arc(x, y, size, 0, 7);
      if (shape === 3) { ink.lineWidth = 1.6; ink.stroke(); } else ink.fill();
      if (category % COLOURS.length === COLOURS.length - 1) { ink.strokeStyle = dark; ink.globalAlpha = 0.45; ink.lineWidth = 1; ink.stroke(); ink.globalAlpha = 1; }
    }

    name(ink, sums, side, dark, paper) {
      ink.font = "600 13px system-ui, sans-serif";
      ink.textAlign = "center";
      ink.textBaseline = "middle";
      const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
      const put = [];
      for (const [category, sum] of [...sums].sort((a, b) => a[0] - b[0])) {
        const text = this.by === "label" ? this.labels[category] : String(category);
        const half = ink.measureText(text).width / 2 + 4;
        // A label must not hide a small group; a few strays do not make it large.
        const [x, middle] = [median(sum.x), median(sum.y)];
        const end = (share) => sum.y[Math.floor((sum.y.length - 1) * share)];
        const y = end(0.95) - end(0.05) < 60 ? end(0.05) - 13 : middle;
        if (x < 0 || y < 0 || x > side || y > side) continue;
        let at = null;
        for (let ring = 0; ring < 40 && !at; ring++) {
          for (const [dx, dy] of [[0, -1], [0, 1], [1, 0], [-1, 0], [1, -1], [-1, 1], [1, 1], [-1, -1]]) {
            const [a, b] = [x + dx * ring * 6, y + dy * ring * 6];
            if (put.every((o) => Math.abs(o.a - a) >= half + o.half || Math.abs(o.b - b) >= 19)) { at = [a, b]; break; }
          }
        }
        const [a, b] = at ?? [x, y];
        put.push({ a, b, half });
        ink.globalAlpha = 0.82;
        ink.fillStyle = paper;
        ink.fillRect(a - half, b - 9, 2 * half, 18);
        ink.globalAlpha = 1;
        ink.fillStyle = dark;
        ink.fillText(text, a, b + 0.5);
      }
    }

    nearest(at) {
      const side = this.canvas.clientWidth;
      let best = null, least = (NEAR / side) ** 2;
      for (const point of this.shown()) {
        const [x, y] = this.place(point);
        const distance = (x - at[0]) ** 2 + (y - at[1]) ** 2;
        if (distance < least) { best = point; least = distance; }
      }
      return best;
    }

    // The nearest point in a direction, from the one that is selected.
    towards(dx, dy) {
      const from = this.selected ? this.place(this.selected) : [0.5, 0.5];
      let best = null, least = Infinity;
      for (const point of this.shown()) {
        if (point === this.selected) continue;
        const [x, y] = this.place(point);
        const ahead = (x - from[0]) * dx + (y - from[1]) * dy, aside = Math.abs((x - from[0]) * dy - (y - from[1]) * dx);
        if (this.selected && (ahead <= 0 || aside > ahead)) continue;
        const cost = this.selected ? ahead + aside : (x - from[0]) ** 2 + (y - from[1]) ** 2;
        if (cost < least) { best = point; least = cost; }
      }
      return best;
    }

    select(point) {
      if (point === this.selected) return;
      this.selected = point;
      this.canvas.dataset.row = point ? point.row : "";
      this.readout.textContent = point ? this.words(point).join(", ") : "";
      this.tip.hidden = !point;
      if (point) this.show(point);
      this.draw();
    }

    words(point) {
      const words = [`row ${point.row}`];
      if (point.cluster !== "") words.push(point.cluster === "-1" ? "noise" : `cluster ${point.cluster}`);
      if (point.label !== "") words.push(`label ${point.label}`);
      if (point.misassigned === "1") words.push("misassigned");
      return words;
    }

    show(point) {
      const [wide, high, columns] = this.thumb;
      const small = this.tip.querySelector("canvas");
      small.hidden = !this.sheet;
      if (this.sheet && this.sheet.complete) {
        const zoom = Math.max(1, Math.floor(96 / Math.max(wide, high)));
        small.width = wide * zoom;
        small.height = high * zoom;
        const ink = small.getContext("2d");
        ink.imageSmoothingEnabled = false;
        const place = this.places.get(point.row);
        const [column, row] = [place % columns, Math.floor(place / columns)];
        ink.drawImage(this.sheet, column * wide, row * high, wide, high, 0, 0, small.width, small.height);
      }
      this.tip.querySelector("span").textContent = this.words(point).join("\n");
      const side = this.canvas.clientWidth, [x, y] = this.place(point).map((at) => at * side);
      const [w, h] = [this.tip.offsetWidth, this.tip.offsetHeight];
      this.tip.style.left = `${Math.max(0, Math.min(side - w, x > side / 2 ? x - w - 14 : x + 14))}px`;
      this.tip.style.top = `${Math.max(0, Math.min(side - h, y - h / 2))}px`;
    }

    listen() {
      const at = (event) => {
        const box = this.canvas.getBoundingClientRect();
        return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      };
      const held = new Map();
      this.canvas.addEventListener("pointerdown", (event) => {
        this.canvas.focus({ preventScroll: true });
        held.set(event.pointerId, at(event));
        this.select(this.nearest(at(event)));
      });
      this.canvas.addEventListener("pointermove", (event) => {
        const now = at(event), before = held.get(event.pointerId);
        if (!before) { this.select(this.nearest(now)); return; }
        const other = [...held].find(([id]) => id !== event.pointerId);
        if (other) {
          const span = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]) || 1;
          this.zoom(span(now, other[1]) / span(before, other[1]), other[1]);
        } else {
          this.middle.x -= (now[0] - before[0]) / this.scale;
          this.middle.y += (now[1] - before[1]) / this.scale;
          this.canvas.setPointerCapture?.(event.pointerId);
          this.draw();
        }
        held.set(event.pointerId, now);
        if (this.selected) this.show(this.selected);
      });
      for (const end of ["pointerup", "pointercancel", "pointerleave"]) {
        this.canvas.addEventListener(end, (event) => {
          held.delete(event.pointerId);
          if (end === "pointerleave" && event.pointerType === "mouse" && document.activeElement !== this.canvas) this.select(null);
        });
      }
      this.canvas.addEventListener("wheel", (event) => {
        if (document.activeElement !== this.canvas && !event.ctrlKey) return;
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY / 400), at(event));
        if (this.selected) this.show(this.selected);
      }, { passive: false });
      this.canvas.addEventListener("blur", () => this.select(null));
      this.canvas.addEventListener("keydown", (event) => {
        const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (way) this.select(this.towards(...way) ?? this.selected);
        else if (event.key === "+" || event.key === "=") this.zoom(1.4);
        else if (event.key === "-") this.zoom(1 / 1.4);
        else if (event.key === "0") { this.reset(); this.draw(); }
        else if (event.key === "Escape") this.select(null);
        else return;
        event.preventDefault();
        if (this.selected) this.show(this.selected);
      });
      for (const button of this.figure.querySelectorAll("[data-zoom]")) {
        button.addEventListener("click", () => {
          if (button.dataset.zoom === "reset") { this.reset(); this.draw(); } else this.zoom(button.dataset.zoom === "in" ? 1.5 : 1 / 1.5);
        });
      }
      for (const radio of this.figure.querySelectorAll("input[type=radio]")) {
        radio.addEventListener("change", () => {
          this.by = radio.value;
          if (!this.shown().includes(this.selected)) this.select(null);
          this.draw();
        });
      }
      const again = () => this.draw();
      new ResizeObserver(again).observe(this.canvas);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
      window.addEventListener("beforeprint", again);
      window.addEventListener("afterprint", again);
    }
  }

  for (const figure of document.querySelectorAll("figure.map")) new PointMap(figure);
}
