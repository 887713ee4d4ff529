import io
import pickle
import zipfile

import numpy as np
import PIL.Image
import pytest
import torch
import torchvision
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gan_augment.data import TrainingImages
from gan_augment.data._open import open_images

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 8), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def png(array, mode=None):
    file = io.BytesIO()
    image = PIL.Image.fromarray(array)
    (image if mode is None else image.convert(mode)).save(file, "png")
    return file.getvalue()


def write_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_folder(path, files):
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def items(dataset):
    return [dataset[index] for index in range(len(dataset))]


FLAT = {f"{name}.png": png(array) for name, array in zip("fbdace", PIXELS)}
CLASSES = {f"{name}/{index}.png": png(PIXELS[index]) for index, name in enumerate(["dog", "cat", "dog", "ant"])}


@pytest.mark.parametrize(
    "data", [torch.zeros(2, 1, 4, 4), [1, 2], np.zeros((2, 4, 4))], ids=["tensor", "list", "array"]
)
def test_a_data_set_passes_through(data):
    assert open_images(data) is data


@pytest.mark.parametrize("data", [3, None, {"a": 1}, iter([1])], ids=["number", "none", "dict", "iterator"])
def test_what_is_neither_a_name_nor_a_data_set_is_refused(data):
    with pytest.raises(TypeError, match="data must be a path"):
        open_images(data)


@pytest.mark.parametrize("kind", ["folder", "zip", "zip with an outer folder"])
def test_flat_images_come_by_name_and_stay_grey(tmp_path, kind, recwarn):
    noise = {".hidden.png": b"", "read.me": b"", "__MACOSX/._a.png": b""}
    if kind == "folder":
        dataset = open_images(write_folder(tmp_path, {**FLAT, **dict(list(noise.items())[:2])}))
    else:
        outer = "" if kind == "zip" else "all/mine/"
        files = {**{outer + name: content for name, content in FLAT.items()}, **noise}
        dataset = open_images(write_zip(tmp_path / "a.zip", files))
    assert len(recwarn) == 1
    order = np.argsort(list("fbdace"))
    assert [image.mode for image in items(dataset)] == ["L"] * 6
    assert np.array_equal([np.array(image) for image in items(dataset)], PIXELS[order])


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_folders_are_classes(tmp_path, kind):
    path = write_folder(tmp_path, CLASSES) if kind == "folder" else write_zip(tmp_path / "a.zip", CLASSES)
    dataset = open_images(str(path))
    assert list(dataset.classes) == ["ant", "cat", "dog"]
    assert [label for _, label in items(dataset)] == [0, 1, 2, 2]
    assert np.array_equal([np.array(image) for image, _ in items(dataset)], PIXELS[[3, 1, 0, 2]])
    images = TrainingImages.from_dataset(dataset, 16, "pad", progress=False)
    assert (images.class_names, images.num_classes, images.images.shape) == (("ant", "cat", "dog"), 3, (4, 1, 16, 16))


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.txt": b""}, "holds none"),
        ({"a.png": FLAT["a.png"], "cat/a.png": FLAT["a.png"]}, "holds both"),
        ({"train/cat/a.png": FLAT["a.png"], "test/cat/a.png": FLAT["a.png"]}, "name one"),
    ],
)
def test_layouts_that_mean_nothing_are_refused(tmp_path, kind, files, message):
    path = write_folder(tmp_path, files) if kind == "folder" else write_zip(tmp_path / "a.zip", files)
    with pytest.raises(ValueError, match=f"must hold .*{message}"):
        open_images(path)


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_other_modes_become_grey_or_rgb_and_deep_ones_are_refused(tmp_path, kind):
    colour = np.stack([PIXELS[0]] * 3, -1)
    files = {f"{mode}.png": png(colour, mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")}
    files["deep.png"] = png(PIXELS[0].astype(np.uint16) * 256)
    path = write_folder(tmp_path, files) if kind == "folder" else write_zip(tmp_path / "a.zip", files)
    dataset = open_images(path)
    assert [dataset[index].mode for index in range(6)] == ["L", "L", "L", "RGB", "RGB", "RGB"]
    with pytest.raises(ValueError, match=r"deep\.png.* more than 8 bits"):
        dataset[6]


def test_a_damaged_image_is_named(tmp_path):
    dataset = open_images(write_folder(tmp_path, {**FLAT, "c.png": FLAT["c.png"][:60]}))
    with pytest.raises(ValueError, match=r"c\.png' must be an image"):
        items(dataset)


def layouts(draw_float):
    images = np.repeat(PIXELS[..., None], 3, -1)
    images = images / np.float32(255) if draw_float else images
    return {"nhw": images[..., 0], "nhwc": images, "nchw": images.transpose(0, 3, 1, 2), "nhw1": images[..., :1]}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["nhw", "nhwc", "nchw", "nhw1"]),
    st.booleans(),
    st.sampled_from([("images", "labels"), ("train_images", "train_labels"), ("x_train", "y_train"), ("x", "y")]),
    st.sampled_from([None, (6,), (6, 1)]),
    st.sampled_from(["u1", "i8", ">i4"]),
    st.booleans(),
)
def test_every_layout_of_arrays_gives_the_same_images(tmp_path, layout, floats, names, shape, dtype, compressed):
    arrays = {names[0]: layouts(floats)[layout], "other": np.zeros(3)}
    if shape is not None:
        arrays[names[1]] = LABELS.reshape(shape).astype(dtype)
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", **arrays)
    dataset = open_images(tmp_path / "a.npz")
    images = TrainingImages.from_dataset(dataset, 9, "pad", conditional=shape is not None, progress=False)
    assert np.array_equal(images.images[:, 0, :, :8], PIXELS)
    assert shape is None or images.labels.tolist() == LABELS.tolist()


