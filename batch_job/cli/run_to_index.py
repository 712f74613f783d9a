"""A run into an index: every image behind the ledger, so that a second run finds nothing to do."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from batch_job.cli.display import Share
from batch_job.cli.paid import agree
from batch_job.cli.patience import Patience
from batch_job.cli.request import Request
from batch_job.cli.sources import S3_SCHEME, Source, find_sources, listed, nothing_there, split_s3
from batch_job.cli.stand_ins import ARCHIVE_BUCKET, IMAGERY_BUCKET
from batch_job.ledger.nightly import Area, Unfinished, Unforgotten, and_unlisted, nightly
from batch_job.ledger.reconcile import Reconciler
from batch_job.values.image import ImageRef
from batch_job.values.work import Outcome
from batch_job.wiring.run import Buckets, index_door, make_buckets, open_buckets, upload

Listings = dict[str, tuple[Area, list[Source]]]
"""What the ``s3://`` SOURCEs stand for, and what is there."""


def run_to_index(request: Request) -> int:
    """Reconcile every image of the sources, and what the index knows below them; give the exit code."""
    buckets = open_buckets(request.endpoints)
    request = request.limited(buckets)
    listings = dict(_listings(request, buckets))
    uploaded = list(_uploaded(request, buckets))
    sources = _each_once([*uploaded, *(source for _, found in listings.values() for source in found)])
    if sources:
        agree(request, sources, buckets)
    door = index_door(request.settings, request.endpoints, buckets, request.run)
    images = dict.fromkeys([*(source.image for source in sources), *_all(door.reconciler, listings)])
    areas = [area for area, _ in listings.values()] + ([Area(IMAGERY_BUCKET)] if uploaded else [])
    patience = Patience(request.tally, request.console)
    sizes = {source.image: source.facts.size for source in sources}
    _walk(request, door.reconciler, {image: sizes.get(image, 0) for image in images}, areas, patience)
    door.refresh()
    return patience.exit_code


def _listings(request: Request, buckets: Buckets) -> Iterator[tuple[str, tuple[Area, list[Source]]]]:
    for name in request.sources:
        if name.startswith(S3_SCHEME):
            area = Area(*split_s3(name))
            yield name, (area, list(listed(buckets.store, bucket=area.bucket, prefix=area.prefix)))


def _all(reconciler: Reconciler, listings: Listings) -> Iterator[ImageRef]:
    """Yield the images of the listings, and what the index alone knows there.

    Raises:
        click.UsageError: neither has anything below a prefix, which so is misspelt.
    """
    for name, (area, found) in listings.items():
        ledger = reconciler.ledger
        if not found and next(iter(ledger.entries(bucket=area.bucket, prefix=area.prefix)), None) is None:
            raise click.UsageError(nothing_there(name))
        yield from and_unlisted(ledger, (source.image for source in found), area)


def _walk(
    request: Request,
    reconciler: Reconciler,
    sizes: Mapping[ImageRef, int],
    areas: Sequence[Area],
    patience: Patience,
) -> None:
    """Do what a night does; ``sizes`` are bytes, for the display."""
    share = Share(request.tally, list(sizes.values()))

    def visit_one(image: ImageRef) -> Outcome | Unfinished:
        with share.image(sizes[image]):
            return patience.visit(image, reconciler.reconcile)

    with request.watched(share):
        for ended in nightly(reconciler, sizes, areas=areas, visit_one=visit_one):
            if isinstance(ended, Unforgotten):
                said = f"old labels of {ended.image.uri} stay until the next run: {ended.error}"
                request.console.print(said, markup=False, soft_wrap=True)


def _uploaded(request: Request, buckets: Buckets) -> Iterator[Source]:
    """Put files into the stand-in's bucket; they are images whatever their ending, since somebody named them."""
    if request.endpoints.credentials is None:
        return
    make_buckets(buckets, IMAGERY_BUCKET, ARCHIVE_BUCKET)
    for source in find_sources([name for name in request.sources if not name.startswith(S3_SCHEME)], buckets.store):
        path = Path(source.image.key)
        request.console.print(f"uploading {path.name}", style="dim", markup=False)
        image = ImageRef(bucket=IMAGERY_BUCKET, key=_key(path))
        upload(buckets, path, image)
        facts = buckets.store.head(image)
        yield Source(image, facts or source.facts)


def _key(path: Path) -> str:
    """Name an uploaded file by its path below the current folder, or its whole path."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path).lstrip("/")


def _each_once(sources: list[Source]) -> list[Source]:
    return list({source.image: source for source in sources}.values())
