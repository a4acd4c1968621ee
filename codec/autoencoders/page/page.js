// Puts the parts to work: words, legend, inspector, generated pictures, theme. Read last.

const CAPTIONS = ["rebuilt", "rebuilt by PCA", "decoded here", "decoded here by PCA"];
const places = {}; // canvas or column of the table by what it shows
const planes = [0, 1].map((index) => new Plane($(`map-${index}`), data.maps[index], inspect));

function words() {
  document.title = `${data.name}: ${data.kind} autoencoder`;
  $("brand").textContent = "aecodec ae report";
  $("headline").textContent =
    `${data.name}: ${plural(data.features, "value")} in ${plural(data.latent, "number")} ` +
    `keep ${percent(data.score)} of the variance`;
  const part = data.shown < data.rows ? ` ${count(data.shown)} of the rows are drawn.` : "";
  $("basis").textContent =
    `Kind: ${data.kind}. ${plural(data.rows, "row")}. ` +
    `PCA of these rows with as many numbers keeps ${percent(data.pca)}.${part}`;
  const plane =
    data.latent > 2 ? "The plane is that of the two widest directions of the latent, through its middle. " : "";
  $("plane-lead").textContent =
    `${plane}Point at a dot to see a row and what becomes of it; anywhere else, the nearest of ` +
    `${data.maps[0].side} × ${data.maps[0].side} places the decoder was run on. Arrow keys move too.`;
  $("caption-0").textContent = data.latent > 2 ? `Latent, two of ${data.latent} dimensions` : "Latent";
  $("caption-1").textContent = "PCA, first two components";
  const held = data.curves.validation.length ? "Held-out rows decide when to stop." : "No rows were held out.";
  const measure = { mse: "squared error", bce: "cross-entropy" }[data.loss];
  $("curves-lead").textContent =
    `The objective (${measure}, with the penalty of the kind) over ` +
    `${plural(data.curves.training.length, "epoch")}. ${held}`;
  const above = data.errors.rows.filter((error) => error > data.threshold).length;
  $("errors-lead").textContent =
    `${count(above)} of ${plural(data.rows, "row")} (${percent(above / data.rows)}) lie above the threshold, ` +
    `the ${percent(data.quantile)} quantile of normal rows (outline).`;
}

function legend() {
  if (data.classes.length < 2) return;
  data.classes.forEach((name, label) => {
    const button = element("button", [element("i", "", { style: `background: ${colour(label)}` }), name], {
      type: "button",
      "aria-pressed": "true",
    });
    button.addEventListener("click", () => {
      shownLabels.has(label) ? shownLabels.delete(label) : shownLabels.add(label);
      button.setAttribute("aria-pressed", shownLabels.has(label));
      planes.forEach((plane) => plane.render());
    });
    $("legend").append(button);
  });
}

function inspector() {
  const box = $("inspector");
  box.append(element("div", "", { class: "wide", id: "said" }));
  if (pictures) {
    for (const name of ["input", ...CAPTIONS]) {
      places[name] = element("canvas", "", { "data-shows": name });
      box.append(element("div", [places[name], name]));
    }
    return;
  }
  box.parentElement.classList.add("table");
  const names = ["", "input", ...CAPTIONS];
  const rows = data.look.columns.map((column) =>
    element("tr", [element("th", column), ...names.slice(1).map(() => element("td"))]),
  );
  names.slice(1).forEach((name, index) => (places[name] = rows.map((row) => row.children[index + 1])));
  box.append(
    element(
      "div",
      element("table", [
        element(
          "thead",
          element(
            "tr",
            names.map((name) => element("th", name)),
          ),
        ),
        element("tbody", rows),
      ]),
      { class: "scroll" },
    ),
  );
}

function show(name, block, index) {
  if (pictures) draw(places[name], block, index);
  else block.rows[index].forEach((value, column) => (places[name][column].textContent = short(value)));
}

function inspect(plane) {
  const which = planes.indexOf(plane);
  const said = [];
  const [x, y] = plane.value(plane.cell);
  show(CAPTIONS[2 + which], data.maps[which].plane, plane.cell);
  said.push(`${which ? "PCA" : "Latent"} ${short(x)}, ${short(y)}`);
  if (plane.point != null) {
    show("input", data.inputs, plane.point);
    data.maps.forEach((map, index) => show(CAPTIONS[index], map.rebuilt, plane.point));
    const error = data.errors.shown[plane.point];
    if (data.classes.length) said.unshift(`Label ${data.classes[data.labels[plane.point]]}`);
    said.push(`Error ${short(error)}, ${error > data.threshold ? "above" : "below"} the threshold`);
  }
  $("said").replaceChildren(...said.map((line) => element("span", line)));
  planes.forEach((other) => {
    if (other !== plane) other.cell = null;
    other.render(plane.point ?? plane.marked);
  });
}

// Whole blocks as one picture, so many to a line.
function sheet(title, block, across, scale = 1) {
  const { width, height } = data.look;
  const canvas = element("canvas", "", { "aria-label": title, role: "img" });
  [canvas.width, canvas.height] = [across * (width + 1) - 1, Math.ceil(block.count / across) * (height + 1) - 1];
  const context = canvas.getContext("2d");
  for (let index = 0; index < block.count; index++) {
    const from = [(index % block.across) * width, Math.floor(index / block.across) * height];
    context.drawImage(
      block.image,
      ...from,
      width,
      height,
      (index % across) * (width + 1),
      Math.floor(index / across) * (height + 1),
      width,
      height,
    );
  }
  return element("div", [element("h3", title), canvas]);
}

function generated() {
  const made = data.generated;
  if (!made || !pictures) return;
  $("generated").hidden = false;
  $("generated-lead").textContent =
    "Decoded from places in the latent where no row was: draws from the prior, straight walks between two rows, " +
    "and walks along one dimension.";
  $("sheets").append(
    sheet("Samples from the prior", made.samples, made.steps),
    sheet("Between two rows, left to right", made.walks, made.steps),
    sheet(
      `Along ${made.dimensions.length > 1 ? "dimensions" : "dimension"} ${made.dimensions.join(", ")}, −3 to 3`,
      made.traversals,
      made.steps,
    ),
  );
}

function theme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const apply = () => {
    const dark = chosen ?? system.matches;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    $("theme").textContent = dark ? "☀ Light" : "☾ Dark";
    planes.forEach((plane) => plane.render());
  };
  $("theme").addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme !== "dark";
    apply();
  });
  system.addEventListener("change", apply);
  apply();
}

async function start() {
  words();
  inspector();
  legend();
  theme();
  drawCurves($("curves"));
  drawErrors($("errors"));
  const made = data.generated ?? {};
  await Promise.all(
    [
      data.inputs,
      ...data.maps.flatMap((map) => [map.rebuilt, map.plane]),
      made.samples,
      made.walks,
      made.traversals,
    ].map(ready),
  );
  generated();
  for (const plane of [planes[1], planes[0]])
    // So that the page says at once what pointing does.
    plane.moveTo(...plane.place(plane.nearest(plane.size / 2, plane.size / 2, Infinity)));
  document.body.dataset.ready = "yes";
}
start();
