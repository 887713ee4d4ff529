from ._checkpoints import pack, unpack
from ._data import TrainingImages
from ._fit import fit, parse_budget, resolve_recipe, resume
from ._losses import LOSSES, Loss
from ._processes import autocast_type, is_first
from ._recipe import Recipe
from ._recipes import RECIPES, get_recipe
from ._result import FEW_STEPS, LEAST_STEPS, FitResult, few_steps
from ._rings import Rings, invalid_share
from ._table import TABLE

__all__ = [
    "FEW_STEPS",
    "LEAST_STEPS",
    "LOSSES",
    "RECIPES",
    "TABLE",
    "FitResult",
    "Loss",
    "Recipe",
    "Rings",
    "TrainingImages",
    "autocast_type",
    "few_steps",
    "fit",
    "get_recipe",
    "invalid_share",
    "is_first",
    "pack",
    "parse_budget",
    "resolve_recipe",
    "resume",
    "unpack",
]
