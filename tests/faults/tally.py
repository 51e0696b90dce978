"""Counts the faults tried and survived, per test and over all tests."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

PROPERTY = "faults"
log = logging.getLogger(__name__)


@dataclass
class Tally:
    """The count of one test."""

    tried: int = 0
    survived: int = 0
    failures: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def attempt(self, what: str, inject: Callable[[], None], check: Callable[[], None]) -> bool:
        """Inject one fault and run the checks; returns whether they all passed.

        A fault counts as tried only once `inject` has seen it happen.
        """
        try:
            inject()
        except AssertionError as error:
            self._fail(f"{what}: not injected: {error}")
            return False
        with self._lock:
            self.tried += 1
            if not self.tried % 100:
                log.info("%d tried, %d failures, now %s", self.tried, len(self.failures), what)
        try:
            check()
        except AssertionError as error:
            self._fail(f"{what}: {error}")
            return False
        with self._lock:
            self.survived += 1
        return True

    def _fail(self, text: str) -> None:
        with self._lock:
            self.failures.append(text)
        # Failures are logged immediately, since trying every step takes hours.
        log.warning(text)

    def check(self) -> None:
        """Fail the test with every failed check, or if no fault was tried at all."""
        assert not self.failures, f"{len(self.failures)} failures\n" + "\n".join(self.failures)
        assert self.tried, "no fault was tried"
