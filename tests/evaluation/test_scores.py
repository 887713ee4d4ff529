import math

import pytest
import torch

from gan_augment.evaluation import calibration_error, class_recall, is_correct, tempered_brier


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
