"use strict";
const page = {};
/* gzip in base64 -> text */
page.unpack = function (text) {
  const bytes = Uint8Array.from(atob(text), function (letter) { return letter.charCodeAt(0); });
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
};
page.save = function (text, kind, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: kind }));
  link.download = name;
  link.click();
  window.setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
};
(function () {
  const tabs = Array.from(document.querySelectorAll(".tab"));
  const links = Array.from(document.querySelectorAll("nav a"));
  const menu = document.getElementById("menu");
  menu.addEventListener("click", function () {
    menu.setAttribute("aria-expanded", String(document.body.classList.toggle("menu")));
  });

  /* One section at a time; without this script all of them stand one below the other. */
  function show() {
    const wanted = location.hash.slice(1);
    const target = wanted ? document.getElementById(wanted) : null;
    const inside = target && target.closest(".tab");
    if (target && !inside) return; /* the skip link */
    const open = inside || tabs[0];
    tabs.forEach(function (tab) { tab.hidden = tab !== open; });
    links.forEach(function (link) {
      if (link.getAttribute("href") === "#" + open.id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    });
    for (let up = target; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    if (target && target !== open) target.scrollIntoView();
    else if (wanted) window.scrollTo(0, 0);
    document.body.classList.remove("menu");
    menu.setAttribute("aria-expanded", "false");
    document.querySelectorAll(".ethogram").forEach(function (figure) { figure.dispatchEvent(new Event("shown")); });
    drawPlots(open);
  }
  window.addEventListener("hashchange", show);

  /* plotly.js is in the page as packed text and becomes a script with the first plot, so that the page opens at once. */
  let plotly = null;
  function loadPlotly() {
    const source = document.getElementById("plotly");
    if (!plotly && source) {
      plotly = page.unpack(source.textContent).then(function (text) {
        const script = document.createElement("script");
        script.textContent = text;
        document.head.appendChild(script);
      });
    }
    return plotly || Promise.resolve();
  }
  /* Interactive plots are drawn when they come into sight: plotly.js measures the box it is given. */
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  function drawPlot(box) {
    if (!window.Plotly) return;
    const spec = JSON.parse(box.dataset.plot);
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink").trim();
    const grid = style.getPropertyValue("--figure-grid").trim();
    const narrow = box.clientWidth < 500;
    const layout = Object.assign({
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: narrow ? false : "zoom",
      font: { color: ink, size: 12, family: getComputedStyle(document.body).fontFamily },
      hoverlabel: { bgcolor: style.getPropertyValue("--raised").trim(), font: { color: ink }, align: "left" },
      modebar: { orientation: "v", bgcolor: "rgba(0,0,0,0)", color: style.getPropertyValue("--quiet").trim(), activecolor: ink },
      margin: { l: 50, r: 10, t: 30, b: 45 },
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }
    }, spec.layout);
    ["xaxis", "yaxis"].forEach(function (name) {
      layout[name] = Object.assign({ gridcolor: grid, linecolor: grid, zerolinecolor: grid }, layout[name]);
    });
    /* The grey of light pages would be brighter than any colour on a dark one. */
    const quiet = style.getPropertyValue("--figure-quiet").trim();
    spec.data.forEach(function (trace) {
      if (trace.marker && trace.marker.color === spec.quiet) trace.marker.color = quiet;
    });
    Plotly.react(box, spec.data, layout, {
      responsive: true, displaylogo: false, displayModeBar: narrow ? false : "hover",
      modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]]
    });
    if (!box.dataset.drawn && page.snippets) page.snippets(box);
    box.dataset.drawn = "true";
  }
  function drawPlots(root) {
    const wanted = Array.from(root.querySelectorAll(".plotly[data-plot]:not([data-drawn])"));
    const seen = wanted.filter(function (box) { return box.getClientRects().length; });
    if (!seen.length) return;
    loadPlotly().then(function () {
      seen.forEach(function (box) { if (box.getClientRects().length) drawPlot(box); });
    });
  }
  page.redraw = function () { document.querySelectorAll(".plotly[data-drawn]").forEach(drawPlot); };
  document.addEventListener("toggle", function (event) { drawPlots(event.target); }, true);
  dark.addEventListener("change", page.redraw);
  /* Printing cannot wait for a script: it is loaded a while after the page has opened. */
  window.setTimeout(loadPlotly, 4000);
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll(".plotly[data-plot]:not([data-drawn])").forEach(drawPlot);
  });

  /* Numbers by size, texts by the reader's alphabet, empty cells last either way. */
  function compare(a, b, numeric) {
    if (a === b) return 0;
    return numeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true });
  }
  function sort(button) {
    const head = button.closest("th");
    const column = Array.from(head.parentNode.children).indexOf(head);
    const numeric = head.classList.contains("number");
    const before = head.getAttribute("aria-sort");
    const down = before ? before === "ascending" : numeric;
    const body = head.closest("table").tBodies[0];
    const rows = Array.from(body.rows).map(function (row) {
      return { row: row, key: row.cells[column].dataset.sort };
    });
    rows.sort(function (a, b) {
      if (a.key === "" || b.key === "") return (a.key === "") - (b.key === "");
      return (down ? -1 : 1) * compare(a.key, b.key, numeric);
    });
    rows.forEach(function (item) { body.appendChild(item.row); });
    head.parentNode.querySelectorAll("th").forEach(function (other) { other.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  }
  document.querySelectorAll("button.sort").forEach(function (button) {
    button.addEventListener("click", function () { sort(button); });
  });

  /* Ethograms: the paths are drawn once in frames; zoom and move only change the view box. */
  function clock(seconds, step) {
    const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : 2;
    const unit = Math.pow(10, digits);
    const total = Math.round(seconds * unit) / unit;
    const hours = Math.floor(total / 3600);
    const minutes = Math.floor((total % 3600) / 60);
    const rest = (total % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, "0");
    return hours ? hours + ":" + String(minutes).padStart(2, "0") + ":" + rest : minutes + ":" + rest;
  }
  const STEPS = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400];

  function ethogram(figure) {
    const frames = Number(figure.dataset.frames);
    const fps = Number(figure.dataset.fps);
    const bands = Array.from(figure.querySelectorAll("svg.band"));
    const box = figure.querySelector(".bands");
    const axis = figure.querySelector(".axis");
    const readout = figure.querySelector(".readout");
    const smallest = Math.min(frames, 20);
    let start = 0;
    let span = frames;
    let runs = null;
    let drawn = 0;
    let moment = -1;

    function ticks() {
      const width = axis.clientWidth;
      if (!width) return;
      const seconds = span / fps;
      const most = Math.max(2, Math.floor(width / 70));
      let step = STEPS.find(function (s) { return seconds / s <= most; });
      if (!step) step = Math.ceil(seconds / most / 14400) * 14400;
      axis.textContent = "";
      for (let k = Math.ceil(start / fps / step - 1e-9); k * step <= (start + span) / fps + 1e-9; k += 1) {
        const place = ((k * step * fps - start) / span) * width;
        const tick = document.createElement("span");
        tick.className = "tick" + (place < 18 ? " first" : place > width - 18 ? " last" : "");
        tick.textContent = clock(k * step, step);
        tick.style.left = place + "px";
        axis.appendChild(tick);
      }
    }
    /* The moment under the pointer or the film, in all rows at once. */
    const line = document.createElement("span");
    line.className = "cursor";
    line.hidden = true;
    box.appendChild(line);
    function mark() {
      const area = bands[0].getBoundingClientRect();
      const last = bands[bands.length - 1].getBoundingClientRect();
      const outer = box.getBoundingClientRect();
      const x = ((moment - start) / span) * area.width;
      line.hidden = moment < 0 || x < 0 || x > area.width;
      line.style.left = area.left - outer.left + x + "px";
      line.style.top = area.top - outer.top + "px";
      line.style.height = last.bottom - area.top + "px";
    }
    function draw() {
      drawn = 0;
      span = Math.min(frames, Math.max(smallest, span));
      start = Math.min(Math.max(0, start), frames - span);
      bands.forEach(function (band) { band.setAttribute("viewBox", start + " 0 " + span + " 1"); });
      ticks();
      mark();
    }
    function later() { if (!drawn) drawn = requestAnimationFrame(draw); }
    function zoom(factor, centre) {
      const next = Math.min(frames, Math.max(smallest, span * factor));
      start = centre - ((centre - start) / span) * next;
      span = next;
      later();
    }
    const acts = {
      in: function () { zoom(0.5, start + span / 2); },
      out: function () { zoom(2, start + span / 2); },
      left: function () { start -= span / 4; later(); },
      right: function () { start += span / 4; later(); },
      all: function () { start = 0; span = frames; later(); }
    };
    acts.play = function () { if (figure.film) figure.film.play(); };
    const keys = { " ": "play", "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", "0": "all" };

    /* What stands under the pointer is read from the very paths that are drawn. */
    function read() {
      return bands.map(function (band) {
        const found = [];
        band.querySelectorAll("path").forEach(function (path) {
          const numbers = path.getAttribute("d").matchAll(/M(\d+) 0h(\d+)/g);
          for (const part of numbers) found.push([Number(part[1]), Number(part[2]), path.dataset.name]);
        });
        return found.sort(function (a, b) { return a[0] - b[0]; });
      });
    }
    function at(list, frame) {
      let low = 0;
      let high = list.length - 1;
      while (low <= high) {
        const middle = (low + high) >> 1;
        if (frame < list[middle][0]) high = middle - 1;
        else if (frame >= list[middle][0] + list[middle][1]) low = middle + 1;
        else return list[middle][2];
      }
      return "not labelled";
    }
    function frameAt(event) {
      const area = bands[0].getBoundingClientRect();
      return start + ((event.clientX - area.left) / area.width) * span;
    }
    let dragged = null;
    box.addEventListener("pointerdown", function (event) {
      if (!event.target.closest("svg.band")) return;
      dragged = { x: event.clientX, start: start };
      box.setPointerCapture(event.pointerId);
    });
    box.addEventListener("pointermove", function (event) {
      if (dragged) {
        start = dragged.start - ((event.clientX - dragged.x) / bands[0].getBoundingClientRect().width) * span;
        later();
        return;
      }
      const frame = Math.floor(frameAt(event));
      if (frame >= 0 && frame < frames) tell(frame);
    });
    function tell(frame) {
      moment = frame;
      if (frame < start || frame >= start + span) { start = frame - span / 4; later(); }
      mark();
      runs = runs || read();
      const names = Array.from(figure.querySelectorAll(".bands .name")).map(function (name) { return name.textContent; });
      const said = runs.map(function (list, index) { return names[index] + ": " + at(list, frame); });
      readout.textContent = clock(frame / fps, 0.01) + " (frame " + frame + ") – " + said.join(", ");
      if (figure.film) figure.film.show(frame);
    }
    figure.tell = tell;
    ["pointerup", "pointercancel"].forEach(function (name) {
      box.addEventListener(name, function () { dragged = null; });
    });
    box.addEventListener("dblclick", function (event) { zoom(event.shiftKey ? 2 : 0.5, frameAt(event)); });
    box.addEventListener("keydown", function (event) {
      const act = keys[event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      acts[act]();
    });
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "Ethogram; arrow keys move, plus and minus zoom, zero shows the whole" + (figure.querySelector(".film") ? ", space plays" : ""));
    figure.querySelectorAll(".controls button").forEach(function (button) {
      button.addEventListener("click", acts[button.dataset.act]);
    });
    figure.querySelector(".controls").hidden = false;
    figure.addEventListener("shown", draw);
    window.addEventListener("resize", later);
  }
  document.querySelectorAll(".ethogram").forEach(ethogram);

  /* Downloads are compressed in the page; the reader gets the plain table. */
  document.addEventListener("click", function (event) {
    const link = event.target.closest("a[data-unpack]");
    if (!link) return;
    event.preventDefault();
    page.unpack(link.href.split(",")[1]).then(function (text) { page.save(text, "text/csv", link.dataset.unpack); });
  });
  /* The longest tables are filled in from their download. */
  function cells(text) {
    return Array.from(text.matchAll(/("(?:[^"]|"")*"|[^,\n]*)(,|\n|$)/g)).reduce(function (rows, part) {
      const plain = part[1].startsWith('"') ? part[1].slice(1, -1).replaceAll('""', '"') : part[1];
      rows[rows.length - 1].push(plain);
      if (part[2] === "\n") rows.push([]);
      return rows;
    }, [[]]);
  }
  const MOST = 5000; /* rows: more take a browser too long, and the download has them */
  function fill(table) {
    const link = table.querySelector("a[data-unpack]");
    table.removeAttribute("data-fill");
    page.unpack(link.href.split(",")[1]).then(function (text) {
      const numeric = Array.from(table.querySelectorAll("thead th")).map(function (th) { return th.classList.contains("number"); });
      const body = table.querySelector("tbody");
      cells(text).slice(1, MOST + 1).forEach(function (values) {
        if (values.length < numeric.length) return;
        const row = body.insertRow();
        values.slice(0, numeric.length).forEach(function (value, index) {
          const cell = document.createElement(index ? "td" : "th");
          if (!index) cell.scope = "row";
          if (numeric[index]) cell.className = "number";
          cell.dataset.sort = value;
          cell.textContent = numeric[index] && value && value.length > 6 ? String(Number(Number(value).toPrecision(4))) : value;
          row.appendChild(cell);
        });
      });
    });
  }
  document.addEventListener("toggle", function (event) {
    if (event.target.open) event.target.querySelectorAll("[data-fill]").forEach(fill);
  }, true);

  page.show = show;
  page.ready = function () {
    document.body.dataset.ready = "true";
    show();
  };
})();
