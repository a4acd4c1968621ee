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
from dataclasses import asdict, dataclass, field, replace
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
from .peers import Peers
from .thaw import grown, thaw


@dataclass
class RunOptions:
    data: list[str] = field(default_factory=list)
    out: str = "run"
    minutes: float = 90.0
    steps: int = 0  # train for so many steps instead
    batch: int = 8  # crops per step, and per process of torchrun
    crop: int = 256  # pixels, a multiple of 64
    final_crop: int = 0  # larger crops (same pixels per step) in the last `final_share` of the budget; 0: none
    final_share: float = 0.3
    lr: float = 6e-4
    final_lr: float = 0.01  # share of lr at the end
    warmup: int = 500  # steps
    clip: float = 1.0
    skip: float = 100.0  # gradient norm from which a step is left out
    balance: float = 0.4  # how far qualities are made to count the same, see `Objective`
    ema: float = 0.9995
    init: str = ""  # checkpoint or weight file to start from, of the same config or a smaller one
    objective: str = "visual"  # what is made small beside bits: "visual" for the eye, "psnr" for squared error
    mse: float = 0.3  # visual: share of the luma-heavy squared error; what the shares leave is SSIMULACRA2's distance
    chroma: float = 0.5  # visual: weight of a channel of colour in it
    fine: float = 1.0  # visual: weight of what SSIMULACRA2 leaves out at fine scales
    mean_colour: float = 0.0  # visual: share of the squared error of the mean colours of 16x16 pixels
    msssim: float = 0.0  # visual: share of 1 - MS-SSIM of luma
    drawn: float = 0.0  # share of crops of drawn pages
    reference: str = "psnr"  # model or weight file whose rate-distortion curve says what the terms of visual are worth
    steer: int = 8  # visual: steps from one comparison of the files' sizes with the reference's to the next; 0: never
    # Only the encoder of the weight file `init` (default: the model psnr) is trained, on corrupted pictures.
    denoise: bool = False
    device: str = ""  # "": CUDA if there is one
    compile: bool = True
    # Of torch.compile; "reduce-overhead" (CUDA graphs) helps where launching kernels takes longer than running them.
    compile_mode: str = ""
    seed: int = 0
    log_every: int = 100  # steps
    save_every: float = 120.0  # seconds
    threads: int = 0
    config: dict[str, Any] = field(default_factory=dict)  # of networks.Config, over its defaults


AdamW = functools.partial(torch.optim.AdamW, betas=(0.9, 0.99), weight_decay=0.0, fused=True)


def sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def train(
    options: RunOptions, model: Trainable | None = None, optimizer: Callable[..., torch.optim.Optimizer] | None = None
) -> Trainable:
    """Trains, alone or as one of the processes of `peers`, and returns the Trainable with its last weights.

    model: another than the options describe, already initialised; optimizer: makes another than AdamW of parameters and
    lr, whose state is not resumed.
    """
    o = options
    peers = Peers(o.device)
    device = peers.device
    if o.threads:
        torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    # The linear shortcuts carry the full range of the picture: TF32 would add noise to them.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    os.makedirs(o.out, exist_ok=True)
    checkpoint = os.path.join(o.out, "checkpoint.safetensors")

    given = model is not None
    model = model or (denoise.thaw_encoder(o.init) if o.denoise else Trainable(replace(Config(), **o.config)))
    model.to(device).to(memory_format=torch.channels_last)
    average = {k: v.detach().clone() for k, v in model.state_dict().items()}
    parameters = list(trained(model).values())
    descent: Any = (optimizer or AdamW)(parameters, lr=o.lr)  # a fused one takes more than the type of all says
    step, spent, state = 0, 0.0, {}  # steps and seconds of training so far, and what the checkpoint says
    if os.path.exists(checkpoint):
        state = load(checkpoint, model, average, descent)
        step, spent = state["step"], state["seconds"]
    elif o.init and not o.denoise and not given:
        model.load_state_dict(grown(first_of(o.init), model.config).state_dict())
        average = {k: v.detach().clone() for k, v in model.state_dict().items()}

    if peers.agree(step) != step:
        raise ValueError(
            f"process {peers.rank} begins at step {step}, the first one at another: "
            f"the folder {o.out} must be shared by all"
        )
    torch.manual_seed(o.seed + step + (peers.rank << 32))  # other crops after each start and in each process
    log = open(os.path.join(o.out, "log.jsonl"), "a", buffering=1) if peers.rank == 0 else None

    def record(**line: Any) -> None:
        if log is None:
            return
        log.write(json.dumps(line) + "\n")
        print(" ".join(f"{k} {v:.5g}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items()), flush=True)

    pictures, amp = Pictures(o.data, device, max(o.crop, 256), o.drawn), has_bfloat16(device)
    goal = Objective(o, model.config, kept_worth(state, o))
    reference = None
    if o.objective == "visual" and not o.denoise and (o.steer or not goal.worth):
        reference = thaw(path_of(o.reference).read_bytes()).to(device).to(memory_format=torch.channels_last)
        if not goal.worth:
            goal.measure(reference, pictures, amp)
        reference.train()
    for size in filter(None, (o.crop, o.final_crop)):
        goal.prepare(size, device)
    peak = speed.peak(device, torch.bfloat16 if amp else torch.float32)
    x, q = torch.rand(1, 3, o.crop, o.crop, device=device), torch.ones(1, device=device)
    per_pixel = speed.operations(lambda: goal(model, x, q, x, o.balance, amp)[0]) / o.crop**2
    descent.zero_grad(set_to_none=True)
    record(
        event="start",
        options=asdict(o),
        config=model.config.to_dict(),
        worth=goal.worth,
        step=step,
        seconds=spent,
        torch=torch.__version__,
        device=torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or platform.machine(),
        pictures=pictures.count,
        pixels=pictures.pixels,
        processes=peers.world,
        peak_tflops=round(peak / 1e12, 3),
        data={os.path.basename(p): sha256(p) for p in o.data if os.path.isfile(p)},
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
    averages, weights = list(average.values()), list(model.state_dict().values())  # the same tensors, updated in place
    compute = torch.compile(goal, dynamic=False, mode=o.compile_mode or None) if o.compile else goal
    first, budget, began, saved = step, o.minutes * 60, time.time() - spent, time.time()
    sums, logged, logged_at = torch.zeros((), device=device), step, time.time()

    def keep_all() -> None:
        reached = {"step": step, "seconds": time.time() - began, "config": model.config.to_dict()}
        save(checkpoint, model, average, descent, reached | {"options": asdict(o), "worth": goal.worth})

    while (share := peers.agree(step / o.steps if o.steps else (time.time() - began) / budget)) < 1:
        rate = (
            o.lr
            * min(1, (step + 1) / o.warmup)
            * (o.final_lr + (1 - o.final_lr) * 0.5 * (1 + math.cos(math.pi * share)))
        )
        for group in descent.param_groups:
            group["lr"] = rate
        size, n = (
            (o.final_crop, o.batch * o.crop**2 // o.final_crop**2)
            if o.final_crop and share > 1 - o.final_share
            else (o.crop, o.batch)
        )
        x = pictures.crops(n, size)
        place = torch.arange(peers.rank * n, peers.rank * n + n, device=device) + torch.rand(n, device=device)
        q = place / (n * peers.world) * (model.config.anchors - 1)  # stratified over the qualities
        torch.compiler.cudagraph_mark_step_begin()
        loss, figures, bpp = (
            compute(model, denoise.corrupt(x), q, x, denoise.BALANCE, amp)
            if o.denoise
            else compute(model, x, q, x, o.balance, amp)
        )
        loss.backward()
        peers.average([p.grad for p in parameters if p.grad is not None])
        norm = torch.nn.utils.clip_grad_norm_(parameters, o.clip)
        # The fused step skips itself, so that nothing waits for the device.
        descent.grad_scale, descent.found_inf = (None, (~(norm < o.skip)).float())
        descent.step()
        descent.zero_grad(set_to_none=True)
        if step == first:  # compilation is not part of the budget
            loss.item()
            began, logged_at = time.time() - spent, time.time()
        if reference is not None and o.steer and step % o.steer == 0:
            moves = goal.off_size(reference, x, q, bpp, amp)
            peers.average([moves])
            goal.steer(moves)
        step += 1
        keep = min(o.ema, step / (step + 20))
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1 - keep)
        sums = sums + torch.cat([figures, norm[None]]).clone()
        if step % o.log_every == 0:
            peers.average([sums])
            *means, norm_ = (sums / (step - logged)).tolist()
            now = time.time()
            # Of this process, and without the first step, which compiles.
            rate_of_crops = n * (step - max(logged, first + 1)) / (now - logged_at)
            record(
                step=step,
                seconds=round(now - began, 1),
                **dict(zip(("loss", "bpp", "bpp_z", "psnr", *goal.shares), means, strict=True)),
                norm=norm_,
                lr=rate,
                crop=size,
                crops_per_s=rate_of_crops * peers.world,
                of_peak=rate_of_crops * size**2 * per_pixel / peak,
            )
            sums, logged, logged_at = torch.zeros_like(sums), step, now
        if log and time.time() - saved > o.save_every:
            keep_all()
            saved = time.time()
    if log:
        keep_all()
    if log and o.denoise:
        denoise.export(model, average, os.path.join(o.out, "denoise.safetensors"), o.init)
    record(event="end", step=step, seconds=round(time.time() - began, 1))
    peers.close()
    return model


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
