"""The commands embed, similar, anomaly, denoise, sample and interpolate of the command line; `codec.app.cli` registers
them.

They take the same options, name files and report as the others do; nothing heavy is imported at the top. A file per
module of `codec.latents` it calls.
"""

import click

from .anomaly import anomaly
from .denoise import denoise
from .features import embed, similar
from .generate import interpolate, sample


def register(cli: click.Group) -> None:
    for command in (embed, similar, anomaly, denoise, sample, interpolate):
        cli.add_command(command)
