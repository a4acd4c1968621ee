"""The codec as an ES module for browsers and Node, in WebAssembly: `aec.js` is what a page imports, `build` makes the
WebAssembly of the sources in `engine/native`, and `parts` packs weight files for the web. README.md says more.
"""
