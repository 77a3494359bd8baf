"""What an adapter costs, in numbers.

>>> print(Summary("default", "lora", 12, 73_728, 770, 22_565_376))
default (lora) at 12 places of the base, 22,565,376 parameters
trained: 74,498 (0.33 %): adapter 73,728, head 770
optimiser (AdamW): 0.60 MB; file: 0.30 MB
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """The numbers of one adapter.

    n_places: adapted modules, or swapped parameters.
    n_adapter, n_head, n_base: parameters; the base's with its head.
    """

    name: str
    kind: str
    n_places: int
    n_adapter: int
    n_head: int
    n_base: int

    @property
    def n_trained(self) -> int:
        """Parameters of the adapter and its head."""
        return self.n_adapter + self.n_head

    @property
    def share(self) -> float:
        """Trained parameters over the base's."""
        return self.n_trained / self.n_base

    @property
    def optimizer_bytes(self) -> int:
        """Of AdamW's two moments in float32."""
        return 8 * self.n_trained

    @property
    def file_bytes(self) -> int:
        """Of the saved weights, without the header."""
        return 4 * self.n_trained

    def __str__(self) -> str:
        where = f"{self.name} ({self.kind}) at {self.n_places} places of the base"
        share = f"{self.share:.2%}".replace("%", " %")
        parts = f"adapter {self.n_adapter:,}, head {self.n_head:,}"
        optimizer, file = self.optimizer_bytes / 1e6, self.file_bytes / 1e6
        return (
            f"{where}, {self.n_base:,} parameters\n"
            f"trained: {self.n_trained:,} ({share}): {parts}\n"
            f"optimiser (AdamW): {optimizer:.2f} MB; file: {file:.2f} MB"
        )
