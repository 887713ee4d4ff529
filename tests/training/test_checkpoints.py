import errno
import json
import math
import os

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from gan_augment._core import aside_path
from gan_augment.training.runs import _checkpoints
from gan_augment.training.runs._checkpoints import DTYPES, FORMAT, Checkpoints, pack, unpack

from ..core.disks import small_disk, small_files

STATE = {"step": 3, "weights": torch.arange(6.0).reshape(2, 3), "groups": [{"betas": (0.5, 0.999), "lr": 1e-4}]}


def same(one, other):
    """Equal in types, values and bits; a NaN is itself."""
    if isinstance(one, torch.Tensor):
        return (
            isinstance(other, torch.Tensor)
            and (one.dtype, one.shape) == (other.dtype, other.shape)
            and torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))
        )
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float):
        return (math.isnan(one) and math.isnan(other)) or (one, math.copysign(1, one)) == (
            other,
            math.copysign(1, other),
        )
    return one == other


@st.composite
def tensors(draw):
    shape = draw(st.lists(st.integers(0, 3), max_size=4))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    tensor = torch.randint(-300, 300, shape, generator=rng).to(DTYPES[draw(st.sampled_from(sorted(DTYPES)))])
    if tensor.ndim == 4 and draw(st.booleans()):
        tensor = tensor.clone(memory_format=torch.channels_last)
    return tensor.mT if tensor.ndim > 1 and draw(st.booleans()) else tensor


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | tensors()
keys = st.text(max_size=5) | st.integers()
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple) | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(keys, values, max_size=3))
@settings(max_examples=80, deadline=None)
def test_any_state_comes_back_as_it_was(state):
    assert same(unpack(pack(state)), state)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_never_read_as_something_else(data):
    whole = pack(STATE)
    if data.draw(st.booleans()):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        place = data.draw(st.integers(0, len(whole) - 1))
        flipped = whole[place] ^ data.draw(st.integers(1, 255))
        damaged = whole[:place] + bytes([flipped]) + whole[place + 1 :]
    try:
        state = unpack(damaged)
    except ValueError:
        return
    assert same(state, STATE)  # white space of the header, perhaps


def craft(structure, tensors=None):
    """A file whose hash is right, whatever it says."""
    tensors = {"0": torch.zeros(1, dtype=torch.uint8), **(tensors or {})}
    text = json.dumps(structure)
    return save(tensors, {"format": FORMAT, "state": text, "sha256": _checkpoints._digest(text, tensors)})


def storages(value):
    """The bytes of all tensors in a state."""
    if isinstance(value, torch.Tensor):
        return value.untyped_storage().nbytes()
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return sum(map(storages, inner))


wild = st.none() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=3)
sides = st.sampled_from([0, 1, -1, 2**31, 2**62, 2**64, True, 0.0, "0", None])
kinds = st.one_of(
    st.fixed_dictionaries({"tensor": st.sampled_from(["0", "1", "2", "3", 1, None, []])}),
    st.fixed_dictionaries({"channels_last": st.sampled_from(["0", "1", "2", 2, {}])}),
    st.fixed_dictionaries({"empty": st.tuples(st.sampled_from(["int8", "float32", "int", 3]), st.lists(sides))}),
    st.fixed_dictionaries({"empty": wild | st.lists(wild, max_size=3)}),
)
structures = st.recursive(
    wild | kinds,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.fixed_dictionaries({"dict": st.lists(st.tuples(wild | st.just([]), inner), max_size=4) | inner})
        | st.fixed_dictionaries({"tuple": inner})
        | st.dictionaries(st.sampled_from(["dict", "tensor", "tuple", "x"]), inner, max_size=2)
    ),
    max_leaves=8,
)


@given(structures)
@settings(max_examples=400, deadline=None)
def test_a_crafted_file_is_a_state_or_refused_in_a_sentence(structure):
    tensors = {"1": torch.zeros(2, 3, 4, 5), "2": torch.zeros(7)}
    try:
        state = unpack(craft({"dict": [["a", structure]]}, tensors))
    except ValueError as error:
        assert 10 < len(str(error)) < 600  # noqa: PT017 - some are states
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert storages(state) <= 1 + sum(tensor.nbytes for tensor in tensors.values())


