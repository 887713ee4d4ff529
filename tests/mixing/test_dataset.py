"""GANAugmentedDataset behaves like a data set of torchvision."""

import copy
import pickle

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, Subset, TensorDataset, WeightedRandomSampler
from torchvision import tv_tensors
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from gan_augment import (
    Conditional,
    Fixed,
    GANAugmentedDataset,
    Generator,
    GeneratorConfig,
    Same,
    SyntheticPool,
    Teacher,
    Uniform,
)

from .helpers import (
    Digits,
    Jitter,
    Marked,
    batch,
    clearly_one,
    draw_of_all,
    flatten,
    made,
    pool,
    real,
    seed_all,
    shown,
    synthetic,
    values,
)

LABELS = [0, 1, 2] * 8
TO_FLOAT = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.ToPureTensor()])


def augmented(dataset, source=None, ratio=0.5, **options):
    options = {"mode": "append", "progress": False, **options}
    return GANAugmentedDataset(dataset, pool() if source is None else source, ratio, **options)


# Items ---------------------------------------------------------------------------------------------


def test_append_keeps_real_items_in_order_with_synthetic_items_between():
    items = list(zip(batch(LABELS)[0], LABELS))
    dataset = augmented(items)
    assert len(dataset) == 48
    assert all(dataset[2 * index] is items[index] for index in range(24))
    assert all(bool(synthetic(dataset[index][0])) for index in range(1, 48, 2))


def test_by_default_synthetic_items_replace_real_items_of_their_class():
    items = list(zip(batch(LABELS)[0], LABELS))
    dataset = GANAugmentedDataset(items, pool(), 0.5, progress=False)
    assert (len(dataset), dataset.mode) == (24, "replace")
    flags = dataset.synthetic_mask().tolist()
    assert sum(flags) == 12
    for index, flag in enumerate(flags):
        image, label = dataset[index]
        assert (bool(synthetic(image)), int(shown(image)), label) == (flag, LABELS[index], LABELS[index])


@pytest.mark.parametrize("mode", ["append", "replace", "balance", "fill"])
def test_is_synthetic_and_the_mask_are_right_in_each_epoch(mode):
    dataset = augmented(real([*LABELS, 0, 0, 1]), mode=mode, return_synthetic=True)
    for epoch in (0, 1):
        dataset.set_epoch(epoch)
        truth = [bool(synthetic(dataset[index][0])) for index in range(len(dataset))]
        assert [dataset.is_synthetic(index) for index in range(len(dataset))] == truth
        assert dataset.synthetic_mask().tolist() == truth
        assert [dataset[index][-1] for index in range(len(dataset))] == truth
        assert type(dataset[0][-1]) is bool


@pytest.mark.parametrize("mode", ["append", "replace", "balance", "fill"])
def test_targets_and_class_counts_match_the_items(mode):
    dataset = augmented(real([0, 0, 0, 0, 1, 1, 2]), mode=mode)
    for epoch in range(3):
        dataset.set_epoch(epoch)
        targets = [int(dataset[index][1]) for index in range(len(dataset))]
        assert dataset.targets == dataset.labels == targets
        flags = dataset.synthetic_mask().tolist()
        for label, (n_real, n_synthetic) in dataset.class_counts.items():
            assert n_synthetic == sum(flag and target == label for flag, target in zip(flags, targets))
            assert n_real == sum(not flag and target == label for flag, target in zip(flags, targets))


def test_targets_of_a_teacher_match_the_items():
    dataset = augmented(real([0, 0, 2]), mode="replace", labels=Fixed(label=1))
    assert dataset.targets == [int(dataset[index][1]) for index in range(3)]
    assert dataset.class_counts[1] == (0, 2)


def test_labels_are_the_targets_of_a_subclass_too():
    class Binary(GANAugmentedDataset):
        @property
        def targets(self):
            return [int(target > 0) for target in super().targets]

    dataset = Binary(real([0, 1, 2]), pool(), 0.5, mode="replace", labels=Fixed(label=2))
    assert dataset.labels == dataset.targets
    assert set(dataset.labels) <= {0, 1}


