"""The demo: does mixing help 365 real digits?"""

from ._data import load_digits, split_digits
from ._run import SNIPPET, DemoResult, check_unseen, run_demo, table

__all__ = ["SNIPPET", "DemoResult", "check_unseen", "load_digits", "run_demo", "split_digits", "table"]
