/* Search, colours, tips, links to everything, and figures to take away. */
(function () {
  /* Links to headings and figures, and a row of buttons below each figure. */
  const numbers = {};
  function identify(node, word) {
    if (node.id) return node.id;
    const tab = node.closest(".tab");
    const stem = (tab ? tab.id : "page") + "-" + word;
    numbers[stem] = (numbers[stem] || 0) + 1;
    node.id = stem + numbers[stem];
    return node.id;
  }
  function button(text, label, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", act);
    return made;
  }
  function link(id, what) {
    const made = document.createElement("a");
    made.className = "permalink";
    made.href = "#" + id;
    made.textContent = "#";
    made.setAttribute("aria-label", "Link to " + what);
    return made;
  }
  document.querySelectorAll("main h2:not(.unseen), main h3").forEach(function (head) {
    const words = head.textContent.trim();
    const around = head.closest("article");
    head.appendChild(link(around ? around.id : head.tagName === "H2" ? head.closest(".tab").id : identify(head, "part"), words));
  });
  const SVG = "http://www.w3.org/2000/svg";
  /* The page paints with its own variables; a file of its own needs the colours themselves. */
  function solid(svg) {
    const copy = svg.cloneNode(true);
    const drawn = [svg].concat(Array.from(svg.querySelectorAll("*")));
    [copy].concat(Array.from(copy.querySelectorAll("*"))).forEach(function (node, index) {
      const style = getComputedStyle(drawn[index]);
      ["fill", "stroke"].forEach(function (name) {
        const said = (node.getAttribute("style") || "") + (node.getAttribute(name) || "");
        if (!said.includes("var(") && !said.includes("currentColor") && !node.classList.length) return;
        node.removeAttribute(name); /* programs that draw know no var() */
        node.style.setProperty(name, style[name]);
      });
      ["stroke-width", "opacity"].forEach(function (name) { if (node.classList.length) node.style.setProperty(name, style.getPropertyValue(name)); });
    });
    copy.setAttribute("xmlns", SVG);
    const box = svg.viewBox.baseVal;
    copy.setAttribute("width", box.width);
    copy.setAttribute("height", box.height);
    return copy;
  }
  function shape(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    Object.keys(attributes).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    if (text !== undefined) made.textContent = text;
    return made;
  }
  /* Rows, tables and legends of HTML as they are laid out on the page. */
  function composed(figure) {
    const outer = figure.getBoundingClientRect();
    const made = shape("svg", { xmlns: SVG, width: outer.width, height: outer.height, viewBox: "0 0 " + outer.width + " " + outer.height, "font-family": "DejaVu Sans, Verdana, sans-serif" });
    figure.querySelectorAll("svg.band, td, .swatch").forEach(function (node) {
      const area = node.getBoundingClientRect();
      const place = { x: area.left - outer.left, y: area.top - outer.top, width: area.width, height: area.height };
      if (node.tagName === "svg") {
        const inner = solid(node);
        Object.keys(place).forEach(function (key) { inner.setAttribute(key, place[key]); });
        made.appendChild(inner);
      } else {
        made.appendChild(shape("rect", Object.assign(place, { fill: getComputedStyle(node).backgroundColor })));
      }
    });
    const walker = document.createTreeWalker(figure, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode.parentElement;
      const words = walker.currentNode.textContent.trim();
      if (!words || node.closest("svg, .controls, .take, .readout, [hidden]")) continue;
      const range = document.createRange();
      range.selectNodeContents(walker.currentNode);
      const area = range.getBoundingClientRect();
      const style = getComputedStyle(node);
      const x = area.left - outer.left;
      const y = area.bottom - outer.top - area.height * 0.25;
      made.appendChild(shape("text", { x: x, y: y, "font-size": style.fontSize, "font-weight": style.fontWeight, fill: style.color }, words));
    }
    return made;
  }
  function asSvg(figure) {
    const plot = figure.querySelector(".plotly");
    if (plot && window.Plotly) {
      return Plotly.toImage(plot, { format: "svg", width: plot.clientWidth, height: plot.clientHeight }).then(function (uri) {
        return decodeURIComponent(uri.slice(uri.indexOf(",") + 1));
      });
    }
    const svg = figure.querySelector("svg.plot, svg.scene");
    return Promise.resolve(new XMLSerializer().serializeToString(svg ? solid(svg) : composed(figure)));
  }
  function keepOnly(figure) {
    document.body.classList.add("print-one");
    figure.classList.add("only");
    for (let up = figure.parentElement; up; up = up.parentElement) up.classList.add("keep");
  }
  window.addEventListener("afterprint", function () {
    document.querySelectorAll(".keep, .only").forEach(function (node) { node.classList.remove("keep", "only"); });
    document.body.classList.remove("print-one");
  });
  document.querySelectorAll("figure.drawn, figure.interactive, figure.ethogram, figure.heat").forEach(function (figure) {
    const id = identify(figure, "figure");
    const words = (figure.querySelector("figcaption, caption") || figure).textContent.trim().split(/[.,:]/)[0].slice(0, 60);
    const row = document.createElement("p");
    row.className = "take";
    row.appendChild(link(id, "this figure: " + words + ", " + id));
    row.appendChild(button("SVG", "Save as SVG: " + words, function () {
      asSvg(figure).then(function (text) { page.save(text, "image/svg+xml", id + ".svg"); });
    }));
    row.appendChild(button("PDF", "Print or save as PDF: " + words, function () { keepOnly(figure); window.print(); }));
    figure.appendChild(row);
  });
  page.asSvg = asSvg;

  /* Search: headings, captions and the names in tables. */
  const field = document.getElementById("find");
  const list = document.getElementById("found");
  let index = null;
  function gather() {
    const nodes = document.querySelectorAll("main h2, main h3, main figcaption, main caption, main tbody th, main summary, main .notice li");
    const seen = new Set();
    index = [];
    nodes.forEach(function (node) {
      const tab = node.closest(".tab");
      const text = node.textContent.replace(/#$/, "").trim().replace(/\s+/g, " ");
      const key = tab.id + "|" + text;
      if (!text || seen.has(key)) return;
      seen.add(key);
      const title = tab.querySelector("h2, h3");
      index.push({ node: node, text: text, low: text.toLowerCase(), where: title.textContent.replace(/#$/, "").trim(), weight: { H2: 0, H3: 1 }[node.tagName] === undefined ? 2 : { H2: 0, H3: 1 }[node.tagName] });
    });
  }
  let chosen = -1;
  function close() {
    list.hidden = true;
    chosen = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }
  function go(entry) {
    close();
    const id = identify(entry.node, "place");
    if (location.hash === "#" + id) page.show();
    else location.hash = id;
    entry.node.classList.add("hit");
    window.setTimeout(function () { entry.node.classList.remove("hit"); }, 2500);
  }
  function search() {
    if (!index) gather();
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    list.textContent = "";
    chosen = -1;
    if (!words.length) return close();
    const hits = index.filter(function (entry) {
      return words.every(function (word) { return entry.low.includes(word) || entry.where.toLowerCase().includes(word); }) && words.some(function (word) { return entry.low.includes(word); });
    }).sort(function (a, b) { return a.weight - b.weight || a.text.length - b.text.length; }).slice(0, 12);
    hits.forEach(function (entry, number) {
      const item = document.createElement("li");
      item.id = "found" + number;
      item.setAttribute("role", "option");
      item.setAttribute("aria-selected", "false");
      const where = document.createElement("small");
      where.textContent = entry.where;
      item.append(entry.text.slice(0, 110), where);
      item.addEventListener("mousedown", function (event) { event.preventDefault(); go(entry); });
      item.entry = entry;
      list.appendChild(item);
    });
    if (!hits.length) {
      const item = document.createElement("li");
      item.setAttribute("role", "option");
      item.setAttribute("aria-disabled", "true");
      item.textContent = "Nothing found";
      list.appendChild(item);
    }
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
  }
  field.addEventListener("input", search);
  field.addEventListener("blur", close);
  field.addEventListener("keydown", function (event) {
    const items = Array.from(list.children).filter(function (item) { return item.entry; });
    if (event.key === "Escape") { field.value = ""; close(); }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!items.length) return;
      chosen = (chosen + (event.key === "ArrowDown" ? 1 : items.length - 1) + (chosen < 0 && event.key === "ArrowUp" ? 1 : 0)) % items.length;
      items.forEach(function (item, number) { item.setAttribute("aria-selected", String(number === chosen)); });
      field.setAttribute("aria-activedescendant", items[chosen].id);
    }
    if (event.key === "Enter" && items.length) go(items[Math.max(0, chosen)].entry);
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || /INPUT|TEXTAREA/.test(document.activeElement.tagName)) return;
    event.preventDefault();
    field.focus();
  });

  /* Colours: as the system, light, dark. */
  const theme = document.getElementById("theme");
  const NAMES = { auto: "Auto", light: "Light", dark: "Dark" };
  function stored(value) {
    try { return value === undefined ? localStorage.getItem("ethomake-theme") : localStorage.setItem("ethomake-theme", value); } catch (error) { return null; }
  }
  function paint(name) {
    if (name === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = name;
    theme.textContent = NAMES[name];
    theme.setAttribute("aria-label", NAMES[name] + " colours" + (name === "auto" ? ", as the system has them" : ""));
    theme.dataset.name = name;
  }
  theme.addEventListener("click", function () {
    const order = Object.keys(NAMES);
    const next = order[(order.indexOf(theme.dataset.name) + 1) % order.length];
    paint(next);
    stored(next);
    page.redraw();
  });
  paint(NAMES[stored()] ? stored() : "auto");
  document.getElementById("print").addEventListener("click", function () { window.print(); });

  /* Tips of the heat map, under the pointer and with the keyboard. */
  const tip = document.getElementById("tip");
  function hide() { tip.hidden = true; }
  function tell(event) {
    const cell = event.target.closest && event.target.closest(".heat td a");
    if (!cell) return hide();
    tip.textContent = cell.getAttribute("aria-label");
    tip.hidden = false;
    const area = cell.getBoundingClientRect();
    const width = Math.min(340, window.innerWidth - 16);
    tip.style.maxWidth = width + "px";
    tip.style.left = Math.max(8, Math.min(area.left, window.innerWidth - tip.offsetWidth - 8)) + "px";
    const below = area.bottom + 8;
    tip.style.top = (below + tip.offsetHeight > window.innerHeight ? area.top - tip.offsetHeight - 8 : below) + "px";
  }
  document.addEventListener("mouseover", tell);
  document.addEventListener("focusin", tell);
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", function (event) { if (event.key === "Escape") hide(); });

  page.ready();
})();