def test_replace_draws_new_positions_and_images_in_each_epoch():
    dataset = augmented(real(LABELS), mode="replace")
    masks, images = set(), set()
    for epoch in range(4):
        dataset.set_epoch(epoch)
        masks.add(tuple(dataset.synthetic_mask().tolist()))
        images.add(tuple(int(values(item[0])) for item in dataset))
    assert len(masks) == len(images) == 4


def test_append_draws_new_images_from_a_larger_pool_in_each_epoch():
    dataset = augmented(real([0, 1, 2]))
    drawn = set()
    for epoch in range(8):
        dataset.set_epoch(epoch)
        drawn.add(tuple(int(values(image)) for image, _ in made(dataset)))
    assert len(drawn) > 1


def test_no_image_of_a_pool_is_used_twice_before_all_are_used():
    dataset = augmented(real([0] * 6), num_synthetic=6, num_classes=3)
    counts = torch.bincount(torch.stack([values(image) for image, _ in made(dataset)]))
    assert sorted(counts[counts > 0].tolist()) == [1, 1, 2, 2]


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_the_draw_depends_on_the_seed(mode, generator):
    def items(seed):
        return torch.stack([image for image, _ in augmented(real(LABELS), generator, mode=mode, seed=seed)])

    assert torch.equal(items(1), items(1))
    assert not torch.equal(items(1), items(2))


def test_the_global_seed_does_not_change_synthetic_items(generator):
    def items(seed):
        torch.manual_seed(seed)
        return torch.stack([image for image, _ in augmented(real(LABELS), generator)])

    assert torch.equal(items(1), items(2))


def test_construction_leaves_the_random_state_alone():
    def draw(construct):
        seed_all(0)
        if construct:
            augmented(Digits(LABELS, Jitter()))
        return draw_of_all()

    assert draw(True) == draw(False)


# The kind of the images ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_synthetic_pil_images_are_like_the_real_ones(mode):
    items = [(PIL.Image.new(mode, (16, 16)), label) for label in LABELS]
    images = [image for image, _ in augmented(items)]
    assert {(type(image), image.mode, image.size) for image in images} == {(PIL.Image.Image, mode, (16, 16))}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("wrap", [torch.Tensor.clone, tv_tensors.Image])
@pytest.mark.parametrize("channels", [1, 3])
def test_synthetic_tensors_are_like_the_real_ones(dtype, wrap, channels):
    images, labels = batch(LABELS, dtype=dtype, channels=channels)
    items = [(wrap(image), label) for image, label in zip(images, labels)]
    dataset = augmented(items)
    found = [dataset[index] for index in range(48)]
    assert {(type(image), image.dtype, image.shape) for image, _ in found} == {
        (type(items[0][0]), dtype, images.shape[1:])
    }
    assert all(int(shown(image)) == int(label) for image, label in found)


def test_padding_is_cropped_off():
    config = GeneratorConfig(image_size=32, channels=1, num_classes=3, width=4, resize_mode="pad", source_size=(28, 28))
    generator = Generator(config)
    dataset = augmented(real([0], size=28), generator, num_classes=3)
    image = (dataset[1][0] * 255).round().to(torch.uint8)
    assert image.shape == (1, 28, 28)
    whole = SyntheticPool.generate(generator, 1, labels=[0], seed=0, progress=False).rows(torch.tensor([0]))[0]
    assert torch.equal(image, whole[:, 2:-2, 2:-2])


def test_an_image_folder_with_pil_images(folder):
    plain = ImageFolder(folder)
    dataset = augmented(plain, mode="fill")
    assert dataset.class_counts == {0: (6, 0), 1: (4, 2), 2: (2, 4)}
    assert {(image.mode, image.size) for image, _ in dataset} == {("RGB", (16, 16))}
    assert all(int(shown(image)) == label for image, label in dataset)


def test_the_transform_of_an_image_folder_is_applied_to_synthetic_images_once(folder):
    transform = v2.Compose([TO_FLOAT, v2.Normalize([0.5] * 3, [0.25] * 3)])
    dataset = augmented(ImageFolder(folder, transform=transform))
    for image, label in dataset:
        assert image.shape == (3, 16, 16)
        assert int(shown(image * 0.25 + 0.5)) == label


