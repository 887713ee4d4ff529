"""The tabs for the images of a visitor: a mixed batch, and a light study."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._examples import CLASSES, EACH, example_zip, has_examples
from .._mixing import make_mix, mix_batch
from .._pictures import figures
from .._studies import FIT_STEPS, LEAST_SEEDS, LEAST_STEPS, PRESETS, Request
from .._uploads import Upload, read_upload, safe_name
from .._visitors import Visitor
from ._controls import Server, listen, seed_box, seed_of, slider, whole
from ._gradio import gr
from ._messages import kindly, report
from ._texts import NO_UPLOAD, note, refusal, study_report, study_status

SAME, UNIFORM = "same", "uniform"
LABELS = [("class of the real image", SAME), ("the same probability for all classes", UNIFORM)]
SECONDS = 1.0  # between two looks at a study


def upload_tab(server: Server, name: gr.Dropdown) -> tuple[Any, Any, Any]:
    """Lays out the upload and the mixed batch, and returns the function that mixes it again."""
    limits = server.limits
    most = f"At most {limits.upload_bytes // 2**20} MB, {limits.images:,} images and {limits.classes} classes."
    gr.HTML(note(most, "Other visitors do not see your images, and the page deletes them when you leave."))
    file = gr.File(
        label="Zip file with one folder of images for each class",
        file_types=[".zip"],
        height=140,
        elem_classes="ga-upload",
    )
    example = gr.Button(f"Use {CLASSES * EACH} example digits", visible=has_examples())
    about = gr.HTML(NO_UPLOAD, elem_id="upload")
    with gr.Row():
        ratio = slider(0, 1, 0.25, 0.05, "Ratio", "Share of the batch that is synthetic.")
        count = slider(4, limits.batch, 24, 1, "Images in the batch")
    with gr.Row():
        labels = gr.Dropdown(LABELS, value=SAME, label="Label of a synthetic image", min_width=220)
        seed = seed_box("Seed of the batch")
    tiles = gr.HTML(elem_id="batch")

    def take(request: gr.Request, get_path: Callable[[Visitor], Path | None]) -> tuple[Any, ...]:
        """Reads the images, and returns the box of the file, a sentence, the labels to choose from, and no batch."""
        with server.visitors.work(str(request.session_hash)) as visitor:
            server.desk.stop(visitor.token, "You changed your images, which stopped the study.")
            visitor.upload, box = None, gr.skip()
            try:
                path = get_path(visitor)
                visitor.upload = None if path is None else read_upload(path, limits)
                said = NO_UPLOAD if visitor.upload is None else note(visitor.upload.sentence, *visitor.upload.notes)
            except Exception as error:  # any error, like in `kindly`, but the sentence stays on the page
                said, box = refusal(report(error)), gr.File(None)
        known = visitor.upload.class_names if visitor.upload else ()
        fixed = [(f"always {each}", index) for index, each in enumerate(known)]
        return box, said, gr.Dropdown([*LABELS, *fixed], value=SAME), ""

    def receive(path: str | None, request: gr.Request) -> tuple[Any, ...]:
        def store(visitor: Visitor) -> Path | None:
            return server.visitors.receive(visitor, Path(path), safe_name(Path(path).name)) if path else None

        return take(request, store)

    def receive_example(request: gr.Request) -> tuple[Any, ...]:
        _, *others = take(request, lambda visitor: example_zip(server.visitors.new_upload(visitor, 2**20)))
        return gr.File(None), *others

    def mix(chosen: str, ratio: float, count: Any, labels: Any, seed: Any, said: str, request: gr.Request) -> str:
        visitor = server.visitors.find(str(request.session_hash))
        if visitor is None:
            return "" if said == NO_UPLOAD else note("Your images are no longer here; drop the file again.")
        if (upload := visitor.upload) is None:
            return ""
        n = whole(count, "The number of images", 1, limits.batch)
        options = {"ratio": ratio, "labels": labels, "count": n, "seed": seed_of(seed)}
        batch = mix_batch(upload, server.generator(chosen), chosen, **options)
        total = len(batch.tiles)
        words = f"{batch.num_synthetic} of {total} images are synthetic and have a frame. The others are real."
        return note(words) + figures(batch.tiles, "Mixed batch", framed=True)

    inputs = [name, ratio, count, labels, seed, about]
    taken = [file, about, labels, tiles]
    reading = {"concurrency_id": "read", "concurrency_limit": 2, "trigger_mode": "once", "show_progress_on": [about]}
    for done in (
        listen([file.upload, file.clear], receive, [file], taken, **reading),
        listen([example.click], receive_example, None, taken, **reading),
    ):
        done.then(kindly(mix), inputs, tiles, api_visibility="private")
    listen([each.change for each in (ratio, count, labels, seed)], mix, inputs, tiles)
    return mix, inputs, tiles


def study_tab(server: Server, name: gr.Dropdown) -> None:
    """Lays out the light study."""
    limits = server.limits
    sources = [("the generator above", "named"), ("one fitted to my images (slower)", "fitted")]
    fitted = f"Here, a fit takes only {FIT_STEPS} steps, so its images may look poor. The command line takes more."
    with gr.Row():
        source = gr.Radio(sources, value="named", label="Source of the synthetic images", info=fitted, min_width=280)
        labels = gr.Dropdown(LABELS, value=SAME, label="Label of a synthetic image", min_width=220)
    with gr.Row():
        ratio = slider(0.05, 1, 0.5, 0.05, "Ratio to try", "Ratio 0 is always tried.")
        seeds = slider(LEAST_SEEDS, limits.study_seeds, 3, 1, "Seeds", "More seeds narrow the interval.")
        steps = slider(LEAST_STEPS, limits.study_steps, 150, 10, "Training steps", "Of each classifier.")
    preset = gr.Radio([("demo (smallest)", PRESETS[0]), ("quick", PRESETS[1])], value=PRESETS[0], label="Preset")
    with gr.Row():
        start = gr.Button("Start the study", variant="primary")
        stop = gr.Button("Stop", interactive=False)
    status = gr.HTML(study_status(None), elem_id="study")
    report = gr.HTML(elem_id="report")
    timer = gr.Timer(SECONDS, active=False)

    def begin(
        chosen: str, source: str, labels: str, ratio: float, seeds: Any, steps: Any, preset: str, request: gr.Request
    ) -> tuple[Any, ...]:
        visitor = server.visitors.find(str(request.session_hash))
        upload: Upload | None = None if visitor is None else visitor.upload
        if visitor is None or upload is None:
            raise ValueError("A study needs images; drop a zip file in the tab Mix first.")
        if source == "named":
            make_mix(upload, server.generator(chosen), ratio, labels)  # refuses classes that do not fit
        path = server.name(chosen)
        request_ = Request(
            source=chosen if source == "named" else "", folder=path if os.path.isdir(path) else "",
            labels=labels, preset=preset, ratio=ratio,
            seeds=whole(seeds, "Seeds", LEAST_SEEDS, limits.study_seeds),
            steps=whole(steps, "Training steps", LEAST_STEPS, limits.study_steps),
        )  # fmt: skip
        study = server.desk.start(visitor.token, upload, request_)
        return study_status(study), "", gr.Timer(active=True), gr.Button(interactive=True)

    def look(request: gr.Request) -> tuple[Any, ...]:
        visitor = server.visitors.find(str(request.session_hash))
        study = None if visitor is None else server.desk.of(visitor.token)
        if study is not None and study.running:
            return study_status(study), gr.skip(), gr.skip(), gr.skip()
        ended = study_status(study), study_report(study)
        return *ended, gr.Timer(active=False), gr.Button(interactive=False)

    def end(request: gr.Request) -> None:
        if visitor := server.visitors.find(str(request.session_hash)):
            server.desk.stop(visitor.token)

    outputs = [status, report, timer, stop]
    begun = {"concurrency_id": "study", "trigger_mode": "once"}
    listen([start.click], begin, [name, source, labels, ratio, seeds, steps, preset], outputs, **begun)
    looking = {"concurrency_id": "look", "concurrency_limit": None, "trigger_mode": "once", "show_progress": "hidden"}
    listen([timer.tick], look, None, outputs, **looking)
    listen([stop.click], end, None, None, **{**looking, "concurrency_id": "stop"})
