"""The generator of SRGAN, and its weights as others name them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from gan_augment.models import SRGAN, SRGANConfig


def modules_of_others(config):
    """Names of modules as in the first reproductions of SRGAN, in the order of the layers, with ours."""
    inside = ["conv1", "bn1", "prelu", "conv2", "bn2"]
    names = {"first.0": "block1.0", "first.1": "block1.1"}
    for block in range(config.blocks):
        for number, name in enumerate(inside):
            names[f"blocks.{block}.layers.{number}"] = f"block{block + 2}.{name}"
    joined, last = config.blocks + 2, config.blocks + 3
    names |= {"joined.0": f"block{joined}.0", "joined.1": f"block{joined}.1"}
    doublings = config.scale.bit_length() - 1
    for number in range(doublings):
        names[f"doublings.{3 * number}"] = f"block{last}.{number}.conv"
        names[f"doublings.{3 * number + 2}"] = f"block{last}.{number}.prelu"
    return {**names, "last": f"block{last}.{doublings}"}


def foreign(network):
    """A state dict with the names of others, in the order of the layers."""
    names = modules_of_others(network.config)
    return {
        f"{names[module]}.{field}": tensor
        for (module, _, field), tensor in ((name.rpartition("."), t) for name, t in network.state_dict().items())
    }


def some_network(scale, blocks, batch_norm):
    torch.manual_seed(0)
    network = SRGAN(SRGANConfig(scale, 3, blocks, batch_norm)).eval()
    for number, tensor in enumerate(network.state_dict().values()):
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) / 10 + number / 1000)  # no two alike
    return network


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([2, 4, 8]), st.integers(1, 12), st.booleans(), st.booleans())
def test_weights_of_others_find_their_layers_in_either_order(scale, blocks, batch_norm, as_safetensors):
    network = some_network(scale, blocks, batch_norm)
    given_tensors = foreign(network)
    if as_safetensors:  # which sorts names: block10 comes before block2, bn1 before conv1, bias before weight
        given_tensors = load(save(given_tensors))
    again = SRGAN.from_checkpoint(given_tensors)
    assert again.config == network.config
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_sorted_names_without_an_order_are_not_guessed_at():
    network = some_network(2, 3, False)
    tensors = {name.replace("block5.", "after."): tensor for name, tensor in foreign(network).items()}
    assert SRGAN.from_checkpoint(tensors) is not None
    assert SRGAN.from_checkpoint(dict(sorted(tensors.items()))) is None


@pytest.mark.parametrize("change", ["extra", "missing", "misshapen"])
def test_other_tensors_are_no_srgan(change):
    tensors = foreign(some_network(2, 2, True))
    if change == "extra":
        tensors["block2.conv1.scale"] = torch.ones(3)
    elif change == "missing":
        del tensors["block2.conv1.bias"]
    else:
        tensors["block2.conv1.bias"] = torch.ones(4)
    assert SRGAN.from_checkpoint(tensors) is None


def test_weights_that_are_not_finite_are_refused():
    tensors = foreign(some_network(2, 2, True))
    tensors["block2.conv1.bias"] = torch.full((3,), torch.nan)
    with pytest.raises(ValueError, match="must be finite"):
        SRGAN.from_checkpoint(tensors)
