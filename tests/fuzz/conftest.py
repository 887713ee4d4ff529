"""The fuzzer itself needs atheris, and runs by itself."""

collect_ignore = ["run.py"]
