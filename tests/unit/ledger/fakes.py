"""A world in memory around the reconciler, with stages that say what they are told to say."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from batch_job.adapters.memory import ManualClock, MemoryLabelIndex, MemoryLedger, MemoryObjectStore
from batch_job.ledger.reconcile import Reconciler
from batch_job.ports import Keeper
from batch_job.values.documents import LabelDocument, TimeSource
from batch_job.values.image import ImageRef, ImageVersion
from batch_job.values.ledger import LedgerEntry
from batch_job.values.objects import ListedObject
from batch_job.values.work import Processed, Work
from tests.unit.ledger.entries import DESCRIBED, TIME, Settings


def label(work: Work, ordinal: int) -> LabelDocument:
    return LabelDocument(
        image=work.image,
        epoch=work.epoch,
        ordinal=ordinal,
        label="Car",
        terms=("Car",),
        categories=(),
        kind="object",
        confidence=90.0,
        pixel_box=(0.0, 0.0, 1.0, 1.0),
        geometry=None,
        center=None,
        area_m2=None,
        length_m=None,
        chips=1,
        touches_edge=False,
        etag=work.version.etag,
        time=TIME,
        time_source=TimeSource.LAST_MODIFIED,
    )


def nothing(*_: object) -> None:
    """Let nothing happen."""


@dataclass
class Stages:
    """Finds two labels in everything; ``meanwhile`` happens while it works."""

    meanwhile: Callable[[Work, Keeper], None] = nothing
    labels: int = 2
    has_archived: bool = False
    worked: list[Work] = field(default_factory=list)

    def archived(self, image: ImageRef, version: ImageVersion) -> bool:
        return self.has_archived

    def process(self, work: Work, keeper: Keeper) -> Processed:
        self.worked.append(work)
        self.meanwhile(work, keeper)
        described = replace(DESCRIBED, etag=work.version.etag)
        return Processed(described, [label(work, i) for i in range(self.labels)])


@dataclass
class Watched:
    """Notes each call of a port, and lets a test happen in between."""

    port: Any
    world: "World"

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.port, name)

        def call(*args: Any, **facts: Any) -> Any:
            self.world.calls.append(name)
            self.world.before(name)
            return method(*args, **facts)

        return call


class World:
    """One bucket, one index, one worker."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryObjectStore()
        self.ledger = MemoryLedger()
        self.labels = MemoryLabelIndex(self.clock)
        self.stages = Stages()
        self.calls: list[str] = []
        self.slept: list[float] = []
        self.before: Callable[[str], None] = nothing

    def reconciler(self, settings: Settings | None = None, **facts: Any) -> Reconciler:
        numbers = count()
        owner = facts.setdefault("owner", "me")
        watched = {"store": self.store, "ledger": self.ledger, "labels": self.labels}
        ports: dict[str, Any] = {name: Watched(port, self) for name, port in watched.items()}
        return Reconciler(
            **ports,
            processing=self.stages,
            clock=self.clock,
            settings=settings or Settings(),
            new_token=lambda: f"{owner}#{next(numbers)}",
            sleep=self.slept.append,
            **facts,
        )

    def entry(self, image: ImageRef) -> LedgerEntry:
        stored = self.ledger.get(image)
        assert stored is not None
        return stored.entry

    def rewrite(self, image: ImageRef, **changes: Any) -> None:
        """Write over an entry, as another worker would."""
        stored = self.ledger.get(image)
        assert stored is not None
        written = replace(stored.entry, token="another's", **changes)  # noqa: S106  not that sort of token
        self.ledger.put(written, over=stored.seen)

    def label_epochs(self) -> set[int]:
        return {document.epoch for document in self.labels.documents.values()}


class EndlessStore(MemoryObjectStore):
    """A store whose listings never end: who reads too far, fails."""

    def __init__(self, *, then: int) -> None:
        super().__init__()
        self.left = then

    def list(self, bucket: str, prefix: str) -> Iterator[ListedObject]:
        yield from super().list(bucket, prefix)
        while self.left:
            self.left -= 1
            yield ListedObject(key=f"{prefix}zzz", etag="e", size=1, last_modified=TIME)
        raise AssertionError("read on for nothing")
