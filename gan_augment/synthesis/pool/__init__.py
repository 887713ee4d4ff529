"""Pools: images generated ahead of time, in memory or in a folder that processes share."""
