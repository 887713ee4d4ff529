"""Leaves the fuzzer out of the tests, because it needs atheris and runs on its own."""

collect_ignore = ["run.py"]
