"""The autoencoders as estimators: scikit-learn's own checks, what each kind promises, repeatability, keeping, and one
sentence for whatever is wrong.
"""

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

import torch
from scipy.linalg import subspace_angles
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from codec import CodecError
from codec.autoencoders import Autoencoder
from codec.autoencoders.corruption import Corruption
from codec.autoencoders.kinds import KINDS
from codec.errors import BadData, BadOption, BadWeights

QUICK = {"hidden": (16,), "channels": (4,), "latent_dim": 2, "max_iter": 3, "random_state": 0}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:800], y[:800]


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).normal(size=(40, 6))


@pytest.mark.parametrize(
    "options", [{"kind": kind} for kind in KINDS] + [{"kind": "sparse", "sparsity": "kl"}, {"loss": "bce"}], ids=str
)
def test_scikit_learn_finds_nothing_to_object_to(options):
    with warnings.catch_warnings(action="ignore"):
        results = check_estimator(Autoencoder(**QUICK | {"max_iter": 1} | options), on_skip=None, on_fail=None)
    assert [(r["check_name"], str(r["exception"])) for r in results if r["status"] == "failed"] == []
    # The only check left out is one scikit-learn itself leaves out unless an environment variable asks for it.
    assert {r["check_name"] for r in results if r["status"] != "passed"} <= {"check_array_api_input"}


def test_the_linear_kind_finds_the_subspace_of_pca(digits):
    X = digits[0][:200]
    estimator, pca = Autoencoder("linear", 4, max_iter=12, random_state=0).fit(X), PCA(4, svd_solver="full").fit(X)
    angles = np.degrees(subspace_angles(estimator.network_.decoder[0].weight.numpy(), pca.components_.T))
    assert angles.max() < 1
    ours, theirs = (
        np.square(X - back).mean() for back in (estimator.reconstruct(X), pca.inverse_transform(pca.transform(X)))
    )
    assert theirs * 0.999999 < ours < theirs * 1.01


@pytest.fixture(scope="module")
def plain(digits):
    return Autoencoder(latent_dim=8, hidden=(64,), max_iter=30, learning_rate=3e-3, random_state=0).fit(digits[0])


def test_the_plain_kind_is_better_than_pca_and_score_is_what_it_says(digits, plain):
    X = digits[0]
    error = np.square(X - plain.reconstruct(X))
    pca = PCA(8, svd_solver="full").fit(X)
    assert error.mean() < 0.8 * np.square(X - pca.inverse_transform(pca.transform(X))).mean()
    assert plain.score(X) == pytest.approx(1 - error.sum() / np.square(X - X.mean(0)).sum(), rel=1e-9)
    assert plain.reconstruction_error(X) == pytest.approx(error.mean(1) / X.var(0).mean(), rel=1e-9)
    assert plain.loss_curve_[-1] < 0.7 * plain.loss_curve_[0] and len(plain.validation_curve_) == plain.n_iter_


def test_the_shortcut_starts_as_pca_so_that_the_worst_is_pca(digits):
    X = digits[0][:600]
    bce = Autoencoder(latent_dim=16, hidden=(16,), loss="bce", max_iter=1, learning_rate=1e-9, random_state=0).fit(X)
    assert bce.score(X) > 0.6
    for kind in ("undercomplete", "convolutional"):
        start = Autoencoder(
            kind, 16, (16,), channels=(4,), max_iter=1, learning_rate=1e-9, early_stopping=False, random_state=0
        ).fit(X)
        assert start.score(X) == pytest.approx(
            PCA(16, svd_solver="full").fit(X).explained_variance_ratio_.sum(), abs=1e-5
        )
    signed = Autoencoder("sparse", 32, (16,), max_iter=1, learning_rate=1e-9, early_stopping=False, random_state=0).fit(
        X
    )
    assert signed.score(X) == pytest.approx(start.score(X), abs=1e-5)
    bare = Autoencoder(latent_dim=16, hidden=(16,), shortcut=False, max_iter=1, learning_rate=1e-9, random_state=0).fit(
        X
    )
    assert bare.network_.into is None and bare.score(X) < 0.2


def test_the_threshold_is_the_quantile_of_held_out_errors(digits, plain):
    assert len(plain.errors_) == round(0.1 * len(digits[0]))
    assert plain.anomaly_threshold(0.9) == np.quantile(plain.errors_, 0.9)
    above = plain.reconstruction_error(digits[0]) > plain.anomaly_threshold(0.9, digits[0])
    assert above.mean() == pytest.approx(0.1, abs=0.005)


