"""The search for nearest neighbours."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment._core import nearest_neighbours


def points(n, d=3, seed=0, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 8), st.booleans(), st.data())
def test_neighbours_are_those_of_all_distances(n, m, d, exact, data):
    k = data.draw(st.integers(1, m))
    rows, others = points(n, d), points(m, d, seed=1)
    found = nearest_neighbours(rows, others, k, exact=exact)
    distances = (rows[:, None] - others).square().sum(2)
    expected = distances.sort(dim=1)
    assert torch.equal(found.indices, expected.indices[:, :k])
    torch.testing.assert_close(found.squares, expected.values[:, :k])


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("k", [1, 4])
def test_blocks_change_nothing(k, exact, monkeypatch):
    rows, others, own = points(20), points(25), torch.arange(20)
    whole = nearest_neighbours(rows, others, k, own=own, exact=exact)
    monkeypatch.setattr("gan_augment._core._neighbours.ROWS", 7)
    monkeypatch.setattr("gan_augment._core._neighbours.COLUMNS", 3)
    parts = nearest_neighbours(rows, others, k, own=own, exact=exact)
    assert torch.equal(whole.indices, parts.indices)
    assert torch.equal(whole.squares, parts.squares)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_row_is_not_its_own_neighbour_but_its_copy_is(dtype):
    others = points(6, dtype=dtype)
    others[4] = others[1]
    found = nearest_neighbours(others, others, own=torch.arange(6))
    assert found.indices[[1, 4], 0].tolist() == [4, 1]
    assert found.squares[[1, 4], 0].tolist() == [0, 0]
    assert bool((found.squares[[0, 2, 3, 5]] > 0).all())
    assert bool((nearest_neighbours(others, others).squares == 0).all())


@pytest.mark.parametrize("columns", [2, 4096])
def test_of_equal_distances_the_first_comes_first(columns, monkeypatch):
    monkeypatch.setattr("gan_augment._core._neighbours.COLUMNS", columns)
    others = torch.tensor([[2.0], [1.0], [1.0], [-1.0], [-3.0]])
    assert nearest_neighbours(torch.zeros(1, 1), others).indices.tolist() == [[1]]


def test_distances_are_in_the_type_of_the_rows():
    found = nearest_neighbours(points(3), points(5, dtype=torch.float32), 2)
    assert found.squares.dtype == torch.float64
    assert nearest_neighbours(points(0), points(5)).indices.shape == (0, 1)
