import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.training._data import Order
from gan_augment.training.runs import _processes

from .conftest import new_trainer, run_steps, training_images

SEED = st.integers(0, 2**63 - 1)
COUNTS = st.lists(st.integers(1, 12), min_size=1, max_size=5)


def images_of(counts):
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    return training_images(torch.zeros(len(labels), 1, 2, 2, dtype=torch.uint8), labels)


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 40), SEED, st.integers(0, 5))
def test_each_epoch_is_a_permutation(count, seed, epoch):
    rows = Order(images_of([count]), seed).indices(epoch * count, count)
    assert rows.dtype == torch.int64
    assert sorted(rows.tolist()) == list(range(count))


def test_epochs_and_seeds_differ():
    order = Order(images_of([40]), 0)
    rows = order.indices(0, 80)
    assert rows[:40].tolist() != rows[40:].tolist()
    assert Order(images_of([40]), 1).indices(0, 80).tolist() != rows.tolist()


@settings(max_examples=80, deadline=None)
@given(COUNTS, SEED, st.integers(0, 3))
def test_a_balanced_epoch_has_each_class_equally_often(counts, seed, epoch):
    images = images_of(counts)
    order = Order(images, seed, balanced=True)
    assert order.count == max(counts) * len(counts)
    rows = order.indices(epoch * order.count, order.count)
    assert torch.bincount(images.labels[rows]).tolist() == [max(counts)] * len(counts)
    times = torch.bincount(rows, minlength=len(images))
    for label in range(len(counts)):  # every image of a class as often as the others of it, but for one time
        members = times[images.labels == label]
        assert int(members.min()) >= 1
        assert int(members.max() - members.min()) <= 1


@settings(max_examples=120, deadline=None)
@given(COUNTS, SEED, st.booleans(), st.integers(0, 10**6), st.integers(1, 50))
def test_an_index_is_a_function_of_the_seed_and_its_position(counts, seed, balanced, position, size):
    images = images_of(counts)
    rows = Order(images, seed, balanced=balanced).indices(position, size)
    assert rows.shape == (size,)
    order = Order(images, seed, balanced=balanced)
    singly = [int(order.indices(place, 1)) for place in reversed(range(position, position + size))]
    assert rows.tolist() == singly[::-1]


def test_balancing_needs_labels():
    images = training_images(torch.zeros(5, 1, 2, 2, dtype=torch.uint8))
    assert Order(images, 0, balanced=True).count == 5


class Rank:
    """Stands in for Accelerate's view of one process among several."""

    def __init__(self, accelerator, index, ranks):
        self.accelerator, self.process_index, self.num_processes = accelerator, index, ranks

    def __getattr__(self, name):
        return getattr(self.accelerator, name)


@pytest.mark.parametrize(("ranks", "parts"), [(1, 1), (1, 4), (2, 1), (2, 2), (4, 2)])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_parts_of_all_processes_are_the_batch_of_one(ranks, parts, balanced):
    rng = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (21, 1, 16, 16), generator=rng, dtype=torch.uint8)
    images = training_images(pixels, [0] * 15 + [1] * 6)
    options = {"recipe": "conditional", "batch_size": 16, "balance_classes": balanced}
    whole = new_trainer(images, **options)
    split = new_trainer(images, accumulation=parts, **options)
    split.part = 16 // (ranks * parts)
    stage = whole.stage(0.0)
    for number in range(4):
        expected = whole._real(number, 0, stage)
        got = []
        for part in range(parts):
            for rank in range(ranks):
                split.accelerator = Rank(whole.accelerator, rank, ranks)
                got.append(split._real(number, part, stage))
        for tensors, wanted in zip(zip(*got), expected):
            assert torch.equal(torch.cat(tensors), wanted)


def test_a_batch_that_cannot_be_shared_out_is_refused(monkeypatch):
    images = training_images(torch.zeros(8, 1, 16, 16, dtype=torch.uint8))
    true = _processes.accelerator()
    monkeypatch.setattr(_processes, "accelerator", lambda: Rank(true, 0, 3))
    with pytest.raises(ValueError, match="batch_size must be a multiple of 3 processes x accumulation=1, but got 8"):
        new_trainer(images)


def weights(trainer):
    return [parameter.detach().clone() for parameter in trainer.discriminator.parameters()]


def test_accumulated_gradients_are_those_of_the_whole_batch():
    # No image sees the rest of its batch here, and all fakes are the same, so that no draw differs.
    rng = torch.Generator().manual_seed(0)
    images = training_images(torch.randint(0, 256, (32, 1, 16, 16), generator=rng, dtype=torch.uint8))
    moved = []
    for parts in (1, 2, 8):
        trainer = new_trainer(
            images,
            accumulation=parts,
            batch_size=16,
            loss="nonsaturating",
            optimizer="SGD",
            optimizer_options={"fused": False},
            discriminator_lr=0.5,
            discriminator_spectral_norm=False,
            augment={},
            generator_normalization="none",
            precision="fp32",
        )
        trainer._generate = lambda z, labels, stage: torch.zeros(len(z), 1, 16, 16)
        before = weights(trainer)
        trainer._discriminator_step(trainer.stage(0.0), 0, last=False)
        moved.append([after - b for after, b in zip(weights(trainer), before)])
    for other in moved[1:]:
        for one, two in zip(moved[0], other):
            assert float((two - one).norm()) <= 1e-3 * float(one.norm())
    assert max(float(step.abs().max()) for step in moved[0]) > 1e-4


def test_the_parts_of_an_anchored_step_add_up():
    rng = torch.Generator().manual_seed(0)
    images = training_images(torch.randint(0, 256, (16, 1, 16, 16), generator=rng, dtype=torch.uint8))
    moved = []
    for parts in (1, 4):
        trainer = new_trainer(
            images,
            "tiny",
            accumulation=parts,
            batch_size=16,
            latent_noise=0.0,
            generator_normalization="instance",
            coverage=1.0,
            precision="fp32",
        )
        for name, rate in {"coverage": 0.1, "anchors": 10.0}.items():
            parameters = [p for group in trainer.optimizers[name].param_groups for p in group["params"]]
            trainer.optimizers[name] = torch.optim.SGD(parameters, lr=rate)
        before = [p.detach().clone() for p in (trainer.coverage.anchors, *trainer.generator.parameters())]
        run_steps(trainer, 1)
        after = [p.detach() for p in (trainer.coverage.anchors, *trainer.generator.parameters())]
        moved.append([a - b for a, b in zip(after, before)])
    for one, two in zip(*moved):
        assert float((two - one).norm()) <= 1e-3 * float(one.norm()) + 1e-6
    assert float(moved[0][0].abs().max()) > 1e-4