def test_training_stops_when_nothing_improves_and_keeps_the_best(digits):
    estimator = Autoencoder(
        latent_dim=2, hidden=(32,), shortcut=False, learning_rate=0.05, n_iter_no_change=2, max_iter=500, random_state=0
    ).fit(digits[0][:300])
    best = min(estimator.validation_curve_)
    assert estimator.n_iter_ < 200 and estimator.validation_curve_[-1] > best * 0.999
    assert estimator.errors_.mean() == pytest.approx(best, rel=2e-3)  # within tol


def test_one_class_is_told_from_the_others(digits):
    X, y = digits
    estimator = Autoencoder(latent_dim=8, hidden=(64,), max_iter=60, random_state=0).fit(X[:500][y[:500] == 3])
    assert roc_auc_score(y[500:] != 3, estimator.reconstruction_error(X[500:])) > 0.95


@pytest.mark.parametrize("noise", ["gaussian", "zero", "patch"])
def test_the_denoising_kind_learns_to_denoise(digits, plain, noise):
    X = digits[0]
    level = {"gaussian": 0.6, "zero": 0.4, "patch": 0.2}[noise]
    estimator = Autoencoder(
        "denoising",
        8,
        (64,),
        noise=noise,
        noise_level=level,
        image_shape=(8, 8),
        max_iter=25,
        learning_rate=3e-3,
        random_state=0,
    ).fit(X)
    corrupted = estimator.corrupt(X, random_state=1)
    assert (
        np.square(X - estimator.reconstruct(corrupted)).mean()
        < 0.9 * np.square(X - plain.reconstruct(corrupted)).mean()
    )


def test_corruptions_do_what_they_say():
    x = torch.ones(500, 60, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)

    def corrupt(noise, level, shape=None):
        return Corruption(noise, level, torch.full((60,), 2.0), torch.full((60,), -1.0), shape)(x, generator)

    assert (corrupt("gaussian", 0.25) - 1).std() == pytest.approx(0.5, rel=0.05)
    zeroed = corrupt("zero", 0.3)
    assert set(zeroed.unique().tolist()) == {-1.0, 1.0} and (zeroed == -1).double().mean() == pytest.approx(
        0.3, abs=0.02
    )
    patched = (corrupt("patch", 0.2, (6, 5, 2)) == -1).reshape(500, 6, 5, 2)
    assert torch.equal(patched[..., 0], patched[..., 1]) and patched.double().mean() == pytest.approx(0.2, abs=0.04)
    flat = patched[..., 0]
    assert torch.equal(flat, flat.any(2, keepdim=True) & flat.any(1, keepdim=True))  # rectangles
    run = corrupt("patch", 0.25) == -1
    assert (run.sum(1) == 15).all() and (run.int().diff(dim=1).abs().sum(1) <= 2).all()
    assert torch.equal(x, torch.ones_like(x))


def test_the_sparse_kind_is_sparse_and_says_as_much(digits):
    dense, sparse = (
        Autoencoder(kind, size, (64,), max_iter=15, learning_rate=3e-3, random_state=0).fit(digits[0])
        for kind, size in (("undercomplete", 32), ("sparse", 256))
    )
    codes = sparse.transform(digits[0])
    near = codes < 0.01 * codes.max()
    assert codes.min() == 0 and near.mean() >= 0.8
    assert 1 - sparse.score(digits[0]) < 1.2 * (1 - dense.score(digits[0]))
    without = sparse.inverse_transform(np.where(near, 0, codes))  # what is near zero says next to nothing
    assert np.square(digits[0] - without).mean() < 1.1 * np.square(digits[0] - sparse.reconstruct(digits[0])).mean()
    driven = Autoencoder(
        "sparse", 64, (64,), sparsity="kl", sparsity_target=0.1, beta=5, max_iter=15, learning_rate=3e-3, random_state=0
    ).fit(digits[0])
    codes = driven.transform(digits[0])
    assert 0 < codes.min() and codes.max() < 1 and codes.mean() == pytest.approx(0.1, abs=0.04)


def test_the_contractive_kind_contracts_and_the_norm_is_the_jacobians(digits):
    X = digits[0][:300]
    norms = []
    for kind in ("undercomplete", "contractive"):
        estimator = Autoencoder(
            kind,
            4,
            (32,),
            beta=None if kind == "undercomplete" else 30,
            max_iter=40,
            learning_rate=3e-3,
            random_state=0,
        ).fit(X)
        norms.append(estimator.jacobian_norm(X).mean())
        codes = estimator.transform(X)
        # Otherwise scale alone could halve the norm.
        assert np.allclose(codes.mean(0), 0, atol=1e-5) and codes.var(0).mean() == pytest.approx(1, rel=1e-4)
    assert norms[1] < norms[0] / 1.5
    one = torch.from_numpy(estimator.scaling_.forward(X[:1]))
    exact = torch.autograd.functional.jacobian(lambda x: estimator.network_.encode(x).mean[0], one).norm()
    assert estimator.jacobian_norm(X[:1])[0] == pytest.approx(exact.item(), rel=1e-9)


