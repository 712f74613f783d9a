"""Asking for a run now: an inventory of our own, which the planner takes like one of S3's."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from batch_job.backfill.inventory import parse_manifest
from batch_job.backfill.listing import (
    ListingHead,
    Row,
    data_files,
    file_of,
    folder_of,
    row_of_entry,
    row_of_object,
    write_checksum,
    write_manifest,
)
from batch_job.backfill.messages import CHECKSUM
from batch_job.backfill.plan import Rules
from batch_job.backfill.progress import RunProgress, RunWatch
from batch_job.backfill.shards import RunFolder, active_run
from batch_job.errors import InputError
from batch_job.ports import ArchiveStore, Clock, ObjectStore, RunStore
from batch_job.values.image import ImageRef
from batch_job.values.inventory import DataFile, Request
from batch_job.values.ledger import LedgerEntry

LISTINGS = "listings"
"""Where our own inventories are, in the reports bucket."""
MANIFEST = "manifest.json"
TOLD_EVERY = 1000
"""Objects: as many as a page of a listing holds."""
CLOCKS_DIFFER_MS = 5000
"""Servers' clocks do, by seconds; a listing that is said to be a little older only spares the sweep some looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Rows that were written, and no manifest yet: nobody sees them before ``Starter.announce``."""

    head: ListingHead
    folder: str
    files: tuple[DataFile, ...]
    objects: int
    images: int
    """... of these that the filters accept."""
    chips: int
    """Expected of the images, by their bytes."""


@dataclass(slots=True)
class Counted:
    """Counts rows as they are pulled."""

    rules: Rules
    bucket: str
    objects: int = 0
    images: int = 0
    chips: int = 0

    def add(self, key: str, size: int) -> None:
        """Count an object."""
        self.objects += 1
        if self.rules.filters.accepts(key):
            self.images += 1
            items = self.rules.sizing.items(ImageRef(self.bucket, key), size)
            self.chips += sum(map(self.rules.sizing.chips, items))


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """Writes listings, over the services."""

    objects: ObjectStore
    reports: ArchiveStore
    clock: Clock
    """By the store's answers; it may not have answered yet."""
    bucket: str
    reports_bucket: str
    rules: Rules
    """What the planner will plan by."""
    new_name: Callable[[], str]
    """Never gives the same text twice."""
    watch: Callable[[int], None] = lambda _objects: None
    """Is told now and then how many objects were listed."""

    def list_bucket(self, request: Request, *, prefix: str = "") -> Listed:
        """List what stands under a prefix; a thousand rows and one data file are in memory.

        Raises:
            InputError: nothing does, and a prefix was given: it is likely misspelt.
        """
        created_ms = self._now_ms()  # before the listing begins, so that nothing written later counts as missing
        counted = Counted(self.rules, self.bucket)
        listed = self._write(self._rows(prefix, counted), counted, request, created_ms=created_ms)
        if prefix and not listed.objects:
            raise InputError(f"nothing stands under s3://{self.bucket}/{prefix}: is the prefix right?")
        return listed

    def list_entries(self, entries: Iterable[LedgerEntry], request: Request) -> Listed:
        """List images that the ledger knows."""
        created_ms, counted = self._now_ms(), Counted(self.rules, self.bucket)

        def rows() -> Iterator[Row]:
            for entry in entries:
                counted.add(entry.image.key, entry.described.size if entry.described else 0)
                yield row_of_entry(entry)

        return self._write(rows(), counted, request, created_ms=created_ms)

    def announce(self, listed: Listed) -> str:
        """Write the manifest, then the checksum that the planner waits for; gives the id of the run that it starts."""
        body = write_manifest(listed.head, listed.files)
        checksum = write_checksum(body)
        self.reports.put(f"{listed.folder}/{MANIFEST}", body)
        self.reports.put(f"{listed.folder}/{CHECKSUM}", checksum)
        return parse_manifest(body, checksum=checksum).run_id

    def _now_ms(self) -> int:
        next(iter(self.objects.list(self.bucket, "")), None)  # whose answer tells the time
        return self.clock.now_ms() - CLOCKS_DIFFER_MS

    def _rows(self, prefix: str, counted: Counted) -> Iterator[Row]:
        for found in self.objects.list(self.bucket, prefix):
            counted.add(found.key, found.size)
            if counted.objects % TOLD_EVERY == 0:
                self.watch(counted.objects)
            yield row_of_object(found, bucket=self.bucket)

    def _write(self, rows: Iterator[Row], counted: Counted, request: Request, *, created_ms: int) -> Listed:
        folder = f"{LISTINGS}/{folder_of(created_ms, name=self.new_name())}"
        files = []
        for number, body in enumerate(data_files(rows)):
            key = f"{folder}/data/{number:06d}.csv.gz"
            self.reports.put(key, body)
            files.append(file_of(key, body))
        head = ListingHead(
            source_bucket=self.bucket,
            destination_bucket=self.reports_bucket,
            created_ms=created_ms,
            request=request,
        )
        return Listed(
            head=head,
            folder=folder,
            files=tuple(files),
            objects=counted.objects,
            images=counted.images,
            chips=counted.chips,
        )


def unfinished_active_run(runs: RunStore, *, bucket: str) -> RunProgress | None:
    """Tell how far the bucket's active run is; None: there is none, or it is finished."""
    active = active_run(runs, bucket=bucket)
    if active is None:
        return None
    try:
        progress = RunWatch(RunFolder(runs, active)).look()
    except InputError:
        return None  # so old that its folder is gone
    return None if progress.finished else progress
