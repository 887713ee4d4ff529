"""Generators of faces for gan-augment: ``zoo.json`` lists them, and each has a folder beside it."""
