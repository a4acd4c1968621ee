"""Training of the default model: `data` -> `model` -> `loop` -> `export`. The codec itself never imports it."""
