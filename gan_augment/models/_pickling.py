"""Networks with spectral normalisation, between processes."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn


class Picklable(nn.Module):
    """A network that goes to other processes as its configuration and tensors.

    Torch refuses to pickle layers that are parametrized, as those with spectral normalisation are.
    """

    config: Any

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.config.spectral_norm:
            return super().__reduce_ex__(protocol)
        trained = any(parameter.requires_grad for parameter in self.parameters())
        return _rebuild, (
            type(self),
            self.config,
            self.state_dict(),
            self.training,
            trained,
            getattr(self, "card", None),
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin


def _rebuild(
    kind: type[Picklable], config: Any, tensors: dict[str, Tensor], training: bool, trained: bool, card: Any
) -> Picklable:
    network = kind(config)
    network.load_state_dict(tensors, assign=True)
    if card is not None:
        network.card = card
    return network.train(training).requires_grad_(trained)