def test_random_transforms_are_applied_to_synthetic_images_too():
    dataset = augmented(Digits(LABELS, Jitter()))
    assert not torch.equal(dataset[31][0], dataset[31][0])


def test_synthetic_images_keep_their_size_before_a_transform_if_real_sizes_differ(tmp_path):
    for label in range(3):
        (tmp_path / str(label)).mkdir()
        for side in (10, 20, 40):
            PIL.Image.new("RGB", (side, side), (label,) * 3).save(tmp_path / str(label) / f"{side}.png")
    transform = v2.Compose([v2.Resize((12, 12)), TO_FLOAT])
    images, labels = next(iter(DataLoader(augmented(ImageFolder(tmp_path, transform)), batch_size=18)))
    assert images.shape == (18, 3, 12, 12)
    assert torch.equal(shown(images), labels)


def test_a_target_transform_is_applied(folder):
    plain = ImageFolder(folder, transform=TO_FLOAT, target_transform=Flip())
    dataset = augmented(plain)
    assert all(int(shown(image)) == label for image, label in made(dataset))
    assert dataset.targets[::2] == [plain[index][1] for index in range(12)]


class Flip:
    def __call__(self, label):
        return 2 - label


def test_transform_none_makes_synthetic_images_like_the_final_items():
    to_float = v2.ToDtype(torch.float32, scale=True)
    dataset = augmented(Digits(LABELS, v2.Compose([v2.ToImage(), to_float, v2.ToPureTensor()])), transform=None)
    assert dataset[31][0].dtype == torch.float32
    assert int(shown(dataset[31][0])) == dataset[31][1]


def test_a_callable_transform_gets_images_like_those_before_the_transforms_of_the_data_set():
    seen = []

    def own(image):
        seen.append((type(image), image.dtype))
        return TO_FLOAT(image)

    dataset = augmented(Digits(LABELS, TO_FLOAT), transform=own)
    assert int(shown(dataset[31][0])) == dataset[31][1]
    assert set(seen) == {(torch.Tensor, torch.uint8)}


def test_a_data_set_that_always_calls_its_transform_works():
    class Strict(Digits):
        def item(self, index):
            return self.transform(self.images[index]), self.targets[index]

    dataset = augmented(Strict(LABELS, TO_FLOAT))
    assert all(int(shown(image)) == label for image, label in dataset)


def test_probabilities_stay_and_synthetic_items_get_one_hot_rows():
    images, labels = batch(LABELS)
    rows = 0.8 * torch.nn.functional.one_hot(labels, 3) + 0.2 / 3
    dataset = augmented(TensorDataset(images, rows))
    assert all(torch.equal(dataset[2 * index][1], rows[index]) for index in range(24))
    assert all(target.amax() == 1 and int(target.argmax()) == int(shown(image)) for image, target in made(dataset))


@pytest.mark.parametrize("wrap", [list, TensorDataset])
def test_images_without_labels_keep_their_container(wrap):
    items = wrap(batch(LABELS)[0])
    dataset = augmented(items, labels=None)
    assert {type(dataset[index]) for index in range(48)} == {type(items[0])}
    next(iter(DataLoader(dataset, batch_size=48)))


def test_labels_none_on_labelled_items_is_refused():
    with pytest.raises((TypeError, ValueError), match="labels=None"):
        augmented(real(LABELS), labels=None)


@pytest.mark.parametrize("unlabelled", [False, True])
def test_a_loader_collates_both_kinds(unlabelled):
    dataset = augmented(list(batch(LABELS)[0]), labels=None) if unlabelled else augmented(real(LABELS))
    out = next(iter(DataLoader(dataset, batch_size=48)))
    assert int(synthetic(out if unlabelled else out[0]).sum()) == 24


# Attributes, indices, subsets and pickling ---------------------------------------------------------


def test_attributes_are_forwarded(folder):
    plain = ImageFolder(folder, transform=TO_FLOAT, target_transform=Flip())
    dataset = augmented(plain)
    for name in ("classes", "class_to_idx", "transform", "transforms", "target_transform"):
        assert getattr(dataset, name) is getattr(plain, name)
    assert dataset.dataset is plain


