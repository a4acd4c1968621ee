// The answer in one sentence, one card per other codec, and at the foot of the page everything needed to repeat the
// measurement.

const bdEntry = (codec, anchor, metric, method = "pchip", scope = "set") =>
  run.bd_rate.find(
    (e) => e.codec === codec && e.anchor === anchor && e.metric === metric && e.method === method && e.scope === scope,
  );
const warm = (codec) =>
  run.speed.find((e) => e.codec === codec && e.device === "cpu" && e.batch === 1) ??
  run.speed.find((e) => e.codec === codec);

// Time of `codec` over time of `anchor`, as the run states it, else from the medians; null when either was not
// measured.
function ratio(codec, anchor, direction) {
  const one = warm(codec);
  const other = warm(anchor);
  if (!one || !other) return null;
  return one.ratios?.[anchor]?.[direction] ?? one[direction].median / other[direction].median;
}

function cost(verb, value) {
  if (value > 0.95 && value < 1.05) return [verb + " takes as long"];
  return value > 1
    ? [verb + " takes ", el("b", {}, times(value)), " the time"]
    : [verb + " is ", el("b", {}, times(1 / value)), " as fast"];
}

function headline() {
  const anchor = anchors[0];
  const bd = anchor && bdEntry(ours, anchor, leading);
  if (!bd) return [`${label(ours)}: quality, size and speed measured`];
  if (bd.value === null) return [`${label(ours)} and ${label(anchor)} cannot be compared: ${bd.reason}`];
  const saved = fixed(Math.abs(bd.value), 1) + " %";
  const words = [
    `${label(ours)} needs `,
    el("b", {}, saved + (bd.value < 0 ? " fewer bytes" : " more bytes")),
    ` than ${label(anchor)} at the same ${metricName(leading)}.`,
  ];
  const encode = ratio(ours, anchor, "encode");
  const decode = ratio(ours, anchor, "decode");
  if (encode !== null) words.push(" Encoding", ...cost("", encode), ", decoding", ...cost("", decode), ".");
  return words;
}

const listed = (parts) => parts.map((part, i) => [i ? (i < parts.length - 1 ? ", " : " and ") : "", part]);

const beside = metrics.filter((metric) => metric !== leading);

// The headline is about one metric; what the others say of the same two codecs follows at once.
function judged() {
  const found = beside.flatMap((metric) => {
    const value = anchors[0] && bdEntry(ours, anchors[0], metric)?.value;
    return value === null || value === undefined ? [] : [[el("b", {}, percent(value)), ` by ${metricName(metric)}`]];
  });
  return found.length ? [`Bytes against ${label(anchors[0])} judged otherwise: `, listed(found), ". "] : [];
}

// What one picture costs in seconds and memory, beside the first anchor's: ratios alone tell nobody whether to wait.
function price() {
  const one = warm(ours);
  const other = anchors[0] && warm(anchors[0]);
  if (!one) return [];
  const area = run.images.reduce((sum, image) => sum + image.width * image.height, 0) / run.images.length / 1e6;
  const both = (read, text) => {
    const [own, its] = [one, other].map((entry) => (entry && read(entry)) ?? null);
    return own === null ? null : [el("b", {}, text(own)), its === null ? "" : ` (${label(anchors[0])} ${text(its)})`];
  };
  const parts = [
    [both((e) => e.encode.median, seconds), " to encode"],
    [both((e) => e.decode.median, seconds), " to decode"],
    [both((e) => e.cold?.decode, seconds), " to decode as a new program"],
    [
      both(
        (e) => e.peak_mb && Math.max(...Object.values(e.peak_mb)),
        (value) => fixed(value, 0) + " MiB",
      ),
      " of memory",
    ],
  ].filter(([found]) => found);
  return [
    `A picture of ${fixed(area, 2)} megapixels takes `,
    listed(parts.map(([found, what]) => [found[0], what, found[1]])),
    ".",
  ];
}

// How the codecs compare by the metrics other than the leading one, which may not agree with it.
const others = (anchor) =>
  beside.map((metric) => {
    const value = bdEntry(ours, anchor, metric)?.value;
    return [
      el("dt", {}, metricName(metric)),
      el("dd", { class: value < 0 ? "good" : value > 0 ? "bad" : null }, percent(value)),
    ];
  });

function card(anchor) {
  const bd = bdEntry(ours, anchor, leading);
  const encode = ratio(ours, anchor, "encode");
  const decode = ratio(ours, anchor, "decode");
  return el(
    "div",
    { class: "card", "data-anchor": anchor },
    el("h3", {}, `against ${label(anchor)}`),
    el(
      "div",
      { class: "big " + (bd?.value < 0 ? "good" : bd?.value > 0 ? "bad" : ""), title: bd?.reason },
      percent(bd?.value),
    ),
    el(
      "div",
      { class: "note", style: { margin: 0 } },
      bd && bd.value === null
        ? "no common range"
        : `bytes at the same ${metricName(leading)}${beside.length ? ", or:" : ""}`,
    ),
    el(
      "dl",
      {},
      others(anchor),
      encode === null
        ? null
        : [
            el("dt", {}, "encode time"),
            el("dd", {}, times(encode)),
            el("dt", {}, "decode time"),
            el("dd", {}, times(decode)),
          ],
    ),
  );
}

