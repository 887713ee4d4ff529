"""SyntheticMix in eval mode, in several processes and under torch.compile."""

import collections
import copy
import gc
import pickle

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import tv_tensors

from gan_augment import Same, SyntheticMix, SyntheticPool

from .helpers import Collate, Exploding, batch, pool, real, synthetic, values

LABELS = [0, 1, 2] * 8


def test_eval_mode_is_the_identity():
    mix, given = SyntheticMix(pool(), 1.0).eval(), batch(LABELS)
    state = torch.get_rng_state()
    images, labels = mix(*given)
    assert images is given[0]
    assert labels is given[1]
    assert torch.equal(torch.get_rng_state(), state)
    assert bool(synthetic(mix.train()(*given)[0]).all())


@pytest.mark.parametrize("options", [{"labels": "uniform", "num_classes": 3}, {"mode": "append"}, {"mode": "balance"}])
def test_eval_mode_is_the_identity_for_every_mode_and_policy(options):
    given = {"image": batch(LABELS)[0], "label": batch(LABELS)[1]}
    assert SyntheticMix(pool(), 0.5, **options).eval()(given) is given


def test_eval_mode_does_not_draw_and_accepts_normalised_images():
    images, labels = batch(LABELS)
    assert SyntheticMix(Exploding(), 1.0).eval()(images * 4 - 2, labels)[1] is labels


@pytest.mark.parametrize("single", [False, True])
def test_eval_mode_appends_the_same_entries(single):
    images, labels = batch(LABELS)
    given = (images[0], int(labels[0])) if single else (images, labels)
    mix = SyntheticMix(pool(), 1.0, labels=Same(weight=0.5), return_synthetic=True).eval()
    image, label, weight, flag = mix(*given)
    assert image is given[0]
    assert label is given[1]
    assert bool((torch.as_tensor(weight) == 1).all())
    assert not bool(torch.as_tensor(flag).any())
    assert torch.as_tensor(flag).shape == torch.as_tensor(weight).shape == (() if single else (24,))


def test_a_sequential_module_passes_on_the_mode_and_batches():
    images, labels = batch(LABELS)
    steps = nn.Sequential(SyntheticMix(pool(), 1.0), SyntheticMix(pool(), 0.5, mode="append"))
    assert synthetic(steps((images, labels))[0]).all()
    same = steps.eval()((images, labels))
    assert same[0] is images
    assert same[1] is labels


class Model(nn.Module):
    def __init__(self, mix):
        super().__init__()
        self.mix, self.head = mix, nn.Linear(256, 3)

    def forward(self, images, labels):
        images, labels = self.mix(images, labels)
        return images, nn.functional.cross_entropy(self.head(images.flatten(1)), labels)


def test_a_submodule_mixes_in_training_mode_only(generator):
    model = Model(SyntheticMix(generator, 0.5))
    assert set(model.state_dict()) == {"head.weight", "head.bias"}
    images, labels = batch(LABELS)
    assert model.eval()(images, labels)[0] is images
    mixed = model.train()(images, labels)[0]
    assert int((mixed != images).flatten(1).any(1).sum()) == 12


def test_copies_and_workers_keep_the_mode():
    mix = SyntheticMix(pool(), 1.0).eval()
    assert not copy.deepcopy(mix).training
    assert not pickle.loads(pickle.dumps(mix)).training
    loader = DataLoader(real(LABELS), batch_size=12, num_workers=1, collate_fn=Collate(mix))
    assert not any(bool(synthetic(images).any()) for images, _ in loader)


# Ranks ---------------------------------------------------------------------------------------------