def test_class_names_of_an_array_file_are_kept_and_must_name_every_class(tmp_path):
    np.savez(tmp_path / "a.npz", x=PIXELS, y=LABELS, class_names=["ant", "bee", "cat"])
    assert open_images(tmp_path / "a.npz").classes == ["ant", "bee", "cat"]
    for names in (["ant", "bee"], ["ant", "bee", "bee"], [["ant", "bee", "cat"]]):
        np.savez(tmp_path / "a.npz", x=PIXELS, y=LABELS, class_names=names)
        with pytest.raises(ValueError, match="class_names must name each class once"):
            open_images(tmp_path / "a.npz")


def test_class_names_of_an_array_file_may_be_numbers(tmp_path):
    np.savez(tmp_path / "a.npz", x=PIXELS, y=LABELS, classes=np.array([7, 3, 5]))
    assert open_images(tmp_path / "a.npz").classes == ["7", "3", "5"]


@pytest.mark.parametrize("key", ["classes", "label_names", "target_names"])
@pytest.mark.parametrize("kind", ["U", "S"])
def test_class_names_of_an_array_file_may_have_other_keys_and_be_bytes(tmp_path, key, kind):
    np.savez(tmp_path / "a.npz", x=PIXELS, y=LABELS, **{key: np.array(["ant", "bee", "cat"], dtype=kind)})
    assert open_images(tmp_path / "a.npz").classes == ["ant", "bee", "cat"]


def test_arrays_that_may_be_labels_by_another_name_are_told(tmp_path):
    np.savez(tmp_path / "a.npz", x=PIXELS, targets=LABELS)
    with pytest.warns(UserWarning, match=r"Skipped arrays .*targets"):
        open_images(tmp_path / "a.npz")


def test_a_label_of_a_billion_costs_no_memory(tmp_path):
    np.savez(tmp_path / "a.npz", x=PIXELS, y=LABELS * 10**9)
    with pytest.raises(ValueError, match="no image is of class 1"):
        TrainingImages.from_dataset(open_images(tmp_path / "a.npz"), 16, "pad", progress=False)


@pytest.mark.parametrize("names", [("test_images", "test_labels"), ("x_test", "y_test")])
def test_a_split_of_an_array_file_is_chosen_by_its_name(tmp_path, names):
    arrays = {"train_images": PIXELS[:2], "train_labels": LABELS[:2], names[0]: PIXELS, names[1]: LABELS}
    np.savez(tmp_path / "a.npz", **arrays)
    assert len(open_images(str(tmp_path / "a.npz"))) == 2
    assert [label for _, label in items(open_images(f"{tmp_path / 'a.npz'}:test"))] == LABELS.tolist()
    with pytest.raises(ValueError, match="val_images"):
        open_images(f"{tmp_path / 'a.npz'}:val")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"faces": PIXELS}, "none of the arrays"),
        ({"x": PIXELS.astype(object)}, "must be numbers"),
        ({"x": PIXELS.astype(np.int64)}, "uint8"),
        ({"x": PIXELS.astype(np.float32)}, "between 0 and 1"),
        ({"x": np.full((2, 4, 4), np.nan)}, "between 0 and 1"),
        ({"x": PIXELS[0]}, "shape"),
        ({"x": np.zeros((2, 3, 8, 3), np.uint8)}, "shape"),
        ({"x": np.zeros((0, 8, 8), np.uint8)}, "uint8"),
        ({"x": PIXELS, "y": LABELS[:5]}, "6 integers"),
        ({"x": PIXELS, "y": LABELS.astype(float)}, "6 integers"),
        ({"x": PIXELS, "y": np.eye(6, dtype=int)}, "6 integers"),
    ],
)
def test_arrays_that_are_no_images_or_labels_are_refused(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=rf"a\.npz' must be an \.npz of images, but reading it failed: .*{message}"):
        open_images(tmp_path / "a.npz")