def test_attributes_that_the_data_set_lacks_do_not_exist():
    dataset = augmented(real(LABELS))
    names = ("classes", "class_to_idx", "transform", "transforms", "target_transform", "samples", "tensors")
    assert not any(hasattr(dataset, name) for name in names)
    unlabelled = augmented(list(batch(LABELS)[0]), labels=None)
    assert not any(hasattr(unlabelled, name) for name in ("targets", "labels", "class_counts"))


def test_real_items_are_read_with_getitems_of_the_data_set():
    plain = Digits(LABELS)
    dataset = augmented(plain)
    plain.single_reads = plain.batch_reads = 0
    batches = list(DataLoader(dataset, batch_size=12, shuffle=True))
    assert plain.single_reads == 0
    assert plain.batch_reads == sum(bool((~synthetic(images)).any()) for images, _ in batches)
    for epoch in range(2):
        dataset.set_epoch(epoch)
        list(DataLoader(dataset, batch_size=12))
    dataset[0]
    assert plain.single_reads == 0


@pytest.mark.parametrize("epoch", [None, 0])
@given(indices=st.lists(st.integers(-48, 47), max_size=20))
@settings(max_examples=30, deadline=None)
def test_items_of_a_batch_are_the_single_items(epoch, indices):
    dataset = augmented(Digits(LABELS, None if epoch is None else Jitter()), mode="append")
    if epoch is not None:
        dataset.set_epoch(epoch)
    assert flatten(dataset.__getitems__(indices)) == flatten([dataset[index] for index in indices])


def test_a_negative_index_counts_from_the_end():
    dataset = augmented(Digits(LABELS, Jitter()))
    dataset.set_epoch(0)
    assert flatten([dataset[-1], dataset[-48]]) == flatten([dataset[47], dataset[0]])
    assert dataset.is_synthetic(-1)


@pytest.mark.parametrize("index", [48, -49])
def test_an_index_out_of_range_raises_an_index_error(index):
    dataset = augmented(real(LABELS))
    for read in (dataset.__getitem__, dataset.is_synthetic):
        with pytest.raises(IndexError, match=f"index must be below 48, but got {index}"):
            read(index)


@pytest.mark.parametrize(
    "index", [np.int64(30), np.uint8(30), np.array(30), np.array([30]), torch.tensor(30), torch.tensor([30])]
)
def test_an_index_may_be_an_integer_of_numpy_or_torch(index):
    dataset = augmented(real(LABELS))
    assert torch.equal(dataset[index][0], dataset[30][0])
    assert dataset.is_synthetic(index) == dataset.is_synthetic(30)


@pytest.mark.parametrize(
    "indices", [torch.tensor([3, -2, 5]), np.array([3, -2, 5]), [torch.tensor(3), torch.tensor([-2]), np.int64(5)]]
)
def test_indices_may_be_tensors_and_arrays(indices):
    dataset = augmented(real(LABELS))
    for epoch in (None, 0):
        if epoch is not None:
            dataset.set_epoch(epoch)
        assert flatten(dataset.__getitems__(indices)) == flatten(dataset.__getitems__([3, 46, 5]))
    assert dataset.__getitems__(indices[:0]) == []


@pytest.mark.parametrize("index", ["3", None, 1.5, slice(3), torch.tensor([1, 2]), torch.tensor(1.0), np.array([])])
def test_an_index_of_another_type_is_refused(index):
    with pytest.raises(TypeError, match="index must be an integer, but got"):
        augmented(real(LABELS))[index]