def drawn(mix, seed=3):
    torch.manual_seed(seed)
    images = torch.cat([mix(*batch(LABELS))[0] for _ in range(4)])
    return synthetic(images), values(images)


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
def test_ranks_that_share_a_seed_draw_different_positions_and_images(mode, monkeypatch):
    mix = SyntheticMix(pool(), 0.5, mode=mode)
    monkeypatch.delenv("RANK", raising=False)
    alone = drawn(mix)
    found = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        found.append(drawn(mix))
        assert all(torch.equal(a, b) for a, b in zip(found[-1], drawn(mix)))
    assert all(torch.equal(a, b) for a, b in zip(found[0], alone)), "rank 0 draws as one process does"
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert not torch.equal(found[one][1], found[two][1])
        assert mode == "append" or not torch.equal(found[one][0], found[two][0])


def test_latents_differ_between_ranks_if_all_images_are_synthetic(generator, monkeypatch):
    mix, images = SyntheticMix(generator, 1.0), []
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        torch.manual_seed(0)
        images.append(mix(*batch(LABELS))[0])
    assert int((images[0] == images[1]).flatten(1).all(1).sum()) == 0


def test_single_samples_differ_between_ranks(monkeypatch):
    mix, flags = SyntheticMix(pool(), 0.5), []
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        torch.manual_seed(0)
        flags.append([bool(synthetic(mix(image, int(label))[0])) for image, label in zip(*batch(LABELS))])
    assert flags[0] != flags[1]


