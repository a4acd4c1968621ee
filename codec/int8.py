"""Convolutions of the analysis in 8-bit integers, four times as fast where the processor multiplies bytes. `pipeline` says when, `networks` where.

Only the encoder rounds like this: files differ by a hair from those of other processors, what they decode to does not depend on it. Input and
weights are rounded in steps of their own per input and output channel (dynamic quantisation; per-channel as in Xiao et al. 2023, "SmoothQuant").
"""
import functools

import torch

ZERO = 128  # the byte that stands for 0
SMALLEST = 400**2  # pixels from which it pays: preparing the weights takes as long for a picture of any size, and all that is gained at 0.13 MP
TINY = 1e-20  # keeps the step of a channel that is all zero from being zero


def convolve(layer, x):
    """What the layer, an nn.Conv2d of one group, makes of x [1,C,h,w] in channels_last memory: float32."""
    n, _, h, w = x.shape
    rows = x.permute(0, 2, 3, 1).flatten(0, 2)  # [h*w,C]; minima and maxima of other layouts take ten times as long
    step = torch.maximum(rows.amax(0), -rows.amin(0)).clamp_min_(TINY) / 127
    whole = (rows * step.reciprocal()).round_().to(torch.int8)  # to uint8 takes four times as long
    whole = whole.view(torch.uint8).bitwise_xor_(ZERO).view(n, h, w, -1).permute(0, 3, 1, 2)
    weight = layer.weight * step[:, None, None]
    unit = weight.abs().amax((1, 2, 3)).clamp_min_(TINY) / 127
    weight = weight.div_(unit[:, None, None, None]).round_().to(torch.int8)
    shape = list(layer.stride), list(layer.padding), list(layer.dilation), 1
    one, zeros = torch.ones(1), torch.zeros(len(unit), dtype=torch.int64)
    packed = torch.ops.onednn.qconv_prepack(weight, one, 1.0, ZERO, *shape, None)  # its layout depends on no scale, and it looks at each that it is given
    return torch.ops.onednn.qconv2d_pointwise(whole, 1.0, ZERO, packed, unit, zeros, layer.bias, *shape, 1.0, 0, torch.float32, "none", [], "")


def pays(x):
    """Whether this is the faster way for a picture x [1,C,H,W]."""
    return x.device.type == "cpu" and x.shape[2] * x.shape[3] >= SMALLEST and is_exact()


@functools.cache
def is_exact():
    """Whether this processor multiplies bytes fast (VNNI) and this torch adds the products up without overflow."""
    if not getattr(torch.cpu, "_is_vnni_supported", lambda: False)():
        return False
    layer = torch.nn.Conv2d(64, 16, 3, padding=1, device="cpu", dtype=torch.float32)
    x = torch.full((1, 64, 8, 8), 127.0).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        layer.weight.fill_(127)
        layer.bias.fill_(1)
        try:
            return bool((convolve(layer, x)[:, :, 1:-1, 1:-1] == 127 * 127 * 64 * 9 + 1).all())
        except (AttributeError, RuntimeError, TypeError):  # the operators are torch's own business and may change
            return False
