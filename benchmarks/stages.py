"""Where our codec's time goes: seconds, arithmetic and speed of each stage, from a clock that listens to
`codec.stages`.

Beside: `speed`.

The code names its stages; everything outside them is "rest". A stage inside another stops the outer one's clock.
"""

import contextlib
import statistics
import threading
import time

from codec import stages

GROUPS = {
    "analysis": "transform",
    "hyper-analysis": "transform",
    "synthesis": "transform",
    "prior": "prior",
    "rANS": "rans",
    "latents": "latents",  # prior and rANS together, which the engine in C does in one pass
    "transfer": "transfer",
}
# Stages whose arithmetic is counted.
COUNTED = "analysis", "hyper-analysis", "synthesis", "prior"
MATRIX = 2048  # rows of the matrices whose product shows what the machine can do


class Clock:
    """Times whatever is coded in this process while `running`; aec: a `codecs.Aec`, whose device it waits for."""

    def __init__(self, aec):
        import torch

        self._torch, self._cuda = torch, torch.device(aec.device).type == "cuda"
        self._local, self._lock = threading.local(), threading.Lock()

    @contextlib.contextmanager
    def running(self, count=False):
        """Yields {stage: [seconds, floating-point operations]}, filled while the block runs.

        Operations are counted on demand: that takes time.
        """
        self._totals, self._count = {}, count
        with stages.listening(self._timed):
            yield self._totals

    @contextlib.contextmanager
    def _timed(self, stage):
        stack = self._local.__dict__.setdefault("stack", [])
        self._add(stack)
        stack.append([stage, self._now()])
        try:
            with self._counted(stage) if self._count and stage in COUNTED else contextlib.nullcontext():
                yield
        finally:
            self._add(stack)
            stack.pop()
            if stack:
                stack[-1][1] = self._now()

    @contextlib.contextmanager
    def _counted(self, stage):
        from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

        of_bytes = getattr(self._torch.ops.onednn, "qconv2d_pointwise", None)
        formulas = (
            {of_bytes: lambda x, step, zero, weight, *_, out_shape, **__: conv_flop_count(x, weight, out_shape)}
            if of_bytes
            else {}
        )
        with FlopCounterMode(display=False, custom_mapping=formulas) as counter:
            yield
        with self._lock:
            self._totals.setdefault(stage, [0.0, 0])[1] += counter.get_total_flops()

    def _add(self, stack):
        """Adds what the innermost stage has run since its clock was started."""
        if stack:
            stage, start = stack[-1]
            with self._lock:
                self._totals.setdefault(stage, [0.0, 0])[0] += self._now() - start

    def _now(self):
        if self._cuda:
            self._torch.cuda.synchronize()
        return time.perf_counter()

    def shares(self, function):
        """{group: share of the time} of one call of `function`, by GROUPS; the rest is "other"."""
        start = self._now()
        with self.running() as totals:
            function()
        whole = self._now() - start
        shares = dict.fromkeys(("transform", "prior", "rans", "transfer", "other"), 0.0)
        for stage, (seconds, _) in totals.items():
            shares[GROUPS.get(stage, "other")] += seconds / whole
        shares["other"] += 1 - sum(shares.values())
        return shares


def profile(aec, name, image, quality, repeats):
    """The profile entry of RUN.json: medians over `repeats` of every stage of encoding and decoding one picture, named
    `name`.
    """
    clock = Clock(aec)
    coded = aec.encode(image, quality)
    aec.decode(coded)
    return {
        "device": aec.device,
        "threads": aec.threads,
        "picture": name,
        "quality": quality,
        "matmul_gflops": matmul_gflops(aec.device),
        "matmul_bf16_gflops": matmul_gflops(aec.device, "bfloat16"),
        "encode": _stages(clock, lambda: aec.encode(image, quality), repeats),
        "decode": _stages(clock, lambda: aec.decode(coded), repeats),
    }


def _stages(clock, function, repeats):
    runs = []
    for _ in range(repeats):
        start = clock._now()
        with clock.running() as totals:
            function()
        runs.append({**{stage: seconds for stage, (seconds, _) in totals.items()}, "whole": clock._now() - start})
    with clock.running(count=True) as counted:
        function()
    medians = {stage: statistics.median(r[stage] for r in runs) for stage in runs[0]}
    medians["rest"] = max(0.0, 2 * medians["whole"] - sum(medians.values()))
    rows = []
    for stage in [s for s in medians if s != "whole"] + ["whole"]:
        operations = counted.get(stage, (0, 0))[1] if stage != "whole" else sum(f for _, f in counted.values())
        gflop = operations / 1e9 or None
        rows.append(
            {
                "stage": stage,
                "seconds": medians[stage],
                "gflop": gflop,
                "gflops": gflop / medians[stage] if gflop else None,
            }
        )
    return rows


def matmul_gflops(device, dtype="float32", repeats=8):
    """GFLOP/s of the best of several matrix products with torch's present number of threads."""
    import torch

    a = torch.ones(MATRIX, MATRIX, device=device, dtype=getattr(torch, dtype))
    best = float("inf")
    for _ in range(repeats + 1):
        start = time.perf_counter()
        torch.mm(a, a)
        if a.is_cuda:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * MATRIX**3 / best / 1e9
