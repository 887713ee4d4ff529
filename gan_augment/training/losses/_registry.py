"""The adversarial losses by name, and how a recipe chooses one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..recipes._options import AdversarialOptions, check_choice, within
from ._builtin import Hinge, LeastSquares, NonSaturating, Relativistic, Wasserstein
from ._loss import Loss

if TYPE_CHECKING:
    from ..recipes._recipe import Recipe

LOSSES: dict[str, Loss] = {
    "nonsaturating": NonSaturating(),
    "hinge": Hinge(),
    "least_squares": LeastSquares(),
    "wasserstein": Wasserstein(),
    "relativistic": Relativistic(),
}


@dataclass(frozen=True, kw_only=True)
class LossOptions(AdversarialOptions):
    """The adversarial loss of a recipe.

    Args:
        loss (str): A name in :data:`LOSSES`: ``"hinge"`` (default), ``"nonsaturating"``, ``"least_squares"``,
            ``"wasserstein"``, ``"relativistic"``, or one that you added.
        label_smoothing (float): The target of real images is 1 minus this. Default: 0.
    """

    loss: str = "hinge"
    label_smoothing: float = within(0.0, 1.0, 0.0)

    @staticmethod
    def problems(recipe: Recipe) -> Iterator[str]:
        check_choice("loss", recipe.loss, LOSSES)
        if recipe.label_smoothing and not LOSSES[recipe.loss].smooths:
            yield f"label_smoothing must be 0 for loss={recipe.loss!r}, which has no target to smooth"