@pytest.mark.parametrize("real_type", [torch.uint8, torch.float32])
@pytest.mark.parametrize("mode", ["replace", "append"])
@pytest.mark.parametrize(
    "transform",
    [
        v2.ToDtype(torch.float32, scale=True),
        v2.ToDtype({torch.Tensor: torch.float16, "others": None}, scale=True),
        v2.Compose([v2.ToDtype(torch.float32, scale=True), v2.Normalize([0.5, 0.4, 0.1], [0.2, 0.3, 0.7])]),
    ],
)
def test_a_transform_of_single_values_gives_the_same_for_all_synthetic_images_at_once(transform, mode, real_type):
    rng = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 3, 9, 7), dtype=torch.uint8, generator=rng)
    source = SyntheticPool(images, torch.arange(40) % 3)
    dataset = Digits(LABELS, transform)
    dataset.images = v2.functional.to_dtype(images[: len(LABELS)], real_type, scale=True)
    one_by_one = augmented(dataset, source, mode=mode, transform=lambda image: transform(image))
    expected = one_by_one.__getitems__(range(len(one_by_one)))
    for own in ("inherit", transform):
        found = augmented(dataset, source, mode=mode, transform=own).__getitems__(range(len(expected)))
        assert all(
            torch.equal(image, like) and target == same for (image, target), (like, same) in zip(found, expected)
        )


def test_len_is_stable():
    for mode in ("append", "replace", "balance", "fill"):
        dataset = augmented(real([0, 0, 0, 1, 2]), mode=mode)
        lengths = {len(dataset)}
        for epoch in range(3):
            dataset.set_epoch(epoch)
            lengths.add(len(dataset))
            assert len(list(dataset)) == len(dataset)
        assert len(lengths) == 1


def test_the_data_set_is_not_changed(folder):
    plain = ImageFolder(folder, transform=TO_FLOAT)
    before = copy.copy(plain.__dict__)
    dataset = augmented(plain)
    dataset.set_epoch(1)
    list(dataset)
    assert plain.__dict__ == before
    assert [label for _, label in plain] == plain.targets


def test_writing_to_an_item_changes_neither_the_data_set_nor_the_pool():
    source = pool()
    dataset = augmented(real(LABELS, dtype=torch.uint8), source)
    before = source.rows(torch.arange(12)).clone()
    for image, _ in made(dataset):
        image.zero_()
    assert torch.equal(source.rows(torch.arange(12)), before)
    assert bool(synthetic(dataset[31][0]))


def test_a_subset_of_an_augmented_data_set():
    dataset = augmented(real(LABELS))
    images, labels = next(iter(DataLoader(Subset(dataset, range(20, 30)), batch_size=10)))
    assert synthetic(images).tolist() == [False, True] * 5
    assert torch.equal(shown(images), labels)


def test_a_subset_is_wrapped_with_the_labels_and_transform_of_its_data_set():
    dataset = augmented(Subset(Digits(LABELS, TO_FLOAT), [0, 3, 6, 1, 2]), mode="fill")
    assert dataset.class_counts == {0: (3, 0), 1: (1, 2), 2: (1, 2)}
    assert all(int(shown(image)) == label for image, label in dataset)


@pytest.mark.parametrize("wrap", [lambda part: part, lambda part: ConcatDataset([part, part])])
def test_a_subset_without_a_class_keeps_the_classes_of_its_data_set(wrap):
    dataset = augmented(wrap(Subset(Digits(LABELS, TO_FLOAT), [0, 3, 6, 1])), mode="balance")
    assert dataset.num_classes == 3
    assert dataset.class_counts[2] == (0, 0)  # a class of which there is nothing is not made up


def test_num_classes_covers_a_class_without_images():
    dataset = augmented(real([0, 0, 1]), mode="fill", num_classes=3)
    assert dataset.class_counts == {0: (2, 0), 1: (1, 1), 2: (0, 0)}
    with pytest.raises(ValueError, match="num_classes"):
        augmented(real([0, 0, 1]), mode="balance")


def test_an_augmented_data_set_can_be_concatenated_and_wrap_a_concatenation():
    both = ConcatDataset([augmented(real(LABELS)), real(LABELS)])
    images, labels = next(iter(DataLoader(both, batch_size=72)))
    assert synthetic(images).tolist() == [False, True] * 24 + [False] * 24
    assert torch.equal(shown(images), labels)
    around = augmented(ConcatDataset([Digits(LABELS, TO_FLOAT), Digits([0, 1, 2], TO_FLOAT)]))
    assert len(around) == 54
    assert all(int(shown(image)) == label for image, label in around)


