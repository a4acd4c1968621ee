"""Where our codec's time goes: seconds, arithmetic and speed of each stage, from a clock wrapped around its functions.

Beside: `speed`.

The stages are named once, in `Clock.__init__`; everything outside them is "rest". A stage inside another stops the
outer one's clock. A transfer is a call that brings a tensor to another device, whatever the codec's own is: what a
GPU's clock does can be tested without one.
"""

import contextlib
import functools
import statistics
import threading
import time

GROUPS = {
    "analysis": "transform",
    "hyper-analysis": "transform",
    "synthesis": "transform",
    "prior": "prior",
    "rANS": "rans",
    "transfer": "transfer",
}
MATRIX = 2048  # rows of the matrices whose product shows what the machine can do


class Clock:
    """Times one `codecs.Aec` while `running`; the wrappers exist only then."""

    def __init__(self, aec):
        import torch

        from codec.bitstream import container, entropy
        from codec.pixels import image

        self._torch, self._cuda = torch, torch.device(aec.device).type == "cuda"
        networks = aec._codec.model.networks
        self._targets = [
            # The class is patched, so that the copies in bytes, one per quality, count too.
            (type(networks.analysis), "forward", "analysis"),
            (networks.hyper_analysis, "forward", "hyper-analysis"),
            (networks.synthesis, "forward", "synthesis"),
            (networks.prior, "walk", "prior"),
            (container, "pack", "container"),
            (container.Reader, "__init__", "container"),
            (container.Reader, "_read", "container"),
            (image, "load", "pixels"),
            (image, "to_pil", "pixels"),
        ]
        self._targets += [(entropy.Encoder, method, "rANS") for method in ("put", "finish")]
        self._targets += [(entropy.Decoder, method, "rANS") for method in ("__init__", "get", "finish")]
        self._targets += [(torch.Tensor, method, "transfer") for method in ("cpu", "to")]
        self._local, self._lock = threading.local(), threading.Lock()

    @contextlib.contextmanager
    def running(self, count=False):
        """Yields {stage: [seconds, floating-point operations]}, filled while the block runs.

        Operations are counted on demand: that takes time.
        """
        self._totals, self._count, saved = {}, count, []
        try:
            for owner, name, stage in self._targets:
                saved.append((owner, name, vars(owner).get(name)))
                setattr(owner, name, self._wrapped(getattr(owner, name), stage))
            yield self._totals
        finally:
            for owner, name, original in reversed(saved):
                if original is None:  # it came from the class
                    delattr(owner, name)
                else:
                    setattr(owner, name, original)

    def _wrapped(self, function, stage):
        @functools.wraps(function)
        def timed(*args, **kwargs):
            stack = self._local.__dict__.setdefault("stack", [])
            self._add(stack)
            stack.append([stage, self._now()])
            try:
                if self._count and stage not in ("rANS", "container", "pixels", "transfer"):
                    return self._counted(function, stage, args, kwargs)
                result = function(*args, **kwargs)
                if stage == "transfer" and result.device == args[0].device:
                    # A conversion to another type, or to nothing at all, is part of the stage around it.
                    stack[-1][0] = stack[-2][0] if len(stack) > 1 else None
                return result
            finally:
                self._add(stack)
                stack.pop()
                if stack:
                    stack[-1][1] = self._now()

        return timed

    def _counted(self, function, stage, args, kwargs):
        from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

        of_bytes = getattr(self._torch.ops.onednn, "qconv2d_pointwise", None)
        formulas = (
            {of_bytes: lambda x, step, zero, weight, *_, out_shape, **__: conv_flop_count(x, weight, out_shape)}
            if of_bytes
            else {}
        )
        with FlopCounterMode(display=False, custom_mapping=formulas) as counter:
            result = function(*args, **kwargs)
        with self._lock:
            self._totals.setdefault(stage, [0.0, 0])[1] += counter.get_total_flops()
        return result

    def _add(self, stack):
        """Adds what the innermost stage has run since its clock was started."""
        if stack:
            stage, start = stack[-1]
            if stage is None:
                return
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
