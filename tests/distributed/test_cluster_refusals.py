"""What is said where Ray, of which only what is asked for stands here, refuses."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from codec.distributed import cluster
from codec.files.jobs import Job


class RayError(Exception):
    """Ray's own."""


def refuse(error):
    raise error


def ray_that(connects=None, answers=None):
    """A module that raises what is given when it connects, or when it is asked what the cluster has."""
    ray, data = ModuleType("ray"), ModuleType("ray.data")
    ray.exceptions = SimpleNamespace(RayError=RayError)
    ray._private = SimpleNamespace(worker=SimpleNamespace())
    ray.data, data.DataContext = data, SimpleNamespace(get_current=SimpleNamespace)
    ray.is_initialized, ray.shutdown = lambda: False, lambda: None
    ray.init = lambda **_: refuse(connects) if connects else None
    ray.cluster_resources = lambda: refuse(answers) if answers else {}
    return {"ray": ray, "ray.data": data}


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (ray_that(connects=ConnectionError("nobody\nlistens")), "there is no such cluster: nobody"),
        (ray_that(connects=RuntimeError()), "there is no such cluster: RuntimeError"),
        (ray_that(connects=RayError("a trace\nits end")), "the cluster failed: its end"),
        (ray_that(answers=ValueError("a trace\nits end")), "the cluster failed: its end"),
        (ray_that(answers=RayError()), "the cluster failed: RayError"),
        (ray_that(), "the cluster has 0 CPUs, and an actor needs 1"),
    ],
)
def test_one_line_of_what_ray_says(there, words, monkeypatch):
    for name, module in there.items():
        monkeypatch.setitem(sys.modules, name, module)
    with pytest.raises(cluster.ClusterError) as caught:
        next(cluster.run([Job("a", target="b")], None, "there:1", None, 0))
    assert str(caught.value) == words
