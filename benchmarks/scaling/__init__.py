"""Scaling on paper: `costs` measures what each stage takes per picture, `model` says what a fleet makes of it,
`simulation` checks the model. See README.md.
"""
