"""Stages that cost little: chips paid one by one, kept in parts."""

from contextlib import suppress

from batch_job.errors import BackfillError, ChangedError, UnreadableImageError
from batch_job.ports import Keeper
from batch_job.values.documents import ImageDocument, LabelDocument, TimeSource
from batch_job.values.image import ImageRef, ImageVersion, SideFile
from batch_job.values.work import Processed, Work
from tests.schedule.doors import PAYING, READING, StepArchive, StepStore
from tests.schedule.objects import PART, chips_of, folder, header_name, label_names
from tests.schedule.oracle import Oracle
from tests.schedule.world import World

TIME = "2026-01-01T00:00:00Z"


def label(image: ImageRef, version: ImageVersion, epoch: int, ordinal: int, name: str) -> LabelDocument:
    return LabelDocument(
        image=image,
        epoch=epoch,
        ordinal=ordinal,
        label=name,
        terms=(),
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
        etag=version.etag,
        time=TIME,
        time_source=TimeSource.LAST_MODIFIED,
    )


class ScheduleProcessing:
    """Stages as short as can be, with the archive's real meaning."""

    def __init__(self, world: World, store: StepStore, archive: StepArchive, oracle: Oracle) -> None:
        self._world = world
        self._store = store
        self._archive = archive
        self._oracle = oracle

    def archived(self, image: ImageRef, version: ImageVersion) -> bool:
        held = self._held(folder(image, version))
        return held >= set(chips_of(self._world.bodies[version.etag]))

    def process(self, work: Work, keeper: Keeper) -> Processed:
        body = self._world.bodies[work.version.etag]
        held = self._held(folder(work.image, work.version))
        missing = [chip for chip in chips_of(body) if chip not in held]
        header = header_name(work.image, work.version)
        if missing or self._archive.get(header) is None:
            self._store.do(lambda: self._open(work, body), READING)
            self._archive.put(header, b"as the side files say")
        self._buy(work, missing, keeper)
        names = label_names(
            body, work.version.side_files, work.version.detection_fingerprint, work.version.index_fingerprint
        )
        labels = [label(work.image, work.version, work.epoch, i, name) for i, name in enumerate(names)]
        described = ImageDocument(
            image=work.image,
            etag=work.version.etag,
            size=1,
            last_modified=TIME,
            time=TIME,
            time_source=TimeSource.LAST_MODIFIED,
        )
        return Processed(described, labels)

    def _held(self, folder: str) -> set[int]:
        held: set[int] = set()
        for key in self._archive.keys(folder):
            part = self._archive.get(key)
            held.update(part or b"")
        return held

    def _open(self, work: Work, body: str) -> None:
        self._check(work)
        if body.startswith("bad"):
            raise UnreadableImageError(body)

    def _check(self, work: Work) -> None:
        """Do as ``If-Match`` does, and as an archive storage class."""
        facts = self._world.store.head(work.image)
        if facts is not None and not facts.readable:
            self._world.seen["frozen.asked_for_pixels"] += 1
            raise ChangedError(work.image.uri)
        if self._world.current(work.image.key) != work.version.etag:
            raise ChangedError(work.image.uri)
        now = tuple(SideFile(*side) for side in self._world.sides(work.image.key))
        if now != work.version.side_files:
            raise ChangedError(work.image.uri)

    def _buy(self, work: Work, missing: list[int], keeper: Keeper) -> None:
        unsaved: list[int] = []
        saved = 0
        try:
            for chip in missing:
                self._store.do(lambda: self._check(work), READING)
                keeper.keep()
                self._pay(work, chip, unsaved)
                if len(unsaved) == PART:
                    self._save(work, saved, unsaved, keeper)
                    saved += 1
            self._save(work, saved, unsaved, keeper)
        except BackfillError:
            with suppress(BackfillError):
                self._save(work, saved, unsaved, keeper)
            raise

    def _pay(self, work: Work, chip: int, unsaved: list[int]) -> None:
        def call() -> None:
            self._oracle.paid(work, chip, by=self._store.task.owner)

        self._store.do(call, PAYING)
        unsaved.append(chip)

    def _save(self, work: Work, ordinal: int, unsaved: list[int], keeper: Keeper) -> None:
        if unsaved:
            name = f"{folder(work.image, work.version)}{work.epoch}-{ordinal}"
            part = bytes(unsaved)
            unsaved.clear()
            self._archive.put(name, part)
            self._oracle.part_saved(work, by=self._store.task.owner)
            keeper.part_archived()
