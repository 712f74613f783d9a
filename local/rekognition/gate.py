"""Who is let in, how fast, and what is counted."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping

from local.rekognition.faults import ServiceError, over_quota, server_error, slow_down
from local.rekognition.settings import Behaviour

DENIED_KEYS: Mapping[str, tuple[str, str]] = {
    "AKIADENIED": (
        "AccessDeniedException",
        "User is not authorized to perform: rekognition:DetectLabels because no identity-based policy allows it",
    ),
    "AKIAUNKNOWN": ("UnrecognizedClientException", "The security token included in the request is invalid."),
    "AKIAEXPIRED": ("ExpiredTokenException", "The security token included in the request is expired"),
}
"""Access keys that begin so play wrong credentials; all others are welcome."""


class TokenBucket:
    """Lets ``per_s`` calls a second through, and ``burst`` at once after a rest. Not thread-safe by itself."""

    def __init__(self, *, per_s: float, burst: int | None, now: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = float(burst) if burst is not None else max(1.0, per_s)
        self._now = now
        self._tokens = self._burst
        self._at_s = now()

    def take(self) -> bool:
        """Take a token, if there is one."""
        now_s = self._now()
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Gate:
    """Quota, dice and counters of a running server; called from many threads."""

    def __init__(self, behaviour: Behaviour, *, now: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._counts: Counter[str] = Counter()
        self.behave(behaviour)

    @property
    def behaviour(self) -> Behaviour:
        """How it behaves now."""
        return self._behaviour

    def behave(self, behaviour: Behaviour) -> None:
        """Behave otherwise from now on; the bucket is full again, and the dice start anew."""
        with self._lock:
            self._behaviour = behaviour
            self._dice = random.Random(behaviour.seed)  # noqa: S311  a play, no secret
            self._bucket = behaviour.quota_per_s and TokenBucket(
                per_s=behaviour.quota_per_s, burst=behaviour.burst, now=self._now
            )

    def enter(self) -> None:
        """Let a call in.

        Raises:
            ServiceError: throttled, or the service fails.
        """
        with self._lock:
            throttled, failing = self._dice.random(), self._dice.random()
            if self._bucket and not self._bucket.take():
                raise over_quota()
            if throttled < self._behaviour.throttle_share:
                raise slow_down()
            if failing < self._behaviour.error_share:
                raise server_error()

    def count(self, outcome: ServiceError | None) -> None:
        """Note that a call ended, and how; None: it was answered."""
        with self._lock:
            self._counts["calls"] += 1
            self._counts[_counter(outcome)] += 1

    def count_bytes(self, picture_bytes: int) -> None:
        """Note the size of a picture that was taken in."""
        with self._lock:
            self._counts["bytes"] += picture_bytes

    def stats(self) -> dict[str, int]:
        """Give the counters, of calls that have ended: ``calls`` is the sum of the four outcomes after it."""
        with self._lock:
            return {name: self._counts[name] for name in _COUNTERS}


_COUNTERS = ("calls", "answered", "throttled", "rejected", "errors", "bytes")


def _counter(outcome: ServiceError | None) -> str:
    if outcome is None:
        return "answered"
    if outcome.code in (over_quota().code, slow_down().code):
        return "throttled"
    return "errors" if outcome.status >= 500 else "rejected"


def check_credentials(authorization: str | None) -> None:
    """Look at a request's access key (not at its signature).

    Raises:
        ServiceError: there is none, or it plays a wrong one.
    """
    _, found, rest = (authorization or "").partition("Credential=")
    if not found:
        raise ServiceError("MissingAuthenticationTokenException", "Missing Authentication Token")
    for start, (code, message) in DENIED_KEYS.items():
        if rest.startswith(start):
            raise ServiceError(code, message)
