from ._demo import SNIPPET, check_digits_unseen, run_demo
from ._digits import load_digits

__all__ = ["SNIPPET", "check_digits_unseen", "load_digits", "run_demo"]