@pytest.mark.parametrize(
    ("structure", "message"),
    [
        ({"empty": ["float32", [-1, 0]]}, "is not that of an empty tensor"),
        ({"empty": ["float32", [0, 2**62, 2**62]]}, "is not that of an empty tensor"),
        ({"empty": ["float32", [10**6, 10**6]]}, "is not that of an empty tensor"),
        ({"empty": ["float32", [0] * 1000]}, "is not that of an empty tensor"),
        ({"channels_last": "2"}, "it cannot be read: RuntimeError"),
        ([{"channels_last": "1"}] * 1000, "it has no tensor '1', or uses it twice"),
        ([{"tensor": "1"}] * 2, "it has no tensor '1', or uses it twice"),
        ({"tensor": "4"}, "it has no tensor '4'"),
        ({"dict": [[1.5, 0]]}, "it has the key 1.5"),
        ({"tensor": "1", "tuple": []}, "whose kind is not clear"),
        ({"code": "x"}, "of the unknown kind 'code'"),
    ],
)
def test_what_no_state_is_written_as_is_refused(structure, message):
    with pytest.raises(ValueError, match=message):
        unpack(craft({"dict": [["a", structure]]}, {"1": torch.zeros(2, 3, 4, 5), "2": torch.zeros(7)}))


def test_a_file_of_other_weights_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="its format is None and not"):
        unpack(save({"weight": torch.ones(2)}))


def test_every_single_byte_counts():
    whole = pack({"weight": torch.ones(2)})
    start = 8 + int.from_bytes(whole[:8], "little")
    for place in range(start, len(whole)):
        with pytest.raises(ValueError, match="SHA-256"):
            unpack(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (8, 4, 1, 1), (3, 1, 4, 4), (1, 1, 1, 1)])
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_memory_formats_come_back(shape, memory_format):
    tensor = torch.rand(shape).clone(memory_format=memory_format)
    again = unpack(pack({"weight": tensor}))["weight"]
    assert again.stride() == tensor.stride()
    assert torch.equal(again, tensor)


def test_tensors_that_share_storage_come_back_apart():
    whole = torch.arange(6.0)
    again = unpack(pack({"a": whole, "b": whole[2:], "c": whole.expand(2, 6)}))
    again["a"].zero_()
    assert torch.equal(again["b"], whole[2:])
    assert torch.equal(again["c"][1], whole)


def test_a_training_goes_on_to_the_same_bits(tmp_path):
    def build():
        torch.manual_seed(0)
        network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).to(
            memory_format=torch.channels_last
        )
        optimizer = torch.optim.Adam(network.parameters(), 0.01)
        return network, optimizer, torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)

    def train(network, optimizer, scheduler, steps):
        for step in steps:
            torch.manual_seed(step)
            optimizer.zero_grad()
            network(torch.rand(2, 3, 8, 8)).square().mean().backward()
            optimizer.step()
            scheduler.step()

    whole, part, again = build(), build(), build()
    train(*whole, range(6))
    train(*part, range(3))
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({str(i): item.state_dict() for i, item in enumerate(part)}, 3)
    state = checkpoints.load_newest()
    for i, item in enumerate(again):
        item.load_state_dict(state[str(i)])
    train(*again, range(3, 6))
    assert all(map(torch.equal, again[0].state_dict().values(), whole[0].state_dict().values()))
    assert again[2].get_last_lr() == whole[2].get_last_lr()


@pytest.mark.parametrize(
    ("state", "error", "message"),
    [
        ([1], TypeError, "state must be a dict"),
        ({"a": {1.5: 0}}, TypeError, "keys of a state must be str or int, but got 1.5"),
        ({"a": [object()]}, TypeError, "A state must hold"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, TypeError, "must be dense and one of"),
        ({"a": torch.zeros(2, 2).to_sparse()}, TypeError, "must be dense and one of"),
        ({"a": "x" * (2**25)}, ValueError, "in addition to its tensors"),
    ],
)
def test_other_states_are_refused_before_anything_is_written(tmp_path, state, error, message):
    with pytest.raises(error, match=message):
        Checkpoints(tmp_path / "new").save(state, 1)
    assert not (tmp_path / "new").exists()


def test_the_newest_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path / "a" / "b", keep=2)
    assert checkpoints.load_newest() is None
    for step in (1, 20, 12_345_678):
        checkpoints.save({"step": step}, step)
    assert list(checkpoints.steps()) == [20, 12_345_678]
    assert checkpoints.load_newest() == {"step": 12_345_678}


