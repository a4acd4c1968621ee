// One script tag, and pictures of a page may be .aec files:
//
//     <script src="…/img.js"></script>
//
// In the head it is there before the first of them, and nothing is loaded twice; it works elsewhere, as a module too.
// `data-models`: the folder of the models, if it is not the one beside this script.
//
// The browser goes on choosing among `<picture>` sources and `srcset`; in place of what it chose, and cannot read,
// `srcset` names a PNG of its pixels, coarse ones first. So `src`, `alt`, sizes and styles stay as the page has them.
(() => {
  const TYPE = /^image\/(?:x-)?aec$/i; // of a source, which browsers would pass over
  const NEAR = "800px"; // of the window, where lazy pictures are loaded
  const WATCHED = ["src", "srcset", "sizes", "media", "type", "loading"];
  const BROKEN = "data:image/x-aec;base64,AA=="; // what no browser shows
  const NOTHING = blank({ width: 0, height: 0 });
  const isComplete = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, "complete").get;

  const isThis = ({ src }) => src && new URL(src).pathname.endsWith("/img.js");
  const script = document.currentScript ?? [...document.scripts].find(isThis);
  const beside = (name) => new URL(name, script.src).href;
  const options = script.dataset.models ? { models: new URL(script.dataset.models, document.baseURI) } : {};
  const loadings = new WeakMap(); // by img
  const gone = new FinalizationRegistry((kept) => URL.revokeObjectURL(kept.url));
  let opening = null; // the Codec of all pictures

  function isAec(url) {
    try {
      return /\.aec$/i.test(new URL(url, document.baseURI).pathname);
    } catch {
      return false;
    }
  }

  /** A picture of a size in which nothing is. */
  function blank({ width, height }) {
    const text = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"/>`;
    return `data:image/svg+xml,${encodeURIComponent(text)}`;
  }

  async function opened() {
    const { open } = await import(beside("aec.js"));
    opening ??= open(options);
    opening.catch(() => (opening = null)); // the next picture tries again
    return opening;
  }

  const isHere = (img) => img.isConnected && img.ownerDocument === document;
  const pictureOf = (img) => (img.parentElement?.localName === "picture" ? img.parentElement : null);
  const sourcesOf = (img) => [...(pictureOf(img)?.querySelectorAll("source") ?? [])];

  /** The element whose candidate a URL is, a source of the picture or the img itself, and that one's descriptor. */
  function chosen(img, url) {
    for (const element of [...sourcesOf(img), img])
      for (const [, name, descriptor = ""] of element.srcset.matchAll(/(\S*[^\s,])(?:\s+([\d.]+[wx]))?\s*(?:,|$)/g))
        if (new URL(name, document.baseURI).href === url) return { element, descriptor };
    return { element: img, descriptor: "" };
  }

  /** What an image shows by the page's wish, and by ours. */
  function signature(img) {
    const names = ["src", "srcset", "sizes", "media"];
    return JSON.stringify([...sourcesOf(img), img].map((one) => names.map((name) => one.getAttribute(name))));
  }

  /** The file at `url`, which the browser chose, on its way to an img. */
  class Loading {
    constructor(img, url) {
      const { element, descriptor } = chosen(img, url);
      Object.assign(this, { url, holder: element, descriptor, before: element.getAttribute("srcset") });
      Object.assign(this, { img: new WeakRef(img), state: "waiting", kept: {}, ended: new AbortController() });
      gone.register(img, this.kept);
      const settled = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
      settled.catch(() => {}); // whoever asks hears it
      // What pages ask of a picture is said of the file, not of what stands in for it.
      Object.defineProperty(img, "complete", { get: () => false, configurable: true });
      Object.defineProperty(img, "decode", { value: () => settled, configurable: true });
      this.put(NOTHING); // the browser need not load what it cannot read
    }

    async begin() {
      if (this.state !== "waiting") return;
      this.state = "loading";
      try {
        const { data } = await this.load();
        this.show(data, "whole");
      } catch (error) {
        if (this.state !== "loading") return;
        this.ended.abort(); // what is still to come
        console.warn(`${this.url}: ${error.message}`);
        this.put(BROKEN);
        this.state = "failed";
      }
    }

    async load() {
      const { crossOrigin, referrerPolicy } = this.img.deref(), { signal } = this.ended, codec = opened();
      codec.catch(() => {}); // it is waited for below
      const credentials = crossOrigin === "use-credentials" ? "include" : "same-origin";
      const asked = { credentials, referrerPolicy, signal }, reply = await fetch(this.url, asked);
      if (!reply.ok) throw new Error(`the server says ${reply.status} ${reply.statusText}`);
      const part = async (start, size) => {
        const headers = { Range: `bytes=${start}-${start + size - 1}` };
        const found = await fetch(this.url, { ...asked, headers, cache: "no-store" }); // which waits for nobody
        if (found.status === 206) return new Uint8Array(await found.arrayBuffer());
        found.body?.cancel(); // the whole file comes already
        return null;
      };
      const progress = ({ data, step }) => this.show(data, "loading", step);
      const stream = (await codec).stream({ format: "png", fast: true, progress, part, signal });
      signal.addEventListener("abort", () => stream.cancel());
      stream.sized.then((size) => {
        if (this.state === "loading" && !this.kept.url) this.put(blank(size)); // room for it
      });
      for (const reader = (reply.body ?? new Blob().stream()).getReader(); ;) {
        const { done, value } = await reader.read();
        if (done) return stream.end();
        stream.push(value);
      }
    }

    /** Shows a PNG, which has one pixel in `step` along both axes. */
    show(data, state = "loading", step = 1) {
      if (this.state !== "loading") return;
      const { url } = this.kept;
      this.kept.url = URL.createObjectURL(new Blob([data], { type: "image/png" }));
      this.put(this.kept.url, step);
      this.state = state;
      if (url) setTimeout(() => URL.revokeObjectURL(url), 1000); // when the new one is there
    }

    put(url, step = 1) {
      const img = this.img.deref(), [, number, unit] = this.descriptor.match(/(.*)([wx])/) ?? [0, 1, "x"];
      if (!img || this.state === "released") return;
      const less = unit === "w" ? Math.max(1, Math.round(number / step)) : number / step; // its size on the page stays
      this.holder.setAttribute("srcset", `${url} ${less}${unit}`);
      this.signature = signature(img);
    }

    /** Whether the page still wants of the img what it did in the beginning. */
    isCurrent(img) {
      return (isHere(img) || this.state === "whole") && signature(img) === this.signature;
    }

    /** Whether the page shall hear an event of the img. */
    hears(type, img) {
      const last = { whole: this.kept.url, failed: BROKEN }[this.state];
      if (!last || img.currentSrc !== last) return false;
      // Firefox may say late that what stood in before was loaded, when its successor is on its way or broken.
      if (!isComplete.call(img) || (type === "load" && this.state === "failed")) return false;
      this.settle(img, type === "load");
      return true;
    }

    settle(img, isShown) {
      delete img.complete;
      delete img.decode;
      if (isShown) this.resolve();
      else this.reject(new DOMException("The source image cannot be decoded.", "EncodingError"));
    }

    /** Lets go of the img, which is as the page wants it again. */
    release(img) {
      const { holder, before } = this;
      this.ended.abort();
      this.settle(img, this.state === "whole");
      this.state = "released";
      if (/^(?:blob|data):/.test(holder.getAttribute("srcset") ?? "")) {
        if (before === null) holder.removeAttribute("srcset");
        else holder.setAttribute("srcset", before);
      }
      if (this.kept.url) URL.revokeObjectURL(this.kept.url);
    }
  }

  /** Begins with what an img shows, unless that was begun; ends what it no longer shows. */
  function check(img) {
    const loading = loadings.get(img);
    if (loading?.isCurrent(img)) {
      if (img.loading !== "lazy") loading.begin(); // if it has not, as the page did not want it yet
      return;
    }
    loading?.release(img);
    loadings.delete(img);
    if (!isHere(img)) return;
    for (const source of sourcesOf(img)) if (TYPE.test(source.type)) source.removeAttribute("type");
    queueMicrotask(() => begin(img)); // when the browser has chosen
  }

  function begin(img) {
    const url = img.currentSrc || img.src;
    if (loadings.has(img) || !isHere(img) || !isAec(url)) return;
    const loading = new Loading(img, url);
    loadings.set(img, loading);
    if (img.loading === "lazy") near.observe(img);
    else loading.begin();
  }

  const near = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries)
        if (isIntersecting) {
          near.unobserve(target);
          loadings.get(target)?.begin();
        }
    },
    { rootMargin: NEAR },
  );

  /** Lets pages hear what they would of any other picture: one `load` in the end, or one `error`. */
  function heard(event) {
    const { target: img, type } = event;
    if (!(img instanceof HTMLImageElement)) return;
    const loading = loadings.get(img), ours = /^(?:blob|data):/.test(img.currentSrc);
    if (loading && ours ? loading.hears(type, img) : type === "load" || !isAec(ours ? img.src : img.currentSrc)) return;
    event.stopImmediatePropagation();
    if (loading && ours) return;
    // The browser has chosen anew, as for a window of another size, or this is a copy of an img that is gone.
    loading?.release(img);
    loadings.delete(img);
    if (!loading && ours) img.removeAttribute("srcset");
    check(img);
  }

  /** Adds the images that an element is, holds or has a say in; `alone`: not those that it holds. */
  function gather(element, found, alone) {
    const picture = element.closest("picture");
    if (picture || !alone) for (const img of (picture ?? element).querySelectorAll("img")) found.add(img);
    if (element.localName === "img") found.add(element);
  }

  const pngs = new Map(); // of styles, which may come into use at any time, by URL

  function pngOf(url) {
    if (!pngs.has(url)) pngs.set(url, decoded(url));
    return pngs.get(url);
  }

  async function decoded(url) {
    const reply = await fetch(url);
    if (!reply.ok) throw new Error(`the server says ${reply.status} ${reply.statusText}`);
    const { data } = await (await opened()).decode(await reply.arrayBuffer(), { format: "png", fast: true });
    return URL.createObjectURL(new Blob([data], { type: "image/png" }));
  }

  const changes = { childList: true, subtree: true, attributes: true, attributeFilter: WATCHED };
  const observer = new MutationObserver((records) => {
    const found = new Set();
    for (const { target, addedNodes, removedNodes } of records)
      for (const node of [target, ...addedNodes, ...removedNodes])
        if (node.nodeType === 1) gather(node, found, node === target);
    found.forEach(check);
    for (const { addedNodes, removedNodes } of records)
      for (const node of [...addedNodes, ...removedNodes]) if (node.nodeType === 1) within(node);
  });
  const watched = new WeakSet(); // the document and shadow roots: of what happens in one no other hears
  const roots = new WeakMap(); // shadow roots, closed ones too, by host

  /** Sees to the images of a document or shadow root, and to those that it will have. */
  function watch(root) {
    if (!watched.has(root)) {
      watched.add(root);
      for (const type of ["load", "error"]) root.addEventListener(type, heard, true);
      observer.observe(root, changes);
    }
    root.querySelectorAll("img").forEach(check);
    within(root);
  }

  /** The same of the shadow roots of a node and of what it holds. */
  function within(node) {
    for (const host of [node, ...node.querySelectorAll("*")]) {
      const root = roots.get(host) ?? host.shadowRoot;
      if (root) watch(root);
    }
  }

  const { attachShadow } = Element.prototype;
  Element.prototype.attachShadow = function (...given) {
    const root = attachShadow.apply(this, given);
    roots.set(this, root);
    watch(root);
    return root;
  };
  watch(document);
  import(beside("styles.js")).then(({ dress }) => dress(isAec, pngOf));
})();
