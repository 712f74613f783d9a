"""The command line's own wiring: a pipeline into a file, a reconciler over an index."""

import secrets
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from batch_job.adapters.calls import Flow
from batch_job.adapters.folder import FolderArchiveStore
from batch_job.adapters.gdal_transform import GdalGroundTransform
from batch_job.adapters.http_detector import HttpDetector
from batch_job.adapters.opensearch import create_indices, open_client, refresh
from batch_job.adapters.opensearch_labels import OpenSearchLabelIndex
from batch_job.adapters.opensearch_ledger import OpenSearchLedger
from batch_job.adapters.raster import RasterOpener
from batch_job.adapters.rekognition import RekognitionDetector, rekognition_client
from batch_job.adapters.s3 import Payer, S3ArchiveStore, S3Clock, S3ObjectStore, S3Reader, s3_client
from batch_job.adapters.side_files import SideFileReader
from batch_job.adapters.signing import auth_for
from batch_job.adapters.terrain import Terrain
from batch_job.errors import SettingsError
from batch_job.ledger.reconcile import Reconciler
from batch_job.place.areas import AreaOfInterest
from batch_job.ports import Detector, GroundTransform, LabelIndex, ObjectStore, OpenRaster, Progress, ReadSideFile
from batch_job.process import Pipeline
from batch_job.search.mappings import IndexNames
from batch_job.settings import PipelineSettings
from batch_job.spend.archive import Archive
from batch_job.spend.cap import CappedDetector
from batch_job.values.documents import LabelDocument
from batch_job.values.image import ImageRef
from batch_job.values.ledger import LabelSet
from batch_job.values.work import Redo
from batch_job.wiring.endpoints import Endpoints


def new_run_id() -> str:
    """Name a run of the command line, which nobody planned."""
    return f"cli-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: how it is called and watched, and what it may do."""

    progress: Progress
    max_calls: int | None = None
    redo: Redo = Redo.NOTHING
    id: str = field(default_factory=new_run_id)
    area: AreaOfInterest | None = None
    """None: all of every image is looked at."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """The imagery side: objects, their pixels, and the store's time."""

    client: Any
    clock: S3Clock
    store: ObjectStore
    open_raster: OpenRaster
    read_side_file: ReadSideFile
    terrain: Terrain | None = None

    @property
    def transform(self) -> GroundTransform:
        """GCPs and RPCs to the ground, on the DEM if there is one."""
        return GdalGroundTransform(self.terrain)

    def check(self) -> None:
        """Look whether the DEM can be used, before anything is paid.

        Raises:
            SettingsError, AccessError: it cannot.
        """
        if self.terrain is not None:
            self.terrain.check()


@dataclass(frozen=True, slots=True)
class _TimedLabels:
    """Notes how long the index takes."""

    labels: LabelIndex
    progress: Progress

    def write(self, labels: Iterable[LabelDocument], *, until_ms: int) -> None:
        began = time.perf_counter()
        self.labels.write(labels, until_ms=until_ms)
        self.progress.spent("index", time.perf_counter() - began)

    def delete(self, image: ImageRef, labels: LabelSet) -> None:
        self.labels.delete(image, labels)


@dataclass(frozen=True, slots=True)
class FileDoor:
    """What a run into a file works with."""

    pipeline: Pipeline
    answers: FolderArchiveStore
    """Keeps what was paid for until the file is whole."""


@dataclass(frozen=True, slots=True)
class IndexDoor:
    """What a run into an index works with."""

    reconciler: Reconciler
    refresh: Callable[[], None]
    """Makes all that was written searchable at once, not in a while."""


def open_buckets(endpoints: Endpoints) -> Buckets:
    """Connect to S3; nothing is sent yet."""
    keys = endpoints.credentials
    client = s3_client(
        endpoint_url=endpoints.s3_endpoint,
        region=endpoints.region,
        access_key=keys.access_key if keys else None,
        secret_key=keys.secret_key if keys else None,
        session=endpoints.session,
    )
    clock = S3Clock(client)
    payer = Payer.REQUESTER if endpoints.requester_pays else Payer.OWNER
    store, reader = S3ObjectStore(client, payer=payer), S3Reader(client, payer=payer)
    terrain = Terrain.of(endpoints.dem, reader)
    return Buckets(client, clock, store, RasterOpener(reader), SideFileReader(reader), terrain)


