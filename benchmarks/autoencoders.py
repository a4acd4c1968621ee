"""What the autoencoders must show, as one table: `python -m benchmarks.autoencoders [NAME ...] [-o
benchmarks/results/autoencoders.json]`.

Each experiment prints its figures beside what was wanted; those in the JSON stay where an experiment is not run again.
Everything is repeatable on one machine: the data come from scikit-learn (see `digits`), every seed is 0. All figures
are of test digits no model was fitted on. The experiments on 64 pixels take some seconds each, those on 784 pixels
("reconstruction", "variational") a few minutes, on one core.
"""

import argparse
import json
import os
import time
import warnings
from functools import lru_cache

import numpy as np
import torch
from scipy.linalg import subspace_angles
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier

from codec import CodecError
from codec.autoencoders import Autoencoder
from codec.files.output import atomic

from . import digits, machine

OUT = "benchmarks/results/autoencoders.json"
SMALL = {"hidden": (128, 64), "max_iter": 80, "random_state": 0}  # for 64 pixels
# For digits of 784 pixels.
LARGE = {
    "hidden": (512, 256, 128),
    "latent_dim": 32,
    "batch_size": 64,
    "max_iter": 30,
    "n_iter_no_change": 5,
    "random_state": 0,
}

handwritten, printed = lru_cache(digits.handwritten), lru_cache(digits.printed)


@lru_cache
def fitted(data=handwritten, **options):
    return Autoencoder(**{**(SMALL if data is handwritten else LARGE), **options}).fit(data().train)


def unexplained(estimator, rows, clean=None):
    """Share of the variance of the training rows that is missing in the reconstruction of `rows`."""
    clean = rows if clean is None else clean
    return float(np.square((clean - estimator.reconstruct(rows)) / estimator.scaling_.spread).mean())


def unexplained_by_pca(estimator, data):
    pca = PCA(estimator.latent_dim_, svd_solver="full").fit(data.train)
    return float(
        np.square((data.test - pca.inverse_transform(pca.transform(data.test))) / estimator.scaling_.spread).mean()
    )


def linear():
    """Largest principal angle below 1 degree to PCA's subspace, error within 1 %."""
    lines, data = [], handwritten()
    for size in (2, 8, 16):
        estimator = fitted(kind="linear", latent_dim=size)
        pca = PCA(size, svd_solver="full").fit(data.train)
        angle = float(
            np.degrees(subspace_angles(estimator.network_.decoder[0].weight.cpu().numpy(), pca.components_.T)[0])
        )
        ours, theirs = unexplained(estimator, data.test), unexplained_by_pca(estimator, data)
        lines.append(
            {
                "latent": size,
                "degrees": angle,
                "error": ours,
                "pca": theirs,
                "met": angle < 1 and abs(ours / theirs - 1) < 0.01,
            }
        )
    return lines


def reconstruction():
    """Error far below PCA of the same dimension: 64 pixels in 8, and 784 through 512-256-128 in 32 (24 times fewer
    numbers).
    """
    lines = []
    for name, source, options in (
        ("64-32-8", handwritten, {"hidden": (32,), "latent_dim": 8}),
        ("64-128-64-8", handwritten, {"latent_dim": 8}),
        ("8x8, convolutional, 8", handwritten, {"kind": "convolutional", "latent_dim": 8, "channels": (16, 32)}),
        ("784-512-256-128-32", printed, {}),
    ):
        estimator, data = fitted(source, **options), source()
        ours, theirs = unexplained(estimator, data.test), unexplained_by_pca(estimator, data)
        lines.append(
            {
                "network": name,
                "error": ours,
                "pca": theirs,
                "ratio": ours / theirs,
                "epochs": estimator.n_iter_,
                "met": ours < theirs * 2 / 3,
            }
        )
    return lines


def denoising():
    """The denoising kind rebuilds the clean digit from a corrupted one better than the plain kind, for
    each corruption.
    """
    lines, data = [], handwritten()
    plain = fitted(latent_dim=16)
    for noise, level in (("gaussian", 0.5), ("zero", 0.3), ("patch", 0.2)):
        estimator = fitted(kind="denoising", latent_dim=16, noise=noise, noise_level=level)
        corrupted = estimator.corrupt(data.test, random_state=0)
        untouched = float(np.square((data.test - corrupted) / estimator.scaling_.spread).mean())
        ours, theirs = unexplained(estimator, corrupted, data.test), unexplained(plain, corrupted, data.test)
        lines.append(
            {
                "noise": noise,
                "level": level,
                "input": untouched,
                "plain": theirs,
                "denoising": ours,
                "met": ours < min(theirs, untouched),
            }
        )
    return lines