def test_a_row_left_over_is_no_batch_of_its_own(rows):
    """The variance of one row is 0, and the contractive penalty divides by it."""
    estimator = Autoencoder(**QUICK | {"max_iter": 10}, kind="contractive", batch_size=13, early_stopping=False).fit(
        rows
    )
    assert max(estimator.loss_curve_) < 10 * min(estimator.loss_curve_)


@pytest.fixture(scope="module")
def variational(digits):
    return Autoencoder("variational", 3, (32,), "bce", max_iter=25, learning_rate=3e-3, random_state=0).fit(
        digits[0].reshape(-1, 8, 8)
    )


def test_the_variational_latent_is_near_its_prior_and_can_be_walked(digits, variational):
    pictures = digits[0].reshape(-1, 8, 8)
    mean, variance = variational.posterior(pictures)
    assert mean.shape == variance.shape == (len(pictures), 3) and (variance > 0).all()
    total = mean.var(0) + variance.mean(0)  # of the aggregate posterior: 1 under the prior
    assert (abs(mean.mean(0)) < 0.4).all() and (0.4 < total).all() and (total < 1.8).all()
    assert variational.sample(5, 0).shape == (5, 8, 8)
    assert np.array_equal(variational.sample(5, 0), variational.sample(5, 0))
    # Cross-entropy stays in the range of the data.
    assert 0 <= variational.sample(50, 0).min() and variational.sample(50, 0).max() <= 16
    walk = variational.interpolate(pictures[0], pictures[1], 5)
    assert np.allclose(walk[[0, -1]], variational.reconstruct(pictures[:2]))
    assert walk.shape == (5, 8, 8) and not np.allclose(walk[0], walk[2])
    row = variational.traverse(1, [-2, 0, 2], start=pictures[0])
    z = np.repeat(variational.transform(pictures[:1]), 3, 0)
    z[:, 1] = [-2, 0, 2]
    assert np.allclose(row, variational.inverse_transform(z))


def test_a_larger_beta_gives_a_latent_that_says_less(digits):
    informed = [
        Autoencoder("variational", 3, (32,), beta=beta, max_iter=15, learning_rate=3e-3, random_state=0)
        .fit(digits[0])
        .posterior(digits[0])[1]
        .mean()
        for beta in (0.1, 20.0)
    ]
    assert informed[0] < 0.5 * informed[1]


@pytest.mark.parametrize("shape", [(30, 9, 7), (30, 5, 6, 3), (30, 1, 11)])
def test_pictures_of_any_size_come_back_in_their_shape(shape):
    X = np.random.default_rng(0).uniform(0, 255, shape).astype(np.uint8)
    for kind in ("convolutional", "variational"):
        estimator = Autoencoder(**QUICK, kind=kind, network="convolutional").fit(X)
        assert estimator.transform(X).shape == (30, 2)
        assert estimator.reconstruct(X).shape == shape
    with pytest.raises(BadData, match="pictures of shape"):
        estimator.transform(X[:, :, :-1])


def test_the_same_seed_gives_the_same_model_and_leaves_torchs_own_alone(rows):
    torch.manual_seed(5)
    expected = torch.rand(1)
    for kind in KINDS:
        torch.manual_seed(5)
        one, two, other = (
            Autoencoder(**QUICK | {"random_state": seed}, kind=kind).fit(rows).transform(rows) for seed in (0, 0, 1)
        )
        assert np.array_equal(one, two) and not np.allclose(one, other)
        assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_answers_the_same(tmp_path, digits, kind):
    X = digits[0][:60].reshape(-1, 8, 8)
    estimator = Autoencoder(**QUICK, kind=kind, scale="none" if kind == "sparse" else "global").fit(X)
    estimator.save(tmp_path / "model")
    loaded = Autoencoder.load(tmp_path / "model", device="cpu")
    assert np.array_equal(loaded.transform(X), estimator.transform(X))
    assert np.array_equal(loaded.reconstruct(X), estimator.reconstruct(X))
    assert loaded.anomaly_threshold() == estimator.anomaly_threshold()
    assert loaded.validation_curve_ == estimator.validation_curve_
    assert clone(loaded).get_params()["kind"] == kind
    assert loaded.dumps() == estimator.dumps()


