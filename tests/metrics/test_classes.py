import math
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.metrics import Estimate, class_agreement, class_share


def labels(*values):
    return torch.tensor(values)


def test_shares_and_agreement_by_hand():
    predicted, asked = labels(0, 0, 2, 1, 0), labels(0, 0, 2, 2, 3)
    assert class_share(predicted, 4).tolist() == [0.6, 0.2, 0.2, 0.0]
    found = class_agreement(predicted, asked)
    assert found.overall == (0.6, pytest.approx(math.sqrt(0.6 * 0.4 / 5)))
    assert found.per_class == {0: 1.0, 2: 0.5, 3: 0.0}
    assert pickle.loads(pickle.dumps(found)) == found


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60))
def test_the_whole_is_the_sum_of_its_classes(pairs):
    predicted, asked = torch.tensor(pairs).T
    found = class_agreement(predicted, asked)
    weighted = sum(share * asked.tolist().count(label) for label, share in found.per_class.items())
    assert found.overall.value == pytest.approx(weighted / len(pairs))
    assert float(class_share(predicted, 5).sum()) == pytest.approx(1)
    assert class_agreement(predicted, predicted).overall.value == 1


def test_the_error_of_a_share_is_that_of_repeated_draws_and_never_zero():
    draws = (torch.rand(2000, 80, generator=torch.Generator().manual_seed(0)) < 0.3).double().mean(1)
    assert Estimate.of_share(0.3, 80).spread == pytest.approx(float(draws.std()), rel=0.1)
    assert Estimate.of_share(0.0, 80).spread == Estimate.of_share(1.0, 80).spread == pytest.approx(1 / 80)


@pytest.mark.parametrize("wrong", [labels(), labels(0, -1), labels(0.0, 1.0), torch.zeros(2, 1, dtype=torch.int64)])
def test_what_are_no_classes_is_refused(wrong):
    with pytest.raises(ValueError, match="predicted must be one or more classes"):
        class_share(wrong, 3)
    with pytest.raises(ValueError, match="requested must be one or more classes"):
        class_agreement(labels(0, 1), wrong)


def test_classes_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match="below num_classes=2, but got 2"):
        class_share(labels(0, 2), 2)
    with pytest.raises(ValueError, match="must have the same length, but got 2 and 3"):
        class_agreement(labels(0, 2), labels(0, 1, 2))
