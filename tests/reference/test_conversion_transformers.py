"""Every field of a configuration that changes the function is taken over or refused.

Judged by the logits: of a tiny random model with one field changed, ours are theirs, or there is an
error that names the field and its value.
"""

from __future__ import annotations

import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    BertModel,
    ModernBertConfig,
    ModernBertForMaskedLM,
)

from course_lib.encoder import Encoder, EncoderConfig, MaskedLanguageModel
from course_lib.encoder.transformers_encoder import TransformersEncoder
from course_lib.peft import BitFitConfig, BottleneckConfig, LoRAConfig, PrefixConfig, attach

SIZE = dict(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=32,
)
IDS = torch.randint(5, 50, (2, 9), generator=torch.Generator().manual_seed(3))


def randomised(model):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
    return model.eval()


def bert(kind=BertForMaskedLM, **changed):
    return randomised(kind(BertConfig(**SIZE, **changed)))


def modern(**changed):
    fields = dict(pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2)
    fields |= dict(layer_types=["full_attention"] * 2) | changed
    return randomised(ModernBertForMaskedLM(ModernBertConfig(**SIZE, **fields)))


def rope(**changed):
    both = {"rope_type": "default", "rope_theta": 300.0, **changed}
    return dict(rope_parameters={"full_attention": both, "sliding_attention": dict(both)})


@torch.no_grad()
def assert_same(theirs):
    want = theirs(input_ids=IDS)
    got = MaskedLanguageModel.from_transformers(theirs)(IDS)
    logits = want.prediction_logits if "prediction_logits" in want else want.logits
    torch.testing.assert_close(got, logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "theirs",
    [
        lambda: bert(layer_norm_eps=0.1),
        lambda: bert(type_vocab_size=1),
        lambda: bert(type_vocab_size=3),
        lambda: bert(chunk_size_feed_forward=3),
        lambda: bert(pad_token_id=None),
        lambda: bert(pad_token_id=7),
        lambda: bert(hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.3),
        lambda: bert(initializer_range=0.5, classifier_dropout=0.4, use_cache=False),
        lambda: bert(BertForPreTraining),
        lambda: modern(norm_eps=0.1),
        lambda: modern(**rope()),
        lambda: modern(decoder_bias=False),
        lambda: modern(sparse_prediction=True),
        lambda: modern(classifier_pooling="mean", classifier_dropout=0.4, local_attention=2),
        lambda: modern(
            **dict.fromkeys(("mlp_dropout", "embedding_dropout"), 0.2), attention_dropout=0.2
        ),
        lambda: modern(initializer_cutoff_factor=1.0, deterministic_flash_attn=True),
    ],
)
def test_what_is_taken_over_gives_the_same_logits(theirs):
    assert_same(theirs())


