from ._fit import fit, parse_budget, resolve_recipe, resume
from ._preparation import seconds_per_step
from ._result import FEW_STEPS, LEAST_STEPS, FitResult, few_steps
from .losses._loss import Loss
from .losses._registry import LOSSES
from .recipes._recipe import RECIPES, Recipe, get_recipe
from .recipes._table import TABLE
from .runs._checkpoints import Checkpoints, pack, unpack
from .runs._processes import autocast_type, is_first

__all__ = [
    "FEW_STEPS",
    "LEAST_STEPS",
    "LOSSES",
    "RECIPES",
    "TABLE",
    "Checkpoints",
    "FitResult",
    "Loss",
    "Recipe",
    "autocast_type",
    "few_steps",
    "fit",
    "get_recipe",
    "is_first",
    "pack",
    "parse_budget",
    "resolve_recipe",
    "resume",
    "seconds_per_step",
    "unpack",
]
