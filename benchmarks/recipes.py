"""Original recipes, their modern counterparts and pytorch/examples' dcgan, for the same time on the same images.

    GAN_AUGMENT_DATA=DATA python -m benchmarks.recipes --case celeba --minutes 20 --examples EXAMPLES --out OUT

DATA holds the folders that ``CASES`` names; EXAMPLES is a checkout of pytorch/examples, whose ``dcgan/main.py``
runs unchanged, as a process of its own. The rules:

* All systems train on the same images, one after the other, for the same wall-clock time of training:
  reading the data, and starting the peer's Python, do not count.
* The peer takes RGB at 64 px, so it gets PNGs of the training images at that size, and its defaults for
  everything else. Its loader ends the epoch when the time is over, so that it saves what it has by then.
* The peer keeps no average of its weights; it is sampled with batch statistics, as it does itself, and with
  running ones, and the lower KID counts.
* Samples are brought to the size and channels of the held-out images before any feature is computed, and no
  held-out image was trained on. "real" is training images in the place of samples: the floor.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as F

from gan_augment import Generator, fit, from_pretrained
from gan_augment._core import to_channels, undo_resize
from gan_augment.evaluation import accuracy, predict, train_classifier
from gan_augment.metrics import ClassifierFeatures, FeatureNetwork, load_features, measure

from .data import Data, celeba, fashion_mnist, mnist, white_cells
from .faces import load_judge
from .options import add_set_of_tiny, fields_of
from .rings import Rings, invalid_share

PEER = "pytorch/examples"
PEER_SIZE = 64
PEER_LOADER = """
import runpy, sys, time
from torch.utils.data import DataLoader

seconds, sys.argv = float(sys.argv[1]), sys.argv[2:]
batches, started = DataLoader.__iter__, []

def until_the_time_is_over(loader):
    started.append(time.perf_counter())
    if started[-1] - started[0] > seconds:
        sys.exit()
    for batch in batches(loader):
        yield batch
        if time.perf_counter() - started[0] > seconds:
            return

DataLoader.__iter__ = until_the_time_is_over
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass(frozen=True)
class Case:
    """What is trained on, and by which recipes: the original first, then its modern counterpart."""

    load: Callable[[int], Data]  # of a seed
    recipes: tuple[str, ...]
    overrides: dict[str, Any]  # the size of the images, for all recipes, and flips, for the modern ones


@dataclass
class Trained:
    """A trained system: samples, and what they cost."""

    system: str
    images: Tensor
    labels: Tensor | None = None
    seconds: float = 0.0
    steps: int = 0
    batch_size: int = 0
    note: str = ""


def rings(seed: int) -> Data:
    """Drawn ones, as many as the rings of the first of the five systems."""

    def draw(n: int, seed: int) -> Tensor:
        rings = Rings(n, image_size=64, seed=seed)
        return torch.stack([F.pil_to_tensor(rings[i]) for i in range(n)])

    return Data(train=draw(365, seed), held_out=draw(1000, seed + 1))


CASES = {
    "fashion": Case(lambda _: fashion_mnist(), ("fashion-dcgan", "small"), {"image_size": 28}),
    "mnist": Case(lambda _: mnist(), ("mnist-sn", "conditional"), {"image_size": 28}),
    "celeba": Case(lambda _: celeba(held_out=5000), ("celebahq-5k-64", "small"), {"image_size": 64, "flip": True}),
    "celeba-9k": Case(lambda _: celeba(held_out=1000), ("small",), {"image_size": 64, "flip": True}),
    "bccd-wbc": Case(white_cells, ("rings-365", "tiny"), {"image_size": 64, "flip": True}),
    "rings": Case(rings, ("rings-365", "tiny"), {"image_size": 64}),
}