def test_parts_with_different_transforms_are_refused_without_transform():
    parts = ConcatDataset([Digits(LABELS, TO_FLOAT), Digits(LABELS, v2.Compose([TO_FLOAT]))])
    with pytest.raises(ValueError, match=r"must share one transform.*transform="):
        augmented(parts)
    assert len(augmented(parts, transform=TO_FLOAT)) == 96


def test_an_augmented_data_set_can_be_wrapped_again():
    inner = augmented(Digits([0, 0, 0, 1, 1, 2], TO_FLOAT), mode="fill")
    outer = augmented(inner, ratio=0.25)
    assert len(outer) == 12
    assert all(int(shown(image)) == label for image, label in outer)


def test_a_weighted_sampler_of_an_augmented_data_set():
    dataset = augmented(real(LABELS))
    weights = dataset.synthetic_mask().double()
    loader = DataLoader(dataset, batch_size=16, sampler=WeightedRandomSampler(weights, 32))
    assert all(bool(synthetic(images).all()) for images, _ in loader)


def test_the_generator_is_not_kept(generator):
    dataset = augmented(real(LABELS), generator)
    assert len(pickle.dumps(dataset)) < 24 * 2 * 16 * 16 * 4 + 20_000
    assert not any(value is generator for value in vars(dataset).values())


@pytest.mark.parametrize(
    "policy", [Same(), Conditional(class_map={0: 1}), Fixed(label=2), Uniform(), Teacher(teacher=clearly_one)]
)
@pytest.mark.parametrize("mode", ["append", "replace"])
def test_pickling_works_with_every_policy(policy, mode):
    dataset = augmented(real(LABELS), mode=mode, labels=policy)
    dataset.set_epoch(2)
    for copied in (pickle.loads(pickle.dumps(dataset)), copy.deepcopy(dataset)):
        assert copied.epoch == 2
        items, same = [dataset[i] for i in range(len(dataset))], [copied[i] for i in range(len(dataset))]
        assert all(torch.equal(a, b) for one, two in zip(items, same) for a, b in zip(one, two))
        copied.set_epoch(3)
        assert dataset.epoch == 2


# Sources -------------------------------------------------------------------------------------------


def test_a_mapping_gives_each_class_its_own_source():
    dark, light = pool(1, labelled=False), pool(classes=[9], labelled=False)
    dataset = augmented(real([0, 1] * 4), {0: dark, 1: light})
    assert {((int(values(image)) - 100) // 10, int(label)) for image, label in made(dataset)} == {(0, 0), (9, 1)}


def test_a_folder_of_a_generator_is_a_source(tmp_path, generator):
    generator.save_pretrained(tmp_path / "saved")
    for source in (tmp_path / "saved", str(tmp_path / "saved")):
        read, live = augmented(real(LABELS), source), augmented(real(LABELS), generator)
        assert torch.allclose(read[31][0], live[31][0], atol=0.02)


def test_only_the_needed_classes_are_drawn():
    asked = []

    class Listening(Marked):
        def sample(self, n, labels=None, *, seed=None):
            asked.extend(labels.tolist())
            return super().sample(n, labels, seed=seed)

    augmented(real([0, 0, 2, 2]), Listening())
    assert set(asked) == {0, 2}


# Refusals ------------------------------------------------------------------------------------------


def test_an_iterable_data_set_is_refused_with_a_remedy():
    class Stream(IterableDataset):
        def __iter__(self):
            yield batch([0])

    with pytest.raises(
        TypeError, match="map-style, but got an IterableDataset; mix into its batches with SyntheticMix"
    ):
        augmented(Stream())


@pytest.mark.parametrize("dataset", [[], TensorDataset(torch.zeros(0, 1, 16, 16), torch.zeros(0))])
def test_an_empty_data_set_is_refused(dataset):
    with pytest.raises(ValueError, match="at least one item, but it is empty"):
        augmented(dataset)


def test_an_object_that_is_not_a_data_set_is_refused():
    with pytest.raises(TypeError, match="dataset must be map-style"):
        augmented(iter([]))


def test_an_unconditional_source_must_have_a_policy(unconditional):
    with pytest.raises(ValueError, match=r"unconditional; choose 'same'.*'uniform'.*Teacher.*None"):
        augmented(real(LABELS), unconditional)
    assert augmented(real(LABELS), unconditional, labels=1).class_counts[1] == (8, 24)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="name must be a name in the zoo"):
        augmented(real(LABELS), "dcgan-mnits-32")


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 1, 7]])
def test_a_different_number_of_classes_is_refused(labels):
    with pytest.raises(ValueError, match=f"it has 3 and the data have {max(labels) + 1}.*class_map"):
        augmented(real(labels))


