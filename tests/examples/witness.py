"""Runs a training script unchanged, and notes which share of its batches is synthetic: witness.py OUT SCRIPT ARGUMENTS.

Real images are on coloured paper: red is above green by ``PAPER`` everywhere, and in grey synthetic images by nothing.
Normalisation, crops and flips keep this difference, and MixUp and CutMix its mean over a batch. So the mean tells the
share of real images.
"""

import json
import os
import runpy
import sys
from pathlib import Path

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

PAPER = 128
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])

depth, batches = 0, []


class OnProcessors(torch.nn.parallel.DistributedDataParallel):
    """timm names the processor as a device, which DistributedDataParallel refuses."""

    def __init__(self, module, device_ids=None, **options):
        super().__init__(module, **options)


def enter(module, inputs):
    global depth
    if depth == 0 and torch.is_tensor(inputs[0]) and inputs[0].ndim == 4:  # the network, and no loss or layer
        red, green = (inputs[0].mean((0, 2, 3)).cpu() * STD + MEAN)[:2].tolist()
        share = 1 - (red - green) * 255 / PAPER
        batches.append({"training": torch.is_grad_enabled(), "images": len(inputs[0]), "synthetic": share})
    depth += 1


def leave(module, inputs, outputs):
    global depth
    depth -= 1


if __name__ == "__main__":
    out, script = Path(sys.argv[1]), sys.argv[2]
    torch.nn.parallel.DistributedDataParallel = OnProcessors
    register_module_forward_pre_hook(enter)
    register_module_forward_hook(leave, always_call=True)
    sys.argv = sys.argv[2:]
    sys.path.insert(0, str(Path(script).resolve().parent))
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        out.mkdir(exist_ok=True)
        (out / f"{os.environ.get('RANK', 0)}.json").write_text(json.dumps(batches), encoding="utf-8")