def train_recipe(recipe: str, data: Data, case: Case, options: argparse.Namespace) -> Trained:
    """Fits a recipe; the original ones as they are, but for the size of the case's images."""
    from gan_augment.training import RECIPES

    modern = recipe.removesuffix("-light") in ("tiny", "tiny-conditional", "small", "conditional")
    overrides = case.overrides if modern else {"image_size": case.overrides["image_size"]}
    result = fit(
        data.dataset(),
        recipe,
        budget=options.minutes * 60,
        out=options.out / recipe,
        seed=options.seed,
        progress=False,
        **{**overrides, **fields_of(recipe, options)},
    )
    images, labels = sample_generator(result.generator, data, options)
    return Trained(recipe, images, labels, result.seconds, result.steps, RECIPES[recipe].batch_size)


def sample_generator(generator: Generator, data: Data, options: argparse.Namespace) -> tuple[Tensor, Tensor | None]:
    """Samples like the held-out images: in the classes' proportions, of their size and channels."""
    labels = None
    if generator.num_classes and data.held_out_labels is not None:
        rng = torch.Generator().manual_seed(options.seed)
        labels = data.held_out_labels[torch.randint(len(data.held_out_labels), (options.n,), generator=rng)]
    images = generator.sample(options.n, labels, seed=options.seed)
    height, width = data.held_out.shape[2:]
    config = generator.config
    images = undo_resize(images, height, width, config.resize_mode, config.source_size)
    return to_channels(images, data.held_out.shape[1]), labels


def train_peer(data: Data, options: argparse.Namespace, network: FeatureNetwork) -> Trained:
    """Runs pytorch/examples' dcgan on PNGs of the training images, and samples what it saved."""
    main, out = (options.examples / "dcgan" / "main.py").resolve(), (options.out / "examples").resolve()
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as root, open(out / "log.txt", "w+") as log:
        folder = Path(root) / "images"
        folder.mkdir()
        images = to_channels(F.resize(data.train, [PEER_SIZE, PEER_SIZE], antialias=True), 3)
        for index, image in enumerate(images):
            F.to_pil_image(image).save(folder / f"{index:06}.png", compress_level=1)
        arguments = ["--dataset", "folder", "--dataroot", root, "--outf", str(out), "--niter", "1000000"]
        arguments += ["--imageSize", str(PEER_SIZE), "--manualSeed", str(options.seed)]
        command = [sys.executable, "-u", "-c", PEER_LOADER, str(options.minutes * 60), str(main), *arguments]
        subprocess.run(command, check=True, cwd=out, stdout=log, stderr=subprocess.STDOUT)
        log.seek(0)
        steps = len(re.findall(r"^\[\d+/\d+\]\[\d+/\d+\]", log.read(), re.MULTILINE))
    saved = max(out.glob("netG_epoch_*.pth"), key=lambda path: int(path.stem.rpartition("_")[2]))
    generator = load_dcgan(torch.load(saved, map_location="cpu", weights_only=True))
    candidates = {mode: sample_dcgan(generator.train(mode == "batch"), options) for mode in ("batch", "running")}
    held_out, scores = data.held_out[: options.n], {}
    for mode, samples in candidates.items():
        samples = F.resize(samples, list(held_out.shape[2:]), antialias=True)
        candidates[mode] = samples = to_channels(samples, held_out.shape[1])
        scores[mode] = measure(held_out, samples, network, split="held-out")["kid"].value
    best = min(scores, key=lambda mode: scores[mode])
    note = f"{best} statistics of the batch norm"
    return Trained(PEER, candidates[best], None, options.minutes * 60, steps, 64, note)


