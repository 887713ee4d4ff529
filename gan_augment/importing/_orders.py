"""Proposes the orders in which the modules of a network may follow each other.

Most files keep the order in which the modules were made, and most networks run them in that order. Some files sort the
names instead, and some networks define all convolutions first and all norms after them.
"""

from __future__ import annotations

import re

from ._modules import Module, brief
from ._refusals import AnotherKindError, check_kind

_NUMBERS = re.compile(r"(\d+)")
MAX_ORDERS = 10_000  # that are tried, if layers fit each other in many ways
MAX_CHAINED = 12  # layers


def possible_orders(modules: list[Module]) -> list[list[Module]]:
    """Returns the orders that a generator may have, the likeliest first.

    Raises:
        ValueError: If no order makes a generator; the message names the kind of network, or the module that does not
            fit.
    """
    orders: list[list[Module]] = []
    reasons = []
    by_name = _order_by_name(modules)
    for order in (modules, _place_norms(modules), by_name, _place_norms(by_name), _order_by_channels(by_name)):
        if order in orders:
            continue
        try:
            check_kind(order)
            _check_order(order)
            orders.append(order)
        except AnotherKindError:
            raise
        except ValueError as error:
            reasons.append(error)
    if not orders:
        raise reasons[0]
    return orders


def can_normalize(norm: Module, layer: Module) -> bool:
    """Returns whether a norm has as many features as a layer gives, or as the maps that its vectors can become."""
    if layer.kind == "linear":
        return len(layer.weight) % norm.features == 0
    return norm.features in layer.weight.shape[:2]


def _check_order(modules: list[Module]) -> None:
    """Refuses linear layers after convolutions, and norms that do not fit the layer before them."""
    layer: Module | None = None
    normalized = False
    for module in modules:
        if module.is_layer:
            if module.kind == "linear" and layer is not None and layer.kind == "conv":
                raise ValueError(f"its {brief(module.name)}, a linear layer, comes after convolutions")
            layer, normalized = module, False
        elif module.is_norm:
            if layer is None or normalized or not can_normalize(module, layer):
                raise ValueError(f"its {brief(module.name)} does not fit what comes before it")
            normalized = True


def _order_by_name(modules: list[Module]) -> list[Module]:
    """Sorts modules by name, and the numbers in names by value."""
    return sorted(modules, key=lambda module: [int(p) if p.isdigit() else p for p in _NUMBERS.split(module.name)])


def _place_norms(modules: list[Module]) -> list[Module]:
    """Moves each norm behind the first layer without a norm that has its number of features."""
    placed: list[Module] = []
    norms = [module for module in modules if module.is_norm]
    for module in modules:
        if module.is_norm:
            continue
        placed.append(module)
        if module.is_layer:
            found = next((norm for norm in norms if can_normalize(norm, module)), None)
            if found is not None:
                norms.remove(found)
                placed.append(found)
    return placed + norms


def _order_by_channels(modules: list[Module]) -> list[Module]:
    """Orders layers so that each takes what the one before gives, or returns the modules as they are."""
    linear = [module for module in modules if module.kind == "linear"]
    convs = [module for module in modules if module.kind == "conv"]
    steps = iter(range(MAX_ORDERS))

    def follow(done: list[Module], width: int | None, left: list[Module]) -> list[Module] | None:
        if not left:
            return done if width in (1, 3) else None
        if next(steps, None) is None:
            return None
        for module in left:
            one, other = module.weight.shape[:2]
            ways = [(other, one)] if module.kind == "linear" else [(one, other), (other, one)]
            for takes, gives in ways:
                fits = width is None or takes == width or (done[-1].kind == "linear" and width % takes == 0)
                if fits and not (module.kind == "linear" and done and done[-1].kind == "conv"):
                    found = follow([*done, module], gives, [each for each in left if each is not module])
                    if found is not None:
                        return found
        return None

    if not 1 <= len(linear + convs) <= MAX_CHAINED:
        return modules
    found = follow([], None, linear + convs)
    if found is None:
        return modules
    others = [module for module in modules if not module.is_layer and not module.is_norm]
    norms = [module for module in modules if module.is_norm]
    return _place_norms([*others, *found, *norms])
