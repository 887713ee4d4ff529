"""The small classifier, its training and its scores."""

import math

import pytest
import torch

from gan_augment.evaluation import (
    SmallCNN,
    accuracy,
    calibration_error,
    class_recall,
    is_correct,
    predict,
    random_affine,
    tempered_brier,
    train_classifier,
)


def bars(n):
    """Images of two classes: a bright upper or lower half."""
    labels = torch.arange(n) % 2
    images = torch.zeros(n, 1, 16, 16, dtype=torch.uint8)
    for image, label in zip(images, labels):
        image[:, :8] = 200 * (1 - int(label))
        image[:, 8:] = 200 * int(label)
    return images, labels


def test_the_classifier_learns_and_is_a_function_of_its_seed():
    images, labels = bars(20)
    state = torch.get_rng_state()
    first = train_classifier(images, labels, num_classes=2, steps=15, batch_size=8, seed=1)
    again = train_classifier(images, labels, num_classes=2, steps=15, batch_size=8, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters()))
    assert accuracy(first, images, labels) == 1.0


def test_what_a_mix_draws_does_not_move_the_other_randomness():
    images, labels = bars(20)
    seen = []

    def record(draws):
        def mix(batch, targets):
            seen.append((draws, targets.clone()))
            torch.rand(draws)
            return batch, targets

        return mix

    for draws in (0, 7):
        train_classifier(images, labels, num_classes=2, steps=6, batch_size=8, mix=record(draws), augment=None)
    plain, mixed = ([t for d, t in seen if d == draws] for draws in (0, 7))
    assert all(torch.equal(a, b) for a, b in zip(plain, mixed))


def test_affine_augmentation_moves_each_image_by_its_own_amount():
    images = torch.rand(1, 1, 16, 16).repeat(4, 1, 1, 1)
    moved = random_affine(images)
    assert moved.shape == images.shape
    assert all(not torch.equal(moved[0], other) for other in moved[1:])
    assert torch.allclose(random_affine(images, 0.0, 0.0, 0.0), images, atol=1e-4)


def test_predict_leaves_the_mode_as_it_was():
    model = SmallCNN(1, 2).train()
    predict(model, bars(4)[0])
    assert model.training


def test_recall_by_hand():
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    labels = torch.tensor([0, 0, 1, 1])
    assert is_correct(logits, labels).tolist() == [1, 0, 1, 0]
    assert class_recall(logits, labels, 2).tolist() == [0.5, 0.5]
    assert math.isnan(class_recall(logits, labels, 3)[2])


def test_calibration_of_one_bin_is_confidence_less_accuracy():
    logits = torch.tensor([[math.log(0.9), math.log(0.1)]] * 10)
    labels = torch.tensor([0] * 6 + [1] * 4)
    assert calibration_error(logits, labels) == pytest.approx(0.3, abs=1e-5)


def test_soft_and_sharp_copies_of_one_classifier_score_alike():
    rng = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 4
    logits = torch.randn(200, 4, generator=rng) + 2 * torch.nn.functional.one_hot(labels, 4)
    plain = tempered_brier([logits], [labels], False)
    assert tempered_brier([logits * 2], [labels], False) == pytest.approx(plain, abs=0.01)
    assert tempered_brier([torch.randn(200, 4, generator=rng)], [labels], False) > plain + 0.2
    assert tempered_brier([logits[:100], logits[100:]], [labels[:100], labels[100:]], False) == pytest.approx(plain)


def test_balanced_counts_a_rare_class_as_much_as_others():
    labels = torch.tensor([0] * 90 + [1] * 10)
    wrong_on_rare = torch.tensor([[9.0, 0.0]] * 100)
    assert tempered_brier([wrong_on_rare], [labels], True) > 2 * tempered_brier([wrong_on_rare], [labels], False)


def test_no_images_have_no_score():
    assert math.isnan(tempered_brier([torch.empty(0, 3)], [torch.empty(0, dtype=torch.int64)], False))


@pytest.mark.parametrize(("side", "first"), [(28, 28), (63, 63), (64, 32), (96, 48), (128, 32), (300, 38)])
def test_an_early_stride_halves_large_images_and_leaves_small_ones(side, first):
    model, images = SmallCNN(3, 2, width=4, early_stride=True).eval(), torch.rand(2, 3, side, side)
    assert model[0](images).shape == (2, 4, first, first)
    assert model(images).shape == (2, 2)
    if side < 64:
        plain = SmallCNN(3, 2, width=4).eval()
        plain.load_state_dict(model.state_dict())
        assert torch.equal(plain(images), model(images))
