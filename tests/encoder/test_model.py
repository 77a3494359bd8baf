import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from course_lib.encoder import Encoder, EncoderConfig
from course_lib.encoder.attention import Attention
from course_lib.encoder.model import FeedForward
from course_lib.encoder.positions import rotary_angles, rotate, sinusoids

SHAPES = [
    EncoderConfig.bert(vocab_size=50, n_layers=2, d_model=16, n_heads=4, max_len=12, dropout=0.0),
    EncoderConfig.modern(vocab_size=50, n_layers=2, d_model=16, n_heads=4, max_len=12),
]
ids = torch.randint(5, 50, (2, 9), generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=SHAPES, ids=["bert", "modern"])
def encoder(request):
    torch.manual_seed(0)
    return Encoder(request.param).double().eval()


def test_attention_equals_the_formula():
    torch.manual_seed(0)
    layer = Attention(SHAPES[0]).double().eval()
    x = torch.randn(2, 9, 16, dtype=torch.float64)
    mask = (torch.rand(2, 1, 9, 9) < 0.7) | torch.eye(9, dtype=torch.bool)
    q, k, v = (f(x).view(2, 9, 4, 4).transpose(1, 2) for f in (layer.query, layer.key, layer.value))
    scores = torch.einsum("bhie,bhje->bhij", q, k) / math.sqrt(4)
    weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
    want = layer.output(torch.einsum("bhij,bhje->bihe", weights, v).reshape(2, 9, 16))
    torch.testing.assert_close(layer(x, mask, None), want, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("config", SHAPES, ids=["plain", "gated"])
def test_feed_forward_equals_the_formula(config):
    torch.manual_seed(0)
    layer = FeedForward(config).double()
    x = torch.randn(3, 2, 16, dtype=torch.float64)
    inner = layer.inner(x)
    if config.gated:
        inner = F.gelu(inner[..., : config.d_ff]) * inner[..., config.d_ff :]
    else:
        inner = F.gelu(inner)
    torch.testing.assert_close(layer(x), layer.output(inner), atol=1e-14, rtol=1e-14)


def test_rotary_scores_depend_on_the_distance_only():
    generator = torch.Generator().manual_seed(0)
    q, k = (torch.randn(8, dtype=torch.float64, generator=generator) for _ in range(2))
    places = torch.arange(40)
    cos, sin = rotary_angles(places, 8, 100.0)
    turned_q, turned_k = (rotate(x.expand(1, 1, 40, 8), cos, sin)[0, 0] for x in (q, k))
    scores = turned_q @ turned_k.T
    for distance in (-7, 0, 3):
        same = scores.diagonal(distance)
        torch.testing.assert_close(same, same[:1].expand_as(same), atol=1e-5, rtol=0)
    assert scores.diagonal(3).std() < 1e-5 < scores[0].std()
    # a turn keeps the length
    torch.testing.assert_close(turned_q.norm(dim=-1), q.norm().expand(40), atol=1e-6, rtol=0)


@pytest.mark.parametrize("positions", ["none", "rotary", "learned", "sinusoidal"])
def test_where_a_row_begins_matters_only_for_positions_that_are_added(positions):
    torch.manual_seed(0)
    config = EncoderConfig.modern(
        vocab_size=50, n_layers=2, d_model=16, n_heads=2, positions=positions
    )
    encoder = Encoder(config).eval()
    places = torch.arange(ids.shape[1])
    with torch.no_grad():
        here = encoder(ids, position_ids=places)
        gap = (here - encoder(ids, position_ids=places + 100)).abs().max()
        order = (here - encoder(ids, position_ids=places.flip(0))).abs().max()
    assert (gap < 1e-4) == (positions in ("none", "rotary"))
    assert (order > 1e-2) == (positions != "none")  # the order is known all the same


def test_rotary_angles_are_the_published_ones():
    cos, sin = rotary_angles(torch.tensor([3]), 6, 100.0)
    for i in range(3):
        assert cos[0, i].item() == pytest.approx(math.cos(3 * 100.0 ** (-2 * i / 6)), abs=1e-6)
        assert sin[0, i].item() == pytest.approx(math.sin(3 * 100.0 ** (-2 * i / 6)), abs=1e-6)
    x = torch.tensor([[[[1.0, 0, 0, 0, 0, 0]]]])  # the pair (x_0, x_3) is turned forward
    assert torch.allclose(rotate(x, cos, sin)[0, 0, 0, [0, 3]], torch.stack((cos[0, 0], sin[0, 0])))


def test_a_document_does_not_see_its_neighbour(encoder):
    segments = torch.tensor([[1] * 4 + [2] * 5] * 2)
    places = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3, 4]] * 2)
    with torch.no_grad():
        together = encoder(ids, segment_ids=segments, position_ids=places)
        alone = encoder(ids[:, 4:])
        changed = encoder(
            ids.index_fill(1, torch.arange(4), 7), segment_ids=segments, position_ids=places
        )
    torch.testing.assert_close(together[:, 4:], alone, atol=1e-10, rtol=1e-10)
    assert torch.equal(changed[:, 4:], together[:, 4:])


