from ._data import load_digits, split_digits
from ._run import SNIPPET, DemoResult, refuse_seen, run_demo, table

__all__ = [
    "SNIPPET",
    "DemoResult",
    "load_digits",
    "refuse_seen",
    "run_demo",
    "split_digits",
    "table",
]
