"""Folders and archives as users have them: the same files give the same images and classes in each container."""

import gzip
import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import PIL.Image
import pytest
from torchvision.datasets import ImageFolder

from gan_augment.data import open_images

CONTAINERS = ["folder", "zip", "tar", "tgz", "outer folder", "outer zip", "outer tar"]
everywhere = pytest.mark.parametrize("container", CONTAINERS)


def encoded(value, kind="png", mode="L", size=(6, 4), **options):
    file = io.BytesIO()
    PIL.Image.new("L", size, value).convert(mode).save(file, kind, **options)
    return file.getvalue()


def store(path, container, files):
    """Files in a folder or an archive; None stands for an empty folder."""
    if container.startswith("outer "):
        container, files = container[6:], {f"my photos/2024/{name}": data for name, data in files.items()}
    target = path / {"folder": "data", "tgz": "data.tar.gz"}.get(container, f"data.{container}")
    if container == "folder":
        for name, data in files.items():
            (target / name if data is None else (target / name).parent).mkdir(parents=True, exist_ok=True)
            if data is not None:
                (target / name).write_bytes(data)
    elif container == "zip":
        with zipfile.ZipFile(target, "w") as archive:
            for name, data in files.items():
                archive.writestr(name + "/" if data is None else name, data or b"")
    else:
        with tarfile.open(target, "w:gz" if container == "tgz" else "w") as archive:
            for name, data in files.items():
                member = tarfile.TarInfo("./" + name)
                member.size, member.type = len(data or b""), tarfile.DIRTYPE if data is None else tarfile.REGTYPE
                archive.addfile(member, io.BytesIO(data or b""))
    return target


def read(dataset):
    """The grey value of each image, and its label."""
    items = [dataset[index] for index in range(len(dataset))]
    return [(np.asarray(item[0]).flat[0].item(), item[1]) if isinstance(item, tuple) else item for item in items]


def classes_of(names):
    return {
        f"{name}/{number}.png": encoded(10 * place + number) for place, name in enumerate(names) for number in (0, 1)
    }


TWO = classes_of(["ant", "bee"])
TWO_READ = [(0, 0), (1, 0), (10, 1), (11, 1)]


@everywhere
def test_a_clean_folder_gives_its_classes_without_a_warning(tmp_path, container, recwarn):
    dataset = open_images(store(tmp_path, container, TWO))
    assert (list(dataset.classes), read(dataset)) == (["ant", "bee"], TWO_READ)
    assert read(pickle.loads(pickle.dumps(dataset))) == TWO_READ
    assert not [each for each in recwarn if issubclass(each.category, UserWarning)]


@everywhere
def test_what_is_hidden_or_made_by_systems_is_skipped_and_counted_in_one_warning(tmp_path, container, recwarn):
    clutter = {
        ".cache/a.png": encoded(90),
        "__MACOSX/ant/._0.png": b"x",
        "@eaDir/ant/0.png": encoded(91),
        "ant/.ipynb_checkpoints/0-checkpoint.png": encoded(92),
        "ant/deep/@eaDir/0.png": encoded(93),
        "bee/.hidden.png": encoded(94),
        "bee/Thumbs.db": b"x",
        "bee/1-checkpoint.png": encoded(95),
        "Thumbs.db": b"x",
        ".DS_Store": b"x",
        "labels.csv": b"x",
    }
    dataset = open_images(store(tmp_path, container, {**clutter, **TWO}))
    assert (list(dataset.classes), read(dataset)) == (["ant", "bee"], TWO_READ)
    assert len(recwarn) == 1
    said = str(recwarn[0].message)
    assert "Skipped 11 entries" in said
    assert "9 hidden or created by the system" in said
    assert "1 copied by Jupyter" in said
    assert "1 not readable as images" in said
    assert "labels.csv" in said


