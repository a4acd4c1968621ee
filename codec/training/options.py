"""What can be asked of a run of training; `loop` makes an option of the command line of every field."""

from dataclasses import dataclass, field
from typing import Any


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
    mse: float = 0.35  # visual: share of the squared error of YCbCr; what the shares leave is SSIMULACRA2's distance
    chroma: float = 1.0  # visual: weight of a channel of colour in it
    fine: float = 1.5  # visual: weight of what SSIMULACRA2 leaves out at fine scales
    mean_colour: float = 0.0  # visual: share of the squared error of the mean colours of 16x16 pixels
    msssim: float = 0.25  # visual: share of 1 - MS-SSIM of luma, which pays by all measures kept out of training
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
