from ._digits import load_digits
from ._run import SNIPPET, check_digits_unseen, run_demo

__all__ = ["SNIPPET", "check_digits_unseen", "load_digits", "run_demo"]