def file_door(
    settings: PipelineSettings, endpoints: Endpoints, buckets: Buckets, run: Run, *, answers: Path
) -> FileDoor:
    """Wire the stages alone: no ledger, and the folder ``answers`` as the archive. Raises as ``Buckets.check``."""
    buckets.check()
    store = FolderArchiveStore(answers)
    return FileDoor(pipeline(settings, endpoints, buckets, run, archive=Archive(store)), store)


def index_door(settings: PipelineSettings, endpoints: Endpoints, buckets: Buckets, run: Run) -> IndexDoor:
    """Wire the stages behind a reconciler over an index, which is created if it does not stand yet.

    Raises:
        SettingsError: index or archive is not given, or the DEM cannot be used.
    """
    buckets.check()
    if endpoints.index_url is None or endpoints.archive_uri is None:
        raise SettingsError("--to index needs --index URL and --archive s3://BUCKET/PREFIX (or --local)")
    auth = auth_for(endpoints.index_url, region=endpoints.region)
    client, names = open_client(endpoints.index_url, http_auth=auth), IndexNames(endpoints.index_prefix)
    create_indices(client, names)
    archive = Archive(archive_store(endpoints.archive_uri, buckets))
    reconciler = Reconciler(
        store=buckets.store,
        ledger=OpenSearchLedger(client, names),
        labels=_TimedLabels(OpenSearchLabelIndex(client, names, buckets.clock), run.progress),
        processing=pipeline(settings, endpoints, buckets, run, archive=archive),
        clock=buckets.clock,
        settings=settings,
        owner=f"{socket.gethostname()}-{secrets.token_hex(4)}",
        redo=run.redo,
    )
    return IndexDoor(reconciler, partial(refresh, client, names))


def pipeline(
    settings: PipelineSettings, endpoints: Endpoints, buckets: Buckets, run: Run, *, archive: Archive
) -> Pipeline:
    """Wire the stages."""
    return Pipeline(
        open_raster=buckets.open_raster,
        read_side_file=buckets.read_side_file,
        detector=_detector(settings, endpoints, run),
        transform=buckets.transform,
        settings=settings,
        progress=run.progress,
        archive=archive,
        area=run.area,
        run_id=run.id,
    )


def archive_store(uri: str, buckets: Buckets) -> S3ArchiveStore:
    """Find where paid answers are kept, by ``s3://BUCKET/PREFIX``."""
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    return S3ArchiveStore(buckets.client, bucket=bucket, prefix=prefix)


def _detector(settings: PipelineSettings, endpoints: Endpoints, run: Run) -> Detector:
    engine, _, url = settings.detector.partition("@")
    flow = Flow(calls_in_flight=settings.calls_in_flight, progress=run.progress)
    detector: Detector
    if engine == "http":
        detector = HttpDetector(url, flow=flow)
    else:
        keys = endpoints.credentials
        client = rekognition_client(
            calls_in_flight=settings.calls_in_flight,
            endpoint_url=url or None,
            region=endpoints.region,
            access_key=keys.access_key if keys else None,
            secret_key=keys.secret_key if keys else None,
        )
        detector = RekognitionDetector(client, min_confidence=settings.min_confidence, flow=flow)
    return detector if run.max_calls is None else CappedDetector(detector, max_calls=run.max_calls)


def make_buckets(buckets: Buckets, *names: str) -> None:
    """Create buckets in a stand-in, where they do not stand yet."""
    for name in names:
        buckets.client.create_bucket(Bucket=name)


def upload(buckets: Buckets, path: Path, image: ImageRef) -> None:
    """Put a file into a stand-in's bucket, in parts if it is large."""
    buckets.client.upload_file(str(path), image.bucket, image.key)
