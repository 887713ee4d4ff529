"""Marks of synthetic images: every export and loader of files recognises them, and trains on none by accident."""

import io
import json
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch.utils.data import ConcatDataset, Subset, TensorDataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from gan_augment import ClassVariation, GANAugmentedDataset, SyntheticPool, evaluate, fit, resume, study
from gan_augment._core import SOURCE_TYPE, XMP, is_marked
from gan_augment.data import TrainingImages, find_marked, open_images
from gan_augment.synthesis import export_images, export_shards

TINY = {"image_size": 16, "steps": 2, "generator_width": 4, "progress": False}
TO_TENSOR = v2.Compose([v2.ToImage(), v2.ToDtype(torch.uint8)])


def pool(n=6, classes=2, side=16, seed=0):
    rng = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=rng)
    return SyntheticPool(images, torch.arange(n) % classes if classes else None)


def write_real(folder, n=6, classes=2, side=16, ending="png", **options):
    rng = np.random.default_rng(1)
    for index in range(n):
        path = Path(folder, str(index % classes) if classes else "", f"real-{index}.{ending}")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path, **options)


def packed(folder, kind):
    """Returns the name under which a folder is opened after it was packed."""
    if kind == "folder":
        return folder
    path = Path(f"{folder}.{kind}")
    files = sorted(file for file in Path(folder).rglob("*") if file.suffix in (".png", ".jpg", ".webp", ".tif"))
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in files:
                archive.write(file, file.relative_to(folder))
        return path
    with tarfile.open(path, "w:gz" if kind == "tar.gz" else "w") as archive:
        for file in files:
            archive.add(file, file.relative_to(folder))
    return path


def read(dataset, **options):
    return TrainingImages.from_dataset(dataset, 16, "resize", conditional=False, progress=False, **options)


class Saying(list):
    """Real images with a statement about them."""

    def __init__(self, says):
        super().__init__([torch.zeros(3, 8, 8, dtype=torch.uint8)] * 3)
        self.is_synthetic = says


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        (lambda index: index == 1, [1]),
        (True, [0, 1, 2]),
        (False, []),
        (None, []),
        ([False, True, True], [1, 2]),
        (torch.tensor([True, False, True]), [0, 2]),
        (np.array([False, False, True]), [2]),
    ],
    ids=["method", "all", "none", "unsaid", "list", "tensor", "array"],
)
def test_what_a_data_set_says_counts_in_any_form(says, expected):
    data = Saying(says)
    assert find_marked(data) == expected
    assert read(data, allow_synthetic=True).marked.nonzero().flatten().tolist() == expected
    assert find_marked(Subset(data, [2, 1])) == [place for place, index in enumerate([2, 1]) if index in expected]


def test_marks_behind_the_pixels_are_found(tmp_path):
    export_images(pool(2, 1), tmp_path / "files")  # ExifTool writes XMP metadata there
    for path in (tmp_path / "files").rglob("*.png"):
        data, chunks, place = path.read_bytes(), [], 8
        while place < len(data):
            size = 12 + int.from_bytes(data[place : place + 4], "big")
            chunks.append(data[place : place + size])
            place += size
        *others, end = sorted(chunks, key=lambda chunk: (chunk[4:8] == b"IEND", chunk[4:8] in (b"tEXt", b"iTXt")))
        path.write_bytes(data[:8] + b"".join([*others, end]))
        with Image.open(path) as image:
            assert not is_marked(image.info)  # before the pixels are read
    for data in (ImageFolder(tmp_path / "files"), ImageFolder(tmp_path / "files", TO_TENSOR)):
        assert find_marked(data) == [0, 1]
        assert bool(read(data, allow_synthetic=True).marked.all())


KINDS = st.sampled_from(["folder", "zip", "tar", "tar.gz"])


