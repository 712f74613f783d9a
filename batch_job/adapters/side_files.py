"""Small files beside an image, whole, each by one ranged GET under its ETag."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batch_job.adapters.ranges import LocalFiles, RangeReader
from batch_job.errors import UnreadableImageError
from batch_job.values.image import LOCAL_FILES, ImageRef, SideFile

if TYPE_CHECKING:
    from batch_job.ports import ReadSideFile

MAX_BYTES = 4 * 1024**2
"""World files have 100 bytes, STAC items some kB; an ``.aux.xml`` with histograms of many bands may have 1 MB."""


@dataclass(frozen=True, slots=True)
class SideFileReader:
    """Reads side files; fits ``ports.ReadSideFile``."""

    objects: RangeReader
    """Of the object store."""
    files: RangeReader = field(default_factory=LocalFiles)

    def __call__(self, image: ImageRef, side_file: SideFile) -> bytes:
        """Read one; see ``ports.ReadSideFile``."""
        reader = self.files if image.bucket == LOCAL_FILES else self.objects
        beside = ImageRef(bucket=image.bucket, key=side_file.key)
        try:
            portion = reader.read_range(beside, etag=side_file.etag, start=0, length=MAX_BYTES)
        except UnreadableImageError:
            return b""  # empty
        return portion.body if portion.object_size <= MAX_BYTES else b""


if TYPE_CHECKING:
    _reads: type[ReadSideFile] = SideFileReader
