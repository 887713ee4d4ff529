"""The optimisers of a recipe, and the moving average of the generator, which is what a run returns."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from ..models import Generator, check_labels, draw_latents
from .recipes._options import Options, added, within

if TYPE_CHECKING:
    from .recipes._recipe import Recipe

BATCHES, BATCH_SIZE = 16, 64  # of samples that measure batch-norm statistics


@dataclass(frozen=True, kw_only=True)
class OptimizationOptions(Options):
    """Batches, steps, optimisers, and which parts of pretrained networks learn.

    Args:
        batch_size (int): Images per step, over all processes. Default: 64.
        accumulation (int): Number of parts that a batch is computed in, to save memory. Default: 1.
        steps (int): Steps of the generator, unless the budget runs out first. Default: 20,000.
        epochs (int): If above 0, the number of passes over the images, instead of ``steps``. Default: 0.
        n_critic (int): Steps of the discriminator for each step of the generator. Default: 1.
        simultaneous (bool, optional): Whether both networks learn from one pass over the generated images, which is
            faster. Otherwise, the networks take turns: the generator learns from the discriminator after its update,
            and from the same images, unless ``accumulation`` or ``n_critic`` is above 1. Default: True, except with
            ``"fp16"``, or with a discriminator in which the images of a batch affect each other (``"batch"``,
            ``minibatch_stddev``).
        optimizer (str): A class of ``torch.optim`` that takes ``lr``. Default: ``"Adam"``.
        optimizer_options (dict): Further arguments of that class. Default: ``{"betas": (0.0, 0.9)}``.
        generator_lr, discriminator_lr (float): Learning rates. Default: 2e-4.
        ema_decay (float): Decay per step of the generator's moving average; 0 turns it off. Default: 0.999.
        freeze_discriminator (int): Number of first blocks of a pretrained discriminator that do not learn
            (https://arxiv.org/abs/2002.10964). Default: 0.
        tune (str): Which part of a pretrained generator learns: ``"all"`` (default), ``"norms"`` (scales and shifts) or
            ``"mapping"`` (a small network before it).
        precision (str): ``"auto"`` (default; bfloat16 if the processor computes in it), ``"bf16"``, ``"fp16"`` or
            ``"fp32"``.
        evaluations (int): How often samples are drawn and measured, evenly over the run. Default: 20.
    """

    batch_size: int = within(2, 65_536, 64)
    accumulation: int = within(1, 65_536, 1)
    steps: int = within(1, 10**9, 20_000)
    epochs: int = within(0, 10**6, 0)
    n_critic: int = within(1, 100, 1)
    simultaneous: bool | None = added(default=None, before=False)
    optimizer: str = "Adam"
    optimizer_options: dict[str, Any] = field(default_factory=lambda: {"betas": (0.0, 0.9)})
    generator_lr: float = within(0.0, 1.0, 2e-4)
    discriminator_lr: float = within(0.0, 1.0, 2e-4)
    ema_decay: float = within(0.0, 1.0, 0.999)
    freeze_discriminator: int = within(0, 8, 0)
    tune: Literal["all", "norms", "mapping"] = "all"
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    evaluations: int = within(0, 10_000, 20)

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        if recipe.batch_size % recipe.accumulation:
            yield f"batch_size must be a multiple of accumulation={recipe.accumulation}, but got {recipe.batch_size}"
        if recipe.simultaneous and recipe.precision == "fp16":
            yield "precision must not be 'fp16' with simultaneous=True, because small gradients would become 0"
        if recipe.optimizer_class is None:
            yield f"optimizer must be a class of torch.optim for dense gradients, but got {recipe.optimizer!r} instead"
        if recipe.tune == "norms" and recipe.generator_normalization != "batch":
            yield f"tune must not be 'norms' with generator_normalization={recipe.generator_normalization!r}"
        if recipe.tune == "mapping" and not recipe.mapping_layers:
            yield "mapping_layers must be at least 1 for tune='mapping'"

    @classmethod
    def unused(cls, recipe: Recipe) -> Iterable[str]:
        names = (
            "n_critic",
            "simultaneous",
            "freeze_discriminator",
            "optimizer",
            "optimizer_options",
            "generator_lr",
            "discriminator_lr",
        )
        return () if recipe.adversarial else names

    @property
    def optimizer_class(self) -> Any:
        """The class that ``optimizer`` names; None if there is no such class, or it cannot train these networks."""
        kind = getattr(torch.optim, self.optimizer, None)
        usable = inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer)
        # These two need a closure or sparse gradients.
        return kind if usable and self.optimizer not in ("LBFGS", "SparseAdam") else None

    def new_optimizer(self, parameters: Any, lr: float) -> torch.optim.Optimizer:
        """Builds the optimiser of parameters, or raises a ValueError if it does not take the arguments."""
        kind, options = self.optimizer_class, dict(self.optimizer_options)
        if "fused" in inspect.signature(kind).parameters and "foreach" not in options:
            options.setdefault("fused", True)
        try:
            optimizer: torch.optim.Optimizer = kind(parameters, lr=lr, **options)
        except (TypeError, ValueError, RuntimeError, LookupError) as error:
            raise ValueError(
                f"optimizer_options must be arguments of torch.optim.{self.optimizer}, but got "
                f"{self.optimizer_options}: {error}"
            ) from error
        return optimizer

    def total_steps(self, count: int) -> int:
        """Returns the steps of the generator over ``count`` images."""
        if not self.epochs:
            return self.steps
        return max(math.ceil(self.epochs * count / (self.batch_size * self.n_critic)), 1)


class EMA:
    """Keeps an exponential moving average of a generator's parameters; buffers are copied.

    The decay at step ``t`` is at most ``(1 + t) / (10 + t)``, so the average follows quickly at first.
    """

    def __init__(self, generator: Generator, decay: float) -> None:
        self.decay = decay
        self.generator = copy.deepcopy(generator).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, generator: nn.Module, step: int) -> None:
        """Moves the average towards the generator after step number ``step``."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages: list[Tensor] = list(self.generator.parameters())
        torch._foreach_lerp_(averages, list(generator.parameters()), 1 - decay)
        for average, buffer in zip(self.generator.buffers(), generator.buffers()):
            average.copy_(buffer)


@torch.no_grad()
def recalibrate_batch_norm(generator: Generator, labels: Tensor | None = None) -> None:
    """Measures the batch-norm statistics of the current weights, and leaves the generator in eval mode.

    Averaged weights need their own statistics: those of the generator in training belong to other weights, and samples
    in eval mode would look like noise. Every call uses the same latents. ``labels`` are the classes in the proportions
    of the training images; by default all classes come equally often.
    """
    norms = [module for module in generator.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    generator.eval()  # except the norms: training mode would also update spectral normalisation
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
    config, device = generator.config, next(generator.parameters()).device
    for batch in range(BATCHES):
        rows = torch.arange(batch * BATCH_SIZE, (batch + 1) * BATCH_SIZE)
        classes = check_labels(None if labels is None else labels[rows % len(labels)], BATCH_SIZE, config.num_classes)
        latents = draw_latents(generator, BATCH_SIZE, batch, classes).to(device)
        generator(latents[:, : config.latent_dim], classes if classes is None else classes.to(device))
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    generator.eval()
