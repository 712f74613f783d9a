"""A folder as the archive: for runs without a bucket, whose paid answers are to outlive a bad end all the same."""

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from batch_job.errors import DiskFullError, SettingsError

if TYPE_CHECKING:
    from batch_job.ports import ArchiveStore

PART = ".part"
"""Ending of a file that is being written; it is no key."""


class FolderArchiveStore:
    """A folder where paid answers are kept; fits ``ports.ArchiveStore``. It is made when the first one comes."""

    def __init__(self, root: Path) -> None:
        """Take the archive's root."""
        self.root = root
        self._used: set[str] = set()
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Read a whole file; None when it does not exist."""
        with self._translated():
            try:
                body = (self.root / key).read_bytes()
            except FileNotFoundError:
                return None
        self._note(key)
        return body

    def put(self, key: str, body: bytes) -> None:
        """Write a whole file, at once or not at all."""
        path = self.root / key
        part = path.with_name(path.name + PART)
        with self._translated():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with part.open("wb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            except BaseException:  # Ctrl-C too
                with suppress(OSError):
                    part.unlink()
                raise
        self._note(key)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys under a prefix, in order."""
        folder = self.root / prefix.rpartition("/")[0]
        found = (path.relative_to(self.root).as_posix() for path in folder.rglob("*") if path.is_file())
        yield from sorted(key for key in found if key.startswith(prefix) and not key.endswith(PART))

    def forget(self) -> bool:
        """Delete what was read or written through this object, and the folders that are empty then.

        What other runs left stays, but for what they were killed over while they wrote it.

        Returns:
            Whether the root is gone.
        """
        with self._translated():
            for key in self._used:
                (self.root / key).unlink(missing_ok=True)
            for part in [*self.root.rglob("*" + PART)]:
                part.unlink(missing_ok=True)
            folders = sorted((path for path in self.root.rglob("*") if path.is_dir()), reverse=True)
        for folder in (*folders, self.root):
            with suppress(OSError):  # not empty, or never made
                folder.rmdir()
        return not self.root.exists()

    def _note(self, key: str) -> None:
        with self._lock:
            self._used.add(key)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFullError(f"no room left on the disk of {self.root}") from error
            raise SettingsError(f"cannot use {self.root} for paid answers: {error.strerror}") from error


if TYPE_CHECKING:
    _archive: type[ArchiveStore] = FolderArchiveStore
