"""The shape of a lab: the options with which it was started, stored in its state."""

import json
from dataclasses import asdict, dataclass

from lab.settings import Lab


@dataclass(frozen=True, slots=True)
class Shape:
    """The options with which a lab was started; its state stores them."""

    bare: bool = False
    coredns: bool = True
    k3s: str | None = None
    """The K3s binary or release that its machines run; None means the look-alike."""

    @classmethod
    def of(cls, lab: Lab) -> "Shape | None":
        """The shape of the lab that was started under this name, or None."""
        try:
            return cls(**json.loads((lab.state / "shape.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, lab: Lab) -> None:
        """Store the shape in the lab's state."""
        (lab.state / "shape.json").write_text(json.dumps(asdict(self)))
