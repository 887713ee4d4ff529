"""The parts of a recipe, and the recipes that have a name."""