def test_padding_changes_nothing_and_makes_no_nan(encoder):
    padded = F.pad(ids, (0, 3))
    with torch.no_grad():
        got = encoder(padded, segment_ids=(padded > 0).long())
    assert torch.isfinite(got).all()
    torch.testing.assert_close(got[:, :9], encoder(ids), atol=1e-10, rtol=1e-10)


def test_causal_does_not_see_the_future(encoder):
    with torch.no_grad():
        whole = encoder(ids, causal=True)
        for i in range(1, 10):  # what comes after a prefix changes nothing in it
            alone = encoder(ids[:, :i], causal=True)
            torch.testing.assert_close(whole[:, :i], alone, atol=1e-10, rtol=1e-10)
        assert not torch.allclose(whole, encoder(ids), atol=1e-3)


def test_causal_and_documents_together(encoder):
    segments = torch.tensor([[1] * 4 + [2] * 5] * 2)
    places = torch.tensor([[0, 1, 2, 3, 0, 1, 2, 3, 4]] * 2)
    with torch.no_grad():
        together = encoder(ids, segment_ids=segments, position_ids=places, causal=True)
        alone = encoder(ids[:, 4:], causal=True)
    torch.testing.assert_close(together[:, 4:], alone, atol=1e-10, rtol=1e-10)


def test_order_matters_only_through_positions():
    torch.manual_seed(0)
    for positions, equal in (("none", True), ("rotary", False)):
        shape = dict(n_layers=1, d_model=16, n_heads=2)
        encoder = Encoder(EncoderConfig.modern(vocab_size=50, positions=positions, **shape))
        with torch.no_grad():
            got, turned = encoder(ids), encoder(ids.flip(1)).flip(1)
        assert torch.allclose(got, turned, atol=1e-6) is equal


def test_gradients_in_float64(encoder):
    encoder.train()
    weight = encoder.blocks[0].attention.query.weight

    def loss(w):
        named = {"blocks.0.attention.query.weight": w}
        return torch.func.functional_call(encoder, named, (ids[:1, :4],)).sin().sum()

    torch.autograd.gradcheck(loss, (weight.detach().clone().requires_grad_(),))


@pytest.mark.parametrize(
    "change",
    [
        dict(n_heads=5),
        dict(d_model=0),
        dict(norm="middle"),
        dict(positions="sinus"),
        dict(dropout=1.0),
        dict(positions="rotary", d_model=12, n_heads=4),
    ],
)
def test_config_refuses_what_cannot_be(change):
    with pytest.raises(ValueError, match="|".join(change)):
        EncoderConfig.bert(**(dict(vocab_size=50, n_layers=1, d_model=16, n_heads=4) | change))


def test_config_survives_json():
    for config in SHAPES:
        assert EncoderConfig.from_json(config.to_json()) == config
    with pytest.raises(ValueError, match="unknown fields.*width"):
        EncoderConfig.from_json('{"width": 3}')


