"""`python -m benchmarks.scaling --images kodak --out RUN.json`: measures the stages, or takes those of --costs, and
prints the tables of README.md.
"""

import json
import shlex
import statistics
import sys
from pathlib import Path

import click

from .. import data, machine
from . import costs, model, simulation

PICTURES = (10**6, 10**9)
SIMULATED = 400, 120_000  # pictures per core, and all together at most


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--images", multiple=True, default=("synthetic",), show_default=True, metavar="kodak|synthetic|DIR|FILE")
@click.option("-q", "--quality", type=click.FloatRange(1, 100), default=60, show_default=True)
@click.option(
    "--costs",
    "known",
    type=click.Path(exists=True, dir_okay=False),
    help="A result of this program, whose measured costs are used again.",
)
@click.option("--out", type=click.Path(dir_okay=False), help="The result as JSON.")
@click.option(
    "--tolerance", type=float, default=10, show_default=True, help="Percent by which model and simulation may differ."
)
@click.pass_context
def main(context, images, quality, known, out, tolerance):
    """What a million and a billion pictures take. Exit code 1: the simulation contradicts the model."""
    if known:
        measured = json.loads(Path(known).read_text())["measured"]
    else:
        measured = {
            "command": shlex.join(["python", "-m", "benchmarks.scaling", *sys.argv[1:]]),
            "machine": machine.describe(1),
            "quality": quality,
            "rows": costs.measure(data.pictures(images), quality),
        }
    click.echo("| stage | ms of a core per MP, median | least | most |\n|---|---|---|---|")
    for stage in costs.STAGES:
        values = sorted(1e3 * row[stage] / row["mp"] for row in measured["rows"])
        click.echo(f"| {stage} | {statistics.median(values):.1f} | {values[0]:.1f} | {values[-1]:.1f} |")
    rows, table, wrong = model.scaled(measured["rows"]), [], []
    click.echo(
        "\n| pictures | on | bottleneck, then | MP/s | hours | machine-hours | GPU-hours | network, GB/s | stored, "
        "TB | simulated MP/s |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for fleet in model.fleets():
        checked = simulation.simulate(rows, fleet, min(SIMULATED[0] * fleet.machines * fleet.cores, SIMULATED[1]))
        for pictures in PICTURES:
            line = model.predict(rows, fleet, pictures) | {"simulated": checked}
            mp_per_s = checked["pictures_per_s"] * statistics.fmean(row["mp"] for row in rows)
            difference = 100 * (checked["pictures_per_s"] / line["pictures_per_s"] - 1)
            table.append(line | {"difference_percent": round(difference, 2)})
            click.echo(
                f"| {pictures:.0e} | {fleet.name} | {line['bottleneck']}, {line['next']} | {line['mp_per_s']:,.0f} | "
                f"{line['hours']:,.1f} | {line['machine_hours']:,.0f} "
                f"| {line['gpu_hours']:,.0f} | {line['network_gb_per_s']:.2f} | {line['stored_tb']:,.2f} | "
                f"{mp_per_s:,.0f} ({difference:+.1f} %) |"
            )
        if abs(difference) > tolerance:
            wrong.append(f"{fleet.name}: simulation and model differ by {difference:+.1f} %")
    if out:
        Path(out).write_text(
            json.dumps({"measured": measured, "assumed": model.ASSUMED, "table": table}, indent=1) + "\n"
        )
    for sentence in wrong:
        click.echo(f"WRONG: {sentence}", err=True)
    context.exit(bool(wrong))


if __name__ == "__main__":
    main()
