import math

import pytest
import torch

from course_lib.evaluation.information import (
    bits_per_byte,
    cross_entropy,
    entropy,
    kl_divergence,
    nats_to_bits,
    utf8_bytes,
)

p = torch.rand(6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64).softmax(-1)
q = torch.rand(6, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64).softmax(-1)


def test_equal_to_torchs_distributions():
    theirs = [torch.distributions.Categorical(x) for x in (p, q)]
    torch.testing.assert_close(entropy(p), theirs[0].entropy())
    torch.testing.assert_close(kl_divergence(p, q), torch.distributions.kl_divergence(*theirs))
    one_hot = torch.eye(9, dtype=torch.float64)[:6]
    library = torch.nn.functional.cross_entropy(q.log(), one_hot, reduction="none")
    torch.testing.assert_close(cross_entropy(one_hot, q), library)


def test_known_values_and_zeros():
    assert entropy(torch.full((8,), 1 / 8)).item() == pytest.approx(math.log(8))
    sure = torch.tensor([0.0, 1.0])
    assert entropy(sure) == 0 and kl_divergence(sure, sure) == 0
    assert cross_entropy(torch.tensor([0.5, 0.5]), sure) == math.inf
    assert not torch.equal(kl_divergence(p, q), kl_divergence(q, p))
    assert (kl_divergence(p, q) > 0).all()
    assert nats_to_bits(math.log(2)) == 1


@pytest.mark.parametrize(
    "wrong", [torch.tensor([0.5, 0.6]), torch.tensor([1.5, -0.5]), torch.tensor([math.nan, 1.0])]
)
def test_logits_are_not_probabilities(wrong):
    for f in (entropy, lambda x: cross_entropy(torch.tensor([0.5, 0.5]), x)):
        with pytest.raises(ValueError, match="softmax"):
            f(wrong)


def test_bits_per_byte_does_not_depend_on_the_tokens():
    """One model of bytes, text in pieces of one or three: unequal per token, equal per byte."""
    text = "naïve café 词"
    data = text.encode()
    surprise = [math.log(2) * (1 + b % 5) for b in data]
    pieces = [sum(surprise[i : i + 3]) for i in range(0, len(data), 3)]
    assert utf8_bytes([text]) == len(data) != len(text)
    by_byte = [sum(s) / len(s) for s in (surprise, pieces)]
    assert by_byte[1] > 2 * by_byte[0]
    same = [bits_per_byte(sum(s), utf8_bytes([text])) for s in (surprise, pieces)]
    expected = sum(1 + b % 5 for b in data) / len(data)
    assert same[0] == pytest.approx(same[1]) == pytest.approx(expected)
    with pytest.raises(ValueError, match="empty"):
        bits_per_byte(1.0, 0)


def test_bytes_of_what_is_no_list_of_texts():
    with pytest.raises(TypeError, match=r"write \[text\]"):
        utf8_bytes("word")
    with pytest.raises(ValueError, match=r"texts\[1\] holds half a character"):
        utf8_bytes(["word", "\ud83d"])
