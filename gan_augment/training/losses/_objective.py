"""The adversarial objectives of both networks, from a recipe's loss and regularisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from ..recipes._recipe import Recipe
from ._registry import LOSSES
from ._regularizers import LeCam, gradient_penalty, top_k, top_k_share, zero_centred_penalty

# Maps images in -1..1 and their classes to logits (n,): the augmentation, and then the discriminator.
Judge: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]


def judge_both(
    recipe: Recipe, judge: Judge, real: Tensor, fake: Tensor, labels: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Returns the logits of real and generated images, in one pass unless the images of a batch affect each other."""
    if recipe.discriminator_normalization == "batch" or recipe.minibatch_stddev:
        return judge(real, labels), judge(fake, labels)
    real_logits, fake_logits = judge(torch.cat([real, fake]), None if labels is None else labels.repeat(2)).chunk(2)
    return real_logits, fake_logits


def discriminator_loss(
    recipe: Recipe,
    judge: Judge,
    real: Tensor,
    fake: Tensor,
    labels: Tensor | None,
    *,
    lecam: LeCam,
    penalize: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the discriminator's loss, and the detached logits of real and generated images.

    Images are in -1..1, and ``labels`` are the classes of both. ``penalize`` says whether this step has gradient
    penalties.
    """
    real_logits, fake_logits = judge_both(recipe, judge, real, fake, labels)
    loss = LOSSES[recipe.loss].discriminator(real_logits, fake_logits, recipe.label_smoothing)
    if recipe.lecam:
        loss = loss + recipe.lecam * lecam.penalty(real_logits, fake_logits)
    if penalize:
        loss = loss + recipe.penalty_every * _penalties(recipe, lambda images: judge(images, labels), real, fake)
    return loss, real_logits.detach(), fake_logits.detach()


def _penalties(recipe: Recipe, discriminate: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    total = real.new_zeros(())
    if recipe.gradient_penalty:
        total = total + recipe.gradient_penalty * gradient_penalty(discriminate, real, fake)
    if recipe.r1:
        total = total + recipe.r1 / 2 * zero_centred_penalty(discriminate, real)
    if recipe.r2:
        total = total + recipe.r2 / 2 * zero_centred_penalty(discriminate, fake)
    return total


def generator_loss(
    recipe: Recipe, judge: Judge, fake: Tensor, real: Tensor, labels: Tensor | None, *, epoch: int
) -> Tensor:
    """Returns the generator's loss after ``epoch`` passes over the data; gradients reach it through ``fake``.

    A paired loss compares ``fake`` with ``real``. ``labels`` are the classes of both.
    """
    loss = LOSSES[recipe.loss]
    logits = judge(fake, labels)
    reference = None
    if loss.paired:
        with torch.no_grad():
            reference = judge(real, labels)
    elif recipe.top_k < 1:
        logits = top_k(logits, top_k_share(epoch, floor=recipe.top_k))
    return loss.generator(logits, reference)
