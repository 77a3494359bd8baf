"""Our encoder against transformers' BERT and ModernBERT: the same weights, the same numbers."""

import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
)

from course_lib.encoder import Encoder, EncoderConfig, MaskedLanguageModel

V, T = 97, 17


def randomise(model, seed=0):
    """Give every parameter, biases and norms too, a value that matters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
    return model.eval()


def bert():
    config = BertConfig(
        vocab_size=V,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=T,
        type_vocab_size=2,
    )
    return randomise(BertForMaskedLM(config))


def modernbert(bias=False):
    biases = dict.fromkeys(("attention_bias", "mlp_bias", "norm_bias", "classifier_bias"), bias)
    config = ModernBertConfig(
        vocab_size=V,
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=48,
        layer_types=["full_attention"] * 3,
        max_position_embeddings=T,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        cls_token_id=1,
        sep_token_id=2,
        **biases,
    )
    return randomise(ModernBertForMaskedLM(config))


MODELS = {
    "bert": bert,
    "modernbert": modernbert,
    "modernbert with biases": lambda: modernbert(True),
}


@pytest.fixture
def rows():
    ids = torch.randint(5, V, (4, T), generator=torch.Generator().manual_seed(1))
    real = torch.arange(T)[None] < torch.tensor([T, 9, 3, 1])[:, None]
    return ids * real, real.long()


@pytest.mark.parametrize("kind", MODELS)
def test_hidden_states_and_logits_equal_transformers(kind, rows):
    ids, real = rows
    theirs = MODELS[kind]()
    ours = MaskedLanguageModel.from_transformers(theirs)
    encoder = Encoder.from_transformers(theirs)
    with torch.no_grad():
        want = theirs(ids, attention_mask=real, output_hidden_states=True)
        got = ours(ids, segment_ids=real)
        hidden = encoder(ids, segment_ids=real)
    keep = real.bool()
    torch.testing.assert_close(got[keep], want.logits[keep], atol=1e-5, rtol=1e-5)
    body = theirs.bert if kind == "bert" else theirs.model
    with torch.no_grad():
        want_hidden = body(ids, attention_mask=real).last_hidden_state
    torch.testing.assert_close(hidden[keep], want_hidden[keep], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_gradients_equal_transformers(kind, rows):
    ids, real = rows
    theirs = MODELS[kind]().double()
    ours = MaskedLanguageModel.from_transformers(theirs).double()
    chosen = torch.rand(ids.shape, generator=torch.Generator().manual_seed(2)) < 0.4
    labels = torch.where(chosen & real.bool(), ids, -100)
    theirs(ids, attention_mask=real, labels=labels).loss.backward()
    positions = (labels.flatten() != -100).nonzero().flatten()
    logits = ours(ids, segment_ids=real, positions=positions)
    torch.nn.functional.cross_entropy(logits, labels.flatten()[positions]).backward()
    table = theirs.get_input_embeddings().weight
    seen = torch.ones(V, dtype=torch.bool)
    seen[theirs.config.pad_token_id] = False  # transformers never trains the padding vector
    got, want = ours.encoder.embedding.tokens.weight.grad, table.grad
    # their rotary part is fp32
    tight = dict(atol=1e-10, rtol=1e-7) if kind == "bert" else dict(atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(got[seen], want[seen], **tight)
    ours_total = sum((p.grad**2).sum() for n, p in ours.named_parameters() if "tokens" not in n)
    gradients = [p.grad for p in theirs.parameters() if p is not table and p.grad is not None]
    theirs_total = sum((g**2).sum() for g in gradients)
    rtol = 1e-7 if kind == "bert" else 1e-5
    torch.testing.assert_close(ours_total, theirs_total, rtol=rtol, atol=0)


SHAPE = dict(vocab_size=V, n_layers=2, d_model=32, n_heads=4, max_len=T)


@pytest.mark.parametrize(
    "config",
    [
        EncoderConfig.bert(**SHAPE),
        EncoderConfig.modern(**SHAPE),
        EncoderConfig.modern(**SHAPE, bias=True, rotary_base=300.0),
    ],
    ids=["bert", "modern", "modern with biases"],
)
def test_auto_model_loads_what_we_train(config, rows, tmp_path):
    ids, real = rows
    ours = randomise(MaskedLanguageModel(config))
    ours.to_transformers().save_pretrained(tmp_path)
    theirs = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    back = MaskedLanguageModel.from_transformers(str(tmp_path)).eval()
    with torch.no_grad():
        want = ours(ids, segment_ids=real)
        logits, keep = theirs(ids, attention_mask=real).logits, real.bool()
        torch.testing.assert_close(logits[keep], want[keep], atol=1e-5, rtol=1e-5)
        assert torch.equal(back(ids, segment_ids=real), want)
    assert back.config == config
    encoder = Encoder.from_transformers(ours.encoder.to_transformers())
    pairs = zip(encoder.parameters(), ours.encoder.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_token_types_equal_transformers(rows):
    ids, _ = rows
    types = (torch.arange(T) > 8).long().expand_as(ids)
    theirs = bert()
    with torch.no_grad():
        want = theirs(ids, token_type_ids=types).logits
        got = MaskedLanguageModel.from_transformers(theirs)(ids, token_type_ids=types)
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


def test_clear_errors():
    with pytest.raises(ValueError, match="no masked-language-model head"):
        MaskedLanguageModel.from_transformers(bert().bert)
    ids = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)
    shape = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16)
    windowed = ModernBertForMaskedLM(ModernBertConfig(vocab_size=V, **shape, **ids))
    with pytest.raises(ValueError, match="no window"):
        Encoder.from_transformers(windowed)
    pre = EncoderConfig.bert(vocab_size=V, n_layers=1, d_model=8, n_heads=2, norm="pre")
    with pytest.raises(ValueError, match="norm='pre'"):
        Encoder(pre).to_transformers()
    with pytest.raises(ValueError, match="no model at"):
        Encoder.from_transformers("/nowhere/at/all")
