"""The tables on denoising and on the family of autoencoders, out of the committed results:
`python -m benchmarks.latents.words codec/latents/README.md codec/autoencoders/README.md`.

What is around them in the pages is written by hand, and a test compares its figures too.
"""

import argparse
import json
from pathlib import Path

from .. import pages

RESULTS = Path(__file__).parents[1] / "results"
DAMAGE = {"clean": "none", "dead": "dead pixels, 10 %", "patches": "24 black patches"}
QUALITY = 45  # of the lines shown


def read(name):
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def denoise(record):
    """A line per damage: PSNR in dB, and bits per pixel, of each way at QUALITY."""
    lines = ["| damage | as it is | plain codec | `denoise` | non-local means, plain codec |", "|---|---|---|---|---|"]
    given = {line["damage"]: line["damaged"] for line in record["results"] if "damaged" in line}
    for line in record["results"]:
        if line.get("quality") == QUALITY:
            kind, cells = (
                line["damage"],
                [
                    f"{line[way]:.1f} ({line[f'{way} bpp']:.2f})" if way in line else "–"
                    for way in ("plain", "denoise", "nlm, plain")
                ],
            )
            before = f"{given[kind]:.1f}" if kind in given else "–"
            lines.append(
                "| " + " | ".join([DAMAGE.get(kind) or kind.replace("noise", "noise, σ ="), before, *cells]) + " |"
            )
    return "\n".join(lines)


def family(record):
    """A line per claim: what is measured, and what it is compared with."""
    lines = {name: found["lines"] for name, found in record.items() if "lines" in found}
    one = {name: found[0] for name, found in lines.items()}
    each = lambda name, key, form="{:.3f}": ", ".join(form.format(line[key]) for line in lines[name])
    share = "{:.1%}".format
    rows = [
        (
            "linear, 2, 8, 16 numbers: error",
            each("linear", "error"),
            f"PCA: {each('linear', 'pca')}; largest angle {max(line['degrees'] for line in lines['linear']):.2f}°",
        )
    ]
    rows += [
        (f"{line['network']}: error", f"{line['error']:.3f}", f"PCA: {line['pca']:.3f}")
        for line in lines["reconstruction"]
    ]
    rows += [
        (
            f"denoising ({line['noise']}): error from corrupted digits",
            f"{line['denoising']:.3f}",
            f"plain: {line['plain']:.3f}",
        )
        for line in lines["denoising"]
    ]
    rows += [
        (
            f"sparse ({line['sparsity']}), {share(line['near_zero'])} of 256 activations near zero: error",
            f"{line['error']:.4f}",
            f"plain, 32 numbers{'' if line['sparsity'] == 'l1' else ', no shortcut'}: {line['plain']:.4f}",
        )
        for line in lines["sparse"]
    ]
    rows += [
        (
            "contractive: norm of the Jacobian (error)",
            "{contractive:.2f} ({error:.3f})".format(**one["contractive"]),
            "plain: {plain:.2f} ({error_plain:.3f})".format(**one["contractive"]),
        ),
        (
            "variational, 64 and 784 pixels: samples taken for one digit with 0.8",
            each("variational", "samples", "{:.1%}"),
            f"plain, random codes: {each('variational', 'plain', '{:.1%}')}; real digits: "
            f"{each('variational', 'real_digits', '{:.1%}')}",
        ),
        (
            "one class is normal: mean ROC AUC",
            "{mean:.3f}".format(**one["one_class"]),
            "of the ten the least: {least:.3f}".format(**one["one_class"]),
        ),
        (
            "10 labels per class: accuracy on features",
            share(one["features"]["features"]),
            f"on pixels: {share(one['features']['pixels'])}; better in {one['features']['draws_won']} of 20 draws",
        ),
        (
            "plain, 2, 8, 32, 128 numbers: error",
            each("size", "digits"),
            f"of digits with shuffled pixels: {each('size', 'shuffled')}",
        ),
    ]
    return "\n".join(["| | | compared with |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


COMMAND = "benchmarks.latents.words"
TABLES = {"denoise": denoise, "autoencoders": family}


def tables():
    """{name: Markdown}, as `pages.write` takes them."""
    return {name: table(read(name)) for name, table in TABLES.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pages", nargs="+", metavar="PAGE.md")
    for page in parser.parse_args().pages:
        pages.write(page, COMMAND, tables())


if __name__ == "__main__":
    main()
