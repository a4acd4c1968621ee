// The blind comparison: two codecs at equal bytes, called A and B in an order drawn anew for every picture. One flips
// between them in place and says which is better; which was which is told when one asks for the tally. Votes live in
// this page only: no address, no storage, no network.

const EQUAL_BYTES = 0.03; // relative: pairs further apart are left out
const blind = { pair: [], deck: [], trial: null, shown: "A", seen: new Set(), votes: [], token: 0 };
const blindCanvas = el("canvas", { "aria-label": "One of the two pictures", role: "img", tabindex: 0 });
const blindBadge = el("span", { class: "badge a" });

function shuffled(items) {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

// Every picture at every size at which both codecs came to the same bytes.
function blindDeck([one, other]) {
  return explorer.pictures.flatMap((picture) =>
    explorer.sizes.flatMap((bpp, size) => {
      const [a, b] = [picture.versions[one][size], picture.versions[other][size]];
      return Math.abs(Math.log(a.bytes / b.bytes)) <= EQUAL_BYTES ? [{ picture, size }] : [];
    }),
  );
}

// A new comparison of two codecs; what was voted before is gone.
function blindStart() {
  blind.pair = ["one", "other"].map((id) => $("blind-" + id).value);
  blind.deck = [];
  blind.votes = [];
  $("blind-tally").replaceChildren();
  const usable = blind.pair[0] !== blind.pair[1] && blindDeck(blind.pair).length;
  $("blind-stage").hidden = !usable;
  if (usable)
    blindNext().then(() => $("blind-stage").scrollIntoView({ block: "center" })); // keys belong to what one sees
  else {
    blind.trial = null;
    $("blind-tally").replaceChildren(
      "These two cannot be compared: choose two codecs that came to the same bytes somewhere.",
    );
  }
}

function blindNext() {
  if (!blind.deck.length) blind.deck = shuffled(blindDeck(blind.pair));
  const [a, b] = shuffled(blind.pair);
  blind.trial = { ...blind.deck.pop(), A: a, B: b };
  blind.seen = new Set();
  return blindShow("A");
}

const blindImage = (shown) =>
  shown === "O"
    ? blind.trial.picture.original
    : blind.trial.picture.versions[blind.trial[shown]][blind.trial.size].image;

async function blindShow(shown) {
  const token = ++blind.token; // a later choice overtakes one still being decoded
  const trial = blind.trial;
  const image = await load(blindImage(shown));
  if (token !== blind.token) return;
  const [, , width, height] = trial.picture.box;
  const scale = scaleOf("auto", trial.picture.box);
  const density = devicePixelRatio || 1;
  blindCanvas.width = Math.round(width * scale * density);
  blindCanvas.height = Math.round(height * scale * density);
  blindCanvas.style.width = Math.floor(width * scale) + "px";
  blindCanvas.style.height = Math.floor(height * scale) + "px";
  const context = blindCanvas.getContext("2d");
  context.imageSmoothingEnabled = !Number.isInteger(scale);
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, blindCanvas.width, blindCanvas.height);
  blind.shown = shown;
  blind.seen.add(shown);
  blindBadge.textContent = shown === "O" ? "Original" : shown;
  const both = blind.seen.has("A") && blind.seen.has("B");
  document.querySelectorAll("#blind-votes button").forEach((button) => (button.disabled = !both));
  // A button that was pressed would take the space bar for itself.
  if ($("blind").contains(document.activeElement)) blindCanvas.focus({ preventScroll: true });
  $("blind-stage").dataset.shown = `${blind.votes.length} ${shown}`;
  blindSay();
}

function blindVote(choice) {
  if (!blind.seen.has("A") || !blind.seen.has("B")) return;
  blind.votes.push({ size: blind.trial.size, winner: choice === "N" ? null : blind.trial[choice] });
  $("blind-tally").replaceChildren();
  return blindNext();
}

function blindSay() {
  const count = blind.votes.length;
  $("blind-count").textContent =
    blind.seen.size < 2 && count === 0 ? "Flip to see both, then choose." : `${count} judged.`;
}