def test_a_checkpoint_that_copies_nothing_is_an_image(tmp_path, recwarn):
    dataset = open_images(store(tmp_path, "folder", {"border-checkpoint.png": encoded(3), "gate.png": encoded(4)}))
    assert len(dataset) == 2
    assert not [each for each in recwarn if issubclass(each.category, UserWarning)]


def test_a_folder_that_is_itself_hidden_can_be_opened(tmp_path):
    assert len(open_images(store(tmp_path / ".cache" / "__MACOSX", "folder", TWO))) == 4


@everywhere
@pytest.mark.parametrize(
    ("folders", "splits"),
    [
        (["train/ant", "train/bee", "val/ant", "val/bee"], "train.*val"),
        (["Train/ant", "TEST/ant"], "TEST.*Train"),
        (["train/ant", "validation/ant", "extra/ant"], "train.*validation"),
        (["training_set/ant", "test_set/ant"], "test_set.*training_set"),
        (["train2017", "val2017"], "train2017.*val2017"),
        (["seg_train/ant", "seg_test/ant", "seg_pred"], "seg_test.*seg_train"),
        (["labeled/ant", "labeled/bee", "unlabeled"], "labeled.*unlabeled"),
        (["train/ant", "train/bee", "unlabeled"], "train"),
        (["train/ant", "train/bee", "holdout/ant", "holdout/bee"], "train"),
        (["ant/train", "ant/test", "bee/train", "bee/test"], "test.*train.* in '(ant|bee)'"),
        (["trainset/ant", "trainset/bee", "testset/ant"], "testset.*trainset"),
        (["TrainImages", "TestImages"], "TestImages.*TrainImages"),
        (["train", "holdout"], "holdout.*train"),
    ],
)
def test_splits_are_told_and_not_taken_for_classes(tmp_path, container, folders, splits):
    path = store(tmp_path, container, classes_of(folders))
    with pytest.raises(ValueError, match=f"holds the splits .*{splits}.*name one, such as"):
        open_images(path)


@everywhere
@pytest.mark.parametrize("parts", [["fold1", "fold2"], ["images", "masks"], ["site A", "site B"]])
def test_folders_that_all_hold_the_same_classes_are_no_classes(tmp_path, container, parts):
    files = classes_of([f"{part}/{name}" for part in parts for name in ("ant", "bee")])
    path = store(tmp_path, container, files)
    with pytest.raises(
        ValueError, match=r"hold folders with the same names, \['ant', 'bee'\]. If these are the classes"
    ):
        open_images(path)
    assert open_images(f"{path}:{parts[0]}").classes == ["ant", "bee"]


@pytest.mark.parametrize(
    "names", [["ant/red", "bee/red"], ["ant/a", "ant/b", "bee/a"], ["ant", "ant/a", "ant/b", "bee/a", "bee/b"]]
)
def test_folders_that_share_a_part_of_their_folders_stay_classes(tmp_path, names):
    assert open_images(store(tmp_path, "folder", classes_of(names))).classes == ["ant", "bee"]


@pytest.mark.parametrize(
    "names",
    [
        ["car", "plane", "train"],
        ["crash_test", "train_wreck"],
        ["plane/jet", "train/steam"],
        ["trainer", "sandal"],
        ["exam/test", "vehicle/plane", "vehicle/train"],
        ["test tube", "valid ticket"],
        ["dataset", "trainset"],
        ["TrainStation", "TestTube"],
    ],
)
def test_classes_that_are_named_like_splits_stay_classes(tmp_path, names):
    dataset = open_images(store(tmp_path, "folder", classes_of(names)))
    assert list(dataset.classes) == sorted({name.partition("/")[0] for name in names})


@everywhere
@pytest.mark.parametrize("folders", [["train/{}", "Test/{}"], ["{}/train", "{}/Test"]])
def test_a_split_can_be_named(tmp_path, container, folders):
    names = [folder.format(name) for folder in folders for name in ("ant", "bee")]
    path = store(tmp_path, container, classes_of(names))
    dataset = open_images(f"{path}:test")
    assert (list(dataset.classes), read(dataset)) == (["ant", "bee"], [(20, 0), (21, 0), (30, 1), (31, 1)])
    with pytest.raises(ValueError, match="must hold a folder 'dev'"):
        open_images(f"{path}:dev")


