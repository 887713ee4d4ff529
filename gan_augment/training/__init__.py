"""Fitting generators to images."""

from ._fit import FitResult, fit, resume
from ._recipe import RECIPES, Recipe

__all__ = ["RECIPES", "FitResult", "Recipe", "fit", "resume"]
