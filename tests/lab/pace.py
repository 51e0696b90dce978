"""Checks that a run was as fast as promised, on a computer that may be running other work."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """The seconds that a preview without changes takes now: it starts the same processes as every run."""

    floor: float

    def assert_kept(self, seconds: float, *, figure: float, times: float, waits: float = 0) -> None:
        """Hold a run to its figure, in seconds, where nothing else was running; else to what the floor allows.

        Args:
            seconds: how long the run took.
            figure: how long it may take on two idle cores.
            times: how many floors it may take beside its waits.
            waits: seconds that it waits for an answer that never comes, whatever the computer does.
        """
        load = os.getloadavg()[0]
        allowed = waits + times * self.floor
        words = (
            f"{seconds:.1f} s; at most {figure:.0f} s on an idle computer, and {allowed:.1f} s at the present pace: "
            f"{waits:.0f} s and {times:.0f} times a preview ({self.floor:.1f} s); load {load:.1f}"
        )
        assert seconds <= allowed, words
        # More than the run itself was running above that: the figure then says nothing, and the floor alone counts.
        if load < 1:
            assert seconds <= figure, words
