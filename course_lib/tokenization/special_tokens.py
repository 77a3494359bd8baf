"""The special tokens by the role that each plays, since every library writes them in its own way.

=====  ==========================================  =================
role   what it is for                              its usual names
=====  ==========================================  =================
pad    fills a row up                              [PAD], <pad>
unk    stands for what no vocabulary item covers   [UNK], <unk>
cls    begins a text                               [CLS], <s>
sep    ends a text                                 [SEP], </s>
mask   stands where a token is hidden              [MASK], <mask>
=====  ==========================================  =================

Cost: one look-up for each name.

>>> named_roles({"pad_token": "<pad>", "mask_token": {"content": "<mask>"}, "bos_token": "<s>"})
{'pad': '<pad>', 'mask': '<mask>'}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tokenizers

ROLES = ("pad", "unk", "cls", "sep", "mask")
USUAL_NAMES = {
    "pad": ("[PAD]", "<pad>"),
    "unk": ("[UNK]", "<unk>"),
    "cls": ("[CLS]", "<s>"),
    "sep": ("[SEP]", "</s>"),
    "mask": ("[MASK]", "<mask>"),
}


def find_roles(
    backend: tokenizers.Tokenizer, roles: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The text of the special token of each role.

    roles: the names that are known; for others the usual ones are looked for.

    Raises ValueError if a role has no token in the vocabulary.
    """
    found = {}
    for role in ROLES:
        names = (roles[role],) if roles and role in roles else USUAL_NAMES[role]
        token = next((name for name in names if backend.token_to_id(name) is not None), None)
        if token is None:
            raise ValueError(
                f"the tokenizer has no {role} token (looked for {', '.join(names)}); add one with "
                f"tokenizer.add_special_tokens({{'{role}_token': '{USUAL_NAMES[role][0]}'}}) and "
                "let the model's embedding grow with it, or choose a tokenizer made for masked "
                "language modelling"
            )
        found[role] = token
    return found


def named_roles(named: Mapping[str, Any]) -> dict[str, str]:
    """The roles in what ``transformers`` calls ``pad_token``, ``mask_token`` and so on.

    A token may be a string, an AddedToken, its JSON, or None; other names are passed over.
    """
    return {role: text for role in ROLES if (text := _content(named.get(f"{role}_token")))}


def _content(token: Any) -> str | None:
    if isinstance(token, dict):
        token = token.get("content")
    return str(token) if token else None