@everywhere
@pytest.mark.parametrize("folders", [["train/{}", "Train/{}"], ["train/{}", "{}/train"]])
def test_two_folders_of_a_split_that_hold_the_same_are_refused(tmp_path, container, folders):
    names = [folder.format(name) for folder in folders for name in ("ant", "bee")]
    path = store(tmp_path, container, classes_of([*names, "test/ant"]))
    with pytest.raises(
        ValueError, match=r"each image of the split 'train' once, but several folders of this name hold '.*ant/0\.png'"
    ):
        open_images(f"{path}:train")


@everywhere
def test_an_image_of_a_split_is_named_by_its_whole_path(tmp_path, container):
    dataset = open_images(f"{store(tmp_path, container, {'train/ant/9.png': b'', 'test/ant/9.png': b''})}:train")
    with pytest.raises(ValueError, match=r"train/ant/9\.png' must be an image"):
        dataset[0]


FORMATS = [("jpg", "jpeg"), ("jfif", "jpeg"), ("JPE", "jpeg"), ("gif", "gif"), ("tif", "tiff"), ("webp", "webp")]
FORMATS += [("bmp", "bmp"), ("pgm", "ppm"), ("dib", "dib")]


@pytest.mark.parametrize("container", ["folder", "zip"])
def test_no_class_vanishes_for_its_suffix(tmp_path, container, recwarn):
    files = {f"{suffix}/0.{suffix}": encoded(100, kind) for suffix, kind in FORMATS}
    if ".avif" in PIL.Image.registered_extensions():  # older ones warn of a feature that they do not know
        files["avif/0.avif"] = encoded(100, "avif")
    dataset = open_images(store(tmp_path, container, files))
    assert list(dataset.classes) == sorted(name.partition("/")[0] for name in files)
    assert [label for _, label in read(dataset)] == list(range(len(files)))
    assert not [each for each in recwarn if issubclass(each.category, UserWarning)]


@everywhere
@pytest.mark.parametrize("held", [{"cat/0.heic": b"x"}, {"cat/0": encoded(1)}, {"cat": None}, {"cat/.0.png": b"x"}])
def test_a_class_without_an_image_that_can_be_read_is_refused(tmp_path, container, held):
    with pytest.raises(ValueError, match="'cat' holds no readable ones"):
        open_images(store(tmp_path, container, {**TWO, **held}))


@everywhere
def test_images_of_another_kind_within_a_class_are_counted(tmp_path, container):
    path = store(tmp_path, container, {**TWO, "ant/2.heic": b"x", "ant/3.png.part": b"x"})
    with pytest.warns(UserWarning, match=r"2 not readable as images \(.*ant/2.heic"):
        assert read(open_images(path)) == TWO_READ


@everywhere
def test_images_beside_folders_of_classes_are_refused(tmp_path, container):
    with pytest.raises(ValueError, match="holds both"):
        open_images(store(tmp_path, container, {**TWO, "cover.png": encoded(5)}))


@everywhere
def test_folders_within_a_class_are_part_of_it(tmp_path, container):
    files = classes_of(["ant/red", "ant/black/big", "bee"])
    dataset = open_images(store(tmp_path, container, files))
    assert list(dataset.classes) == ["ant", "bee"]
    assert [label for _, label in read(dataset)] == [0, 0, 0, 0, 1, 1]


def test_order_and_labels_are_those_of_torchvision(tmp_path):
    names = ["10", "9", "Zebra", "ant", "a b", "ant/sub", "ant-eater", "\u00e9t\u00e9", "A"]
    path = store(tmp_path, "folder", classes_of(names))
    ours, plain = open_images(path), ImageFolder(path)
    assert list(ours.classes) == plain.classes
    assert ours.targets == plain.targets
    assert ours.names == [os.path.relpath(file, path) for file, _ in plain.samples]