REFUSED = {
    "hidden_act='gelu' .*'relu'": lambda: bert(hidden_act="relu"),
    "hidden_act='gelu' .*'gelu_new'": lambda: bert(hidden_act="gelu_new"),
    "position_embedding_type='absolute' .*'relative_key'": lambda: bert(
        position_embedding_type="relative_key"
    ),
    "is_decoder=False .*got True": lambda: bert(is_decoder=True),
    "cls.predictions.decoder.weight is not the table": lambda: bert(tie_word_embeddings=False),
    "hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.0: set them to one rate": lambda: bert(
        attention_probs_dropout_prob=0.0
    ),
    "hidden_activation='gelu' .*'silu'": lambda: modern(hidden_activation="silu"),
    "classifier_activation='gelu' .*'relu'": lambda: modern(classifier_activation="relu"),
    "^decoder.weight is not the table": lambda: modern(tie_word_embeddings=False),
    "attention_bias=True, mlp_bias=False": lambda: modern(attention_bias=True),
    "mlp_bias=True, norm_bias=False": lambda: modern(mlp_bias=True),
    "norm_bias=True: use": lambda: modern(norm_bias=True),
    "norm_bias=False, classifier_bias=True": lambda: modern(classifier_bias=True),
    "attention_dropout=0.2: set them": lambda: modern(attention_dropout=0.2),
    "embedding_dropout=0.2, .*set them": lambda: modern(embedding_dropout=0.2),
    "mlp_dropout=0.2, .*set them": lambda: modern(mlp_dropout=0.2),
    "layer_types=all 'full_attention' .*'sliding_attention'": lambda: modern(
        layer_types=["full_attention", "sliding_attention"]
    ),
    "rope_type='default' .*'linear'": lambda: modern(**rope(rope_type="linear", factor=2.0)),
    "rope_type='default' .*'dynamic'": lambda: modern(**rope(rope_type="dynamic", factor=2.0)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_has_no_place_is_refused(message):
    with pytest.raises(ValueError, match=message):
        MaskedLanguageModel.from_transformers(REFUSED[message]())


def test_what_only_the_head_has_does_not_stop_the_encoder():
    for theirs in (
        bert(tie_word_embeddings=False),
        modern(tie_word_embeddings=False),
        modern(classifier_activation="relu"),
        modern(classifier_bias=True),
    ):
        body = theirs.bert if hasattr(theirs, "bert") else theirs.model
        with torch.no_grad():
            got = Encoder.from_transformers(theirs)(IDS)
            want = body(IDS).last_hidden_state
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


def test_a_decoder_that_is_a_copy_is_taken_with_the_bias_that_counts():
    theirs = bert(tie_word_embeddings=False)
    decoder, table = theirs.cls.predictions.decoder, theirs.bert.embeddings.word_embeddings
    decoder.weight.data.copy_(table.weight)
    assert not torch.equal(decoder.bias, theirs.cls.predictions.bias)
    assert_same(theirs)


def test_cross_attention_and_other_parameters_are_refused():
    crossed = bert(is_decoder=True, add_cross_attention=True)
    crossed.config.is_decoder = False
    with pytest.raises(ValueError, match="add_cross_attention=False .*got True"):
        Encoder.from_transformers(crossed)
    more = bert()
    more.bert.encoder.layer[0].scale = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match=r"1 parameters .* encoder\.layer\.0\.scale"):
        Encoder.from_transformers(more)


# of labels and names, of caching and of how weights are drawn: the function does not have them
NO_MATTER = {
    *("transformers_version", "architectures", "output_hidden_states", "return_dict", "dtype"),
    *("chunk_size_feed_forward", "id2label", "label2id", "problem_type", "_name_or_path"),
    *("classifier_dropout", "model_type", "output_attentions", "use_cache", "bos_token_id"),
    *("eos_token_id", "cls_token_id", "sep_token_id", "initializer_cutoff_factor"),
    *("classifier_pooling", "deterministic_flash_attn", "sparse_prediction", "local_attention"),
    *("sparse_pred_ignore_index", "torch_dtype"),
}


@pytest.mark.parametrize("kind", [BertConfig, ModernBertConfig])
def test_no_field_of_their_configurations_is_overlooked(kind):
    from pathlib import Path

    from course_lib.encoder import convert, convert_config

    text = "".join(Path(module.__file__).read_text() for module in (convert, convert_config))
    unknown = [field for field in kind().to_dict() if field not in NO_MATTER and field not in text]
    assert unknown == []


def test_a_folder_without_the_head_is_not_given_a_random_one(tmp_path):
    bert(BertModel).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds no weights for cls.predictions"):
        MaskedLanguageModel.from_transformers(str(tmp_path))
    theirs = BertModel.from_pretrained(tmp_path).eval()
    with torch.no_grad():
        got = Encoder.from_transformers(str(tmp_path)).eval()(IDS)
        torch.testing.assert_close(got, theirs(IDS).last_hidden_state, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("read", [Encoder.from_transformers, TransformersEncoder])
def test_a_folder_without_some_weights_is_refused(read, tmp_path):
    model = bert(BertModel)
    state = {k: v for k, v in model.state_dict().items() if "layer.1.output.dense" not in k}
    model.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(ValueError, match=r"holds no weights for .*layer\.1\.output\.dense"):
        read(str(tmp_path))


ADAPTERS = [LoRAConfig(rank=2), BottleneckConfig(), PrefixConfig(), BitFitConfig()]
OURS = EncoderConfig.bert(vocab_size=50, n_layers=1, d_model=16, n_heads=2, max_len=16)


def adapted(model, config):
    """An adapter on ``model`` that changes what it says."""
    handle = attach(model.eval(), config)
    with torch.no_grad():
        for parameter in handle.parameters():
            parameter.add_(0.1)
    return handle


@torch.no_grad()
def assert_converted(ours):
    want = ours(IDS)
    torch.testing.assert_close(ours.to_transformers()(IDS).logits, want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("config", ADAPTERS, ids=lambda c: c.kind)
def test_an_active_adapter_is_not_dropped(config):
    ours = MaskedLanguageModel(OURS)
    handle = adapted(ours, config)
    for convert in (ours.to_transformers, ours.encoder.to_transformers):
        with pytest.raises(ValueError, match="an adapter is active in .*merge"):
            convert()
    with handle.off():
        assert_converted(ours)
    handle.deactivate()
    assert_converted(ours)
    handle.detach()
    assert_converted(ours)


@pytest.mark.parametrize("config", ADAPTERS, ids=lambda c: c.kind)
def test_an_active_adapter_on_one_of_theirs_is_not_dropped(config):
    theirs = bert()
    handle = adapted(theirs, config)
    with pytest.raises(ValueError, match="an adapter is active in .*merge"):
        MaskedLanguageModel.from_transformers(theirs)
    with handle.off():
        assert_same(theirs)
    handle.deactivate()
    assert_same(theirs)


def test_a_swapped_head_alone_is_not_dropped():
    ours = MaskedLanguageModel(OURS).eval()
    handle = attach(ours, BitFitConfig(only="encoder.blocks.0.attention.query"), head="head")
    with torch.no_grad():
        ours.head.bias.add_(1.0)
    with pytest.raises(ValueError, match="an adapter is active in .*merge"):
        ours.to_transformers()
    handle.detach()
    assert_converted(ours)


@pytest.mark.parametrize("config", [LoRAConfig(rank=2), BitFitConfig()], ids=lambda c: c.kind)
def test_what_is_merged_goes_with_the_weights(config):
    ours, theirs = MaskedLanguageModel(OURS), bert()
    for model, check in ((ours, assert_converted), (theirs, assert_same)):
        with torch.no_grad():
            plain = model.eval()(IDS)
            adapted(model, config).merge()
            merged = model(IDS)
        logits = [getattr(output, "logits", output) for output in (plain, merged)]
        assert not torch.allclose(*logits, atol=1e-3)
        check(model)
