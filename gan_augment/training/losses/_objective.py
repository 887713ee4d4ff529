"""The adversarial objectives of both networks, from a recipe's loss and regularisers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from ..recipes._recipe import Recipe
from ._registry import LOSSES
from ._regularizers import LeCam, gradient_penalty, top_k, top_k_share, zero_centred_penalty

# Maps images in -1..1 and their classes to logits (n,) or (n, k): the augmentation, and then the discriminator.
Judge: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]


def judges_one_by_one(recipe: Recipe) -> bool:
    """Returns whether the logit of an image does not depend on the other images of its batch."""
    if recipe.discriminator == "projected":  # its heads normalise batches
        return False
    return recipe.discriminator_normalization != "batch" and not recipe.minibatch_stddev


def learns_in_one_pass(recipe: Recipe) -> bool:
    """Returns whether both networks learn from one pass over the generated images."""
    if recipe.simultaneous is None:
        return (recipe.discriminator == "projected" or judges_one_by_one(recipe)) and recipe.precision != "fp16"
    return recipe.simultaneous


def judge_both(
    recipe: Recipe, judge: Judge, real: Tensor, fake: Tensor, labels: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Returns the logits of real and generated images, in one pass unless the images of a batch affect each other."""
    if not judges_one_by_one(recipe):
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
    """Returns the discriminator's loss, and the logits of real and generated images.

    Images are in -1..1, and ``labels`` are the classes of both. ``penalize`` says whether this step has gradient
    penalties.
    """
    real_logits, fake_logits = judge_both(recipe, judge, real, fake, labels)
    loss = LOSSES[recipe.loss].discriminator(real_logits, fake_logits, recipe.label_smoothing)
    if recipe.lecam:
        loss = loss + recipe.lecam * lecam.penalty(real_logits, fake_logits)
    if penalize:
        loss = loss + recipe.penalty_every * _penalties(recipe, lambda images: judge(images, labels), real, fake)
    return loss, real_logits, fake_logits


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
    reference = None
    logits = judge(fake, labels)
    if LOSSES[recipe.loss].paired:
        with torch.no_grad():
            reference = judge(real, labels)
    return generator_loss_of(recipe, logits, reference, epoch=epoch)


def generator_loss_of(recipe: Recipe, fake_logits: Tensor, real_logits: Tensor | None, *, epoch: int) -> Tensor:
    """Returns the generator's loss from logits. Only a paired loss needs those of real images."""
    loss = LOSSES[recipe.loss]
    if recipe.top_k < 1 and not loss.paired:
        fake_logits = top_k(fake_logits, top_k_share(epoch, floor=recipe.top_k))
    return loss.generator(fake_logits, None if real_logits is None else real_logits.detach())


def shared_loss(discriminator: Tensor, generator: Tensor, fake: Tensor, fake_logits: Tensor) -> Tensor:
    """Returns a loss whose backward pass gives each network the gradient of its own loss.

    ``fake_logits`` are the logits of ``fake`` in both losses. The logit of an image must not depend on other images.
    The gradients of the two losses at an image then differ only by a factor: the ratio of the derivatives of the two
    losses with respect to the logit. Therefore, a hook at ``fake`` multiplies the gradient of the discriminator's loss
    by this factor.

    If the discriminator's derivative is 0, as for logits below -1 in the hinge loss, there is nothing to multiply.
    It is then replaced by a derivative that is too small to matter, even to Adam, which divides by the gradients' size.
    """
    (own,) = torch.autograd.grad(discriminator, fake_logits, retain_graph=True)
    (other,) = torch.autograd.grad(generator, fake_logits, retain_graph=True)
    least = 2.0**-60 * other.abs()
    carried = torch.where(own.abs() < least, least, own)
    ratio = torch.where(carried == 0, 0, other / carried)
    fake.register_hook(lambda gradient: gradient * ratio.view(-1, 1, 1, 1))  # type: ignore[no-untyped-call]
    return discriminator + ((carried - own) * fake_logits).sum()