@pytest.mark.not_strict("wrong types")
def test_clear_errors(encoder):
    with pytest.raises(ValueError, match="holds 50, outside the vocabulary 0 .. 49"):
        encoder(torch.tensor([[3, 50]]))
    with pytest.raises(ValueError, match="max_len is 12"):
        encoder(torch.ones(1, 13).long())
    with pytest.raises(ValueError, match=r"got \(3,\)"):
        encoder(torch.ones(3).long())
    if encoder.embedding.types is None:
        with pytest.raises(ValueError, match="n_token_types"):
            encoder(ids, token_type_ids=torch.zeros_like(ids))


def test_first_weights_have_the_promised_scale():
    torch.manual_seed(0)
    encoder = Encoder(
        EncoderConfig.bert(vocab_size=500, n_layers=8, d_model=128, n_heads=4, init_std=0.02)
    )
    attention = encoder.blocks[0].attention
    plain, scaled = attention.query.weight, attention.output.weight
    # a normal cut at two standard deviations has 0.8796 of its standard deviation
    assert abs(plain.std() / (0.8796 * 0.02) - 1) < 5 / math.sqrt(2 * plain.numel())
    assert abs(scaled.std() / (0.02 / 4) - 1) < 5 / math.sqrt(2 * scaled.numel())


def test_sinusoids_are_the_published_formula():
    d, t = 10, 7
    waves = sinusoids(torch.arange(t), d)
    for position in range(t):
        for i in range(0, d, 2):
            angle = position / 10_000 ** (i / d)
            assert waves[position, i].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert waves[position, i + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_products_of_sinusoids_depend_on_the_distance_only():
    waves = sinusoids(torch.arange(40), 16).double()
    products = waves @ waves.T
    for distance in range(10):
        diagonal = products.diagonal(distance)
        assert torch.allclose(diagonal, diagonal[:1], atol=1e-5)


def test_sinusoidal_positions_tell_places_apart_and_none_do_not():
    same_words = torch.tensor([[7, 7, 7, 7]])
    for positions, differ in (("sinusoidal", True), ("learned", True), ("none", False)):
        torch.manual_seed(0)
        config = EncoderConfig.modern(
            vocab_size=20, n_layers=1, d_model=16, n_heads=2, positions=positions
        )
        hidden = Encoder(config)(same_words)[0]
        assert (not torch.allclose(hidden[0], hidden[1], atol=1e-4)) == differ, positions
    restarted = Encoder(replace(config, positions="sinusoidal"))
    a = restarted(same_words, position_ids=torch.tensor([[0, 1, 0, 1]]))[0]
    assert torch.allclose(a[0], a[2], atol=1e-6)


def test_sinusoidal_configurations_go_through_json_and_are_refused_by_transformers():
    config = EncoderConfig.modern(
        vocab_size=20, n_layers=1, d_model=16, n_heads=2, positions="sinusoidal"
    )
    assert EncoderConfig.from_json(config.to_json()) == config
    with pytest.raises(ValueError, match="sinusoidal"):
        Encoder(config).to_transformers()
    with pytest.raises(ValueError, match="d_model must be even, got 15"):
        EncoderConfig.modern(
            vocab_size=20, n_layers=1, d_model=15, n_heads=3, positions="sinusoidal"
        )


@pytest.mark.parametrize("positions", ["learned", "sinusoidal", "rotary"])
def test_where_a_token_stands_is_what_position_ids_say(positions):
    """Tokens in another order, each with its place: the same vectors in that order."""
    torch.manual_seed(0)
    encoder = Encoder(replace(SHAPES[0], positions=positions, init_std=0.3)).double().eval()
    order = torch.tensor([3, 0, 8, 5, 1, 7, 2, 6, 4])
    with torch.no_grad():
        straight = encoder(ids)
        for places in (order, order.expand(2, 9)):
            mixed = encoder(ids[:, order], position_ids=places)
            assert (mixed - straight[:, order]).abs().max() < 1e-9
        # without them the order counts
        assert (encoder(ids[:, order]) - straight[:, order]).abs().max() > 1e-3
