"""An adapter on disk: its weights alone, as safetensors, tied to the base they were trained on.

    one tensor      all parameters of the adapter, float32, in the order of the model
    in the header   the method and its settings, two fingerprints of the base, a hash of names and
                    shapes, a SHA-256

With the settings the layers can be made again, and their order says where each number belongs: so
the file is 4 bytes a parameter and less than 2 kB more. Safetensors can hold no code: loading a
stranger's adapter runs nothing.

The fingerprint is a SHA-256 over names, shapes and bytes of the base's weights, without its head.
An adapter is a correction of *these* weights; on others it is noise, so it is refused. The same
base in another precision has other bytes: then names and shapes are compared, and a warning says
so.

Cost: reading the base's weights once (MiniLM, 91 MB: a tenth of a second; 7 billion numbers in
bf16: seconds to a minute).
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from course_lib.whole_files import check_object, written_whole

_FORMAT = "course_lib adapter 1"
_PRECISIONS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
Named = Iterable[tuple[str, Tensor]]


class AdapterError(ValueError):
    """An adapter's file is missing, damaged, or belongs to another base."""


@dataclass(frozen=True)
class Fingerprint:
    """shapes: of names, shapes and types.  weights: of the bytes too.

    cast: what ``shapes`` would be if all weights were of one type, by that type.
    """

    shapes: str
    weights: str
    cast: dict[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, named: Named) -> Fingerprint:
        """The fingerprint of these tensors."""
        shapes, weights = hashlib.sha256(), hashlib.sha256()
        cast = {dtype: hashlib.sha256() for dtype in _PRECISIONS}
        for name, tensor in named:
            where = f"{name} {tuple(tensor.shape)}"
            for dtype, digest in cast.items():
                same = dtype if tensor.is_floating_point() else tensor.dtype
                digest.update(f"{where} {same}\n".encode())
            line = f"{where} {tensor.dtype}\n".encode()
            shapes.update(line)
            weights.update(line)
            raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
            weights.update(raw.numpy().data)
        others = {str(dtype): digest.hexdigest()[:32] for dtype, digest in cast.items()}
        return cls(shapes.hexdigest()[:32], weights.hexdigest()[:32], others)

    def check(self, here: Fingerprint, path: Path) -> None:
        """Raise AdapterError with the reason if ``here`` is another base; warn where it is in
        another precision, so that its weights can't be compared.
        """
        precision = next((d for d, digest in here.cast.items() if digest == self.shapes), None)
        if self.shapes != here.shapes and precision:
            warnings.warn(
                f"{path} was trained on a base in {precision}, and this one is in another "
                "precision: the names and shapes are the same, but whether these are the same "
                "weights, rounded, could not be checked. Outputs will differ by the rounding",
                stacklevel=4,
            )
        elif self.shapes != here.shapes:
            raise AdapterError(
                f"{path} was made for another base: this one has parameters of other names, shapes "
                "or types. Load the model that the adapter was trained on"
            )
        elif self.weights != here.weights:
            raise AdapterError(
                f"{path} was made for another base: this one has the same shape but other weights "
                "(another checkpoint, or trained since). Load the weights that the adapter was "
                "trained on"
            )


def layout(named: Named) -> str:
    """A hash of the names and shapes of the adapter's own parameters."""
    text = "\n".join(f"{name} {tuple(tensor.shape)}" for name, tensor in named)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def write(
    path: Path, named: Sequence[tuple[str, Tensor]], kind: str, values: dict, base: Fingerprint
) -> None:
    """Write an adapter's file, all or nothing. Raises AdapterError if the disk refuses."""
    flat = torch.cat([tensor.detach().float().flatten().cpu() for _, tensor in named])
    info = {
        "format": _FORMAT,
        "method": kind,
        "config": values,
        "base": [base.shapes, base.weights],
        "layout": layout(named),
        "sha256": _digest(flat),
    }
    try:
        # one entry: safetensors writes several in an order that changes from run to run
        # not save_file, whose files only their owner may read
        content = save({"adapter": flat}, metadata={"course_lib": json.dumps(info)})
        with written_whole(path) as work:
            work.write_bytes(content)
    except (OSError, SafetensorError) as error:
        raise AdapterError(
            f"could not write {path}: {error}. Free some space or choose another folder"
        ) from error


@dataclass(frozen=True)
class Stored:
    """What a file holds: the method's name, its settings, the base's fingerprint, the layout's
    hash, all numbers.
    """

    path: Path
    method: str
    values: dict
    base: Fingerprint
    layout: str
    flat: Tensor

    def fill(self, named: Sequence[tuple[str, Tensor]]) -> None:
        """Copy the numbers into these parameters.

        Raises AdapterError if they are others than those saved.
        """
        if layout(named) != self.layout:
            n = sum(p.numel() for _, p in named)
            raise AdapterError(
                f"{self.path} holds {len(self.flat)} numbers of a {self.method} adapter whose "
                f"names and shapes are not those here ({n} numbers). Is the head another one? Give "
                "the head that was saved with it: load(..., head=LinearHead(...)), or head=None "
                "if it had none"
            )
        parts = self.flat.split([p.numel() for _, p in named])
        with torch.no_grad():
            for (_, parameter), part in zip(named, parts, strict=True):
                parameter.copy_(part.view_as(parameter))


def read(path: Path) -> Stored:
    """Read a file and check that it is whole.

    Raises AdapterError when it is missing, damaged or of another kind.
    """
    try:
        with safe_open(path, "pt") as file:
            info = json.loads((file.metadata() or {}).get("course_lib", "{}"))
            flat = file.get_tensor("adapter") if "adapter" in file.keys() else None  # noqa: SIM118
    except FileNotFoundError as error:
        raise AdapterError(f"there is no adapter {path}") from error
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise AdapterError(
            f"{path} is damaged, or no safetensors file: {error}. Copy or make it again"
        ) from error
    # a list, or nothing
    info = info if isinstance(info, dict) else {"format": info}
    if info.get("format") != _FORMAT or flat is None:
        raise AdapterError(
            f"{path} is not an adapter of this package: its format is {info.get('format')!r}, not "
            f"{_FORMAT!r}"
        )
    try:
        check_object(info, str(path), sha256=str, method=str, config=dict, base=list, layout=str)
        base = Fingerprint(*info["base"])
    except (TypeError, ValueError) as error:
        raise AdapterError(f"{error}. Copy or make it again") from error
    if flat.dtype != torch.float32 or _digest(flat) != info["sha256"]:
        raise AdapterError(
            f"{path} is damaged: its SHA-256 is not the one in its header. Copy or make it again"
        )
    return Stored(path, info["method"], info["config"], base, info["layout"], flat)


def _digest(flat: Tensor) -> str:
    return hashlib.sha256(flat.contiguous().numpy().data).hexdigest()
