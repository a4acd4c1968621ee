"""The engine in C: one shared library, which `library` loads; the same bits from every instruction set and number of
threads.

In the order of the pipeline: `analysis.c` (samples to latents), `prior.c` (means and table rows of symbols), `rans.c`
(symbols to bytes), `tile.c` (a payload, both ways), `synthesis.c` (latents to samples), `filter.c` (samples to rows of
a PNG). Under them: `model.c` (tensors to layers), `quality.c` (what lies between anchors), `layers.c`, `kernel.h` (a
layer, once per instruction set: `simd_*.c`), `threads.c`, `memory.c`. `aec.h` is what the library does, `internal.h`
what its files share. In Python `loaded` has a weight file there, `model` does the same with arrays, `engine` is the
Engine.
"""