const list = (pairs) =>
  el(
    "dl",
    {},
    pairs
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([key, value]) => [el("dt", {}, key), el("dd", {}, String(value))]),
  );

function facts() {
  const machine = run.machine ?? {};
  const threads = [...new Set(run.speed.map((entry) => entry.threads))].join(", ");
  return [
    el("h3", {}, "The command"),
    el("pre", {}, run.command),
    el("p", { class: "note" }, "This page: ", el("code", {}, explorer.command)),
    el(
      "div",
      { class: "facts" },
      el(
        "div",
        {},
        el("h3", {}, "Settings of the codecs"),
        list(Object.values(run.codecs).map((codec) => [codec.label, codec.settings])),
      ),
      el(
        "div",
        {},
        el("h3", {}, "Machine"),
        list([
          ["Processor", machine.cpu],
          ["Cores", machine.cores],
          ["Threads used", threads || machine.threads],
          ["Memory", machine.ram_gb && machine.ram_gb + " GB"],
          ["GPU", machine.gpu],
          ["System", machine.os],
          ["Python", machine.python],
        ]),
      ),
      el("div", {}, el("h3", {}, "Versions"), list(Object.entries(run.versions))),
      el(
        "div",
        {},
        el("h3", {}, "The run"),
        list([
          ["Finished", run.created],
          ["Took", run.seconds && seconds(run.seconds)],
          ["Pictures", run.images.length],
          ["Measurements", run.points.length],
          ["Failures", run.failures.length],
          ["Left out", Object.values(run.left_out ?? {}).join("; ")],
        ]),
      ),
    ),
    run.failures.length
      ? el(
          "details",
          {},
          el("summary", {}, "What failed"),
          el(
            "ul",
            {},
            run.failures.map((f) =>
              el(
                "li",
                {},
                [f.image, f.codec, f.quality].filter((part) => part !== null && part !== undefined).join(", ") +
                  ": " +
                  f.error,
              ),
            ),
          ),
        )
      : null,
    el("h3", {}, "Conventions"),
    el(
      "p",
      { class: "note" },
      "Bits per pixel (bpp) are 8 × the bytes of the whole file, headers included, divided by width × height. PSNR is ",
      "taken over the three RGB channels of 8-bit pictures, PSNR-Y on BT.601 luma, PSNR-CbCr on its two colour ",
      "differences. MS-SSIM is computed on RGB, IW-SSIM on luma; both are drawn as −10·log10(1 − value). ",
      "Butteraugli’s 3-norm is a distance and drawn as −10·log10 of it. CVVDP is in just-objectionable differences on ",
      "its display standard_4k. Every curve is the arithmetic mean over the pictures at one setting. “Bytes at the ",
      "same quality” is the Bjøntegaard rate difference: the mean horizontal distance of two curves on a logarithmic ",
      "rate axis, over the qualities both reach and never beyond. Means of single pictures are means of ratios; their ",
      "95 % interval comes from drawing the pictures again and again (bootstrap). Times are medians of warm runs in ",
      "one process, all codecs interleaved; “cold” is a new process.",
    ),
    el(
      "details",
      {},
      el("summary", {}, "Libraries inside this page and their licences"),
      Object.entries(explorer.licences).map(([name, text]) => [el("h3", {}, name), el("pre", {}, text)]),
    ),
  ];
}

function startAnswer() {
  $("brand").textContent = `${label(ours)} benchmark`;
  $("headline").replaceChildren(...headline());
  const bd = anchors[0] && bdEntry(ours, anchors[0], leading);
  const unit = METRICS[leading]?.unit;
  const entry = warm(ours);
  $("basis").textContent =
    `Measured on ${run.images.length} picture${run.images.length === 1 ? "" : "s"}` +
    (bd && bd.value !== null
      ? `, over the range both reach: ${fixed(bd.low, 1)} to ${fixed(bd.high, 1)} ${unit}`.trimEnd()
      : "") +
    (entry ? `. Times: ${entry.threads} thread${entry.threads === 1 ? "" : "s"}, ${run.machine.cpu}` : "") +
    "." +
    (metrics.some((metric) => trained.has(metric))
      ? " ¹ The model was trained on this measure; the others had no part in it."
      : "");
  $("price").replaceChildren(...[judged(), price()].flat(Infinity));
  $("cards").replaceChildren(...anchors.map(card));
  $("facts").replaceChildren(...facts().filter(Boolean));
}