def sparse():
    """At least 80 % of 256 activations near zero at less than 20 % more error than the plain kind with 32 numbers (with
    256 it would copy its 64 inputs).

    `active` numbers per digit are not near zero; `without` is the error when those near zero are set to 0.
    """
    lines, data = [], handwritten()
    # Logistic units never reach 0, so that "near" is wider; KL sparsity has no shortcut, and is compared with a plain
    # kind without.
    for sparsity, near, shortcut in (("l1", 0.01, True), ("kl", 0.1, False)):
        plain = unexplained(fitted(latent_dim=32, shortcut=shortcut), data.test)
        estimator = fitted(kind="sparse", sparsity=sparsity, latent_dim=256)
        codes = estimator.transform(data.test)
        small = codes < near * codes.max()
        ours = unexplained(estimator, data.test)
        without = float(
            np.square(
                (data.test - estimator.inverse_transform(np.where(small, 0, codes))) / estimator.scaling_.spread
            ).mean()
        )
        lines.append(
            {
                "sparsity": sparsity,
                "near": near,
                "near_zero": float(small.mean()),
                "active": float((~small).sum(1).mean()),
                "error": ours,
                "without": without,
                "plain": plain,
                "ratio": ours / plain,
                "met": bool(small.mean() >= 0.8) and ours < 1.2 * plain,
            }
        )
    return lines


def contractive():
    """Norm of the encoder's Jacobian at most half of the plain kind's; the codes of both have mean 0 and variance 1
    over all dimensions.
    """
    data, (plain, ours) = handwritten(), (fitted(kind=kind, latent_dim=16) for kind in ("undercomplete", "contractive"))
    norms = [float(estimator.jacobian_norm(data.test).mean()) for estimator in (plain, ours)]
    errors = [unexplained(estimator, data.test) for estimator in (plain, ours)]
    return [
        {
            "plain": norms[0],
            "contractive": norms[1],
            "ratio": norms[0] / norms[1],
            "error_plain": errors[0],
            "error": errors[1],
            "met": norms[0] >= 2 * norms[1],
        }
    ]


def variational():
    """Samples are recognised as a digit with at least 0.8 confidence more often than decodings of random points of the
    plain kind (N(mean, deviation) of its codes).
    """
    lines, count = [], 2000
    for source, options in ((handwritten, {"latent_dim": 8}), (printed, {})):
        data = source()
        judge = MLPClassifier((128,), max_iter=100, early_stopping=True, random_state=0).fit(
            data.train, data.train_labels
        )
        plain, ours = fitted(source, **options), fitted(source, kind="variational", loss="bce", **options)
        codes = plain.transform(data.train)
        random = plain.inverse_transform(
            np.random.default_rng(0).normal(codes.mean(0), codes.std(0), (count, codes.shape[1]))
        )
        sure = [
            float((judge.predict_proba(rows).max(1) >= 0.8).mean())
            for rows in (ours.sample(count, 0), random, data.test)
        ]
        lines.append(
            {
                "pixels": data.train.shape[1],
                "samples": sure[0],
                "plain": sure[1],
                "real_digits": sure[2],
                "judge_accuracy": float(judge.score(data.test, data.test_labels)),
                "met": sure[0] > sure[1],
            }
        )
    return lines


def one_class():
    """Fitted on one class alone, the reconstruction error tells it from the others: mean ROC AUC of at least 0.95 over
    the ten.
    """
    data, areas = handwritten(), []
    for label in range(10):
        estimator = Autoencoder(hidden=(64,), latent_dim=8, random_state=0).fit(data.train[data.train_labels == label])
        areas.append(float(roc_auc_score(data.test_labels != label, estimator.reconstruction_error(data.test))))
    return [
        {"mean": float(np.mean(areas)), "least": min(areas), "by_class": areas, "met": float(np.mean(areas)) >= 0.95}
    ]


