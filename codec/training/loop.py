"""The training loop: lr -> batch -> step -> average -> log -> checkpoint, for a budget of minutes, resumable from one
file.

    aecodec train --data DIR_OR_TAR ... --out RUN --minutes 90
    aecodec train --data DIR_OR_TAR ... --out RUN --minutes 90 --init codec/models/default.safetensors   # another round
    aecodec train --data DIR_OR_TAR ... --out RUN --minutes 90 --objective psnr --init codec/models/psnr.safetensors
    aecodec train --data DIR_OR_TAR ... --out RUN --minutes 90 --denoise   # RUN/denoise.safetensors: another encoder

Killed at any moment it goes on from RUN/checkpoint.safetensors when called again with the same --out. Several GPUs or
machines: see `peers`.
"""

import argparse
import functools
import hashlib
import json
import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import torch

from ..engine.torch.device import has_bfloat16
from ..model.config import Config
from ..model.weights import path_of
from . import denoise, speed
from .checkpoint import first_of, load, save, trained
from .data import Pictures
from .model import Trainable
from .objective import Objective, kept_worth
from .options import RunOptions
from .peers import Peers
from .thaw import grown, thaw

AdamW = functools.partial(torch.optim.AdamW, betas=(0.9, 0.99), weight_decay=0.0, fused=True)


def sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Run:
    """What is trained, with what, and how far it has come: `steps`, and `seconds` of training before this start.

    It is alone, or one of the processes of `peers`. Args: as of `train`.
    """

    def __init__(
        self, options: RunOptions, model: Trainable | None, optimizer: Callable[..., torch.optim.Optimizer] | None
    ):
        self.options = o = options
        self.peers = Peers(o.device)
        self.device = self.peers.device
        if o.threads:
            torch.set_num_threads(o.threads)
        torch.manual_seed(o.seed)
        # The linear shortcuts carry the full range of the picture: TF32 would add noise to them.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True
        os.makedirs(o.out, exist_ok=True)
        self._checkpoint = os.path.join(o.out, "checkpoint.safetensors")

        given = model is not None
        self.model = model or (denoise.thaw_encoder(o.init) if o.denoise else Trainable(replace(Config(), **o.config)))
        self.model.to(self.device).to(memory_format=torch.channels_last)
        self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        self.parameters = list(trained(self.model).values())
        # A fused one takes more than the type of all says.
        self.descent: Any = (optimizer or AdamW)(self.parameters, lr=o.lr)
        self.steps, self.seconds, state = 0, 0.0, {}
        if os.path.exists(self._checkpoint):
            state = load(self._checkpoint, self.model, self.average, self.descent)
            self.steps, self.seconds = state["step"], state["seconds"]
        elif o.init and not o.denoise and not given:
            self.model.load_state_dict(grown(first_of(o.init), self.model.config).state_dict())
            self.average = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        if self.peers.agree(self.steps) != self.steps:
            raise ValueError(
                f"process {self.peers.rank} begins at step {self.steps}, the first one at another: "
                f"the folder {o.out} must be shared by all"
            )
        # Other crops after each start and in each process.
        torch.manual_seed(o.seed + self.steps + (self.peers.rank << 32))
        writes = self.peers.rank == 0
        self._log = open(os.path.join(o.out, "log.jsonl"), "a", buffering=1) if writes else None

        self.pictures = Pictures(o.data, self.device, max(o.crop, 256), o.drawn)
        self.amp = has_bfloat16(self.device)
        self.goal = Objective(o, self.model.config, kept_worth(state, o))
        self.reference = self._referred()
        for size in filter(None, (o.crop, o.final_crop)):
            self.goal.prepare(size, self.device)
        self._measure()
        # The same tensors, updated in place.
        self._averages, self._weights = list(self.average.values()), list(self.model.state_dict().values())
        self._compute = torch.compile(self.goal, dynamic=False, mode=o.compile_mode or None) if o.compile else self.goal
        self._first, self._began, self._saved = self.steps, time.time() - self.seconds, time.time()
        self._sums, self._logged, self._logged_at = torch.zeros((), device=self.device), self.steps, time.time()

    def _referred(self) -> Trainable | None:
        """The model whose rates are followed, in the mode of training; by it the worth of terms is measured, if that is
        not known.
        """
        o = self.options
        if o.objective != "visual" or o.denoise or not o.steer and self.goal.worth:
            return None
        reference = thaw(path_of(o.reference).read_bytes()).to(self.device).to(memory_format=torch.channels_last)
        if not self.goal.worth:
            self.goal.measure(reference, self.pictures, self.amp)
        return reference.train()

    def _measure(self) -> None:
        """Records what is trained, on what, and what the device could do at best."""
        o, config = self.options, self.model.config
        self._peak = speed.peak(self.device, torch.bfloat16 if self.amp else torch.float32)
        x, q = torch.rand(1, 3, o.crop, o.crop, device=self.device), torch.ones(1, device=self.device)
        count = speed.operations(lambda: self.goal(self.model, x, q, x, o.balance, self.amp)[0])
        self._operations = count / o.crop**2  # per pixel
        self.descent.zero_grad(set_to_none=True)
        is_gpu = self.device.type == "cuda"
        self.record(
            event="start",
            options=asdict(o),
            config=config.to_dict(),
            worth=self.goal.worth,
            step=self.steps,
            seconds=self.seconds,
            torch=torch.__version__,
            device=torch.cuda.get_device_name() if is_gpu else platform.processor() or platform.machine(),
            pictures=self.pictures.count,
            pixels=self.pictures.pixels,
            processes=self.peers.world,
            peak_tflops=round(self._peak / 1e12, 3),
            data={os.path.basename(p): sha256(p) for p in o.data if os.path.isfile(p)},
            time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )

    def record(self, **line: Any) -> None:
        """A line of the log, and for people."""
        if self._log is None:
            return
        self._log.write(json.dumps(line) + "\n")
        print(" ".join(f"{k} {v:.5g}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items()), flush=True)

    def share(self) -> float:
        """How much of the budget is spent, as the first process has it; 1 at the end."""
        o = self.options
        return self.peers.agree(self.steps / o.steps if o.steps else (time.time() - self._began) / (o.minutes * 60))

    def step(self, share: float) -> None:
        """One step, at this share of the budget."""
        o, model, goal = self.options, self.model, self.goal
        rate = o.lr * min(1, (self.steps + 1) / o.warmup)
        rate *= o.final_lr + (1 - o.final_lr) * 0.5 * (1 + math.cos(math.pi * share))
        for group in self.descent.param_groups:
            group["lr"] = rate
        size, n = o.crop, o.batch
        if o.final_crop and share > 1 - o.final_share:
            size, n = o.final_crop, o.batch * o.crop**2 // o.final_crop**2
        x = self.pictures.crops(n, size)
        first = self.peers.rank * n
        place = torch.arange(first, first + n, device=self.device) + torch.rand(n, device=self.device)
        q = place / (n * self.peers.world) * (model.config.anchors - 1)  # stratified over the qualities
        torch.compiler.cudagraph_mark_step_begin()
        shown, balance = (denoise.corrupt(x), denoise.BALANCE) if o.denoise else (x, o.balance)
        loss, figures, bpp = self._compute(model, shown, q, x, balance, self.amp)
        loss.backward()
        self.peers.average([p.grad for p in self.parameters if p.grad is not None])
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, o.clip)
        # The fused step skips itself, so that nothing waits for the device.
        self.descent.grad_scale, self.descent.found_inf = (None, (~(norm < o.skip)).float())
        self.descent.step()
        self.descent.zero_grad(set_to_none=True)
        if self.steps == self._first:  # compilation is not part of the budget
            loss.item()
            self._began, self._logged_at = time.time() - self.seconds, time.time()
        if self.reference is not None and o.steer and self.steps % o.steer == 0:
            moves = goal.off_size(self.reference, x, q, bpp, self.amp)
            self.peers.average([moves])
            goal.steer(moves)
        self.steps += 1
        keep = min(o.ema, self.steps / (self.steps + 20))
        with torch.no_grad():
            torch._foreach_lerp_(self._averages, self._weights, 1 - keep)
        self._sums = self._sums + torch.cat([figures, norm[None]]).clone()
        if self.steps % o.log_every == 0:
            self._tell(rate, size, n)
        if self._log and time.time() - self._saved > o.save_every:
            self._keep()
            self._saved = time.time()

    def _tell(self, rate: float, size: int, n: int) -> None:
        """Records the means since this was done last, at this learning rate with n crops of a size per step."""
        self.peers.average([self._sums])
        *means, norm = (self._sums / (self.steps - self._logged)).tolist()
        now = time.time()
        # Of this process, and without the first step, which compiles.
        crops = n * (self.steps - max(self._logged, self._first + 1)) / (now - self._logged_at)
        self.record(
            step=self.steps,
            seconds=round(now - self._began, 1),
            **dict(zip(("loss", "bpp", "bpp_z", "psnr", *self.goal.shares), means, strict=True)),
            norm=norm,
            lr=rate,
            crop=size,
            crops_per_s=crops * self.peers.world,
            of_peak=crops * size**2 * self._operations / self._peak,
        )
        self._sums, self._logged, self._logged_at = torch.zeros_like(self._sums), self.steps, now

    def _keep(self) -> None:
        reached = {"step": self.steps, "seconds": time.time() - self._began, "config": self.model.config.to_dict()}
        state = reached | {"options": asdict(self.options), "worth": self.goal.worth}
        save(self._checkpoint, self.model, self.average, self.descent, state)

    def end(self) -> None:
        """Keeps all, and the encoder file where one was trained."""
        if self._log:
            self._keep()
            if self.options.denoise:
                place = os.path.join(self.options.out, "denoise.safetensors")
                denoise.export(self.model, self.average, place, self.options.init)
        self.record(event="end", step=self.steps, seconds=round(time.time() - self._began, 1))
        self.peers.close()


def train(
    options: RunOptions, model: Trainable | None = None, optimizer: Callable[..., torch.optim.Optimizer] | None = None
) -> Trainable:
    """Trains, alone or as one of the processes of `peers`, and returns the Trainable with its last weights.

    model: another than the options describe, already initialised; optimizer: makes another than AdamW of parameters and
    lr, whose state is not resumed.
    """
    run = Run(options, model, optimizer)
    while (share := run.share()) < 1:
        run.step(share)
    run.end()
    return run.model


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: every field of `RunOptions` is an option."""
    parser = argparse.ArgumentParser(
        "aecodec train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, value in asdict(RunOptions()).items():
        flag = "--" + name.replace("_", "-")
        if name == "data":
            parser.add_argument(flag, nargs="+", required=True, help="folders, tar shards or files")
        elif isinstance(value, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=value)
        else:
            parser.add_argument(
                flag,
                type=json.loads if isinstance(value, dict) else type(value),
                default=value,
                help=f"(default: {value})",
            )
    train(RunOptions(**vars(parser.parse_args(arguments))))


if __name__ == "__main__":
    main()