def test_what_killed_writers_left_is_removed_and_other_files_stay(tmp_path):
    stale = aside_path(tmp_path / "step-0000001.safetensors")
    stale.write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    assert Checkpoints(tmp_path).load_newest() is None
    Checkpoints(tmp_path).save(STATE, 2)
    assert {path.name for path in tmp_path.iterdir()} == {"notes.txt", "step-0000002.safetensors"}


def test_a_damaged_newest_is_named_and_the_one_before_is_used(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step in (1, 2, 3):
        checkpoints.save({"step": step}, step)
    newest = tmp_path / "step-0000003.safetensors"
    newest.write_bytes(newest.read_bytes()[:-3])
    with pytest.warns(UserWarning, match=r"step-0000003\.safetensors is damaged .* step-0000002\.safetensors is used"):
        assert checkpoints.load_newest() == {"step": 2}


def test_a_run_that_went_back_does_not_keep_the_damaged_one(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=1)
    (tmp_path / "step-0000009.safetensors").write_bytes(b"damaged")
    checkpoints.save({"step": 4}, 4)
    assert checkpoints.load_newest() == {"step": 4}


def test_damaged_files_alone_are_an_error(tmp_path):
    (tmp_path / "step-0000009.safetensors").write_bytes(b"")
    (tmp_path / "step-0000008.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match=r"all are damaged \(step-0000009\.safetensors.*step-0000008\.safetensors"):
        Checkpoints(tmp_path).load_newest()


def test_files_beyond_the_limit_are_neither_written_nor_read(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(STATE, 1)
    monkeypatch.setattr(_checkpoints, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match="at most 100 bytes"):
        checkpoints.save(STATE, 2)
    with pytest.raises(ValueError, match="it is larger than 100 bytes"):
        checkpoints.load_newest()


@pytest.mark.parametrize(("keep", "step"), [(0, 1), (1, -1)])
def test_counts_are_checked(tmp_path, keep, step):
    with pytest.raises(ValueError, match="must be at least"):
        Checkpoints(tmp_path, keep).save(STATE, step)


def check_full(folder, caught):
    assert all(word in str(caught.value) for word in ("step-0000002.safetensors needs", "free some space"))
    assert [path.name for path in folder.iterdir()] == ["step-0000001.safetensors"]
    assert same(Checkpoints(folder).load_newest(), STATE)


def test_a_full_disk_leaves_the_previous_checkpoint(tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        Checkpoints(disk).save(STATE, 1)
        with pytest.raises(OSError, match="needs") as caught:
            Checkpoints(disk).save({"weight": torch.zeros(50_000)}, 2)
        assert caught.value.errno == errno.ENOSPC
        check_full(disk, caught)


def test_a_file_size_limit_leaves_the_previous_checkpoint(tmp_path):
    Checkpoints(tmp_path).save(STATE, 1)
    with small_files(50_000), pytest.raises(OSError, match="needs") as caught:
        Checkpoints(tmp_path).save({"weight": torch.zeros(50_000)}, 2)
    assert caught.value.errno == errno.EFBIG
    check_full(tmp_path, caught)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_found_full_at_the_end_leaves_the_previous_checkpoint(tmp_path, monkeypatch, number):
    Checkpoints(tmp_path).save(STATE, 1)

    def fsync(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="needs") as caught:
        Checkpoints(tmp_path).save(STATE, 2)
    assert caught.value.errno == number
    check_full(tmp_path, caught)


@given(kill_at=st.integers(0, 8))
@settings(max_examples=20, deadline=None)
def test_a_save_that_is_killed_anywhere_leaves_a_whole_newest(tmp_path_factory, kill_at):
    folder = tmp_path_factory.mktemp("run")
    checkpoints = Checkpoints(folder, keep=1)
    checkpoints.save({"step": 1}, 1)
    child = os.fork()
    if child == 0:  # dies before its n-th call to the disk
        calls = iter(range(100))
        for name in ("fsync", "replace", "unlink"):
            call = getattr(os, name)
            setattr(os, name, lambda *a, call=call, **k: os._exit(9) if next(calls) >= kill_at else call(*a, **k))
        try:
            checkpoints.save({"step": 2}, 2)
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert checkpoints.load_newest() in ({"step": 1}, {"step": 2})
    checkpoints.save({"step": 3}, 3)
    assert [path.name for path in folder.iterdir()] == ["step-0000003.safetensors"]