def test_ratio_0_leaves_the_random_state_alone_on_every_rank(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    state = torch.get_rng_state()
    SyntheticMix(pool(), 0.0)(*batch(LABELS))
    assert torch.equal(torch.get_rng_state(), state)


def test_an_invalid_rank_variable_is_ignored(monkeypatch):
    alone = drawn(SyntheticMix(pool(), 0.5))
    monkeypatch.setenv("RANK", "first")
    assert all(torch.equal(a, b) for a, b in zip(drawn(SyntheticMix(pool(), 0.5)), alone))


def _images_of_rank(rank, folder, num_workers):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    torch.manual_seed(0)
    context = "spawn" if num_workers else None
    loader = DataLoader(
        real(LABELS), 12, num_workers=num_workers, collate_fn=Collate(SyntheticMix(pool(), 1.0)),
        multiprocessing_context=context,
    )  # fmt: skip
    torch.save(torch.cat([values(images) for images, _ in loader]), f"{folder}/{rank}")
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("num_workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_ranks_of_a_process_group_draw_differently_and_so_do_their_workers(tmp_path, num_workers):
    context = torch.multiprocessing.get_context("fork")
    ranks = [context.Process(target=_images_of_rank, args=(rank, tmp_path, num_workers)) for rank in range(2)]
    for each in ranks:
        each.start()
    for each in ranks:
        each.join()
    first, second = (torch.load(tmp_path / str(rank), weights_only=True) for rank in range(2))
    assert int((first == second).sum()) < 16  # of 24; four images of each class make a quarter of them equal


# torch.compile -------------------------------------------------------------------------------------


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("mode", ["replace", "append"])
def test_a_compiled_step_has_a_graph_break_only_if_batches_grow(live, mode, generator):
    source = generator if live else SyntheticPool.generate(generator, 30, seed=0, progress=False)
    mix, head = SyntheticMix(source, 0.5, mode=mode), nn.Linear(256, 3)

    def step(images, labels):
        images, labels = mix(images * 1.0, labels)
        return nn.functional.cross_entropy(head(images.flatten(1)), labels)

    given = batch(LABELS)
    torch._dynamo.reset()
    found = torch._dynamo.explain(step)(*given)
    assert (found.graph_count, found.graph_break_count) == ((1, 0) if mode == "replace" else (2, 1))
    torch._dynamo.reset()
    compiled = torch.compile(step, backend="eager")
    torch.manual_seed(0)
    loss = compiled(*given)
    loss.backward()
    torch.manual_seed(0)
    assert torch.allclose(loss, step(*given))


@pytest.mark.parametrize("backend", ["eager", "aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
@pytest.mark.parametrize("labels", ["same", 0])
def test_a_whole_compiled_step_mixes_as_it_does_uncompiled(backend, labels):
    mix, head = SyntheticMix(pool(), 0.5, labels=labels), nn.Linear(256, 3)

    def step(images, labels):
        images, labels = mix(images, labels)
        return images, labels, nn.functional.cross_entropy(head(images.flatten(1)), labels)

    given = batch(LABELS)
    torch._dynamo.reset()
    compiled = torch.compile(step, fullgraph=True, backend=backend)
    for seed in range(3):
        torch.manual_seed(seed)
        images, targets, loss = compiled(*given)
        loss.backward()
        torch.manual_seed(seed)
        expected = step(*given)
        assert torch.equal(images, expected[0])
        assert torch.equal(targets, expected[1])
        assert torch.allclose(loss, expected[2])


@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_a_compiled_mix_returns_new_tensors_of_the_strides_of_its_input(ratio):
    mix = SyntheticMix(pool(channels=3), ratio)
    images, labels = batch(LABELS, channels=3)
    images, before = images.transpose(2, 3), labels.clone()
    torch._dynamo.reset()
    mixed, targets = torch.compile(lambda *given: mix(*given), fullgraph=True, backend="aot_eager")(images, labels)
    assert mixed.stride() == images.stride()
    targets.add_(100)
    mixed.zero_()
    assert torch.equal(labels, before)
    assert bool(images.any())


def test_a_named_tuple_stays_one_when_compiled():
    Pair = collections.namedtuple("Pair", "images labels")
    mix = SyntheticMix(pool(), 0.5)
    torch._dynamo.reset()
    assert torch.compile(lambda pair: mix(pair).labels, backend="eager")(Pair(*batch(LABELS))).shape == (24,)


def test_two_mixes_in_one_graph_draw_differently():
    mix = SyntheticMix(pool(), 0.5)
    torch._dynamo.reset()
    compiled = torch.compile(lambda *given: (mix(*given)[0], mix(*given)[0]), fullgraph=True, backend="aot_eager")
    torch.manual_seed(0)
    assert not torch.equal(*compiled(*batch(LABELS)))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda mix: pickle.loads(pickle.dumps(mix))])
def test_a_copy_of_a_mix_compiles_after_the_original_is_gone(again):
    mix = again(SyntheticMix(pool(), 1.0))
    gc.collect()
    torch._dynamo.reset()
    images, _ = torch.compile(lambda *given: mix(*given), fullgraph=True, backend="eager")(*batch(LABELS))
    assert bool(synthetic(images).all())


@pytest.mark.parametrize(
    "inputs",
    [
        lambda images, labels: (tv_tensors.Image(images), labels),
        lambda images, labels: (images, nn.functional.one_hot(labels, 3).float()),
        lambda images, labels: (images.requires_grad_(), labels),
        lambda images, labels: {"image": images, "label": labels},
    ],
)
def test_other_inputs_compile_with_a_graph_break(inputs):
    mix = SyntheticMix(pool(), 0.5)
    torch._dynamo.reset()
    given = inputs(*batch(LABELS))
    given = (given,) if isinstance(given, dict) else given
    torch.manual_seed(0)
    compiled = torch.compile(lambda *given: mix(*given), backend="eager")(*given)
    torch.manual_seed(0)
    expected = mix(*given)
    for key in compiled if isinstance(compiled, dict) else range(2):
        assert torch.equal(compiled[key], expected[key])


def test_a_compiled_model_with_a_mix_trains_and_evaluates(generator):
    model = Model(SyntheticMix(generator, 0.5))
    torch._dynamo.reset()
    compiled = torch.compile(model, backend="eager")
    images, labels = batch(LABELS)
    mixed, loss = compiled(images, labels)
    loss.backward()
    assert int((mixed != images).flatten(1).any(1).sum()) == 12
    assert bool(model.head.weight.grad.any())
    compiled.eval()
    assert torch.equal(compiled(images, labels)[0], images)