@pytest.mark.filterwarnings("ignore:Skipped")
@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 5), classes=st.integers(0, 3), kind=KINDS, side=st.integers(1, 20))
def test_exported_files_are_recognised_by_every_loader(n, classes, kind, side):
    with tempfile.TemporaryDirectory() as folder:
        source = pool(max(n, classes, 1), classes, side)
        export_images(source, Path(folder, "files"))
        opened = open_images(packed(Path(folder, "files"), kind))
        assert find_marked(opened) == list(range(len(opened)))
        assert bool(read(opened, allow_synthetic=True).marked.all())
        for shard in export_shards(source, Path(folder, "shards"), images_per_shard=2):
            opened = open_images(shard)
            assert find_marked(opened) == list(range(len(opened)))
        if classes:
            for transform in (None, v2.RandomHorizontalFlip(1.0), TO_TENSOR):
                opened = ImageFolder(Path(folder, "files"), transform=transform)
                assert find_marked(opened) == list(range(len(opened)))
                assert bool(read(opened, allow_synthetic=True).marked.all())


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=30)
OTHER_TYPES = st.sampled_from(
    ["digitalCapture", "algorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "trainedAlgorithmicMediaX"]
)


@pytest.mark.filterwarnings("ignore:Skipped")
@settings(max_examples=40, deadline=None)
@given(
    texts=st.dictionaries(st.sampled_from(["Synthetic", "synthetic", "Software", "Source", "Comment"]), TEXTS),
    source_type=st.none() | OTHER_TYPES,
    remark=TEXTS,
    kind=KINDS,
)
def test_real_files_are_never_recognised(texts, source_type, remark, kind):
    """Also if they have text fields and XMP metadata, and even a remark on synthetic images in them."""
    fields = PngInfo()
    for key, text in texts.items():
        if (key, text) != ("Synthetic", "true"):
            fields.add_itxt(key, text)
    if source_type is not None:
        kept = SOURCE_TYPE.replace("trainedAlgorithmicMedia", source_type)
        fields.add_itxt(XMP, f'<x DigitalSourceType="{kept}" about="not trainedAlgorithmicMedia">{remark}</x>')
    with tempfile.TemporaryDirectory() as folder:
        write_real(Path(folder, "real"), 2, 2, 8, pnginfo=fields)
        opened = open_images(packed(Path(folder, "real"), kind))
        assert find_marked(opened) == []
        assert not bool(read(opened).marked.any())
        assert find_marked(ImageFolder(Path(folder, "real"))) == []


@pytest.mark.parametrize(
    "written",
    [
        f'x:DigitalSourceType="{SOURCE_TYPE}"',
        f"<x:DigitalSourceType>{SOURCE_TYPE}</x:DigitalSourceType>",
        f"<x:DigitalSourceType rdf:resource='{SOURCE_TYPE}'/>",
        'x:DigitalSourceType = "' + SOURCE_TYPE.replace("http:", "https:") + '"',
    ],
)
def test_xmp_of_other_programs_is_recognised_in_every_format(written, tmp_path):
    image, packet = Image.new("RGB", (8, 8)), f"<x:xmpmeta><rdf:RDF>{written}</rdf:RDF></x:xmpmeta>"
    assert is_marked({"xmp": packet.encode()})
    image.save(tmp_path / "a.webp", xmp=packet.encode())
    fields = PngInfo()
    fields.add_itxt(XMP, packet)
    image.save(tmp_path / "b.png", pnginfo=fields)
    image.save(tmp_path / "c.png")
    assert find_marked(open_images(tmp_path)) == [0, 1]


def test_the_mark_is_kept_when_a_file_is_turned_upright(tmp_path):
    (file,) = export_images(pool(1, 0), tmp_path / "out")
    with Image.open(file) as image:
        exif, fields = Image.Exif(), PngInfo()
        exif[0x0112] = 6
        fields.add_text("Synthetic", image.text["Synthetic"])
        image.save(tmp_path / "turned.png", exif=exif, pnginfo=fields)
    (tmp_path / "turned").mkdir()
    (tmp_path / "turned.png").rename(tmp_path / "turned" / "a.png")
    assert find_marked(open_images(tmp_path / "turned")) == [0]


@pytest.fixture
def mixed(tmp_path):
    """A folder of twelve images. Two of them are marked."""
    write_real(tmp_path / "mixed", 10)
    export_images(pool(2), tmp_path / "made")
    for label in "01":
        (file,) = (tmp_path / "made" / label).iterdir()
        file.rename(tmp_path / "mixed" / label / "made.png")
    return tmp_path / "mixed"


REFUSED = (
    r"dataset must hold real images, but 2 of its 12 images are marked as synthetic "
    r"\(the first is '.*0/made\.png'\); remove"
)


def test_a_generator_is_not_trained_on_marked_images_unless_told_to(mixed, tmp_path):
    with pytest.raises(ValueError, match=REFUSED + r".* allow_synthetic=True \(in a shell: --allow-synthetic\)\.$"):
        fit(mixed, out=tmp_path / "run", **TINY)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match=REFUSED):
        fit(ImageFolder(mixed, TO_TENSOR), **TINY)
    result = fit(mixed, out=tmp_path / "run", allow_synthetic=True, **TINY)
    pictures = [*(tmp_path / "run" / "samples").glob("*.png"), tmp_path / "run" / "generator" / "grid.png"]
    assert len(pictures) > 1
    assert all(is_marked(Image.open(picture).info) for picture in pictures)
    told = "2 of the 12 training images are marked as synthetic."
    assert told in result.findings
    assert told in result.generator.card.training["findings"]
    assert json.loads((tmp_path / "run" / "config.json").read_text())["allow_synthetic"] is True
    assert resume(tmp_path / "run", progress=False).steps == 2


