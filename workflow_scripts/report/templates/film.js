/* Films and snippets: poses as lines and dots, or thumbnails, from the packed pictures of the page. */
(function () {
  const source = document.getElementById("pictures");
  let loading = null;
  function load() {
    if (!loading) loading = page.unpack(source.textContent).then(JSON.parse);
    return loading;
  }
  function ink(name) { return getComputedStyle(document.documentElement).getPropertyValue(name).trim(); }
  function read(text) {
    return text.split(";").map(function (animal) {
      return animal.split(" ").map(function (point) { return point === "-" ? null : point.split(",").map(Number); });
    });
  }
  /* Draw one picture; a pose in the box [x, y, width, height] of its own units. */
  function paint(canvas, picture, bones, inks, box) {
    const context = canvas.getContext("2d");
    const width = canvas.width;
    const height = canvas.height;
    context.clearRect(0, 0, width, height);
    if (picture.startsWith("data:")) {
      const image = new Image();
      image.onload = function () {
        const scale = Math.min(width / image.width, height / image.height);
        context.clearRect(0, 0, width, height);
        context.imageSmoothingEnabled = true;
        context.drawImage(image, (width - image.width * scale) / 2, (height - image.height * scale) / 2,
          image.width * scale, image.height * scale);
      };
      image.src = picture;
      return;
    }
    const animals = read(picture);
    const points = animals.flat().filter(Boolean);
    if (!points.length) return;
    if (!box) {
      const xs = points.map(function (p) { return p[0]; });
      const ys = points.map(function (p) { return p[1]; });
      const side = Math.max(Math.max.apply(null, xs) - Math.min.apply(null, xs), Math.max.apply(null, ys) - Math.min.apply(null, ys), 60) * 1.25;
      const x = (Math.max.apply(null, xs) + Math.min.apply(null, xs)) / 2;
      const y = (Math.max.apply(null, ys) + Math.min.apply(null, ys)) / 2;
      box = [x - side / 2, y - side / 2, side, side];
    }
    const scale = Math.min(width / box[2], height / box[3]);
    const left = (width - box[2] * scale) / 2;
    const top = (height - box[3] * scale) / 2;
    const at = function (p) { return [left + (p[0] - box[0]) * scale, top + (p[1] - box[1]) * scale]; };
    animals.forEach(function (animal, number) {
      context.strokeStyle = context.fillStyle = inks[number % inks.length];
      context.lineWidth = Math.max(2, width / 220);
      context.lineCap = "round";
      bones.forEach(function (pair) {
        const a = animal[pair[0]];
        const b = animal[pair[1]];
        if (!a || !b) return;
        context.beginPath();
        context.moveTo.apply(context, at(a));
        context.lineTo.apply(context, at(b));
        context.stroke();
      });
      animal.filter(Boolean).forEach(function (point) {
        const place = at(point);
        context.beginPath();
        context.arc(place[0], place[1], Math.max(2.2, width / 190), 0, 2 * Math.PI);
        context.fill();
      });
    });
  }
  function film(figure) {
    const place = figure.querySelector(".film");
    if (!place || !source) return;
    load().then(function (data) {
      const mine = (data[figure.dataset.dataset] || { films: {} }).films[figure.dataset.recording];
      if (!mine) return;
      const canvas = place.querySelector("canvas");
      const button = figure.querySelector("[data-act=play]");
      const fps = Number(figure.dataset.fps);
      const size = mine.box.length ? mine.box : null;
      if (size) {
        const scale = Math.min(720 / size[0], 380 / size[1]);
        canvas.width = Math.round(size[0] * scale);
        canvas.height = Math.round(size[1] * scale);
      } else {
        canvas.width = canvas.height = 288;
      }
      let timer = 0;
      let index = 0;
      function near(frame) {
        let low = 0;
        let high = mine.frames.length - 1;
        while (low < high) {
          const middle = (low + high + 1) >> 1;
          if (mine.frames[middle] <= frame) low = middle;
          else high = middle - 1;
        }
        return low;
      }
      function show(frame) {
        index = near(frame);
        paint(canvas, mine.pictures[index], mine.bones, data[figure.dataset.dataset].inks, size ? [0, 0, size[0], size[1]] : null);
      }
      function stop() {
        window.clearInterval(timer);
        timer = 0;
        button.textContent = "Play";
      }
      function play() {
        if (timer) return stop();
        button.textContent = "Pause";
        const step = mine.frames.length > 1 ? (mine.frames[1] - mine.frames[0]) / fps : 0.1;
        let last = performance.now();
        timer = window.setInterval(function () {
          const now = performance.now();
          if (now - last < Math.min(step, 0.2) * 1000) return;
          last = now;
          if (index >= mine.frames.length - 1 || !figure.getClientRects().length) return stop();
          figure.tell(mine.frames[index + 1]);
        }, 15);
      }
      figure.film = { show: show, play: play };
      place.hidden = false;
      /* First, of all poses with the most points, the one nearest the middle. */
      const middle = mine.frames.length / 2;
      const full = mine.pictures.map(function (picture) {
        return picture.startsWith("data:") ? 0 : read(picture).flat().filter(Boolean).length;
      });
      const most = Math.max.apply(null, full);
      let first = 0;
      full.forEach(function (count, k) {
        if (count === most && (full[first] < most || Math.abs(k - middle) < Math.abs(first - middle))) first = k;
      });
      show(mine.frames[first]);
    });
  }
  document.querySelectorAll(".ethogram").forEach(function (figure) {
    let asked = false;
    figure.addEventListener("shown", function () {
      if (asked || !figure.getClientRects().length) return;
      asked = true;
      film(figure);
    });
  });
  /* The moment under the pointer on an embedding map. */
  page.snippets = function (box) {
    const around = box.closest("[data-dataset]");
    if (!around || !source || !box.on) return;
    const view = document.createElement("canvas");
    view.width = view.height = 220;
    view.className = "snippet";
    view.hidden = true;
    view.setAttribute("aria-hidden", "true");
    box.parentElement.appendChild(view);
    function look(event) {
      const wanted = event.points[0].customdata;
      if (!wanted) return;
      load().then(function (data) {
        const mine = data[around.dataset.dataset];
        const picture = mine && mine.maps[wanted[0]] && mine.maps[wanted[0]][wanted[1]];
        view.hidden = !picture;
        view.classList.toggle("left", event.event && event.event.offsetX > box.clientWidth / 2);
        if (picture) paint(view, picture, mine.bones, mine.inks, null);
      });
    }
    box.on("plotly_hover", look);
    box.on("plotly_click", look);
  };
  page.ink = ink;
})();
