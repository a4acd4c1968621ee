"""How long a fleet takes: every resource's demand over its capacity, of which the largest is the bottleneck.

What was not measured is assumed, here, by name.
"""

import statistics
from dataclasses import asdict, dataclass

from .costs import STAGES

ASSUMED = {
    # Transforms and prior of one H200: what its training steps reached at 512 x 512 (benchmarks/training), whose
    # arithmetic is about three times that of coding.
    "gpu_mp_per_s": 437.0,
    "cores_per_gpu": 16,
    "gpus_per_machine": 8,
    "core_factor": 1.0,  # a core of the fleet over the one that was measured
    "network_gb_per_s": {1: 3.1, 8: 12.5},  # of a machine with so many GPUs: 25 and 100 Gbit/s
    "cores_of_cpu_machine": 64,
    "store_gets_per_s": 5500.0,  # per prefix, as a large object store promises
    "store_puts_per_s": 3500.0,
    "prefixes": 16,
    "rows_per_s": 2000.0,  # that one driver hands out and takes back
    "lists_per_s": 10.0,  # requests of a driver that lists a bucket, 1000 names each
    "row_bytes": 500,  # of the driver's memory per file
    "picture_mp": 12.0,
}


@dataclass(frozen=True)
class Fleet:
    """`gpus` 0: machines of cores only."""

    name: str
    machines: int
    gpus: int  # per machine
    cores: int  # per machine
    network: float  # bytes per second and machine


def fleets(assumed=ASSUMED):
    """Those of the page: processors alone, 1, 8 and 64 GPUs, and the last with cores enough to feed them."""
    each, network = assumed["gpus_per_machine"], assumed["network_gb_per_s"]
    cores = assumed["cores_per_gpu"]
    return [
        Fleet("one machine without a GPU", 1, 0, assumed["cores_of_cpu_machine"], network[1] * 1e9),
        Fleet("1 GPU", 1, 1, cores, network[1] * 1e9),
        Fleet("8 GPUs", 1, 8, 8 * cores, network[8] * 1e9),
        Fleet("64 GPUs", 64 // each, each, each * cores, network[8] * 1e9),
        Fleet(f"64 GPUs, {4 * cores} cores each", 64 // each, each, 4 * each * cores, network[8] * 1e9),
    ]


def scaled(rows, assumed=ASSUMED):
    """The measured rows as pictures of `picture_mp` on average: all costs are taken to grow with the pixels, but that
    of writing, which is a wait for a disk.
    """
    factor = assumed["picture_mp"] / statistics.fmean(row["mp"] for row in rows)
    return [{name: value if name == "write" else value * factor for name, value in row.items()} for row in rows]


def demands(row, fleet, assumed=ASSUMED):
    """Of one picture: seconds of a core, seconds of a GPU, bytes of the network."""
    on_cores = [stage for stage in STAGES if not (fleet.gpus and stage in ("transform", "prior"))]
    return {
        "cores": sum(row[stage] for stage in on_cores) / assumed["core_factor"],
        "gpus": row["mp"] / assumed["gpu_mp_per_s"] if fleet.gpus else 0.0,
        "network": row["in_bytes"] + row["out_bytes"],
    }


def rates(rows, fleet, assumed=ASSUMED):
    """Pictures per second that each resource alone would allow."""
    mean = {
        name: statistics.fmean(demands(row, fleet, assumed)[name] for row in rows)
        for name in ("cores", "gpus", "network")
    }
    capacity = {"cores": fleet.cores, "gpus": fleet.gpus, "network": fleet.network}
    allowed = {name: fleet.machines * capacity[name] / mean[name] for name in mean if mean[name]}
    return allowed | {
        "store": assumed["prefixes"] * min(assumed["store_gets_per_s"], assumed["store_puts_per_s"]),
        "driver": assumed["rows_per_s"],
    }


def predict(rows, fleet, pictures, assumed=ASSUMED):
    """What `pictures` cost, as a dict; of one driver, and hours of listing before."""
    allowed = rates(rows, fleet, assumed)
    bottleneck = min(allowed, key=allowed.get)
    rate = allowed[bottleneck]
    mean = {name: statistics.fmean(row[name] for row in rows) for name in ("mp", "in_bytes", "out_bytes")}
    hours = pictures / rate / 3600
    return {
        "fleet": asdict(fleet),
        "pictures": pictures,
        "bottleneck": bottleneck,
        "next": sorted(allowed, key=allowed.get)[1],
        "pictures_per_s": rate,
        "mp_per_s": rate * mean["mp"],
        "hours": hours,
        "machine_hours": hours * fleet.machines,
        "gpu_hours": hours * fleet.machines * fleet.gpus,
        "read_tb": pictures * mean["in_bytes"] / 1e12,
        "stored_tb": pictures * mean["out_bytes"] / 1e12,
        "network_gb_per_s": rate * (mean["in_bytes"] + mean["out_bytes"]) / 1e9,
        "listing_hours": pictures / 1000 / assumed["lists_per_s"] / 3600,
        "driver_gb": pictures * assumed["row_bytes"] / 1e9,
        "rates": allowed,
    }