def test_neither_are_runs_resumed_or_validated_with_them(mixed, tmp_path):
    write_real(tmp_path / "real", 12)
    fit(tmp_path / "real", out=tmp_path / "run", **TINY)
    with pytest.raises(ValueError, match=REFUSED):
        resume(tmp_path / "run", mixed, progress=False)
    with pytest.raises(ValueError, match="validation must hold real images, but 2 of its 12"):
        fit(tmp_path / "real", validation=mixed, **TINY)
    with pytest.raises(ValueError, match=REFUSED):
        fit(mixed, init=tmp_path / "run" / "generator", **TINY)


def test_a_study_and_an_evaluation_compare_with_real_images_only(mixed, tmp_path):
    write_real(tmp_path / "real", 40)
    quick = {"classifier": "small-cnn", "augment": "none", "lr": 0.002, "steps": 2, "seeds": 2, "progress": False}
    for recipe_or_source in ({"source": pool()}, {"recipe": "tiny-conditional"}):
        with pytest.raises(ValueError, match=REFUSED):
            study(mixed, **recipe_or_source, **quick)
    with pytest.raises(ValueError, match="test must hold real images"):
        study(tmp_path / "real", pool(), test=mixed, **quick)
    with pytest.raises(ValueError, match="reference must hold real images"):
        study(tmp_path / "real", pool(20), reference=mixed, **quick)
    measured = {"features": "random-convolutions", "n": 12, "progress": False}
    with pytest.raises(ValueError, match=REFUSED):
        evaluate(mixed, pool(), **measured)
    with pytest.raises(ValueError, match="train must hold real images"):
        evaluate(tmp_path / "real", pool(), train=mixed, **measured)


def test_a_pool_and_a_mixed_data_set_are_recognised_as_such():
    real = TensorDataset(torch.randint(0, 256, (8, 3, 16, 16), dtype=torch.uint8), torch.arange(8) % 2)
    mixed = GANAugmentedDataset(real, pool(), ratio=0.5, progress=False)
    assert find_marked(real) == []
    assert find_marked(mixed) == mixed.synthetic_mask().nonzero().flatten().tolist()
    for marked, some in ((pool(), r"6 of its 6"), (mixed, r"4 of its 8"), (Subset(pool(), [1, 2]), r"2 of its 2")):
        with pytest.raises(ValueError, match=rf"but {some} images are marked as synthetic \(the first is item \d"):
            fit(marked, **TINY)
    assert find_marked(ConcatDataset([real, Subset(mixed, [0, 1]), pool()])) == [
        *(8 + place for place in (0, 1) if mixed.is_synthetic(place)),
        *range(10, 16),
    ]


def test_images_in_memory_keep_their_mark_until_they_become_tensors(tmp_path):
    files = export_images(pool(4), tmp_path / "out")
    images = [Image.open(file) for file in files]
    for change in (lambda image: image, lambda image: image.convert("L"), lambda image: image.resize((8, 8))):
        assert bool(read([change(image) for image in images], allow_synthetic=True).marked.all())
    assert not read([TO_TENSOR(image) for image in images]).marked.any()  # documented: tensors have no metadata
    copy = io.BytesIO()
    images[0].save(copy, "png")
    assert not is_marked(Image.open(copy).info)  # documented: so do copies that Pillow writes


def test_images_of_hugging_face_keep_their_mark(tmp_path):
    datasets = pytest.importorskip("datasets")
    files = [str(file) for file in export_images(pool(3), tmp_path / "out")]
    data = datasets.Dataset.from_dict({"image": files, "label": [0, 1, 0]}).cast_column("image", datasets.Image())
    assert find_marked(data) == [0, 1, 2]
    assert bool(read(data, allow_synthetic=True).marked.all())


def test_a_variation_is_learned_from_marked_images_too(tmp_path):
    export_images(pool(6), tmp_path / "out")
    assert ClassVariation.fit(ImageFolder(tmp_path / "out"), progress=False)