def test_a_broken_file_is_refused(tmp_path, rows):
    data = Autoencoder(**QUICK).fit(rows).dumps()
    cut = len(data) // 2
    broken = [
        b"",
        b"x" * 100,
        data[:cut],
        data[:-1],
        data.replace(b"aecodec autoencoder 1", b"aecodec autoencoder 9"),
        data.replace(b'latent_dim\\": 2', b'latent_dim\\": 3'),
    ]
    for content in (*broken, data.replace(b'latent_dim\\": 2', b'latent_dim\\": -')):
        assert content != data
        with pytest.raises(BadWeights, match="does not hold an autoencoder"):
            Autoencoder.load(content)


def test_bad_arrays_get_one_sentence(rows):
    estimator = Autoencoder(**QUICK).fit(rows)
    hole, flat = rows.copy(), rows.copy()
    hole[7, 2], flat[:, 4] = np.nan, 3.0
    for call, words in (
        (lambda: estimator.fit(hole), r"NaN, first in row 7, column 2"),
        (lambda: estimator.transform(rows * np.inf), "inf"),
        (lambda: estimator.transform(rows[:, :5]), "5 features.*6 features"),
        (lambda: estimator.fit(rows[:0]), r"0 sample\(s\)"),
        (lambda: estimator.fit(rows[:, :0]), r"0 feature\(s\)"),
        (lambda: estimator.fit(rows[:1]), r"1 sample\(s\)"),
        (lambda: estimator.fit(rows[0]), "1D array"),
        (lambda: estimator.fit([["a", "b"], ["c", "d"]]), "could not convert|dtype"),
        (lambda: Autoencoder(scale="column").fit(flat), "column 4 is constant"),
        (lambda: estimator.fit(np.ones((5, 3))), "every column is constant"),
        (lambda: Autoencoder(loss="bce", scale="none").fit(rows), "from 0 to 1"),
        (lambda: estimator.fit(rows * 1e300), "too large"),
        (lambda: Autoencoder(**QUICK).transform(rows), "not fitted"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            call()
        assert isinstance(caught.value, CodecError) and "\n" not in str(caught.value)
    estimator = Autoencoder(**QUICK).fit(rows)
    for latents in (np.zeros((3, 3)), np.zeros(2), [["x", "y"]], [[np.nan, 0]], np.zeros((0, 2))):
        with pytest.raises(BadData, match="latents"):
            estimator.inverse_transform(latents)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "magic"},
        {"latent_dim": 0},
        {"latent_dim": 2.5},
        {"hidden": 7},
        {"hidden": (0,)},
        {"loss": "l3"},
        {"noise": "salt"},
        {"sparsity": "l0"},
        {"scale": True},
        {"beta": -1},
        {"beta": math.nan},
        {"batch_size": 0},
        {"learning_rate": math.nan},
        {"validation_fraction": 1},
        {"device": "toaster"},
        {"image_shape": (2, 2)},
        {"image_shape": 6},
        {"network": "big"},
        {"max_iter": True},
        {"kind": "linear", "network": "convolutional"},
        {"kind": "contractive", "batch_size": 1},
    ],
    ids=str,
)
def test_bad_options_get_one_sentence(rows, options):
    with pytest.raises(BadOption) as caught:
        Autoencoder(**QUICK | options).fit(rows)
    assert isinstance(caught.value, ValueError) and "\n" not in str(caught.value)


def test_what_only_the_variational_kind_can_do_says_so(rows):
    estimator = Autoencoder(**QUICK).fit(rows)
    for call in (
        estimator.sample,
        lambda: estimator.posterior(rows),
        lambda: estimator.traverse(9),
        lambda: estimator.anomaly_threshold(0),
    ):
        with pytest.raises(BadOption):
            call()


def test_it_stands_in_a_pipeline_and_names_its_outputs(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=list("abcdef"))
    pipeline = make_pipeline(StandardScaler(), Autoencoder(**QUICK)).set_output(transform="pandas")
    assert list(pipeline.fit_transform(frame).columns) == ["autoencoder0", "autoencoder1"]
    estimator = Autoencoder(**QUICK, scale="column").fit(frame)
    with pytest.raises(BadData, match="feature names"):
        estimator.transform(frame[list("bacdef")])
    frame.loc[3, "e"] = np.nan
    with pytest.raises(BadData, match="row 3, column e"):
        estimator.transform(frame)


def test_importing_the_package_is_light():
    code = (
        "import sys, codec.autoencoders, codec.app.cli; print(*{'torch', 'numpy', 'sklearn', 'pandas', "
        "'PIL'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
