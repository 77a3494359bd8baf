"""What a model costs, by formula: parameters, operations, and the bytes that training has to keep.

With N the weights of the blocks' matrices, T tokens in a row, d the width, L layers, v the
vocabulary and n predicted tokens in the batch:

    parameters        embeddings v d, blocks N, norms, biases; the tied head adds only d^2 + d + v
    forward FLOPs     2 N + 4 T d L    a token,    2 (d^2 + d v)    a predicted token
                      (rows of several documents: 4 d L for each pair inside one, see ``pairs``)
    training FLOPs    3 x forward: the way back has two products for each one forward
    activations       what autograd keeps for the way back: some 9 d + 4 d_ff floats a token and
                      layer (modern), d_ff floats for every product whose factors are needed again;
                      T^2 for attention: none, because the fused kernel recomputes the weights from
                      one number a row and head

The FLOPs count matrix products only: norms, GELU and softmax are small beside them. The activations
are those of this package's ``Encoder`` and ``MLMHead`` in one number format, without dropout and
without ``segment_ids``; memory in use is higher, by weights, gradients, optimiser state and what
kernels need for a moment.

Cost: nothing is built or run. Sources: Kaplan et al. 2020 (arXiv:2001.08361, section 2.1, the
FLOPs), Korthikanti et al. 2022 (arXiv:2205.05198, section 4, activations).

>>> base = EncoderConfig.bert(vocab_size=30_522)  # BERT-base without its pooler
>>> encoder_parameters(base)
108891648
>>> round(forward_flops(base, rows=1, seq_len=128, targets=19) / 1e9, 1)
23.3
"""

from __future__ import annotations

from .config import EncoderConfig


def _norm(config: EncoderConfig) -> int:
    return config.d_model * (2 if config.bias else 1)


def _inner(config: EncoderConfig) -> int:
    """Outputs of the first layer of the feed-forward part: with a gate, twice d_ff."""
    return config.d_ff * (2 if config.gated else 1)


def block_weights(config: EncoderConfig) -> int:
    """Entries of all blocks' matrices, N: attention has four, feed-forward two (gated: three)."""
    d = config.d_model
    return config.n_layers * (4 * d * d + d * _inner(config) + config.d_ff * d)


def encoder_parameters(config: EncoderConfig) -> int:
    """Parameters of ``Encoder(config)``: embeddings, blocks and norms."""
    d, layers = config.d_model, config.n_layers
    places = config.max_len if config.positions == "learned" else 0
    tables = config.vocab_size + config.n_token_types + places
    biases = layers * (4 * d + _inner(config) + d) if config.bias else 0
    # one after the embedding, two in a block; pre-norm has none before block 0, but one at the end
    norms = (1 + 2 * layers) * _norm(config)
    return tables * d + block_weights(config) + biases + norms


def mlm_parameters(config: EncoderConfig) -> int:
    """Parameters of ``MaskedLanguageModel(config)``.

    The table of the output layer is that of the input, counted once.
    """
    d = config.d_model
    head = d * d + (d if config.bias else 0) + _norm(config) + config.vocab_size
    return encoder_parameters(config) + head


def forward_flops(
    config: EncoderConfig, *, rows: int, seq_len: int, targets: int = 0, pairs: int | None = None
) -> int:
    """Floating-point operations of one forward pass over a batch of ``rows`` x ``seq_len`` tokens.

    targets: tokens in the batch for which the MLM head is run; 0 for the encoder alone.
    pairs: pairs of tokens in the batch that may look at each other, a token and itself included.
        The default is every pair of a row. Where rows hold several documents, the sum of the
        squared lengths is what the model needs; the rest is computed under a mask and thrown away.
    A multiplication and an addition count as two. Raises ValueError for sizes that can't be.
    """
    _check(rows, seq_len, targets)
    d, tokens, most = config.d_model, rows * seq_len, rows * seq_len**2
    pairs = most if pairs is None else pairs
    if not 0 <= pairs <= most:
        raise ValueError(f"pairs must be between 0 and the {most} of the batch, got {pairs}")
    # a pair: query against key, weight against value
    attention = 4 * pairs * d * config.n_layers
    head = d * d + d * config.vocab_size  # a predicted token
    return 2 * tokens * block_weights(config) + attention + 2 * targets * head


def training_flops(
    config: EncoderConfig, *, rows: int, seq_len: int, targets: int, pairs: int | None = None
) -> int:
    """Floating-point operations of a training step: three times ``forward_flops``."""
    return 3 * forward_flops(config, rows=rows, seq_len=seq_len, targets=targets, pairs=pairs)


def activation_bytes(
    config: EncoderConfig, *, rows: int, seq_len: int, targets: int, bytes_per_number: int = 4
) -> int:
    """Bytes that autograd keeps between forward and backward pass of ``MaskedLM`` on one batch.

    targets: predicted tokens of the batch.  bytes_per_number: 4 for float32.
    The weights themselves are not counted. Raises ValueError for sizes that can't be.
    """
    _check(rows, seq_len, targets)
    d, heads, tokens = config.d_model, config.n_heads, rows * seq_len
    norm = d + 2  # its input, and mean and scale of each token
    # input of q, k, v; q, k and v; the mixture; one log-sum-exp a head
    attention = d + 3 * d + d + heads
    if config.positions == "rotary":
        # turned queries lie in another order, so the mixture is copied for the output layer
        attention += d
    # input, inner, GELU and product
    feed_forward = d + _inner(config) + config.d_ff * (2 if config.gated else 1)
    block = attention + feed_forward + 2 * norm
    # post-norm: the embedding's and two a block; pre-norm: none before block 0, one at the end
    numbers = tokens * (norm + config.n_layers * block)
    if config.positions == "rotary":
        numbers += seq_len * config.d_head  # cosines and sines, the same for all rows
    # head: three inputs and the norm's; probabilities
    numbers += targets * (4 * d + 2 + config.vocab_size) + 1
    indices = tokens + 2 * targets + (seq_len if config.positions == "learned" else 0)
    return numbers * bytes_per_number + indices * 8


def _check(rows: int, seq_len: int, targets: int) -> None:
    if rows < 1 or seq_len < 1:
        raise ValueError(f"rows and seq_len must be at least 1, got {rows} and {seq_len}")
    if not 0 <= targets <= rows * seq_len:
        raise ValueError(
            f"targets must be between 0 and the {rows * seq_len} tokens of the batch, got {targets}"
        )
