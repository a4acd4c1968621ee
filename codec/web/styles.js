// Pictures of styles that are .aec files, for `img.js`: backgrounds, borders, marks of lists and whatever takes a URL.
const NAMED = /url\(\s*(?:"([^"]*)"|'([^']*)'|([^"'()\s]*))\s*\)/g;
const TURN = 10; // milliseconds of work at a time

/**
 * Names PNGs in place of such files in the style sheets and `style` attributes that there are and will be.
 * `isAec(url)`; `pngOf(url)` promises the URL of a PNG.
 */
export function dress(isAec, pngOf) {
  /** Of a declaration, whose URLs are relative to `base`. */
  function declared(style, base) {
    if (!/\.aec\b/i.test(style.cssText)) return; // which takes a fraction of the time of looking at each property
    for (const name of [...style])
      for (const [text, ...urls] of style.getPropertyValue(name).matchAll(NAMED)) {
        const url = urls.find(Boolean);
        if (url && isAec(url)) replace(style, name, text, new URL(url, base).href);
      }
  }

  async function replace(style, name, text, url) {
    const png = await pngOf(url).catch((error) => console.warn(`${url}: ${error.message}`));
    const now = style.getPropertyValue(name), priority = style.getPropertyPriority(name);
    if (png) style.setProperty(name, now.replaceAll(text, `url("${png}")`), priority);
  }

  let began = 0; // when the page had its turn last

  /** Looks at the rules of a sheet or of one of its groups, and lets the page go on between them. */
  async function ruled(owner, base) {
    let rules;
    try {
      rules = owner.cssRules;
    } catch {
      return; // a sheet of another host, which pages cannot read
    }
    for (const rule of [...(rules ?? [])]) {
      if (performance.now() > began + TURN) {
        await new Promise((resume) => setTimeout(resume));
        began = performance.now();
      }
      if (rule.style) declared(rule.style, base);
      if (rule.styleSheet) await ruled(rule.styleSheet, rule.styleSheet.href ?? base);
      else if (rule.cssRules) await ruled(rule, base);
    }
  }

  const known = new WeakSet(); // sheets
  function sheets() {
    for (const sheet of [...document.styleSheets, ...(document.adoptedStyleSheets ?? [])]) {
      if (known.has(sheet)) continue;
      known.add(sheet);
      ruled(sheet, sheet.href ?? document.baseURI);
    }
  }

  const named = (element) => {
    if (element.getAttribute("style")?.includes(".aec")) declared(element.style, document.baseURI);
  };
  sheets();
  document.querySelectorAll('[style*=".aec"]').forEach(named);
  document.addEventListener("load", ({ target }) => target.localName === "link" && sheets(), true);
  new MutationObserver((records) => {
    sheets();
    for (const { target, addedNodes } of records) {
      if (target.nodeType === 1) named(target);
      for (const node of addedNodes)
        if (node.nodeType === 1) [node, ...node.querySelectorAll('[style*=".aec"]')].forEach(named);
    }
  }).observe(document.documentElement, { childList: true, subtree: true, attributeFilter: ["style"] });
}