def test_labels_out_of_range_are_refused():
    with pytest.raises(ValueError, match="labels must be 0 or above, but got -1"):
        augmented(list(zip(batch([0, 1])[0], [0, -1])))
    with pytest.raises(ValueError, match="between 0 and 2, but got 3"):
        augmented(real([0, 3]), num_classes=3)


@pytest.mark.parametrize("label", ["cat", 1.5, None, torch.tensor(0.5), {"boxes": torch.zeros(1, 4)}])
def test_targets_of_other_tasks_are_refused(label):
    with pytest.raises(TypeError, match=r"class index.*is this a data set for classification"):
        augmented([(torch.zeros(1, 16, 16), label)])


@pytest.mark.parametrize("item", [torch.zeros(1, 16, 16), {"image": torch.zeros(1, 16, 16)}, (torch.zeros(1, 16, 16),)])
def test_items_without_a_label_are_refused(item):
    with pytest.raises(TypeError, match=r"must be \(image, label\)"):
        augmented([item])


@pytest.mark.parametrize("channels", [2, 4])
def test_images_of_other_channels_are_refused(channels):
    with pytest.raises(ValueError, match=rf"1 or 3.*\({channels}, 16, 16\)"):
        augmented(real(LABELS, channels=channels))


def test_images_of_another_shape_are_refused_with_both_shapes():
    images, labels = batch(LABELS)
    with pytest.raises(ValueError, match=r"16 x 16.*16 x 8"):
        augmented(TensorDataset(images[..., :8], labels))


def test_normalised_images_are_refused_without_transform():
    images, labels = batch(LABELS)
    with pytest.raises(ValueError, match=r"between 0 and 1.*transform="):
        augmented(TensorDataset(images * 2 - 1, labels))
    own = v2.Compose([v2.Normalize([0.5], [0.5])])
    dataset = augmented(TensorDataset(images * 2 - 1, labels), transform=own)
    assert int(shown((dataset[31][0] + 1) / 2)) == dataset[31][1]


def test_synthetic_images_of_another_kind_after_transform_are_refused_with_both_kinds():
    with pytest.raises(ValueError, match=r"like the real ones, tensor float32 1 x 16 x 16.*float64 1 x 16 x 16"):
        augmented(real(LABELS), transform=v2.ToDtype(torch.float64))


def test_synthetic_images_of_another_size_after_transform_are_refused_with_both_sizes():
    with pytest.raises(ValueError, match=r"1 x 16 x 16.*1 x 8 x 8"):
        augmented(real(LABELS), transform=v2.Resize((8, 8)))


@pytest.mark.parametrize("transform", ["inherits", 3])
def test_an_object_that_is_not_a_transform_is_refused(transform):
    with pytest.raises(TypeError, match="transform must be callable, 'inherit' or None"):
        augmented(real(LABELS), transform=transform)


@pytest.mark.parametrize("epoch", [-1, 1.0, None, 2**63])
def test_an_invalid_epoch_is_refused(epoch):
    with pytest.raises((ValueError, TypeError), match="epoch must be"):
        augmented(real(LABELS)).set_epoch(epoch)


@pytest.mark.parametrize("mode", ["balance", "fill"])
def test_balance_must_know_classes(mode):
    with pytest.raises(ValueError, match=f"mode='{mode}' needs to know the class"):
        augmented(real(LABELS), mode=mode, labels="uniform")


def test_a_source_of_classes_without_real_images_is_refused():
    with pytest.raises(ValueError, match=r"must have images of the classes \[2\]"):
        augmented(real([0, 1]), labels=Conditional(class_map={2: 2}), num_classes=3, num_synthetic=4)
