"""The processes of a run: one, or several that a launcher started."""

from __future__ import annotations

import os
from typing import Any

import torch


def accelerator() -> Any:
    """Accelerate's view of this process among others, and of its device; the same at every call.

    Several processes are what ``accelerate launch`` or ``torchrun`` started; without a GPU they share the CPUs.
    """
    from accelerate import Accelerator  # takes a second to import, which only training should pay

    on_cpus = "LOCAL_RANK" in os.environ and not torch.cuda.is_available()
    return Accelerator(cpu=True) if on_cpus else Accelerator()


def is_first() -> bool:
    """Whether this process is the one that writes and speaks."""
    return bool(accelerator().is_main_process)