@everywhere
def test_two_unicode_forms_of_one_name_are_refused(tmp_path, container):
    with pytest.raises(ValueError, match="different Unicode forms"):
        open_images(store(tmp_path, container, classes_of(["caf\u00e9", "cafe\u0301", "tea"])))


@everywhere
def test_one_image_is_enough(tmp_path, container):
    dataset = open_images(store(tmp_path, container, {"only.png": encoded(7)}))
    assert (len(dataset), dataset.classes, dataset[0].size) == (1, None, (6, 4))


STYLEGAN = {f"0000{number % 2}/img{number}.png": encoded(number) for number in range(4)}


def label_file(pairs):
    return {"dataset.json": json.dumps({"labels": pairs}).encode()}


@everywhere
def test_the_label_file_of_stylegan_gives_the_labels(tmp_path, container, recwarn):
    labels = {name: int(name[-5]) // 2 for name in STYLEGAN}
    pairs = [[name.replace("/", "\\") if "3" in name else name, label] for name, label in labels.items()]
    dataset = open_images(store(tmp_path, container, {**STYLEGAN, **label_file(pairs)}))
    assert read(dataset) == [(0, 0), (2, 1), (1, 0), (3, 1)]
    assert dataset.classes is None
    assert not [each for each in recwarn if issubclass(each.category, UserWarning)]


@everywhere
def test_of_a_label_file_for_all_splits_one_can_be_taken(tmp_path, container):
    files = {f"{split}/{name}": data for split in ("train", "test") for name, data in STYLEGAN.items()}
    labels = label_file([[name, int(name[-5]) // 2] for name in files])
    path = store(tmp_path, container, {**files, **labels})
    dataset = open_images(f"{path}:train")
    assert (dataset.classes, read(dataset)) == (None, [(0, 0), (2, 1), (1, 0), (3, 1)])
    with pytest.raises(ValueError, match="must hold a folder 'dev'"):
        open_images(f"{path}:dev")


@everywhere
def test_shards_without_labels_are_no_classes(tmp_path, container):
    dataset = open_images(store(tmp_path, container, {**STYLEGAN, **label_file(None)}))
    assert (len(dataset), dataset.labels) == (4, None)


PAIRS = [[name, 0] for name in STYLEGAN]


@everywhere
@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (PAIRS[:3], "no label for 1 of 4 images"),
        ([*PAIRS, ["00000/img9.png", 0]], "labels for 1 missing images, such as '00000/img9.png'"),
        ([*PAIRS, PAIRS[0]], "two labels"),
        ([*PAIRS[:3], [PAIRS[3][0], 10**12]], "start at 0"),
        ([*PAIRS[:3], [PAIRS[3][0], -1]], "start at 0"),
        ([*PAIRS[:3], [PAIRS[3][0], [0.0, 1.0]]], "a class index for each"),
        ([*PAIRS[:3], [PAIRS[3][0], True]], "a class index for each"),
        ([], "no label for 4"),
        ({"a": 1}, "a class index for each"),
    ],
)
def test_a_label_file_that_contradicts_the_images_is_refused(tmp_path, container, pairs, message):
    with pytest.raises(ValueError, match=rf"json' must be a file of labels, but reading it failed: .*{message}"):
        open_images(store(tmp_path, container, {**STYLEGAN, **label_file(pairs)}))


def test_a_label_file_that_is_not_json_is_refused_and_another_dataset_json_is_told(tmp_path):
    with pytest.raises(ValueError, match="it is not JSON"):
        open_images(store(tmp_path / "a", "folder", {**STYLEGAN, "dataset.json": b"[" * 100_000}))
    twice = b'{"labels": [["00000/a.png", 0]], "labels": null}'
    with pytest.raises(ValueError, match="has a key twice"):
        open_images(store(tmp_path / "c", "folder", {**STYLEGAN, "dataset.json": twice}))
    path = store(tmp_path / "b", "folder", {**TWO, "dataset.json": b'{"version": 3}'})
    with pytest.warns(UserWarning, match=r"dataset\.json"):
        assert read(open_images(path)) == TWO_READ


def test_linked_folders_and_files_are_followed_in_a_folder(tmp_path, recwarn):
    elsewhere = store(tmp_path / "disk", "folder", {"b/0.png": encoded(10), "1.png": encoded(11), "0.png": encoded(0)})
    path = store(tmp_path, "folder", {"ant/1.png": encoded(1)})
    (path / "bee").symlink_to(elsewhere / "b")
    (path / "ant" / "0.png").symlink_to(elsewhere / "0.png")
    (elsewhere / "b" / "1.png").symlink_to(elsewhere / "1.png")
    assert read(open_images(path)) == TWO_READ
    (tmp_path / "link").symlink_to(path)
    assert read(open_images(tmp_path / "link")) == TWO_READ
    assert not [each for each in recwarn if issubclass(each.category, UserWarning)]


def test_a_link_that_leads_back_is_counted_and_a_broken_one_refused(tmp_path):
    path = store(tmp_path, "folder", TWO)
    (path / "ant" / "again").symlink_to(path)
    (path / "bee" / "self").symlink_to(path / "bee")
    with pytest.warns(UserWarning, match=r"Skipped 2 .*links to a parent folder"):
        assert read(open_images(path)) == TWO_READ
    (path / "cat").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="'cat' is a broken link"):
        open_images(path)
    (path / "cat").unlink()
    (path / "cat").symlink_to(path / "cat")
    with pytest.raises(ValueError, match="'cat' is a broken link"):
        open_images(path)


def test_a_pipe_is_counted_and_not_waited_for(tmp_path):
    path = store(tmp_path, "folder", TWO)
    os.mkfifo(path / "ant" / "2.png")
    with pytest.warns(UserWarning, match=r"1 not files \(ant/2\.png\)"):
        assert read(open_images(path)) == TWO_READ


@pytest.mark.parametrize("container", ["zip", "tar"])
def test_links_in_archives_are_counted_and_not_followed(tmp_path, container):
    path = store(tmp_path, container, TWO)
    (tmp_path / "secret.png").write_bytes(encoded(99))
    if container == "zip":
        with zipfile.ZipFile(path, "a") as archive:
            member = zipfile.ZipInfo("ant/2.png")
            member.create_system, member.external_attr = 3, 0o120777 << 16
            archive.writestr(member, str(tmp_path / "secret.png"))
    else:
        with tarfile.open(path, "a") as archive:
            member = tarfile.TarInfo("ant/2.png")
            member.type, member.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.png")
            archive.addfile(member)
    with pytest.warns(UserWarning, match=r"1 links in an archive \(ant/2\.png\)"):
        assert read(open_images(path)) == TWO_READ


def test_names_with_backslashes_are_paths(tmp_path):
    path = store(tmp_path, "zip", {name.replace("/", "\\"): data for name, data in TWO.items()})
    assert list(open_images(path).classes) == ["ant", "bee"]


@pytest.mark.parametrize("container", ["zip", "tar", "tgz"])
def test_archives_that_contradict_themselves_or_lead_outside_are_refused(tmp_path, container):
    with pytest.raises(ValueError, match=r"is outside the archive"):
        open_images(store(tmp_path, container, {**TWO, "ant/../../x.png": encoded(0)}))
    with pytest.raises(ValueError, match=r"'ant/0\.png' twice"):
        open_images(store(tmp_path, container, {**TWO, "ant//0.png": encoded(0)}))


@pytest.mark.parametrize("container", ["zip", "tar", "tgz"])
def test_archives_above_the_limit_are_refused(tmp_path, container):
    files = {**TWO, "big.png": bytes(3_000)}
    with pytest.raises(ValueError, match=r"at most .* and 2,000 bytes"):
        open_images(store(tmp_path, container, files), max_bytes=2_000)


@pytest.mark.parametrize("container", ["zip", "tar", "tgz"])
def test_archives_with_too_many_files_are_refused(tmp_path, container):
    path = store(tmp_path, container, TWO)
    assert len(open_images(path, max_files=len(TWO))) == len(TWO)
    with pytest.raises(ValueError, match=rf"at most {len(TWO) - 1} files"):
        open_images(path, max_files=len(TWO) - 1)


@pytest.mark.parametrize("claimed", [None, 1])
def test_a_zip_with_too_many_files_is_refused_before_its_entries_are_read(tmp_path, monkeypatch, claimed):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(200):
            archive.writestr(f"{index % 2}/{index}", b"")
    if claimed is not None:  # zipfile ignores the numbers of entries at the end
        data = path.read_bytes()
        path.write_bytes(data[:-14] + struct.pack("<2H", claimed, claimed) + data[-10:])
    monkeypatch.setattr(zipfile, "ZipInfo", None)
    with pytest.raises(ValueError, match="at most 100 files"):
        open_images(path, max_files=100)


def test_a_tar_that_decompresses_without_end_is_stopped(tmp_path):
    path = store(tmp_path, "tgz", {"0.png": bytes(5_000_000)})
    with pytest.raises(ValueError, match="at most 2,000 bytes"):
        open_images(path, max_bytes=2_000, max_files=10)


@pytest.mark.parametrize("container", ["tar", "tgz"])
def test_a_damaged_tar_gives_a_sentence(tmp_path, container):
    path = store(tmp_path, container, TWO)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="must be a folder or an archive of images"):
        open_images(path)


