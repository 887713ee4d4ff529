"""Recipes: what one is made of, and those that have a name."""
