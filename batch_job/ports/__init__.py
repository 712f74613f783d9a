"""Every seam to the outside, by topic. Adapters implement these; fakes next to them do too.

Unless a method says otherwise it may raise ``TransientError`` (try again) and ``DeploymentError`` (stop).
"""

from batch_job.ports.account import Account
from batch_job.ports.index import FailureList, LabelIndex, Ledger, SearchIndex
from batch_job.ports.paid import BudgetStore, Detector
from batch_job.ports.queues import Deliveries, Door, JobQueue, MessageQueue, UnendedJobs
from batch_job.ports.rasters import GroundTransform, OpenRaster, RasterSource, ReadSideFile
from batch_job.ports.storage import ArchiveStore, ByteStream, Clock, ObjectStore, OpenStream, RunStore
from batch_job.ports.watching import Deployments, JobList, QueueDepth
from batch_job.ports.work import Count, Keep, Keeper, Processing, Progress

__all__ = [
    "Account",
    "ArchiveStore",
    "BudgetStore",
    "ByteStream",
    "Clock",
    "Count",
    "Deliveries",
    "Deployments",
    "Detector",
    "Door",
    "FailureList",
    "GroundTransform",
    "JobList",
    "JobQueue",
    "Keep",
    "Keeper",
    "LabelIndex",
    "Ledger",
    "MessageQueue",
    "ObjectStore",
    "OpenRaster",
    "OpenStream",
    "Processing",
    "Progress",
    "QueueDepth",
    "RasterSource",
    "ReadSideFile",
    "RunStore",
    "SearchIndex",
    "UnendedJobs",
]
