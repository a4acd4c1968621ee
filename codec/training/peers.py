"""The processes that train one model together, as torchrun starts them: each draws its own crops, gradients are
averaged, the first one writes.

    torchrun --nproc-per-node 8 -m codec.training.loop --data ... --out RUN

For more machines torchrun takes --nnodes and --rdzv-endpoint.

A batch of n in each of w processes is one batch of n * w. All of them read the checkpoint, so that RUN is a folder they
share.
"""

import os

import torch
import torch.distributed as dist


class Peers:
    """This process among the others; `device`: as in `RunOptions.device`.

    Without torchrun it is the only one, and nothing is exchanged.
    """

    def __init__(self, device: str = ""):
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        kind = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.device = (
            torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            if self.world > 1 and kind == "cuda"
            else torch.device(kind)
        )
        if self.world > 1:
            dist.init_process_group(
                "nccl" if self.device.type == "cuda" else "gloo",
                device_id=self.device if self.device.type == "cuda" else None,
            )

    def average(self, tensors: list[torch.Tensor]) -> None:
        """Replaces float tensors of the same shapes in every process by their means: one exchange for all."""
        if self.world > 1:
            flat = torch.cat([t.flatten() for t in tensors])
            dist.all_reduce(flat)
            for t, mean in zip(tensors, (flat / self.world).split([t.numel() for t in tensors])):
                t.copy_(mean.view_as(t))

    def agree(self, number: float) -> float:
        """The first process's number (float), in every process."""
        if self.world == 1:
            return number
        told = torch.tensor([number], dtype=torch.float64, device=self.device)
        dist.broadcast(told, 0)
        return told.item()

    def close(self) -> None:
        if self.world > 1:
            dist.destroy_process_group()
