"""Transposed convolutions that sample faster on x86 processors."""

from __future__ import annotations

import functools
import math
import platform
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

LARGE = 2**15  # least product of input and output channels for which Karatsuba's method saves time
NARROW = 16  # largest number of output channels for which a single product with all weights is faster
SPOTS = 1024  # number of weights compared to notice writes to ``weight.data``, which torch does not count


class _Prepared(NamedTuple):
    """Holds matrices in the layout of oneDNN, and the state of the weight from which they were made."""

    weight: Tensor
    place: int
    version: int
    spots: Tensor
    matrices: list[Tensor]


class ConvTranspose2d(nn.ConvTranspose2d):
    """Computes :class:`torch.nn.ConvTranspose2d` with fewer multiplications in inference mode.

    A layer with stride 2 consists of four convolutions with 2 x 2 weights, one for each parity of the output's row and
    column. Each is a product of polynomials, for which Karatsuba's method needs 9 multiplications instead of 16. A
    layer whose input is one pixel is a matrix product. For any number of images, oneDNN adds the terms of a sum in the
    same order, so an image does not depend on the others in its batch.

    The prepared weights are kept until the weight changes. The layer does not notice changes of a few values through
    ``weight.data``, because torch does not count them.
    """

    _prepared: _Prepared | None = None

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is not None or not torch.is_inference_mode_enabled() or not self._is_fast(x):
            return super().forward(x, output_size)
        matrices = self._matrices()
        rows = x.permute(0, 2, 3, 1)
        out = _upsample(rows, matrices) if self.stride == (2, 2) else _expand(rows, matrices[0], self.kernel_size)
        if self.bias is not None:
            out += self.bias
        return out.permute(0, 3, 1, 2)

    def _is_fast(self, x: Tensor) -> bool:
        plain = "weight" in self._parameters and self.groups == 1 and self.dilation == (1, 1)
        large = self.in_channels * self.out_channels >= LARGE or (self.in_channels >= 64 and self._is_narrow)
        if not (
            plain
            and large
            and self.output_padding == (0, 0)
            and x.dtype == self.weight.dtype == torch.float32
            and x.is_cpu
            and len(x)
            and not torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
            and not torch.compiler.is_compiling()
            and _has_onednn()
        ):
            return False
        if self.kernel_size == (4, 4) and self.stride == (2, 2) and self.padding == (1, 1):
            return self._is_narrow or x.shape[2] % 2 == x.shape[3] % 2 == 0
        return self.stride == (1, 1) and self.padding == (0, 0) and x.shape[2:] == (1, 1)

    @property
    def _is_narrow(self) -> bool:
        return self.out_channels <= NARROW

    def _matrices(self) -> list[Tensor]:
        weight, known = self.weight, self._prepared
        if weight.is_inference():  # torch does not count writes to inference tensors
            return self._prepare()
        step = max(weight.numel() // SPOTS, 1)
        while math.gcd(step, self.out_channels) > 1:  # sees all channels
            step += 1
        spots = weight.detach().permute(0, 2, 3, 1).flatten()[::step]
        same = known is not None and known.weight is weight and known.place == weight.data_ptr()
        if known is None or not same or known.version != weight._version or not torch.equal(known.spots, spots):
            known = _Prepared(weight, weight.data_ptr(), weight._version, spots.clone(), self._prepare())
            self._prepared = known
        return known.matrices

    def _prepare(self) -> list[Tensor]:
        weight = self.weight.detach()
        if self.stride == (1, 1):
            return [_packed(weight.permute(2, 3, 1, 0).flatten(0, 2))]
        step = 2 if self._is_narrow else 1  # 2 leaves out the sums, which only Karatsuba's method needs
        parts = [each for row in _parts(weight.permute(2, 3, 1, 0), 0)[::step] for each in _parts(row, 1)[::step]]
        if self._is_narrow:
            return [_packed(torch.stack(parts).flatten(0, 3))]
        return [_packed(each.flatten(0, 2)) for each in parts]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_prepared"}


@functools.cache
def _has_onednn() -> bool:
    # torch documents neither operator, so another version may lack them.
    return (
        platform.machine() in ("x86_64", "AMD64")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
    )


def _packed(matrix: Tensor) -> Tensor:
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(matrix.contiguous(), 64)
    return packed


def _product(rows: Tensor, matrix: Tensor) -> Tensor:
    flat = rows.reshape(-1, rows.shape[-1])
    out: Tensor = torch.ops.mkldnn._linear_pointwise(flat, matrix, None, "none", [], "")
    return out.view(*rows.shape[:-1], -1)


def _parts(weight: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """Splits an axis of 4 taps into first coefficients of polynomials, the sums of both, and second coefficients.

    In each result, the axis holds two polynomials instead: those for the even and the odd places of the output.
    """
    taps = weight.unbind(axis)
    low, high = torch.stack([taps[1], taps[0]], axis), torch.stack([taps[3], taps[2]], axis)
    return low, low + high, high


def _expand(rows: Tensor, matrix: Tensor, kernel_size: tuple[int, ...]) -> Tensor:
    """Maps single pixels ``(n, 1, 1, c)`` to maps of the size of the kernel."""
    return _product(rows[:, 0, 0], matrix).view(len(rows), *kernel_size, -1)


def _upsample(rows: Tensor, matrices: list[Tensor]) -> Tensor:
    """Doubles the sides of maps ``(n, h, w, c)``."""
    n, height, width, _ = rows.shape
    sums = _by_karatsuba(rows, matrices) if len(matrices) > 1 else _by_one_product(rows, matrices[0])
    sums = sums.view(n, height + 1, width + 1, 2, 2, -1)
    out = sums.new_empty(n, height, 2, width, 2, sums.shape[-1])
    for row in (0, 1):  # even places start at the first coefficient, odd places at the second
        for column in (0, 1):
            out[:, :, row, :, column] = sums[:, row : row + height, column : column + width, row, column]
    return out.view(n, 2 * height, 2 * width, -1)


def _by_one_product(rows: Tensor, matrix: Tensor) -> Tensor:
    products = _product(rows, matrix).view(*rows.shape[:3], 2, 2, -1)
    bands = _shifted(products[..., 0, :, :], products[..., 1, :, :], 1)
    return _shifted(bands[..., 0, :], bands[..., 1, :], 2)


def _by_karatsuba(rows: Tensor, matrices: list[Tensor]) -> Tensor:
    lows, highs = rows[:, ::2], rows[:, 1::2]
    bands = []
    for band, three in zip((lows, lows + highs, highs), (matrices[:3], matrices[3:6], matrices[6:])):
        left, right = band[:, :, ::2], band[:, :, 1::2]
        low, middle, high = (_product(part, each) for part, each in zip((left, left + right, right), three))
        bands.append(_assembled(low, middle, high, 2))
    return _assembled(bands[0], bands[1], bands[2], 1)


def _shifted(low: Tensor, high: Tensor, axis: int) -> Tensor:
    """Adds the products with the first coefficients to those with the second ones, which move on by one place."""
    shape, size = list(low.shape), low.shape[axis]
    shape[axis] += 1
    out = low.new_empty(shape)
    out.narrow(axis, 0, size).copy_(low)
    out.narrow(axis, size, 1).copy_(high.narrow(axis, size - 1, 1))
    out.narrow(axis, 1, size - 1).add_(high.narrow(axis, 0, size - 1))
    return out


def _assembled(low: Tensor, middle: Tensor, high: Tensor, axis: int) -> Tensor:
    """Combines products of pairs of pixels into the coefficients of the whole polynomial, one more than the pixels."""
    pairs = low.shape[axis]
    shape = list(low.shape)
    shape[axis] = 2 * pairs + 1
    out = low.new_empty(shape)
    even, odd = (out[:, start::2] if axis == 1 else out[:, :, start::2] for start in (0, 1))
    torch.sub(middle, low, out=odd).sub_(high)
    even.narrow(axis, 0, pairs).copy_(low)
    even.narrow(axis, pairs, 1).copy_(high.narrow(axis, pairs - 1, 1))
    even.narrow(axis, 1, pairs - 1).add_(high.narrow(axis, 0, pairs - 1))
    return out
