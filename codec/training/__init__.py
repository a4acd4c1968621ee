"""Training of models: `data` -> `model` -> `loop` -> `export`. Only the command line imports it."""
