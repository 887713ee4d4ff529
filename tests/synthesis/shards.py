"""Reading shards: with the standard library, and as ``python -m tests.synthesis.shards RANK READERS URL...``."""

import contextlib
import hashlib
import io
import re
import subprocess
import sys
import tarfile

import numpy as np
from PIL import Image


@contextlib.contextmanager
def served(folder):
    """A web server for the files of a folder, in a process of its own; gives its address."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield re.search(r"http://\S+:\d+", server.stdout.readline())[0]
        finally:
            server.kill()


def read_shard(path):
    """The samples of a shard: a dict of endings and contents for each, with pixels in place of the PNG file."""
    samples = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, _, ending = member.name.partition(".")
            samples.setdefault(key, {})[ending] = tar.extractfile(member).read()
    for sample in samples.values():
        with Image.open(io.BytesIO(sample["png"])) as picture:
            sample["text"], sample["png"] = dict(picture.text), np.asarray(picture)
    return samples


def main():
    """Prints the key, the class and the hash of the pixels of each sample that this reader gets."""
    from datasets import load_dataset
    from datasets.distributed import split_dataset_by_node

    rank, readers, *urls = sys.argv[1:]
    stream = load_dataset("webdataset", data_files=urls, split="train", streaming=True)
    for sample in split_dataset_by_node(stream, int(rank), int(readers)):
        print(sample["__key__"], sample["cls"], hashlib.sha256(np.asarray(sample["png"]).tobytes()).hexdigest())


if __name__ == "__main__":
    main()
