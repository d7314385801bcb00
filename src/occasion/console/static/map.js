/* The map of the catalogue on a canvas: 100,000 points stay fluid. Drag moves, the wheel or + and - zoom, the lasso (or Enter:
   all in view) picks. What is picked and what lies under the pointer go to the page as events. */
"use strict";
(() => {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const css = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();
  const LIGHT = ["#175e54", "#1f6fb5", "#b25e09", "#8a4fbe", "#a3212b", "#4d7c0f", "#0e7490", "#be185d", "#854d0e", "#4338ca", "#15803d", "#8b949e"];
  const DARK = ["#7fd1c2", "#8cc4f5", "#f0b26b", "#c9a3f0", "#ff9a9a", "#bef264", "#67e8f9", "#f9a8d4", "#fde047", "#a5b4fc", "#86efac", "#5b6570"];

  class CatalogueMap {
    constructor(canvas, data) {
      this.canvas = canvas;
      this.scale = 1; this.left = 0; this.top = 0;
      this.lasso = null; this.lassoing = false; this.picked = null; this.colour = "group"; this.hidden = new Set();
      this.load(data);
      canvas.addEventListener("wheel", (e) => { e.preventDefault(); this.zoom(e.deltaY < 0 ? 1.2 : 1 / 1.2, e.offsetX, e.offsetY); }, { passive: false });
      canvas.addEventListener("pointerdown", (e) => this.down(e));
      canvas.addEventListener("pointermove", (e) => this.move(e));
      canvas.addEventListener("pointerup", (e) => this.up(e));
      canvas.addEventListener("keydown", (e) => this.key(e));
      new ResizeObserver(() => this.draw()).observe(canvas);
      new MutationObserver(() => { this.draw(); this.keys(); }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
      this.draw();
    }
    load(data) {
      this.x = new Uint16Array(bytes(data.x).buffer); this.y = new Uint16Array(bytes(data.y).buffer);
      this.group = bytes(data.group); this.popularity = bytes(data.popularity); this.groups = data.groups;
      this.picked = null; this.hidden.clear();
    }
    keys() {
      const colours = this.palette();
      document.querySelectorAll(".keys i").forEach((i) => {
        const n = Number(i.dataset.colour);
        i.style.background = colours[n === this.groups.length - 1 ? 11 : n % 11];
      });
    }
    size() { return [this.canvas.clientWidth, this.canvas.clientHeight]; }
    place(n) {
      const [w, h] = this.size();
      return [(this.x[n] / 65535 * (w - 16) + 8) * this.scale + this.left, (this.y[n] / 65535 * (h - 16) + 8) * this.scale + this.top];
    }
    zoom(factor, cx, cy) {
      const scale = Math.min(60, Math.max(1, this.scale * factor)), real = scale / this.scale;
      this.left = cx - (cx - this.left) * real; this.top = cy - (cy - this.top) * real; this.scale = scale;
      this.draw();
    }
    palette() { return document.body.classList.contains("body--dark") ? DARK : LIGHT; }
    shade(n) {
      const dark = document.body.classList.contains("body--dark");
      const t = Math.floor(this.popularity[n] / 32);
      return dark ? `hsl(165 50% ${18 + t * 8}%)` : `hsl(170 60% ${82 - t * 9}%)`;
    }
    draw() {
      if (this.pending) return;
      this.pending = true;
      requestAnimationFrame(() => { this.pending = false; this.paint(); });
    }
    paint() {
      const [w, h] = this.size(), ratio = window.devicePixelRatio || 1, begun = performance.now();
      if (!w) return;
      this.canvas.width = w * ratio; this.canvas.height = h * ratio;
      const g = this.canvas.getContext("2d");
      g.scale(ratio, ratio);
      const alone = Math.sqrt(w * h / Math.max(1, this.x.length));
      const r = Math.max(1.4, Math.min(9, alone * 0.22)) * Math.min(3, Math.sqrt(this.scale));
      const sx = (w - 16) / 65535 * this.scale, sy = (h - 16) / 65535 * this.scale;
      const ox = 8 * this.scale + this.left, oy = 8 * this.scale + this.top;
      const colours = this.palette(), levels = new Map();
      // By colour: changing it is what costs.
      for (let n = 0; n < this.x.length; n++) {
        const px = this.x[n] * sx + ox, py = this.y[n] * sy + oy;
        if (px < -4 || py < -4 || px > w + 4 || py > h + 4 || this.hidden.has(this.group[n])) continue;
        const key = this.colour === "group" ? this.group[n] : this.popularity[n] >> 5;
        let list = levels.get(key);
        if (!list) levels.set(key, list = []);
        list.push(n, px, py);
      }
      this.shown = 0;
      for (const key of [...levels.keys()].sort((a, b) => this.colour === "group" ? b - a : a - b)) {
        const list = levels.get(key);
        g.fillStyle = this.colour === "group" ? colours[key === this.groups.length - 1 ? 11 : key % 11] : this.shade(list[0]);
        for (let i = 0; i < list.length; i += 3) g.fillRect(list[i + 1] - r / 2, list[i + 2] - r / 2, r, r);
        this.shown += list.length / 3;
      }
      if (this.picked) {
        g.fillStyle = css("--ink");
        for (const n of this.picked) { const [px, py] = this.place(n); g.fillRect(px - r / 2 - 0.5, py - r / 2 - 0.5, r + 1, r + 1); }
      }
      if (this.lasso && this.lasso.length > 1) {
        g.beginPath();
        this.lasso.forEach(([px, py], i) => i ? g.lineTo(px, py) : g.moveTo(px, py));
        g.closePath(); g.strokeStyle = css("--focus"); g.lineWidth = 2; g.stroke();
        g.globalAlpha = 0.12; g.fillStyle = css("--focus"); g.fill(); g.globalAlpha = 1;
      }
      this.milliseconds = performance.now() - begun;
    }
    down(e) {
      this.canvas.setPointerCapture(e.pointerId);
      this.from = [e.offsetX, e.offsetY, this.left, this.top];
      this.drawing = this.lassoing || e.shiftKey;
      this.lasso = this.drawing ? [[e.offsetX, e.offsetY]] : null;
    }
    move(e) {
      if (!this.from) { this.hover(e); return; }
      if (this.drawing) this.lasso.push([e.offsetX, e.offsetY]);
      else { this.left = this.from[2] + e.offsetX - this.from[0]; this.top = this.from[3] + e.offsetY - this.from[1]; }
      this.draw();
    }
    up(e) {
      const moved = this.from && Math.hypot(e.offsetX - this.from[0], e.offsetY - this.from[1]) > 3;
      this.from = null;
      if (this.drawing) { this.pick(this.inside(this.lasso)); this.lasso = null; this.drawing = false; }
      else if (!moved) { const n = this.nearest(e.offsetX, e.offsetY, 8); if (n >= 0) emitEvent("map_open", { index: n }); }
      this.draw();
    }
    inside(line) {
      const found = [];
      if (line.length < 3) return found;
      for (let n = 0; n < this.x.length; n++) {
        if (this.hidden.has(this.group[n])) continue;
        const [px, py] = this.place(n);
        let within = false;
        for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
          const [ax, ay] = line[i], [bx, by] = line[j];
          if ((ay > py) !== (by > py) && px < (bx - ax) * (py - ay) / (by - ay) + ax) within = !within;
        }
        if (within) found.push(n);
      }
      return found;
    }
    pick(found) {
      found.sort((a, b) => this.popularity[b] - this.popularity[a]);
      this.picked = found.length ? found : null;
      emitEvent("map_picked", { indices: found.slice(0, 200), total: found.length });
      this.draw();
    }
    nearest(x, y, reach) {
      let best = reach * reach, found = -1;
      for (let n = 0; n < this.x.length; n++) {
        if (this.hidden.has(this.group[n])) continue;
        const [px, py] = this.place(n), d = (px - x) ** 2 + (py - y) ** 2;
        if (d < best) { best = d; found = n; }
      }
      return found;
    }
    hover(e) {
      const now = performance.now();
      if (this.looked && now - this.looked < 80) return;
      this.looked = now;
      const n = this.nearest(e.offsetX, e.offsetY, 6);
      if (n === this.under) return;
      this.under = n;
      this.canvas.style.cursor = n >= 0 ? "pointer" : this.lassoing ? "crosshair" : "grab";
      emitEvent("map_under", { index: n });
    }
    key(e) {
      const [w, h] = this.size(), step = 40;
      const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
      if (moves[e.key]) { this.left += moves[e.key][0]; this.top += moves[e.key][1]; }
      else if (e.key === "+" || e.key === "=") this.zoom(1.3, w / 2, h / 2);
      else if (e.key === "-") this.zoom(1 / 1.3, w / 2, h / 2);
      else if (e.key === "Enter") this.pick(this.inside([[0, 0], [w, 0], [w, h], [0, h]]));
      else if (e.key === "Escape") { this.scale = 1; this.left = this.top = 0; this.picked = null; }
      else return;
      e.preventDefault();
      this.draw();
    }
  }
  window.occasionMap = {
    show(id, data) {
      const canvas = document.getElementById(id);
      // A second one on the same canvas would listen beside the first.
      if (window.theMap && theMap.canvas === canvas) { theMap.load(data); theMap.draw(); }
      else window.theMap = new CatalogueMap(canvas, data);
      theMap.keys();
      canvas.dataset.ready = "yes";
      canvas.dataset.shows = Number(canvas.dataset.shows || 0) + 1;
    },
    // All that is picked, as little-endian 32-bit numbers in base64: the event names the first of them alone.
    picked() {
      const b = new Uint8Array(Uint32Array.from((window.theMap && theMap.picked) || []).buffer); let s = "";
      for (let i = 0; i < b.length; i += 8192) s += String.fromCharCode(...b.subarray(i, i + 8192));
      return btoa(s);
    },
    colour(name) { if (window.theMap) { theMap.colour = name; theMap.draw(); } },
    lasso(on) { if (window.theMap) { theMap.lassoing = on; } },
    toggle(group) { if (window.theMap) { theMap.hidden.has(group) ? theMap.hidden.delete(group) : theMap.hidden.add(group); theMap.draw(); } },
  };
})();
