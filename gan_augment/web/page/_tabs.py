"""The tabs that need no upload: samples, a walk between two of them, and a pool to download."""

from __future__ import annotations

import secrets
from typing import Any

from ...hub import list_upscalers
from .. import _generators as generators
from .._downloads import FORMATS, write_pool_zip
from .._pictures import Tile, data_address, figures, film
from ._controls import MAX_SEED, NO_UPSCALER, Server, class_box, class_of, listen, seed_box, seed_of, slider, whole
from ._gradio import gr
from ._messages import kindly
from ._texts import escaped, link, note

STOPS = 9  # images of a walk
BYTES = 4_096  # of an exported image, at least


def upscaler_box() -> gr.Dropdown:
    """Returns the choice of an upscaler, or a box that says how to install one."""
    known = list_upscalers(installed=True)
    none = "" if known else 'No upscaler is installed. Run pip install "gan-augment[faces]".'
    choices = [("no", NO_UPSCALER), *((name, name) for name in known)]
    return gr.Dropdown(
        choices, value=NO_UPSCALER, label="Enlarge", info=none or None, interactive=bool(known), min_width=140
    )


def samples_tab(server: Server, name: gr.Dropdown) -> tuple[Any, ...]:
    """Lays out the samples. Returns the function that draws them, and the boxes that depend on the generator."""
    most = server.limits.samples
    with gr.Row():
        seed, label, upscaler = seed_box(), class_box(), upscaler_box()
    with gr.Row():
        count = slider(1, most, 20, 1, "Number of images")
        about = "Low: clearer, less varied images. Highest: no truncation."
        truncation = slider(0.2, generators.NORMAL_LIMIT, generators.NORMAL_LIMIT, 0.1, "Truncation", about)
    other = gr.Button("Other samples", variant="primary")
    tiles = gr.HTML(elem_id="samples")

    def draw(chosen: str, seed: Any, label: Any, upscaler: str, count: Any, truncation: float) -> str:
        generator, n, number = server.generator(chosen), whole(count, "The number of images", 1, most), seed_of(seed)
        images, captions = generators.sample(generator, n, class_of(label), number, truncation)
        source = f"{chosen}, seed {number}"
        if upscaler:
            network = generators.load_upscaler(upscaler)
            images, source = network(images), f"{source}, enlarged {network.scale} x by {network.name}"
        shown = [Tile(image, caption, source) for image, caption in zip(images, captions)]
        size = images.shape[3]
        return note(f"{n} synthetic images of {size} px from {source}.") + figures(shown, "Synthetic images")

    inputs = [name, seed, label, upscaler, count, truncation]
    changes = [each.change for each in inputs[1:]]
    listen(changes, draw, inputs, tiles)
    listen([other.click], lambda: secrets.randbelow(MAX_SEED), None, seed)
    return kindly(draw), inputs, tiles, label, truncation


def walk_tab(server: Server, name: gr.Dropdown) -> tuple[Any, ...]:
    """Lays out the walk, and returns its class box and the function that draws it."""
    with gr.Row():
        first, second, label = seed_box("First seed", 0), seed_box("Second seed", 1), class_box()
    place = slider(0, 1, 0.5, 0.01, "Position between the two samples")
    here = gr.HTML(elem_id="walk-here", elem_classes="ga-large")
    way = gr.HTML(elem_id="walk-way", elem_classes="ga-way")
    make = gr.Button("Make a film")
    shown = gr.HTML(elem_id="walk-film", elem_classes="ga-film")

    def draw(chosen: str, first: Any, second: Any, label: Any, shares: list[float]) -> tuple[Any, str]:
        seeds = seed_of(first), seed_of(second)
        images = generators.walk(server.generator(chosen), seeds, class_of(label), shares)
        return images, f"{chosen}, between seeds {seeds[0]} and {seeds[1]}"

    def show_here(chosen: str, first: Any, second: Any, label: Any, place: float) -> str:
        if not 0 <= place <= 1:
            raise ValueError(f"The position must be between 0 and 1, but got {place} instead.")
        (image,), source = draw(chosen, first, second, label, [place])
        return figures([Tile(image, f"{place:.0%} of the way", source)], "Synthetic image")

    def show_way(chosen: str, first: Any, second: Any, label: Any) -> str:
        shares = [index / (STOPS - 1) for index in range(STOPS)]
        images, source = draw(chosen, first, second, label, shares)
        tiles = [Tile(image, f"{share:.0%}", source) for image, share in zip(images, shares)]
        return note(f"{STOPS} synthetic images, {source}.") + figures(tiles, "Synthetic images of the walk")

    def show_both(chosen: str, first: Any, second: Any, label: Any, place: float) -> tuple[str, str]:
        return show_here(chosen, first, second, label, place), show_way(chosen, first, second, label)

    def show_film(chosen: str, first: Any, second: Any, label: Any) -> str:
        shares = [index / (generators.FRAMES - 1) for index in range(generators.FRAMES)]
        address = data_address(film(*draw(chosen, first, second, label, shares)))
        return (
            f'<img alt="Film of the walk, synthetic" src="{address}"><p><a class="ga-download" href="{address}" '
            f'download="walk-{escaped(chosen)}.png">Download the film (animated PNG)</a></p>'
        )

    inputs = [name, first, second, label]
    listen([each.change for each in inputs[1:]], show_both, [*inputs, place], [here, way], concurrency_id="walk")
    listen([place.change], show_here, [*inputs, place], here, concurrency_id="walk", show_progress="hidden")
    listen([make.click], show_film, inputs, shown)
    return label, kindly(show_both), [*inputs, place], [here, way]


def download_tab(server: Server, name: gr.Dropdown) -> gr.Dropdown:
    """Lays out the pool to download, and returns its class box."""
    most = server.limits.pool
    with gr.Row():
        seed, label, upscaler = seed_box(), class_box(), upscaler_box()
    with gr.Row():
        count = slider(10, most, 200, 10, "Number of images")
        choices = [("PNG files, a folder for each class", FORMATS[0]), ("pool for SyntheticPool.load", FORMATS[1])]
        kind = gr.Radio(choices, value=FORMATS[0], label="Format", min_width=280)
    make = gr.Button("Make the file", variant="primary")
    made = gr.HTML(elem_id="pool")

    def write(chosen: str, seed: Any, label: Any, upscaler: str, count: Any, kind: str, request: gr.Request) -> str:
        generator, n = server.generator(chosen), whole(count, "The number of images", 1, most)
        network = generators.load_upscaler(upscaler) if upscaler else None
        channels, height, width = generator.image_shape
        each = max(BYTES, channels * height * width * (network.scale**2 if network else 1))
        number = seed_of(seed)
        options: dict[str, Any] = {"count": n, "label": class_of(label), "seed": number, "kind": kind}
        with server.visitors.work(str(request.session_hash)) as visitor:
            folder = server.visitors.new_download(visitor, 2 * n * each)
            path = write_pool_zip(generator, chosen, folder, **options, upscaler=network)
            about = f"{n:,} images with seed {number}, each marked as synthetic, with the card of the generator."
            return note(about) + link(visitor.token, path)

    listen([make.click], write, [name, seed, label, upscaler, count, kind], made, concurrency_id="pool")
    return label
