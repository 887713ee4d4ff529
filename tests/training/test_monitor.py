import json

import pytest
import torch

from gan_augment import Generator, GeneratorConfig, fit, from_pretrained, resume
from gan_augment.training._trainer import Trainer
from gan_augment.training.runs import _monitor
from gan_augment.training.runs._monitor import Monitor

from .conftest import TINY, run_until, same_weights, training_images

pytestmark = pytest.mark.usefixtures("no_plot")


class Source(Generator):
    """A generator whose samples are given images, in turn."""

    def __init__(self, images, num_classes=0):
        super().__init__(GeneratorConfig(image_size=16, channels=1, width=2, latent_dim=4, num_classes=num_classes))
        self.images, self.asked = images, []

    def sample(self, n, labels=None, *, seed=None, truncation=None, batch_size=None):
        self.asked.append((n, labels, seed))
        return self.images[torch.arange(n) % len(self.images)]


def blobs(n, seed):
    """Images of one bright square each, of many sizes and places."""
    rng = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 40, (n, 1, 16, 16), generator=rng, dtype=torch.uint8)
    for image in images:
        top, left, side = (int(torch.randint(low, high, (), generator=rng)) for low, high in ((0, 9), (0, 9), (3, 8)))
        image[:, top : top + side, left : left + side] = int(torch.randint(170, 256, (), generator=rng))
    return images


TRAINING = blobs(300, 0)


@pytest.fixture(scope="module")
def monitor():
    return Monitor(training_images(TRAINING), training_images(blobs(120, 1)), 0)


def test_new_images_are_fine(monitor):
    figures = monitor.measure(Source(blobs(1000, 2)))
    assert 0.9 < figures["diversity"] < 1.1
    assert figures["copies"] < 0.2
    assert abs(figures["kid"]) < 0.05
    spread, copies, leakage = monitor.sentences
    assert spread.startswith("Diverse")
    assert "no sign of copying" in copies
    assert leakage == "No sign of leaked augmentation."


@pytest.mark.parametrize("images", [TRAINING[:1], TRAINING[:4]], ids=["one image", "four images"])
def test_a_collapse_is_said(monitor, images):
    figures = monitor.measure(Source(images))
    assert monitor.sentences[0].startswith("Collapse")
    assert figures["duplicates"] > 0.9


def test_copies_are_said(monitor):
    figures = monitor.measure(Source(TRAINING))
    assert figures["copies"] > 0.9
    assert figures["nearest"] == 0
    assert "signs of copying; look at the closest pairs" in monitor.sentences[1]


def test_a_leaked_cutout_is_said(monitor):
    images = blobs(1000, 2)
    images[:, :, 4:12, 4:12] = 127
    figures = monitor.measure(Source(images))
    assert figures["leak_cutout"] > 0.5
    assert "lower the probabilities of augment" in monitor.sentences[2]


def test_a_leaked_shift_is_said(monitor):
    images = blobs(1000, 2)
    images[:, :, :2] = 127
    figures = monitor.measure(Source(images))
    assert figures["leak_border"] > 0.5
    assert "shifted borders" in monitor.sentences[2]


def test_worse_images_have_a_higher_kid(monitor):
    good = monitor.measure(Source(blobs(1000, 2)))["kid"]
    noisy = blobs(1000, 2).int() + torch.randint(-60, 60, (1000, 1, 16, 16))
    assert monitor.measure(Source(noisy.clamp(0, 255).to(torch.uint8)))["kid"] > good + 0.01


def test_figures_are_finite_numbers_for_json_and_the_same_again(monitor):
    source = Source(blobs(1000, 2))
    figures = monitor.measure(source)
    assert json.loads(json.dumps(figures)) == figures
    assert all(value == value for value in figures.values())
    assert monitor.measure(source) == figures
    assert source.asked[:2] == source.asked[2:]


def test_without_enough_held_out_images_there_is_no_kid():
    for held_out in (None, training_images(blobs(49, 1))):
        monitor = Monitor(training_images(TRAINING), held_out, 0)
        assert not monitor.chooses
        assert "kid" not in monitor.measure(Source(blobs(300, 2)))
    assert Monitor(training_images(TRAINING), training_images(blobs(50, 1)), 0).chooses


def test_samples_have_the_shares_of_the_classes():
    labels = [0] * 240 + [1] * 60
    monitor = Monitor(training_images(TRAINING, labels), training_images(blobs(60, 1), [0] * 50 + [1] * 10), 0)
    source = Source(blobs(300, 2), num_classes=2)
    monitor.measure(source)
    (n, of_training, _), (m, of_held_out, _) = source.asked
    assert (n, m) == (_monitor.SAMPLES, _monitor.KID_SAMPLES)
    assert float(of_training.float().mean()) == pytest.approx(0.2, abs=0.05)
    assert float(of_held_out.float().mean()) == pytest.approx(1 / 6, abs=0.02)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (TRAINING[:20], [0] * 19 + [1]),
        (TRAINING[:1], None),
        (TRAINING[:1].repeat(9, 1, 1, 1), None),
        (TRAINING[:2], None),
        (TRAINING[:4], [0, 0, 1, 1]),
    ],
    ids=["a class of one image", "one image", "equal images", "two images", "two of each class"],
)
def test_small_data_are_measured_too(images, labels):
    classes = max(labels) + 1 if labels else 0
    figures = Monitor(training_images(images, labels), None, 0).measure(Source(blobs(300, 2), num_classes=classes))
    varied = any(
        len({image.numpy().tobytes() for image, own in zip(images, labels or [0] * len(images)) if own == label}) > 1
        for label in range(max(classes, 1))
    )
    assert ("diversity" in figures) == varied