@pytest.mark.parametrize("container", ["tar", "tgz"])
@pytest.mark.parametrize("change", ["cut at a header", "cut in a header", "a damaged header", "another archive"])
def test_a_tar_that_is_read_in_part_is_refused(tmp_path, container, change):
    data = store(tmp_path, "tar", TWO).read_bytes()
    with tarfile.open(tmp_path / "data.tar") as archive:
        place = archive.getmembers()[2].offset
    data = {
        "cut at a header": data[:place],
        "cut in a header": data[: place + 100],
        "a damaged header": data[: place + 3] + b"x" + data[place + 4 :],
        "another archive": data * 2,
    }[change]
    path = tmp_path / {"tar": "data.tar", "tgz": "data.tar.gz"}[container]
    path.write_bytes(data if container == "tar" else gzip.compress(data))
    with pytest.raises(ValueError, match=r"its end marker.*; pack it again"):
        open_images(path)


def test_two_zip_files_in_one_are_refused(tmp_path):
    path = store(tmp_path, "zip", TWO)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(ValueError, match="it contains two archives"):
        open_images(path)
    path.write_bytes(b"#!/bin/sh\n" + store(tmp_path, "zip", TWO).read_bytes())
    assert read(open_images(path)) == TWO_READ


@pytest.mark.parametrize("container", ["zip", "tar", "tgz"])
def test_an_archive_that_was_replaced_is_refused_by_processes_that_open_it_later(tmp_path, container):
    dataset = open_images(store(tmp_path, container, TWO))
    sent = pickle.dumps(dataset)
    store(tmp_path, container, TWO)  # again: the same archive in another file
    assert read(pickle.loads(sent)) == TWO_READ
    store(tmp_path, container, dict(reversed(TWO.items())))
    with pytest.raises(ValueError, match="changed after it was opened; open it again"):
        pickle.loads(sent)[0]


