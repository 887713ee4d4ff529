"""Tests of mixing: the transform, the data set, the label policies and the sampler."""
