// Puts the parts to work: theme, navigation, the state from the hash, and one call per part. Read last.

const systemDark = matchMedia("(prefers-color-scheme: dark)");
function applyTheme() {
  const dark = state.theme === "auto" ? systemDark.matches : state.theme === "dark";
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  const next = dark ? "light" : "dark";
  $("theme").textContent = dark ? "☀ Light" : "☾ Dark";
  $("theme").setAttribute("aria-label", `Switch to the ${next} theme`);
  $("theme").onclick = () => setState({ theme: next });
}

function start() {
  onState(["theme"], applyTheme); // first: charts read their colours from the theme
  startAnswer();
  startCurves();
  startRates();
  startSpeed();
  startBlind(); // before the explorer, whose keys it takes while a comparison runs
  startExplorer();
  // The hash belongs to the state, so the links to sections scroll without it.
  document.querySelectorAll("[data-section]").forEach((link) =>
    link.addEventListener("click", (event) => {
      event.preventDefault();
      $(link.dataset.section).scrollIntoView();
    }),
  );
  systemDark.addEventListener("change", () => {
    if (state.theme === "auto") for (const { keys, render } of listeners) if (keys.includes("theme")) render();
  });
  window.addEventListener("hashchange", () => setState(fromHash()));
  Object.assign(state, fromHash());
  for (const { render } of listeners) render();
}
start();