@everywhere
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright(tmp_path, container, orientation):
    picture = PIL.Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6) * 10)
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    files = {}
    for kind in ("png", "tiff"):
        file = io.BytesIO()
        picture.save(file, kind, exif=exif)
        files[f"a.{kind}"] = file.getvalue()
    turn = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}[orientation]
    upright = picture if turn is None else picture.transpose(PIL.Image.Transpose(turn))
    for image in open_images(store(tmp_path, container, files)):
        assert np.array_equal(image, upright)
        assert image.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize(
    "entry", [(0x0132, 11, 1, b"\0\0\x80?"), (0x501B, 12, 1, b"abcd"), (0x8825, 4, 1, b"\xff" * 4)]
)
def test_an_image_with_other_damaged_exif_data_is_turned_too(tmp_path, entry):
    entries = b"".join(struct.pack("<HHI4s", *each) for each in [(0x0112, 3, 1, b"\6\0\0\0"), entry])
    exif = b"Exif\0\0II*\0\x08\0\0\0\2\0" + entries + bytes(4)
    path = store(tmp_path, "folder", {"a.jpg": encoded(50, "jpeg", exif=exif)})
    assert open_images(path)[0].size == (4, 6)


def test_damaged_exif_data_say_nothing(tmp_path):
    path = store(tmp_path, "folder", {"a.jpg": encoded(50, "jpeg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")})
    assert open_images(path)[0].size == (6, 4)


