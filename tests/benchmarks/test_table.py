"""The table of speeds: its rows, the committed results, the page that shows them, and the comparison."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import table
from benchmarks.compare import is_worse
from benchmarks.rows import ROWS, NotMeasuredError, Options, Row
from benchmarks.timing import in_turn

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"


@pytest.mark.parametrize("name", ["avx2", "avx512"])
def test_committed_results_have_a_ratio_or_a_reason_for_each_row(name):
    rows = json.loads((table.RESULTS / f"{name}.json").read_text())["rows"]
    assert set(rows) == set(ROWS)
    assert all(("median" in found) != ("skipped" in found) for found in rows.values())


def test_the_page_shows_the_committed_results():
    assert table.show() in PAGE.read_text(encoding="utf-8")


def test_works_take_turns_and_the_first_round_does_not_count():
    seen = []
    times = in_turn([lambda: seen.append(0), lambda: seen.append(1)], rounds=2, repeats=3)
    assert seen == [0, 1] * 9
    assert [len(each) for each in times] == [2, 2]


def test_a_row_without_its_peer_says_why(tmp_path):
    found = table.measured(ROWS["train-float32"], Options(examples=tmp_path / "none"))
    assert found == {"skipped": "needs --examples, a checkout of pytorch/examples"}


@pytest.mark.parametrize("lower", [True, False])
def test_a_row_that_misses_its_reach_says_so(lower):
    row = Row("time", "a peer", 1.0, lambda options: [0.8, 0.9, 1.0] if lower else [1.0, 1.1, 1.2], lower=lower)
    better, worse = (0.5, 2.0) if lower else (2.0, 0.5)
    assert "missed" not in table.cell(row, table.measured(row, Options()))
    assert "missed" not in table.cell(row, {"median": better, "low": better, "high": better})
    assert "missed" in table.cell(row, {"median": worse, "low": worse, "high": worse})


@given(
    st.sampled_from(sorted(ROWS)),
    st.floats(0.1, 10),
    st.floats(1.0, 1.3),
    st.floats(0.01, 0.3),
)
def test_only_a_row_beyond_tolerance_and_spread_is_worse(name, median, spread, tolerance):
    before = {"median": median, "low": median / spread, "high": median * spread}
    assert not is_worse(name, before, before, tolerance)
    factor = (1 + tolerance) * spread**2 * 1.1
    slower, faster = (median * factor, median / factor) if ROWS[name].lower else (median / factor, median * factor)
    for value, worse in ((slower, True), (faster, False)):
        found = {"median": value, "low": value / spread, "high": value * spread}
        assert is_worse(name, found, before, tolerance) == (worse and tolerance < 0.9)


def test_a_row_without_a_ratio_is_not_worse():
    before = {"median": 1.0, "low": 0.9, "high": 1.1}
    assert not is_worse("pool", {"skipped": "left out of quick runs"}, before, 0.1)
    assert not is_worse("pool", before, {}, 0.1)


def test_quick_runs_leave_out_what_takes_minutes():
    with pytest.raises(NotMeasuredError, match="quick"):
        ROWS["pool"].measure(Options(quick=True))
