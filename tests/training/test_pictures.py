import sys

import numpy as np
import pytest
from PIL import Image, ImageSequence

from gan_augment.training.runs import _pictures
from gan_augment.training.runs._pictures import animate, plot_metrics


def write_grids(folder, count, size=(40, 30)):
    """Pictures that get lighter."""
    for index in range(count):
        Image.new("RGB", size, (index * 255 // max(1, count - 1),) * 3).save(folder / f"step-{index * 100:07d}.png")
    return by_step(folder)


def by_step(folder):
    return {int(path.stem.removeprefix("step-")): path for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(("count", "frames"), [(1, 1), (7, 7), (60, 60), (150, 60)])
def test_an_animation_goes_from_the_first_grid_to_the_last_and_holds_it(tmp_path, count, frames):
    out = tmp_path / "progress.webp"
    (tmp_path / "samples").mkdir()
    animate(write_grids(tmp_path / "samples", count), out)
    light, durations = [], []
    with Image.open(out) as animation:
        for frame in ImageSequence.Iterator(animation):
            light.append(frame.convert("L").getpixel((20, 10)))
            durations.append(frame.info.get("duration", 0))
    assert frames / 2 < len(light) <= frames  # equal frames may be merged
    assert light == sorted(light)
    assert frames == 1 or (light[0] < 5 and light[-1] > 250)
    if frames > 1:
        assert sum(durations) == pytest.approx(10_000, rel=0.05)
        assert durations[-1] == max(durations) > 2000


def test_frames_carry_their_step(tmp_path):
    frames = [_pictures._frame(Image.new("RGB", (80, 80)), step, 640) for step in (100, 1_234_567)]
    captions = [np.asarray(frame)[80:] for frame in frames]
    assert all((caption < 128).any() for caption in captions)
    assert (captions[0] != captions[1]).any()


def test_an_animation_is_reduced_until_it_is_small_enough(tmp_path, monkeypatch):
    monkeypatch.setattr(_pictures, "MAX_ANIMATION_BYTES", 200_000)
    rng = np.random.default_rng(0)
    for step in range(3):
        Image.fromarray(rng.integers(0, 256, (700, 900, 3), dtype=np.uint8)).save(tmp_path / f"step-{step}.png")
    animate(by_step(tmp_path), tmp_path / "progress.webp")
    assert (tmp_path / "progress.webp").stat().st_size <= 200_000
    with Image.open(tmp_path / "progress.webp") as animation:
        assert 160 <= animation.width < 640


def test_animations_refuse_bad_input_and_write_nothing(tmp_path):
    grids = write_grids(tmp_path, 2)
    Image.new("RGB", (9, 9)).save(tmp_path / "step-9.png")
    before = sorted(tmp_path.iterdir())
    for chosen, message in (({}, "at least one picture"), ({**grids, 900: tmp_path / "step-9.png"}, "the same size")):
        with pytest.raises(ValueError, match=message):
            animate(chosen, tmp_path / "progress.webp")
    assert sorted(tmp_path.iterdir()) == before


LOSSES = [{"step": step, "discriminator": 1 + 1 / step, "generator": 1.0} for step in range(1, 200)]


@pytest.mark.parametrize(
    ("metrics", "panels"),
    [
        (LOSSES, 1),
        (LOSSES[:1], 1),
        ([{**line, "kid": -0.001, "phase": "a$b$^"} for line in LOSSES], 2),
        ([{**line, "kid": 1 / line["step"], "diversity": 0.5, "phase": str(line["step"] > 9)} for line in LOSSES], 3),
        ([{"step": 1, "kid": None}, {"step": 2, "kid": 0.1, "generator": float("inf"), "phase": None}], 1),
    ],
)
def test_a_plot_has_a_panel_for_what_there_is(tmp_path, metrics, panels):
    pytest.importorskip("matplotlib")
    plot_metrics(metrics, tmp_path / "losses.png")
    with Image.open(tmp_path / "losses.png") as picture:
        assert picture.width == 900
        assert abs(picture.height - (3.2 + 2.2 * (panels - 1) + 0.6) * 120) < 2
        assert len(picture.convert("RGB").getcolors(2**20)) > 3


def test_what_spans_decades_is_drawn_on_a_log_scale():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    steps = np.arange(3.0)
    for values, scale in (([1, 2, 3], "linear"), ([1e-3, 1, 2], "log"), ([-1e-3, 1, 2], "linear")):
        axes = figure.add_subplot()
        _pictures._draw_panel(axes, "loss", {"generator": (steps, np.array(values, dtype=float))})
        assert axes.get_yscale() == scale


def test_smoothing_is_the_mean_of_neighbours():
    values = np.random.default_rng(0).normal(size=20)
    expected = [values[max(0, i - 3) : i + 4].mean() for i in range(20)]
    assert np.allclose(_pictures._smooth(values, 3), expected)


def test_metrics_without_numbers_are_refused(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(ValueError, match="metrics must hold numbers"):
        plot_metrics([{"step": 1, "kid": None, "generator": "1"}], tmp_path / "losses.png")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_matplotlib_is_named_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'gan-augment\[plot\]'"):
        plot_metrics(LOSSES, tmp_path / "losses.png")