@pytest.mark.parametrize(
    ("mode", "kind", "read_as"),
    [
        *[("1", "png", "L"), ("L", "gif", "RGB"), ("LA", "png", "L"), ("P", "png", "RGB"), ("RGBA", "png", "RGB")],
        *[("CMYK", "jpeg", "RGB"), ("CMYK", "tiff", "RGB"), ("YCbCr", "jpeg", "RGB"), ("RGBA", "webp", "RGB")],
    ],
)
def test_images_of_every_mode_become_grey_or_rgb(tmp_path, mode, kind, read_as, recwarn):
    dataset = open_images(store(tmp_path, "folder", {f"a.{kind}": encoded(255, kind, mode)}))
    assert dataset[0].mode == read_as
    assert np.asarray(dataset[0]).min() > 250
    assert not [each for each in recwarn if issubclass(each.category, UserWarning)]


def test_palettes_with_transparency_and_animations_give_one_image(tmp_path, recwarn):
    frames = [PIL.Image.new("RGB", (6, 4), (value, 0, 0)) for value in (200, 10)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "b.png", save_all=True, append_images=frames[1:])
    frames[0].quantize(4).save(tmp_path / "c.png", transparency=bytes([0, 128, 255, 255]))
    dataset = open_images(tmp_path)
    assert [np.asarray(image)[0, 0, 0].item() for image in dataset] == [200] * 3
    assert not [each for each in recwarn if issubclass(each.category, UserWarning)]


@everywhere
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "must be an image"),
        (encoded(1, "png", size=(300, 300))[:-30], "must be an image"),
        (encoded(9, "jpeg", size=(300, 300))[:-100], "truncated"),
        (encoded(1, "png", "I;16"), "more than 8 bits"),
        (encoded(1, "tiff", "F"), "more than 8 bits"),
        (b"<svg/>", "must be an image"),
    ],
)
def test_an_image_that_cannot_be_read_is_named(tmp_path, container, data, message):
    dataset = open_images(store(tmp_path, container, {**TWO, "ant/9.png": data}))
    with pytest.raises(ValueError, match=rf"ant/9\.png' .*{message}"):
        read(dataset)


def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    data = bytearray(encoded(1))
    data[16:24] = (9_000).to_bytes(4, "big") * 2  # of the PNG's header; its checksum is not looked at first
    crc = zlib.crc32(bytes(data[12:29]))
    data[29:33] = crc.to_bytes(4, "big")
    dataset = open_images(store(tmp_path, "folder", {"a.png": bytes(data)}))
    with pytest.raises(ValueError, match=r"a\.png' must be an image, but reading it failed: it has 9000 x 9000 pixels"):
        dataset[0]
