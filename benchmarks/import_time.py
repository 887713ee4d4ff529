"""What ``import gan_augment`` adds to ``import torch, torchvision``, and that it opens no socket.

python -m benchmarks.import_time
"""

from __future__ import annotations

import statistics
import subprocess
import sys

RUNS = 7
PROGRAM = """
import socket, time
import torch, torchvision
def refuse(*arguments, **keywords):
    raise RuntimeError("import gan_augment opened a socket")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
started = time.perf_counter()
import gan_augment
print(time.perf_counter() - started)
"""


def main() -> None:
    seconds = []
    for _ in range(RUNS + 1):
        out = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True).stdout
        seconds.append(float(out))
    added = statistics.median(seconds[1:]) * 1000  # the first run fills caches
    print(f"import gan_augment adds {added:.0f} ms to import torch, torchvision (aim: at most 100 ms; no socket)")


if __name__ == "__main__":
    main()
