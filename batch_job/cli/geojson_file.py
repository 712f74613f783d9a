"""A GeoJSON file written image by image, whole at every end."""

import errno
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from batch_job.errors import BackfillError, DiskFullError, SettingsError

_HEAD, _TAIL = b'{"type":"FeatureCollection","features":[', b"\n]}\n"


class GeoJSONFile:
    """Collects features beside the final name and moves them there at the end.

    What was paid for is not thrown away: after an interruption, an error or a full disk the file is valid and holds
    every image that was finished.
    """

    def __init__(self, path: Path) -> None:
        """Take the final path; its folder must exist."""
        self._path, self._part = path, path.with_name(path.name + ".part")

    def __enter__(self) -> Self:
        """Open the file.

        Raises:
            SettingsError, DiskFullError: it cannot be written there.
        """
        try:
            # unbuffered: nothing is left to be written, and to fail, when it is closed
            self._file = self._part.open("wb", buffering=0)
            try:
                self._write(_HEAD)
            except OSError:
                self._file.close()
                raise
        except OSError as error:
            raise self._ours(error) from error
        self._whole = len(_HEAD)
        return self

    def add(self, *features: dict[str, Any]) -> None:
        """Write an image's features, all or none.

        Raises:
            DiskFullError: there is no room.
        """
        body = b",\n".join(orjson.dumps(feature) for feature in features)
        separator = b",\n" if self._whole > len(_HEAD) else b"\n"
        try:
            self._cut_off()
            self._write(separator + body)
        except OSError as error:
            raise self._ours(error) from error
        self._whole = self._file.tell()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cut off what was half written, close the collection, move it to its name."""
        with self._file:
            try:
                self._cut_off()
                self._write(_TAIL)
                os.fsync(self._file.fileno())
            except OSError as failure:
                raise self._ours(failure) from failure
        self._part.replace(self._path)

    def _cut_off(self) -> None:
        """Remove what a write that was interrupted left."""
        self._file.truncate(self._whole)
        self._file.seek(self._whole)

    def _write(self, body: bytes) -> None:
        view = memoryview(body)
        while view:
            view = view[self._file.write(view) :]

    def _ours(self, error: OSError) -> BackfillError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return DiskFullError(f"no room left on the disk of {self._path}; it holds the images finished before")
        return SettingsError(f"cannot write {self._path}: {error.strerror}")
