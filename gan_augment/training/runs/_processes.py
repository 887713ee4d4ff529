"""The processes of a run, which a launcher may have started, and their threads."""

from __future__ import annotations

import functools
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

TRIALS = 5  # calls that are timed with each number of threads


@functools.cache
def accelerator() -> Any:
    """Returns Accelerate's view of this process, its device and the other processes.

    ``accelerate launch`` or ``torchrun`` starts several processes. Without a GPU they share the CPUs.
    """
    from accelerate import Accelerator  # takes a second to import, so only training imports it

    on_cpus = "LOCAL_RANK" in os.environ and not torch.cuda.is_available()
    return Accelerator(cpu=True) if on_cpus else Accelerator()


def is_first() -> bool:
    """Returns whether this process is the one that writes files and prints."""
    return bool(accelerator().is_main_process)


def autocast_type(precision: str) -> torch.dtype | None:
    """Returns the type to compute in for a recipe's ``precision``; None is float32."""
    if precision == "auto":
        device: torch.device = accelerator().device
        if device.type == "cuda":
            fast = torch.cuda.is_bf16_supported()
        else:  # processors without it emulate it slowly
            supported = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
            fast = device.type == "cpu" and bool(supported())
        precision = "bf16" if fast or accelerator().mixed_precision == "bf16" else "fp32"
    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": None}[precision]


def images_at_once(batch_size: int, accumulation: int) -> int:
    """Returns how many images of a batch one process computes at once."""
    processes = accelerator().num_processes
    if batch_size % (processes * accumulation):
        raise ValueError(
            f"batch_size must be a multiple of {processes} processes x accumulation={accumulation}, but got "
            f"{batch_size} instead."
        )
    return int(batch_size // (processes * accumulation))


def average(values: Tensor) -> Tensor:
    """Returns the mean of a tensor over all processes."""
    mean: Tensor = accelerator().reduce(values, reduction="mean")
    return mean


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces gradients by their mean over all processes, in one message.

    DistributedDataParallel supports neither two networks that train each other nor gradients of gradients.
    """
    if accelerator().num_processes == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = average(torch.cat([gradient.flatten() for gradient in gradients]))
    for gradient, mean in zip(gradients, torch.split(flat, [gradient.numel() for gradient in gradients])):
        gradient.copy_(mean.view_as(gradient))


def agree(*values: float) -> list[float]:
    """Returns the largest of each value over all processes, so that all of them stop at the same step."""
    if accelerator().num_processes == 1:
        return list(values)
    own = torch.tensor([values], dtype=torch.float64, device=accelerator().device)
    largest: list[float] = accelerator().gather(own).amax(0).tolist()
    return largest


def of_first(value: Any) -> Any:
    """Returns the value of the first process in all processes; its tensors must be on the CPU."""
    if accelerator().num_processes == 1:
        return value
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value])[0]


@contextmanager
def threads_kept() -> Iterator[None]:
    """Restores torch's number of threads at the end."""
    own = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(own)


def fastest_threads(work: Callable[[], object], seconds: float) -> int:
    """Returns the number of threads with which some work is fastest: 1, 2, 4 and so on, up to torch's own number.

    It tries at least two numbers, and no further one after ``seconds``. Small networks gain little from more threads.
    On a busy machine the threads wait for each other: two threads have been ten times slower than one.
    """
    own = torch.get_num_threads()
    counts = [count for count in (1, 2, 4, 8, 16, 32, 64, 128) if count < own] + [own]
    fastest, best, deadline = own, float("inf"), time.perf_counter() + seconds
    if own == 1:
        return own
    with threads_kept():
        for index, count in enumerate(counts):
            if index > 1 and time.perf_counter() > deadline:
                break
            torch.set_num_threads(count)
            taken = _median_seconds(work, seconds / 4)
            if taken >= best:
                break
            fastest, best = count, taken
    return fastest


def _median_seconds(work: Callable[[], object], seconds: float) -> float:
    """Returns the median time of a few calls, without the first, which starts threads and chooses kernels."""
    began = time.perf_counter()
    times: list[float] = []
    while len(times) <= TRIALS and (not times or time.perf_counter() - began < seconds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:] or times)