def load_dcgan(state: dict[str, Tensor]) -> nn.Sequential:
    """The generator that tensors named ``main.N.weight`` are of."""
    layers: dict[int, nn.Module] = {}
    for name, tensor in state.items():
        _, index, kind = name.split(".")
        if tensor.ndim == 4:
            first = not layers
            stride, padding = (1, 0) if first else (2, 1)
            kernel = (tensor.shape[2], tensor.shape[3])
            layers[int(index)] = nn.ConvTranspose2d(*tensor.shape[:2], kernel, stride, padding, bias=False)
        elif kind == "running_mean":
            layers[int(index)] = nn.BatchNorm2d(len(tensor))
    last = max(layers)
    blanks = {index: nn.ReLU() for index in range(last) if index not in layers}
    model = nn.Sequential(*(module for _, module in sorted({**layers, **blanks, last + 1: nn.Tanh()}.items())))
    model.load_state_dict({name.removeprefix("main."): tensor for name, tensor in state.items()})
    return model


@torch.no_grad()
def sample_dcgan(generator: nn.Sequential, options: argparse.Namespace) -> Tensor:
    """Samples in batches of 64, as it trains, so that batch statistics are what they were."""
    rng = torch.Generator().manual_seed(options.seed)
    length = next(generator.parameters()).shape[0]
    batches = [generator(torch.randn(64, length, 1, 1, generator=rng)) for _ in range(-(-options.n // 64))]
    return torch.cat(batches)[: options.n].mul(127.5).add(127.5).round().clamp(0, 255).byte()


def judge(trained: Trained, data: Data, networks: list[FeatureNetwork], case: str, n: int) -> dict[str, Any]:
    """Every figure of a system."""
    figures: dict[str, Any] = {"system": trained.system, "note": trained.note}
    if trained.steps:
        speed = trained.steps * trained.batch_size / trained.seconds
        figures.update(seconds=round(trained.seconds), steps=trained.steps, images_per_second=round(speed, 1))
    measured = [measure(data.held_out[:n], trained.images, network, split="held-out") for network in networks]
    figures["measured"] = [
        {**measurement.to_dict(), "text": str(measurement)} for m in measured for measurement in m.values()
    ]
    if case == "rings":
        figures["invalid_share"] = invalid_share(trained.images)
    classifier = next((network.model for network in networks if isinstance(network, ClassifierFeatures)), None)
    if classifier is not None and data.labels is not None:
        classes = int(data.labels.max()) + 1
        found = predict(classifier, trained.images)
        figures["class_shares"] = (torch.bincount(found, minlength=classes) / len(found)).tolist()
        if trained.labels is not None:
            asked = [found[trained.labels == label] == label for label in range(classes)]
            figures["class_recall"] = [float(hits.float().mean()) for hits in asked]
    return figures


def report(figures: dict[str, Any]) -> None:
    cost = "" if "steps" not in figures else (
        f"{figures['seconds']} s, {figures['steps']:,} steps, {figures['images_per_second']:,} images/s"
    )  # fmt: skip
    print(f"\n{figures['system']}  {cost}  {figures['note']}".rstrip())
    for measurement in figures["measured"]:
        print(f"  {measurement['text']}")
    for key in ("invalid_share", "class_shares", "class_recall"):
        if key in figures:
            values = figures[key] if isinstance(figures[key], list) else [figures[key]]
            print(f"  {key.replace('_', ' ')}: " + " ".join(f"{value:.1%}" for value in values))
    sys.stdout.flush()


def summarize(rows: list[dict[str, Any]], networks: list[FeatureNetwork]) -> None:
    """One table for each feature network."""
    for network in networks:
        counts = next(m for m in rows[-1]["measured"] if m["features"] == network.name)
        print(f"\n{network.name}, n={counts['n_real']}/{counts['n_synthetic']}, held-out")
        print(f"{'system':22}{'KID':>10}{'±':>9}{'FID':>9}{'prec.':>7}{'recall':>7}{'s':>7}{'steps':>8}{'img/s':>8}")
        for row in rows:
            m = {m["name"]: m for m in row["measured"] if m["features"] == network.name}
            print(
                f"{row['system']:22}{m['kid']['value']:10.5f}{m['kid']['spread']:9.5f}{m['fid']['value']:9.2f}"
                f"{m['precision']['value']:7.2f}{m['recall']['value']:7.2f}{row.get('seconds', '-'):>7}"
                f"{row.get('steps', '-'):>8}{row.get('images_per_second', '-'):>8}"
            )


def load_networks(data: Data, case: str, options: argparse.Namespace) -> list[FeatureNetwork]:
    """EfficientNet, and a network that trained no generator: of the classes, or of the attributes of faces."""
    networks = [load_features(options.features)]
    if case.startswith("celeba"):
        judge = load_judge(data, options.out / "celeba-attributes.safetensors")
        networks.append(ClassifierFeatures(judge, "celeba-attributes"))
    if data.labels is not None:
        classes = int(data.labels.max()) + 1
        model = train_classifier(data.train, data.labels, num_classes=classes, steps=options.classifier_steps)
        networks.append(ClassifierFeatures(model, f"{case}-cnn"))
        if data.held_out_labels is not None:
            score = accuracy(model, data.held_out, data.held_out_labels)
            print(f"{case}-cnn: {score:.2%} of the held-out images right")
    return networks


def record(
    trained: Trained, rows: list[dict[str, Any]], data: Data, networks: list[FeatureNetwork], case: str,
    options: argparse.Namespace,
) -> None:  # fmt: skip
    """Judges a system, and writes its grid and all figures so far."""
    rows.append(judge(trained, data, networks, case, options.n))
    save_grid(trained.images, options.out / f"{trained.system.replace('/', '-').replace(' ', '-')}.png")
    about = {
        "settings": {key: str(value) for key, value in vars(options).items()},
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "time": time.ctime(),
        "train": len(data.train),
        "held_out": len(data.held_out),
        "systems": rows,
    }
    (options.out / "figures.json").write_text(json.dumps(about, indent=2) + "\n")
    report(rows[-1])


def save_grid(images: Tensor, path: Path) -> None:
    torchvision.io.write_png(torchvision.utils.make_grid(to_channels(images[:64], 3), 8, 2), str(path))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", required=True, choices=CASES)
    parser.add_argument("--minutes", type=float, default=20.0, help="of training, for each system")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="folder for runs, grids and figures; new")
    parser.add_argument("--n", type=int, default=2000, help="samples, and held-out images at most")
    parser.add_argument("--examples", type=Path, help="checkout of pytorch/examples; without it, it is left out")
    parser.add_argument("--recipes", help="names, separated by commas, instead of the case's; may be empty")
    add_set_of_tiny(parser)
    parser.add_argument("--trained", nargs="*", default=[], help="generators to judge as they are: names or folders")
    parser.add_argument("--features", default="efficientnet-lite0", help="of the first table")
    parser.add_argument("--classifier-steps", type=int, default=2000)
    options = parser.parse_args()
    if options.examples and not (options.examples / "dcgan" / "main.py").is_file():
        parser.error(f"{options.examples} must hold dcgan/main.py, but does not")
    if options.out.exists():
        parser.error(f"{options.out} must be new, but exists")
    return options


def main() -> None:
    options = parse()
    case = CASES[options.case]
    options.out.mkdir(parents=True)
    data = case.load(options.seed)
    networks = load_networks(data, options.case, options)
    recipes = case.recipes if options.recipes is None else options.recipes.split(",")
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(options.seed))[: options.n]
    rows: list[dict[str, Any]] = []

    def add(trained: Trained) -> None:
        record(trained, rows, data, networks, options.case, options)

    add(Trained("real", data.train[order], None if data.labels is None else data.labels[order]))
    if options.examples:
        add(train_peer(data, options, networks[0]))
    for name in options.trained:
        add(Trained(name, *sample_generator(from_pretrained(name), data, options)))
    for recipe in filter(None, recipes):
        add(train_recipe(recipe, data, case, options))
    summarize(rows, networks)


if __name__ == "__main__":
    main()