def features():
    """Logistic regression with 10 labels per class on the features of a denoising autoencoder beats raw pixels: mean of
    20 draws, strength by cross-validation.
    """
    data, scores = handwritten(), {}
    estimator = fitted(kind="denoising", latent_dim=32)
    for name, transform in (("pixels", lambda rows: rows), ("features", estimator.transform)):
        train, test = transform(data.train), transform(data.test)
        middle, spread = train.mean(0), np.sqrt(train.var(0).mean())
        train, test, found = (train - middle) / spread, (test - middle) / spread, []
        for draw in range(20):
            rng = np.random.default_rng(draw)
            labelled = np.concatenate(
                [rng.choice(np.flatnonzero(data.train_labels == label), 10, replace=False) for label in range(10)]
            )
            search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.01, 0.1, 1.0, 10.0]}, cv=5)
            found.append(search.fit(train[labelled], data.train_labels[labelled]).score(test, data.test_labels))
        scores[name] = np.array(found)
    better = scores["features"] - scores["pixels"]
    return [
        {
            "pixels": float(scores["pixels"].mean()),
            "features": float(scores["features"].mean()),
            "draws_won": int((better > 0).sum()),
            "standard_error": float(better.std(ddof=1) / np.sqrt(len(better))),
            "met": float(better.mean()) > 0,
        }
    ]


def size():
    """Latent too small: details are lost.

    Too large: anything is copied, digits with shuffled pixels too, and the error tells them apart no more.
    """
    lines, data = [], handwritten()
    shuffled = np.random.default_rng(0).permuted(data.test, axis=1)
    for width in (2, 8, 32, 128):
        estimator = fitted(hidden=(128,), latent_dim=width)
        errors = [estimator.reconstruction_error(rows) for rows in (data.test, shuffled)]
        lines.append(
            {
                "latent": width,
                "digits": float(errors[0].mean()),
                "shuffled": float(errors[1].mean()),
                "ratio": float(errors[1].mean() / errors[0].mean()),
            }
        )
    lines[-1]["met"] = (
        lines[0]["digits"] > 5 * lines[-1]["digits"] and lines[-1]["shuffled"] < 0.25 * lines[0]["shuffled"]
    )
    return lines


def bad_input():
    """One clear sentence each, of CodecError and ValueError."""
    rows = np.random.default_rng(0).normal(size=(50, 4))
    hole, flat = rows.copy(), rows.copy()
    hole[3, 1], flat[:, 2] = np.nan, 7
    quick = Autoencoder(hidden=(4,), latent_dim=2, max_iter=2, random_state=0).fit(rows)
    cases = {
        "NaN": lambda: quick.fit(hole),
        "wrong width": lambda: quick.transform(rows[:, :3]),
        "empty": lambda: quick.fit(rows[:0]),
        "one sample": lambda: quick.fit(rows[:1]),
        "constant column": lambda: Autoencoder(scale="column").fit(flat),
        "all constant": lambda: quick.fit(np.ones((9, 4))),
    }
    lines = []
    for name, call in cases.items():
        try:
            call()
            lines.append({"case": name, "sentence": None, "met": False})
        except ValueError as error:
            lines.append({"case": name, "sentence": str(error), "met": isinstance(error, CodecError)})
    return lines


EXPERIMENTS = {
    f.__name__: f
    for f in (linear, denoising, sparse, contractive, one_class, features, size, bad_input, reconstruction, variational)
}


def _cell(value):
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return (
        f"{value:.4g}"
        if isinstance(value, float)
        else ", ".join(map(_cell, value))
        if isinstance(value, list)
        else str(value)
    )


def table(name, record):
    """Markdown lines."""
    keys = list(dict.fromkeys(key for line in record["lines"] for key in line))
    rows = ["| " + " | ".join(_cell(line.get(key, "")) for key in keys) + " |" for line in record["lines"]]
    return [
        f"**{name}**: {record['wanted']} ({record['seconds']:.0f} s)",
        "",
        "| " + " | ".join(keys) + " |",
        "|" + "---|" * len(keys),
        *rows,
        "",
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)}; all without")
    parser.add_argument("-o", "--output", default=OUT)
    arguments = parser.parse_args()
    if unknown := [name for name in arguments.names if name not in EXPERIMENTS]:
        parser.error(f"there is no experiment {unknown[0]!r}")
    results = {}
    if os.path.exists(arguments.output):
        with open(arguments.output, encoding="utf-8") as file:
            results = json.load(file)
    for name in arguments.names or EXPERIMENTS:
        start = time.perf_counter()
        with warnings.catch_warnings(action="ignore"):
            lines = EXPERIMENTS[name]()
        results[name] = {
            "wanted": " ".join(EXPERIMENTS[name].__doc__.split()),
            "lines": lines,
            "seconds": round(time.perf_counter() - start, 1),
        }
        print("\n".join(table(name, results[name])), flush=True)
        results["machine"] = machine.describe(torch.get_num_threads())
        with atomic(arguments.output, overwrite=True) as file:
            file.write((json.dumps(results, indent=1) + "\n").encode())


if __name__ == "__main__":
    main()
