"""Rows of a JPEG by libvips, from the top down, whose bytes come through a function of ours.

These are the few calls of its C interface that this takes, by the module that ``pyvips-binary`` is. pyvips itself,
around that module, comes only as a source distribution, which no lock file can pin with all that builds it.
"""

import importlib
import threading
from collections.abc import Callable
from typing import Any, Self

ReadNext = Callable[[int], bytes]
"""Reads so many bytes from where it stands; fewer, or none, where the file ends. Must not raise."""

_OPTIONS = b"access=sequential,fail_on=warning"
"""Few rows are held; and whatever libjpeg warns of, as of a file cut off, is an error, not grey."""

_LOG_WARNING = 1 << 4
"""GLib's G_LOG_LEVEL_WARNING."""

_CALLING = threading.Lock()
"""libvips has one place for what went wrong, whatever thread it happened in."""
_LOADING = threading.Lock()
_loaded: Any = None


class VipsError(Exception):
    """libvips could not, or would not, decode."""


class VipsRows:
    """The rows of one picture; for one thread."""

    def __init__(self, library: Any, region: Any, kept: tuple[Any, ...]) -> None:
        """Take what ``of_jpeg`` made; ``kept`` is what the region needs as long as it is there."""
        self._library, self._region, self._kept = library, region, kept

    @classmethod
    def of_jpeg(cls, read: ReadNext) -> Self:
        """Begin to read.

        Raises:
            VipsError: it is no JPEG that libvips reads.
        """
        library = loaded()
        ffi, lib = library.ffi, library.lib
        handle = ffi.new_handle(_filling(read))
        source = _owned(library, lib.vips_source_custom_new())
        lib.g_signal_connect_data(
            ffi.cast("GObject *", source), b"read", ffi.cast("GCallback", lib._marshal_read), handle, ffi.NULL, 0
        )
        with _CALLING:
            image = _opened(library, source)
            region = _owned(library, lib.vips_region_new(image))
        return cls(library, region, (image, source, handle))

    def fetch(self, *, row_off: int, rows: int, width: int) -> Any:
        """Decode rows, those between the last ones and these too; gives their bytes, as a buffer.

        Raises:
            VipsError: something is wrong with them.
        """
        ffi, lib = self._library.ffi, self._library.lib
        size = ffi.new("size_t *")
        with _CALLING:
            pixels = lib.vips_region_fetch(self._region, 0, row_off, width, rows, size)
            said = _said(self._library)
        if pixels == ffi.NULL or said:
            lib.g_free(pixels)
            raise VipsError(said)
        return ffi.buffer(ffi.gc(pixels, lib.g_free), size[0])


def loaded() -> Any:
    """Load the library, once; None where it is not installed, or does not begin."""
    global _loaded  # noqa: PLW0603  libvips has one state for the process too
    with _LOADING:
        if _loaded is None:
            try:
                library = importlib.import_module("_libvips")
                _prepare(library)
            except (ImportError, VipsError):
                return None
            _loaded = library
    return _loaded


def _prepare(library: Any) -> None:
    library.ffi.def_extern(name="_marshal_read")(_marshal_read)
    library.ffi.def_extern(name="_log_handler_callback")(_marshal_log)
    # what it warns of is in the error too, that comes from the call
    library.lib.g_log_set_handler(b"VIPS", _LOG_WARNING, library.lib._log_handler_callback, library.ffi.NULL)
    if library.lib.vips_init(b"") != 0:
        raise VipsError(_said(library))
    library.lib.vips_cache_set_max(0)  # it would keep files that are closed


def _filling(read: ReadNext) -> Callable[[Any], int]:
    """Make of a function that reads one that fills a buffer: what pyvips, too, keeps in a handle."""

    def fill(buffer: Any) -> int:
        body = read(len(buffer))
        buffer[: len(body)] = body
        return len(body)

    return fill


def _marshal_read(_source: Any, place: Any, length: int, handle: Any) -> int:
    """Answer libvips's call for the next bytes. pyvips, imported by a user's hook, would put its own in this place."""
    fill: Callable[[Any], int] = _loaded.ffi.from_handle(handle)
    return fill(_loaded.ffi.buffer(place, length))


def _marshal_log(_domain: Any, _level: int, _message: Any, _data: Any) -> None:
    """Say nothing."""


def _opened(library: Any, source: Any) -> Any:
    """Build the operation, and give the image that comes of it."""
    ffi, lib = library.ffi, library.lib
    operation = _owned(library, lib.vips_operation_new(b"jpegload_source"))
    lib.vips_object_set_from_string(ffi.cast("VipsObject *", operation), _OPTIONS)
    value = ffi.new("GValue *")
    lib.g_value_init(value, lib.g_type_from_name(b"VipsSource"))
    lib.g_value_set_object(value, source)
    lib.g_object_set_property(ffi.cast("GObject *", operation), b"source", value)
    lib.g_value_unset(value)
    built = lib.vips_cache_operation_build(operation)
    if built == ffi.NULL:
        lib.vips_object_unref_outputs(ffi.cast("VipsObject *", operation))
        raise VipsError(_said(library))
    built = _owned(library, built)
    value = ffi.new("GValue *")
    lib.g_value_init(value, lib.g_type_from_name(b"VipsImage"))
    lib.g_object_get_property(ffi.cast("GObject *", built), b"out", value)
    image = ffi.cast("VipsImage *", lib.g_value_get_object(value))
    lib.g_object_ref(image)
    image = _owned(library, image)
    lib.g_value_unset(value)
    lib.vips_object_unref_outputs(ffi.cast("VipsObject *", built))
    return image


def _owned(library: Any, pointer: Any) -> Any:
    """Let go of a GObject when its last name does."""
    if pointer == library.ffi.NULL:
        raise VipsError(_said(library))
    return library.ffi.gc(pointer, library.lib.g_object_unref)


def _said(library: Any) -> str:
    """Take what went wrong in the last call: of libjpeg's warnings libvips itself overlooks those in the last rows."""
    said: str = library.ffi.string(library.lib.vips_error_buffer()).decode("utf-8", "replace").strip()
    library.lib.vips_error_clear()
    return said
