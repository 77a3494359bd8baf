"""Parameter-efficient fine-tuning: seven methods, one interface.

=============  =============================================  ======================  ===========
method         what is trained                                file                    can be merged
=============  =============================================  ======================  ===========
LoRA           W + s B A, thin A and B                        ``lora``                yes
AdaLoRA        W + s P diag(l) Q, ranks where they matter     ``adalora``             yes
DoRA           LoRA, and the length of each row               ``dora``                yes
BitFit         the biases                                     ``bitfit``              yes
bottleneck     small networks between the layers              ``bottleneck``          no
prefix         keys and values in front of the text's         ``prefix``              no
prompt         vectors in front of the text's                 ``prompt``              no
=============  =============================================  ======================  ===========

Each file holds one paper and one formula. ``attaching`` puts any of them on an ``nn.Module``: by
role on the families in ``architectures``, on any other by the names of its modules; and says why
where it can't. ``interchange`` reads and writes the files of the library ``peft``.

>>> from course_lib.encoder import Encoder, EncoderConfig
>>> encoder = Encoder(EncoderConfig.bert(vocab_size=50, n_layers=2, d_model=16, n_heads=2))
>>> handle = attach(encoder, LoRAConfig(rank=2))
>>> handle.summary().n_trained
256
"""

from .adalora import AdaLoRAConfig
from .attaching import CONFIGS, attach, load, load_peft
from .bitfit import BitFitConfig
from .bottleneck import BottleneckConfig
from .dora import DoRAConfig
from .handle import Handle
from .lora import LoRAConfig
from .method import Config, Plan
from .prefix import PrefixConfig
from .prompt import PromptConfig
from .registry import active, handles
from .storage import AdapterError
from .summary import Summary

__all__ = [
    "CONFIGS",
    "AdaLoRAConfig",
    "AdapterError",
    "BitFitConfig",
    "BottleneckConfig",
    "Config",
    "DoRAConfig",
    "Handle",
    "LoRAConfig",
    "Plan",
    "PrefixConfig",
    "PromptConfig",
    "Summary",
    "active",
    "attach",
    "handles",
    "load",
    "load_peft",
]
