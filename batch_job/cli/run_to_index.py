"""A run into an index: every image behind the ledger, so that a second run finds nothing to do."""

from collections.abc import Iterator
from pathlib import Path

from batch_job.cli.display import Share
from batch_job.cli.paid import agree
from batch_job.cli.patience import Patience
from batch_job.cli.request import Request
from batch_job.cli.sources import S3_SCHEME, Source, find_sources, listed, split_s3
from batch_job.cli.stand_ins import ARCHIVE_BUCKET, IMAGERY_BUCKET
from batch_job.ledger.nightly import forget_dead_labels
from batch_job.ledger.reconcile import Reconciler, Redo
from batch_job.values.image import ImageRef
from batch_job.values.ledger import State
from batch_job.wiring.run import Buckets, index_door, make_buckets, open_buckets, upload


def run_to_index(request: Request) -> int:
    """Reconcile every image of the sources, and what the index knows below them; give the exit code."""
    buckets = open_buckets(request.endpoints)
    prefixes = list(_prefixes(request, buckets))
    sources = list(_listed(prefixes, buckets))
    agree(request, sources, buckets.open_raster)
    door = index_door(
        request.settings,
        request.endpoints,
        buckets,
        request.tally,
        max_calls=request.max_calls,
        redo=Redo.DETECTION if request.redo else Redo.NOTHING,
    )
    gone = list(_gone(door.reconciler, prefixes, {source.image for source in sources}))
    share = Share(request.tally, [source.facts.size for source in sources] + [0] * len(gone))
    patience = Patience(request.tally, request.console)
    with request.watched(share):
        for image, size in [(source.image, source.facts.size) for source in sources] + [(one, 0) for one in gone]:
            with share.image(size):
                patience.visit(image, door.reconciler.reconcile)
    for bucket, prefix in prefixes:
        for unfinished in forget_dead_labels(door.reconciler, bucket=bucket, prefix=prefix):
            request.console.print(f"old labels of {unfinished.image.uri} stay until the next run: {unfinished.error}")
    door.refresh()
    return patience.exit_code


def _prefixes(request: Request, buckets: Buckets) -> Iterator[tuple[str, str]]:
    """Yield (bucket, prefix) of every source; files go to the stand-in's bucket first."""
    if request.endpoints.credentials is not None:
        make_buckets(buckets, IMAGERY_BUCKET, ARCHIVE_BUCKET)
    for name in request.sources:
        if name.startswith(S3_SCHEME):
            yield split_s3(name)
            continue
        for source in find_sources([name], buckets.store):
            path = Path(source.image.key)
            request.console.print(f"uploading {path.name}", style="dim", markup=False)
            key = _key(path)
            upload(buckets, path, ImageRef(bucket=IMAGERY_BUCKET, key=key))
            yield IMAGERY_BUCKET, key


def _key(path: Path) -> str:
    """Name an uploaded file by its path below the current folder, or its whole path."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path).lstrip("/")


def _listed(prefixes: list[tuple[str, str]], buckets: Buckets) -> Iterator[Source]:
    """Yield what stands below the prefixes, each once; that may be nothing, when all was deleted."""
    seen: set[ImageRef] = set()
    for bucket, prefix in prefixes:
        for source in listed(buckets.store, bucket=bucket, prefix=prefix):
            if source.image not in seen:
                seen.add(source.image)
                yield source


def _gone(reconciler: Reconciler, prefixes: list[tuple[str, str]], present: set[ImageRef]) -> Iterator[ImageRef]:
    """Yield what the index knows below the prefixes and the listing does not."""
    for bucket, prefix in prefixes:
        for stored in reconciler.ledger.entries(bucket=bucket, prefix=prefix):
            if stored.entry.image not in present and stored.entry.state is not State.REMOVED:
                yield stored.entry.image
