import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_augment.training._controller import AdaptiveStrength

MEANS = st.lists(st.tuples(st.floats(-1, 1), st.integers(1, 64)), max_size=40)


def run(controller, mean, steps, batch_size=32):
    for _ in range(steps):
        controller.update(mean, batch_size)
    return controller.strength


@settings(max_examples=60, deadline=None)
@given(MEANS, st.integers(1, 5), st.floats(0, 1), st.floats(10, 1000))
def test_it_follows_the_rule_and_stays_within_bounds(means, interval, maximum, images_to_full):
    controller = AdaptiveStrength(0.6, images_to_full, interval, maximum)
    expected = 0.0
    for index, (mean, batch_size) in enumerate(means):
        controller.update(mean, batch_size)
        if (index + 1) % interval == 0:
            last = means[index + 1 - interval : index + 1]
            images = sum(size for _, size in last)
            sign = math.copysign(1, sum(m * size for m, size in last) / images - 0.6)
            expected = min(max(expected + sign * images / images_to_full, 0), maximum)
        assert controller.strength == pytest.approx(expected)
        assert 0 <= controller.strength <= maximum


def test_the_named_number_of_images_takes_it_from_0_to_1_and_back():
    controller = AdaptiveStrength(images_to_full=3200, interval=4, maximum=1.0)
    assert run(controller, 1.0, 48) == pytest.approx(0.48)
    assert run(controller, 1.0, 52) == pytest.approx(1)
    assert run(controller, 1.0, 20) == 1
    assert run(controller, 0.0, 48) == pytest.approx(0.52)
    assert run(controller, 0.0, 80) == 0


def test_it_changes_only_at_intervals_by_the_mean_over_them():
    controller = AdaptiveStrength(images_to_full=1000, interval=3)
    changes = []
    for mean in (0.7, 0.7, 0.1, 0.7, 0.7, 0.5):
        controller.update(mean, 10)
        changes.append(controller.strength)
    assert changes == pytest.approx([0, 0, 0, 0, 0, 0.03])  # the mean is 0.5 first, below the target


def test_it_rests_at_the_target():
    controller = AdaptiveStrength(target=0.5, images_to_full=100, interval=1)
    controller.update(1.0, 10)
    controller.update(0.5, 10)
    assert controller.strength == pytest.approx(0.1)


def test_it_settles_where_the_discriminator_is_at_the_target():
    # A discriminator that overfits less, the more is augmented: its mean sign is the target at 0.3.
    controller = AdaptiveStrength(images_to_full=10_000, interval=4)
    path = [run(controller, 0.9 - controller.strength, 1) for _ in range(1000)]
    assert all(abs(strength - 0.3) < 0.03 for strength in path[200:])


@pytest.mark.parametrize("after", range(6))
def test_it_goes_on_from_its_state_through_json(after):
    whole, first = (AdaptiveStrength(images_to_full=500) for _ in range(2))
    means = [0.9, 0.8, 0.95, 0.2, 1.0, 0.7, 0.9, 0.8]
    for mean in means:
        whole.update(mean, 7)
    for mean in means[:after]:
        first.update(mean, 7)
    second = AdaptiveStrength(images_to_full=500)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for mean in means[after:]:
        second.update(mean, 7)
    assert second.state_dict() == whole.state_dict()
    assert second.strength > 0


@pytest.mark.parametrize("mean", [math.nan, 1.5, -2.0])
def test_what_is_no_mean_of_signs_is_refused_and_changes_nothing(mean):
    controller = AdaptiveStrength()
    before = controller.state_dict()
    with pytest.raises(ValueError, match="real_logits_sign_mean"):
        controller.update(mean, 8)
    assert controller.state_dict() == before


@pytest.mark.parametrize(
    "arguments",
    [{"target": 2}, {"maximum": 1.1}, {"maximum": -0.1}, {"images_to_full": 0}, {"interval": 0}, {"target": math.nan}],
)
def test_an_argument_out_of_range_is_refused_by_name(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        AdaptiveStrength(**arguments)
