"""What a conversion imports: the runtime, or pytorch_lightning alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """The package that a result imports, and the class in it that its module is derived from."""

    package: str
    base: str

    @property
    def names(self) -> tuple[str, ...]:
        """The dotted names that a result may import."""
        return (self.package, f"{self.package}.{self.base}", f"{self.package}.Trainer")


RUNTIME = Target("runtime", "Module")
LIGHTNING = Target("pytorch_lightning", "LightningModule")
