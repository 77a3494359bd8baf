"""Each method against its formula, written out a second time."""

import pytest
import torch
import torch.nn.functional as F
from adapted_models import IDS, LABELS, REAL, bert, classifier, logits, loss, ours, shake
from torch import nn
from transformers import LlamaConfig, LlamaModel

from course_lib.encoder import Encoder, EncoderConfig, MaskedLanguageModel
from course_lib.peft import (
    AdaLoRAConfig,
    BitFitConfig,
    BottleneckConfig,
    DoRAConfig,
    LoRAConfig,
    PrefixConfig,
    PromptConfig,
    attach,
)
from course_lib.peft.adalora import budget, penalty
from course_lib.peft.lora import low_rank
from course_lib.peft.targets import EVERY_LINEAR, OUTPUT

X = torch.randn(40, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def linear(inner: int = 8, outer: int = 6) -> nn.Linear:
    torch.manual_seed(2)
    return nn.Linear(inner, outer).double().requires_grad_(False)


# -- LoRA ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [2, 40])  # two products, one product
@pytest.mark.parametrize("bias", [True, False])
def test_low_rank_is_its_formula_with_all_gradients(rows, bias):
    base = linear()
    if not bias:
        base.bias = None
    generator = torch.Generator().manual_seed(4)
    a, b = (
        torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_()
        for s in ((3, 8), (6, 3))
    )
    x = X[:rows].clone().requires_grad_()
    ours_out = low_rank(base, x, a, b, 0.7)
    formula = x @ base.weight.T + 0.7 * x @ a.T @ b.T + (base.bias if bias else 0)
    assert (ours_out - formula).abs().max() < 1e-13
    upstream = torch.randn(formula.shape, generator=generator, dtype=torch.float64)
    for mine, theirs in zip(
        torch.autograd.grad(ours_out, (x, a, b), upstream),
        torch.autograd.grad(formula, (x, a, b), upstream),
        strict=True,
    ):
        assert (mine - theirs).abs().max() < 1e-12


def test_one_product_in_bfloat16_is_as_close_as_two():
    base, generator = linear(64, 64).float(), torch.Generator().manual_seed(4)
    a, b = (torch.randn(s, generator=generator) * 0.1 for s in ((4, 64), (64, 4)))
    x = torch.randn(256, 64, generator=generator)
    exact = x @ base.weight.T + base.bias + x @ a.T @ b.T
    with torch.autocast("cpu", torch.bfloat16):
        one = low_rank(base, x, a, b, 1.0).float()
        two = (base(x) + F.linear(F.linear(x, a), b)).float()
    assert (one - exact).abs().mean() < 1.2 * (two - exact).abs().mean()


def test_the_two_scales_and_the_start():
    assert LoRAConfig(rank=16, alpha=8).scale == 0.5
    assert LoRAConfig(rank=16, alpha=8, rank_stabilised=True).scale == 2.0
    model = ours()
    before = model(IDS)
    handle = attach(model, LoRAConfig(rank=4))
    assert (model(IDS) - before).abs().max() < 1e-12  # B is zero
    layer = model.blocks[0].attention.query.adapters["default"]
    assert not layer.B.any() and layer.A.abs().max() <= 16**-0.5
    assert layer.A.std().item() == pytest.approx(16**-0.5 / 3**0.5, rel=0.2)
    assert len(handle.layers) == 4


def test_a_prompt_and_the_top_at_the_targets():
    """Flat positions are those of the text's rows, with and without vectors in front of them."""
    sizes = dict(vocab_size=50, n_layers=2, d_model=16, n_heads=2, max_len=16, init_std=0.3)
    config = EncoderConfig.bert(dropout=0.0, **sizes)
    torch.manual_seed(0)
    model = MaskedLanguageModel(config).double()
    attach(model, PromptConfig(n_tokens=3), head=None)
    ids, positions = torch.randint(5, 50, (3, 7)), torch.tensor([0, 6, 7, 20])
    plain = model(ids, positions=positions)
    model.top_at_targets = True
    torch.testing.assert_close(model(ids, positions=positions), plain, rtol=1e-10, atol=1e-12)


def test_dropout_is_on_the_low_rank_way_alone():
    torch.manual_seed(0)
    model = nn.ModuleDict({"query": nn.Linear(64, 64), "value": nn.Linear(64, 64)})
    handle = attach(model, LoRAConfig(rank=4, dropout=0.5))
    x = torch.ones(512, 64)
    plain = F.linear(x, model["query"].weight, model["query"].bias)
    assert torch.equal(model["query"](x), plain)  # B is zero: dropout on the whole input would show
    shake(handle, 0.3)
    model.eval()
    still = model["query"](x)
    model.train()
    noisy = model["query"](x)
    deviation = (noisy - still).mean(0).abs() / ((noisy - still).std(0) / 512**0.5)
    assert (noisy != still).any() and deviation.max() < 4.5  # unbiased: 64 columns within 4.5 sigma


def test_every_linear_layer_can_be_adapted_in_both_libraries():
    assert len(attach(ours(), LoRAConfig(rank=2, targets=EVERY_LINEAR)).layers) == 12
    assert len(attach(bert(), LoRAConfig(rank=2, targets=EVERY_LINEAR)).layers) == 12


# -- DoRA ------------------------------------------------------------------------------------------


def test_dora_is_its_formula_and_starts_as_the_base():
    model = ours()
    before = model(IDS)
    handle = attach(model, DoRAConfig(rank=3, alpha=6))
    assert (model(IDS) - before).abs().max() < 1e-12
    shake(handle)
    query = model.blocks[0].attention.query
    layer = query.adapters["default"]
    x = torch.randn(40, 16, dtype=torch.float64)
    v = query.weight + 2 * layer.B @ layer.A
    weight = layer.magnitude[:, None] * v / v.norm(dim=1, keepdim=True)
    assert (query(x) - (x @ weight.T + query.bias)).abs().max() < 1e-12
    assert (layer.merged(query)["weight"] - weight).abs().max() < 1e-13


def test_dora_with_dropout_drops_what_the_update_sees_alone():
    torch.manual_seed(0)
    model = nn.ModuleDict({"query": nn.Linear(64, 64), "value": nn.Linear(64, 64)})
    attach(model, DoRAConfig(rank=4, dropout=0.5))
    x = torch.randn(8, 64)
    plain = F.linear(x, model["query"].weight, model["query"].bias)
    assert (model["query"](x) - plain).abs().max() < 1e-5


# -- bottleneck ------------------------------------------------------------------------------------


def test_houlsby_is_its_formula():
    model = ours()
    shake(attach(model, BottleneckConfig.houlsby(reduction=4)))
    output = model.blocks[1].feed_forward.output
    layer = output.adapters["default"]
    x = torch.randn(3, 32, dtype=torch.float64)
    h = x @ output.weight.T + output.bias
    inner = h @ layer.down.weight.T + layer.down.bias
    expected = h + (inner * torch.sigmoid(inner)) @ layer.up.weight.T + layer.up.bias
    assert layer.down.weight.shape == (4, 16) and (output(x) - expected).abs().max() < 1e-13


def test_pfeiffer_is_its_formula():
    model = ours()
    handle = attach(model, BottleneckConfig.pfeiffer(reduction=4))
    shake(handle)
    norm = model.blocks[1].feed_forward_norm
    layer = norm.adapters["default"]
    s = torch.randn(3, 16, dtype=torch.float64)

    def layer_norm(v):
        centred = v - v.mean(-1, keepdim=True)
        deviation = (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt()
        return centred / deviation * norm.weight + norm.bias

    inner = (layer_norm(s) @ layer.down.weight.T + layer.down.bias).clamp(min=0)
    expected = layer_norm(s + inner @ layer.up.weight.T + layer.up.bias)
    assert len(handle.layers) == 2 and (norm(s) - expected).abs().max() < 1e-12


def test_bottlenecks_start_close_to_nothing_and_a_pre_norm_block_has_its_own_place():
    model = ours(d_model=64, init_std=0.05)
    before = model(IDS)
    attach(model, BottleneckConfig.houlsby())
    assert 0 < (model(IDS) - before).abs().max() < 0.05
    modern = Encoder(EncoderConfig.modern(vocab_size=50, n_layers=2, d_model=16, n_heads=2))
    with pytest.raises(ValueError, match="normalises before its layer"):
        attach(modern, BottleneckConfig.pfeiffer())
    assert len(attach(modern, BottleneckConfig(targets=(OUTPUT,))).layers) == 2
    with pytest.raises(ValueError, match="activation must be one of"):
        BottleneckConfig(activation="sinus")


# -- prefix and prompt -----------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [0, 8])
def test_a_prefix_is_more_keys_and_values(hidden):
    model = ours()
    handle = attach(model, PrefixConfig(n_tokens=3, hidden=hidden))
    shake(handle)
    attention = model.blocks[1].attention
    x = torch.randn(2, 4, 16, dtype=torch.float64)
    source = model.blocks[0].attention.adapters["default"].source
    rows = source.rows if hidden == 0 else source.mlp(source.rows)
    prefix_k, prefix_v = rows[:, 32:48], rows[:, 48:64]  # the second of two layers
    layers = (attention.query, attention.key, attention.value)
    q, k, v = (F.linear(x, layer.weight, layer.bias) for layer in layers)
    k = torch.cat((prefix_k.expand(2, -1, -1), k), dim=1)
    v = torch.cat((prefix_v.expand(2, -1, -1), v), dim=1)
    heads = []
    for part in (slice(0, 8), slice(8, 16)):
        weights = (q[..., part] @ k[..., part].transpose(1, 2) / 8**0.5).softmax(-1)  # (2, 4, 7)
        heads.append(weights @ v[..., part])
    expected = attention.output(torch.cat(heads, dim=-1))
    assert (attention(x, None, None) - expected).abs().max() < 1e-12


def test_padding_and_the_future_stay_hidden_behind_a_prefix():
    model = ours()
    shake(attach(model, PrefixConfig(n_tokens=3)))
    short = model(IDS[2:3, :3], segment_ids=REAL[2:3, :3])
    assert (model(IDS, segment_ids=REAL)[2, :3] - short[0]).abs().max() < 1e-12
    causal, changed = IDS[:1].clone(), IDS[:1].clone()
    changed[0, 4] = 30
    assert torch.equal(model(causal, causal=True)[0, :4], model(changed, causal=True)[0, :4])


def test_a_causal_flag_is_replaced_by_the_mask_that_it_stands_for():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.key = nn.Linear(8, 8)

        def forward(self, x):
            q = self.key(x)[:, None]
            return F.scaled_dot_product_attention(q, q, q, is_causal=True)

    model = nn.ModuleDict({"attention": Attention()})
    shake(attach(model, PrefixConfig(n_tokens=2)))
    x = torch.randn(1, 5, 8)
    out, changed = model["attention"](x), x.clone()
    changed[:, 3:] = 0
    assert torch.equal(model["attention"](changed)[:, :, :3], out[:, :, :3])


def test_folding_keeps_what_a_prefix_does_and_drops_the_network():
    model = classifier()
    handle = attach(model, PrefixConfig(n_tokens=3, hidden=8))
    shake(handle)
    said = logits(model)
    next(iter(handle.layers.values())).fold()
    assert (logits(model) - said).abs().max() < 1e-12
    assert handle.summary().n_adapter == 3 * 2 * 2 * 16


def test_an_attention_that_hides_its_product_is_an_error():
    model = bert()
    model.set_attn_implementation("eager")
    attach(model, PrefixConfig(n_tokens=2))
    with pytest.raises(ValueError, match="attn_implementation='sdpa'"):
        model(IDS)


def test_a_prompt_of_real_tokens_is_those_tokens():
    """With vectors out of the table, prompt tuning must do what writing the tokens does."""
    model = ours()
    front = torch.tensor([7, 11, 30])
    written = torch.cat((front.expand(4, -1), IDS), dim=1)
    real = torch.cat((torch.ones(4, 3, dtype=torch.long), REAL), dim=1)
    places = torch.arange(8).expand(4, -1)
    expected = model(written, segment_ids=real)[:, 3:]
    attach(model, PromptConfig(n_tokens=3))
    with torch.no_grad():
        model.adapters["default"].vectors.copy_(model.embedding.tokens.weight[front])
    assert (model(IDS, segment_ids=REAL) - expected).abs().max() < 1e-12
    given = dict(position_ids=places[:, :5], token_type_ids=torch.zeros_like(IDS))
    shifted = model(IDS, segment_ids=REAL, **given)
    assert (shifted - expected).abs().max() < 1e-12


def test_a_prompt_starts_from_the_table_and_refuses_packed_rows():
    model = ours()
    handle = attach(model, PromptConfig(n_tokens=3))
    table = model.embedding.tokens.weight
    assert all((vector == table).all(1).any() for vector in next(handle.parameters()))
    with pytest.raises(ValueError, match="one text a row"):
        model(IDS, segment_ids=torch.tensor([[1, 1, 2, 2, 2]] * 4))
    with pytest.raises(ValueError, match="nn.Embedding"):
        attach(nn.Sequential(nn.Linear(2, 2)), PromptConfig())
    with pytest.raises(ValueError, match="start must be"):
        PromptConfig(start="zero")


# -- BitFit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [ours, bert])
def test_bitfit_trains_exactly_the_biases(make):
    model = make()
    expected = sorted(name for name, _ in model.named_parameters() if name.split(".")[-1] == "bias")
    attach(model, BitFitConfig())
    assert sorted(name for name, p in model.named_parameters() if p.requires_grad) == expected


def test_bitfit_on_some_biases_and_on_none():
    handle = attach(ours(), BitFitConfig(only="query"))
    assert len(handle.swaps) == 2
    modern = Encoder(EncoderConfig.modern(vocab_size=50, n_layers=1, d_model=16, n_heads=2))
    with pytest.raises(ValueError, match="the model has none"):
        attach(modern, BitFitConfig())


# -- AdaLoRA ---------------------------------------------------------------------------------------


def test_adalora_is_its_formula():
    model = ours()
    shake(attach(model, AdaLoRAConfig(total_steps=9, rank=3, target_rank=2, alpha=6)))
    query = model.blocks[0].attention.query
    layer = query.adapters["default"]
    x = torch.randn(40, 16, dtype=torch.float64)
    update = layer.P @ torch.diag(layer.values) @ layer.Q
    assert (query(x) - (x @ (query.weight + 2 * update).T + query.bias)).abs().max() < 1e-12


def test_the_penalty_is_zero_for_orthonormal_triplets_and_counts_the_distance_from_it():
    model = ours()
    handle = attach(model, AdaLoRAConfig(total_steps=9, rank=3, target_rank=2))
    with torch.no_grad():
        for layer in handle.layers.values():
            layer.P.copy_(torch.linalg.qr(torch.randn(16, 3, dtype=torch.float64)).Q)
            layer.Q.copy_(torch.linalg.qr(torch.randn(16, 3, dtype=torch.float64)).Q.T)
    assert penalty(handle.layers) < 1e-12
    with torch.no_grad():
        # P^T P - I = 3 I, norm 3 sqrt 3, one of 8 matrices
        next(iter(handle.layers.values())).P.mul_(2)
    assert penalty(handle.layers).item() == pytest.approx(3 * 3**0.5 / 8)


def test_the_budget_falls_along_a_cube():
    config = AdaLoRAConfig(total_steps=100, rank=10, target_rank=4, begin=10, end=30)
    left = [budget(config, 5, step) for step in range(101)]
    assert left[:11] == [50] * 11 and left[70:] == [20] * 31 and left == sorted(left, reverse=True)
    assert left[40] == int(30 * 0.5**3 + 20)


def test_training_leaves_the_budgeted_triplets_and_keeps_cut_ones_at_zero():
    model = classifier()
    config = AdaLoRAConfig(total_steps=30, rank=4, target_rank=2, begin=5, end=10)
    handle = attach(model, config)
    optimizer = torch.optim.AdamW(handle.parameters(), lr=0.02)
    other = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    for _ in range(30):
        loss(model).backward()
        optimizer.step()
        optimizer.zero_grad()
        other.step()  # another model's optimiser does not count
    assert handle.watcher.step == 30
    pattern = handle.watcher.rank_pattern()
    assert sum(pattern.values()) == 2 * 4 and set(pattern) == set(handle.layers)


def test_adalora_says_what_cannot_be():
    for wrong, message in (
        (dict(rank=2, target_rank=3), "must not be above rank"),
        (dict(begin=5, end=5), "leave no step"),
        (dict(beta1=1.0), "beta1"),
        (dict(dropout=1.0), "dropout"),
    ):
        with pytest.raises(ValueError, match=message):
            AdaLoRAConfig(total_steps=10, **wrong)


def test_labels_and_shapes_used_here_are_what_they_seem():
    assert IDS.shape == REAL.shape and len(LABELS) == len(IDS)


# -- a prompt and its outputs ----------------------------------------------------------------------


def test_a_prompt_leaves_no_trace_in_any_output_however_the_encoder_is_called():
    model = bert()
    attach(model, PromptConfig(n_tokens=3))
    model.set_attn_implementation("eager")
    options = dict(output_hidden_states=True, output_attentions=True)
    out = model(IDS, REAL, **options)
    assert [h.shape[1] for h in out.hidden_states] == [5, 5, 5]
    assert {a.shape for a in out.attentions} == {(4, 2, 5, 8)}
    assert torch.equal(out.hidden_states[-1], out.last_hidden_state)
    hidden, pooled = model(IDS, REAL, return_dict=False)
    assert torch.equal(hidden, out.last_hidden_state) and torch.equal(pooled, out.pooler_output)
    with pytest.raises(ValueError, match=r"shape \(4, 1, 5, 5\)"):
        model(IDS, torch.ones(4, 1, 5, 5))


def test_a_cache_without_the_prompt_or_a_mask_of_another_text_is_refused():
    torch.manual_seed(0)
    shape = dict(hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
    model = LlamaModel(LlamaConfig(vocab_size=50, **shape)).eval()
    stale = model(IDS, use_cache=True).past_key_values
    attach(model, PromptConfig(n_tokens=3))
    with pytest.raises(ValueError, match="have not seen this prompt"):
        model(IDS[:, :1], past_key_values=stale)
    past = model(IDS, use_cache=True).past_key_values
    assert past.get_seq_length() == 8
    with pytest.raises(ValueError, match="the text has 6 tokens"):
        model(IDS[:, :1], past_key_values=past, attention_mask=torch.ones(4, 9))
    model(IDS[:, :1], past_key_values=past, attention_mask=torch.ones(4, 6))
    assert past.get_seq_length() == 9
