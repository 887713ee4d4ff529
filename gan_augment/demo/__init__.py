"""The demo: does mixing help 365 real digits?"""

from ._data import load_digits, split_digits

__all__ = ["load_digits", "split_digits"]