// How likely an outcome at least as lopsided is if both were equally good: the two-sided sign test.
function chance(wins, losses) {
  const n = wins + losses;
  let term = 0.5 ** n;
  let sum = 0;
  for (let k = 0; k <= Math.min(wins, losses); k++) {
    sum += term;
    term *= (n - k) / (k + 1);
  }
  return Math.min(1, 2 * sum);
}

function blindTally() {
  const count = (votes, winner) => votes.filter((vote) => vote.winner === winner).length;
  const rows = [
    ...explorer.sizes.map((bpp, size) => [`${bpp} bpp`, blind.votes.filter((vote) => vote.size === size)]),
    ["all sizes", blind.votes],
  ];
  const [wins, losses] = blind.pair.map((codec) => count(blind.votes, codec));
  $("blind-tally").replaceChildren(
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          ["preferred", ...blind.pair.map(label), "no difference"].map((text) => el("th", { scope: "col" }, text)),
        ),
      ),
      el(
        "tbody",
        {},
        rows.map(([text, votes]) =>
          el(
            "tr",
            {},
            [text, ...[...blind.pair, null].map((winner) => String(count(votes, winner)))].map((cell) =>
              el("td", {}, cell),
            ),
          ),
        ),
      ),
    ),
    el(
      "p",
      { class: "note" },
      wins + losses
        ? "If both were equally good, a result at least as lopsided would come about in " +
            `${fixed(100 * chance(wins, losses), 1)} % of such series.`
        : "Nothing has been preferred yet.",
    ),
  );
}

const BLIND_KEYS = {
  " ": () => blindShow(blind.shown === "A" ? "B" : "A"),
  o: () => blindShow(blind.shown === "O" ? "A" : "O"),
  a: () => blindVote("A"),
  b: () => blindVote("B"),
  n: () => blindVote("N"),
  t: blindTally,
};

function blindPress(event) {
  if (
    !blind.trial ||
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    event.target.closest?.("input, textarea, select")
  )
    return;
  const box = $("blind-stage").getBoundingClientRect();
  if (box.bottom < 0 || box.top > innerHeight) return; // keys belong to what one sees
  const action = BLIND_KEYS[event.key.toLowerCase()];
  if (!action || (event.key === " " && event.target.closest?.("button, a, summary"))) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  action();
}

function startBlind() {
  if (explorer.codecs.length < 2) return;
  const select = (id, text) =>
    el(
      "select",
      { id: "blind-" + id, "aria-label": text, onchange: () => blind.trial && blindStart() },
      explorer.codecs.map((name) => el("option", { value: name }, label(name))),
    );
  const button = (key, text) =>
    el("button", { type: "button", "data-key": key, onclick: () => BLIND_KEYS[key]() }, text);
  const first = explorer.codecs.includes(ours) ? ours : explorer.codecs[0];
  const second =
    anchors.find((name) => explorer.codecs.includes(name) && name !== first) ??
    explorer.codecs.find((name) => name !== first);
  $("blind").replaceChildren(
    el("h3", {}, "Judge blind"),
    el(
      "p",
      { class: "lead" },
      "Two codecs at the same bytes, called A and B in an order drawn anew for each picture and size. Flip between ",
      "them in place and say which is closer to the original. The tally says which was which; it stays in this page ",
      "and is gone when the page is closed.",
    ),
    el(
      "div",
      { class: "controls" },
      select("one", "One codec"),
      select("other", "The other codec"),
      el("button", { type: "button", id: "blind-start", onclick: blindStart }, "Start"),
    ),
    el(
      "div",
      { id: "blind-stage", hidden: "" },
      el("div", { class: "blind-picture" }, blindCanvas, blindBadge),
      el(
        "div",
        { class: "controls", id: "blind-looks" },
        button(" ", "Flip (space)"),
        button("o", "Original (O)"),
        button("t", "Tally (T)"),
        el("span", { id: "blind-count", class: "note" }),
      ),
      el(
        "div",
        { class: "controls", id: "blind-votes" },
        button("a", "A is better (A)"),
        button("b", "B is better (B)"),
        button("n", "No difference (N)"),
      ),
    ),
    el("div", { id: "blind-tally", class: "scroll" }),
  );
  $("blind-one").value = first;
  $("blind-other").value = second;
  window.addEventListener("keydown", blindPress, true);
}