def test_archives_above_the_limit_are_refused_before_they_are_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((1000, 100, 100), np.uint8))
    write_zip(tmp_path / "a.zip", FLAT)
    for name in ("a.npz", "a.zip"):
        with pytest.raises(ValueError, match=r"at most .*500 bytes"):
            open_images(tmp_path / name, max_bytes=500)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 8, 8)})
    write_zip(tmp_path / "lies.npz", {"x.npy": header.getvalue() + bytes(64)})
    with pytest.raises(ValueError, match="must be numbers of at most"):
        open_images(tmp_path / "lies.npz", max_bytes=2**62)


@settings(max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["npz", "zip"]), st.data())
def test_damaged_archives_give_a_sentence_or_images(tmp_path, kind, data):
    path = tmp_path / f"a.{kind}"
    if kind == "npz":
        np.savez_compressed(path, x=PIXELS, y=LABELS)
    else:
        write_zip(path, CLASSES)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.just(len(content)) | st.integers(0, len(content)))])
    try:
        items(open_images(path, max_bytes=2**20))
    except ValueError as error:
        assert "a." + kind in str(error)  # noqa: PT017


@pytest.mark.parametrize("kind", ["folder", "classes", "flat.zip", "classes.zip", "npz"])
def test_data_sets_can_be_pickled_after_use_and_read_by_workers(tmp_path, kind):
    files = FLAT if kind in ("folder", "flat.zip") else CLASSES
    if kind == "npz":
        np.savez(tmp_path / "a.npz", x=PIXELS, y=LABELS)
    dataset = open_images(
        tmp_path / "a.npz"
        if kind == "npz"
        else write_zip(tmp_path / "a.zip", files)
        if kind.endswith("zip")
        else write_folder(tmp_path, files)
    )
    read = lambda dataset: TrainingImages.from_dataset(  # noqa: E731
        dataset, 16, "pad", conditional=kind not in ("folder", "flat.zip"), progress=False
    ).digest()
    assert read(pickle.loads(pickle.dumps(dataset))) == read(dataset) == read(pickle.loads(pickle.dumps(dataset)))


@pytest.mark.parametrize("name", ["nothing", "nothing.npz:test", "nothing.zip"])
def test_what_is_not_there_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="there is no "):
        open_images(tmp_path / name)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(ValueError, match=r"a\.csv' instead"):
        open_images(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["CocoDetection", "LSUN", "Nonsense", "CelebA", "MNIST:train:x", "", "VisionDataset"])
def test_what_is_no_classification_set_of_torchvision_is_refused(name):
    with pytest.raises(ValueError, match="data must be torchvision:<Name>"):
        open_images(f"torchvision:{name}")


@pytest.mark.parametrize("name", ["MNIST:val", "EuroSAT:test"])
def test_splits_that_torchvision_does_not_have_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match="has no split"):
        open_images(f"torchvision:{name}", root=tmp_path)


@pytest.mark.parametrize(("split", "train"), [("", True), (":train", True), (":test", False)])
def test_torchvision_downloads_only_what_is_not_there(monkeypatch, tmp_path, split, train):
    calls = []

    class Fake(list):
        def __init__(self, root, download, train):
            calls.append((root, download, train))
            if not download and len(calls) == 1:
                raise RuntimeError("Dataset not found.")

    monkeypatch.setattr(torchvision.datasets, "MNIST", Fake)
    assert isinstance(open_images(f"torchvision:MNIST{split}", root=tmp_path), Fake)
    open_images(f"torchvision:MNIST{split}", root=tmp_path)
    assert calls == [(str(tmp_path), download, train) for download in (False, True, False)]


def test_without_a_network_there_is_a_sentence(monkeypatch, tmp_path):
    def offline(*args, **kwargs):
        raise OSError("Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(ValueError, match=r"cannot be downloaded; check your network connection"):
        open_images("torchvision:FashionMNIST", root=tmp_path)
    with pytest.raises(ValueError, match=r"is not in .*, and download=False prevents a download; pass"):
        open_images("torchvision:FashionMNIST:test", root=tmp_path, download=False)