def spoil(monkeypatch, after):
    """Makes the generator worse from one step on: it gives grey images."""
    original = Trainer.step

    def step(self, progress):
        original(self, progress)
        if self.step_number > after:
            with torch.no_grad():
                self.generator.to_image.weight.zero_()

    monkeypatch.setattr(Trainer, "step", step)


OPTIONS = {**TINY, "steps": 8, "evaluations": 4, "ema_decay": 0.0, "progress": False, "seed": 1}


@pytest.fixture(scope="module")
def start():
    """A generator of some contrast, to go on from."""
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(image_size=16, channels=1, width=4, latent_dim=8))
    with torch.no_grad():
        generator.to_image.weight.mul_(60)
    return generator


RATES = {"generator_lr": 1e-9, "discriminator_lr": 1e-9, "batch_size": 8, "warmup": 0.0, "discriminator_width": 4}
CHOSEN = {**RATES, "init": None, "steps": 8, "evaluations": 4, "ema_decay": 0.0, "progress": False, "held_out": 0.0}


def test_the_best_generator_is_kept_and_not_the_last(start, tmp_path, monkeypatch):
    spoil(monkeypatch, after=4)
    options = {**CHOSEN, "init": start, "validation": list(blobs(60, 1))}
    result = fit(list(TRAINING), "small", out=tmp_path / "run", **options)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    kids = {line["step"]: line["kid"] for line in lines if "kid" in line}
    assert list(kids) == [2, 4, 6, 8]
    assert max(kids[2], kids[4]) < min(kids[6], kids[8])
    assert (result.kept_step, result.steps) == (4, 8)  # as good as that of step 2, within the error, and later
    assert result.kid == kids[4]
    assert [line["kid_kept"] for line in lines if "kid" in line][-1] == result.kid
    kept = from_pretrained(tmp_path / "run" / "generator")
    assert same_weights(kept, result.generator)
    assert kept.card.training["kept_step"] == result.kept_step
    (measured,) = kept.card.measured
    assert measured["value"] == pytest.approx(result.kid, abs=1e-5)
    assert "held-out" in measured["on"]


def test_the_best_generator_survives_a_restart(start, tmp_path, monkeypatch):
    spoil(monkeypatch, after=4)
    options = {**CHOSEN, "init": start, "validation": list(blobs(60, 1))}
    whole = fit(list(TRAINING), "small", **options)
    del options["progress"]
    run_until(7, list(TRAINING), tmp_path / "run", recipe="small", **options)
    result = resume(tmp_path / "run", list(TRAINING), validation=list(blobs(60, 1)), progress=False)
    assert (result.kept_step, result.kid) == (whole.kept_step, whole.kid)
    assert result.kept_step == 4
    assert same_weights(result.generator, whole.generator)


def test_without_held_out_images_the_last_is_kept(start, monkeypatch):
    spoil(monkeypatch, after=4)
    result = fit(list(TRAINING), "small", **{**CHOSEN, "init": start})
    assert (result.kept_step, result.kid) == (8, None)
    assert result.generator.card.measured == []


def test_findings_are_of_the_end_and_go_into_the_card(start):
    result = fit(list(TRAINING), "small", **{**CHOSEN, "init": start})
    assert len(result.findings) == 3
    assert result.generator.card.training["findings"] == result.findings


@pytest.mark.parametrize(("written", "held_out", "times"), [(False, 0.0, 1), (True, 0.0, 4), (False, 0.25, 4)])
def test_samples_are_measured_before_the_end_only_if_it_is_seen(start, tmp_path, monkeypatch, written, held_out, times):
    calls = []

    def measure(self, generator):
        calls.append(generator)
        self.sentences = ["Measured."]
        return {}

    monkeypatch.setattr(Monitor, "measure", measure)
    options = {**CHOSEN, "init": start, "held_out": held_out}
    result = fit(list(TRAINING), "small", out=tmp_path / "run" if written else None, **options)
    assert (len(calls), result.findings) == (times, ["Measured."])


def test_without_evaluations_nothing_is_found_or_chosen(start):
    options = {**CHOSEN, "init": start, "evaluations": 0, "held_out": 0.25}
    result = fit(list(TRAINING), "small", **options)
    assert (result.findings, result.kid, result.kept_step) == ([], None, 8)


def test_held_out_images_are_not_trained_on():
    result = fit(list(TRAINING), "small", **{**OPTIONS, "held_out": 0.25, "steps": 2, "evaluations": 1})
    card = result.generator.card
    assert card.training["images"] == 225
    assert result.kid is not None
    assert "n=75/" in card.measured[0]["metric"]
