"""The model's check: pictures drawn from the measured distribution go through queues for network, cores and GPUs, event
by event (simpy).
"""

import random

from .model import ASSUMED, demands

LOOKAHEAD = 2  # pictures per core of a machine that are on their way at once


def simulate(rows, fleet, pictures, seed=1, assumed=ASSUMED):
    """Pictures per second of the middle half of a run, and over all of it the busy share of each resource:
    {"pictures_per_s", "busy", "seconds"}.

    A picture is fetched over its machine's network, read by a core, transformed by a GPU or the same core, coded and
    written by a core, and sent away; the driver hands pictures out and takes rows back one by one.
    """
    import simpy

    world, rng = simpy.Environment(), random.Random(seed)
    driver = simpy.Resource(world, 1)
    busy = dict.fromkeys(("driver", "network", "cores", "gpus"), 0.0)
    todo, ends = iter(range(pictures)), []

    def use(resource, name, seconds):
        with resource.request() as turn:
            yield turn
            yield world.timeout(seconds)
            busy[name] += seconds

    def worker(network, cores, gpus):
        for _ in todo:
            row = rng.choice(rows)
            need = demands(row, fleet, assumed)
            # The rest of the cores' work comes after the GPU's.
            before = min(need["cores"], row["read"] / assumed["core_factor"])
            yield from use(driver, "driver", 1 / assumed["rows_per_s"])
            yield from use(network, "network", row["in_bytes"] / fleet.network)
            if gpus is None:
                yield from use(cores, "cores", need["cores"])
            else:
                yield from use(cores, "cores", before)
                yield from use(gpus, "gpus", need["gpus"])
                yield from use(cores, "cores", need["cores"] - before)
            yield from use(network, "network", row["out_bytes"] / fleet.network)
            ends.append(world.now)

    for _ in range(fleet.machines):
        shared = (
            simpy.Resource(world, 1),
            simpy.Resource(world, fleet.cores),
            simpy.Resource(world, fleet.gpus) if fleet.gpus else None,
        )
        for _ in range(LOOKAHEAD * fleet.cores):
            world.process(worker(*shared))
    world.run()
    capacity = {
        "driver": 1,
        "network": fleet.machines,
        "cores": fleet.machines * fleet.cores,
        "gpus": fleet.machines * fleet.gpus,
    }
    # Measured without the start, when all machines ask at once, and the end, when some have nothing left.
    first, last = (pictures // 4, 3 * pictures // 4)
    return {
        "pictures_per_s": (last - first) / (ends[last] - ends[first]),
        "seconds": world.now,
        "busy": {name: round(spent / world.now / capacity[name], 4) for name, spent in busy.items() if capacity[name]},
    }
