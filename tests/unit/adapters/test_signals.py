"""Signals held back around foreign code."""

import os
import signal
import threading

import numpy as np
import pytest

from batch_job.adapters.ranges import ObjectsInMemory, RangedFile
from batch_job.adapters.raster import RasterOpener
from batch_job.adapters.signals import signals_held
from batch_job.values.image import ImageRef
from batch_job.values.spaces import Window
from tests.end_to_end.files import tiff

IMAGE = ImageRef("b", "k.tif")


def test_a_signal_comes_after_the_block():
    reached = False
    with pytest.raises(KeyboardInterrupt), signals_held():
        os.kill(os.getpid(), signal.SIGINT)
        reached = True
    assert reached


def test_a_signal_comes_even_when_the_block_fails():
    with pytest.raises(KeyboardInterrupt), signals_held():
        os.kill(os.getpid(), signal.SIGINT)
        raise ValueError("broken")


def test_handlers_are_as_before():
    before = signal.getsignal(signal.SIGINT)
    with signals_held():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_touch_no_handler():
    seen = []

    def work():
        with signals_held():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_ctrl_c_while_gdal_reads_is_no_broken_image():
    noise = np.random.default_rng(0).integers(0, 255, (3, 1500, 1500), np.uint8)
    body = tiff(noise)

    class Interrupting:
        armed = False
        objects = ObjectsInMemory({IMAGE: body})

        def read_range(self, image, *, etag, start, length):
            if self.armed:
                self.armed = False
                os.kill(os.getpid(), signal.SIGINT)
            return self.objects.read_range(image, etag=etag, start=start, length=length)

    objects = Interrupting()
    with RasterOpener(objects)(IMAGE, etag=None) as source:
        objects.armed = True
        with pytest.raises(KeyboardInterrupt):
            list(source.read_windows([Window(col_off=0, row_off=0, width=1500, height=1500)], bands=(1, 2, 3)))
    assert not objects.armed


def test_ctrl_c_while_gdal_closes_is_not_swallowed(monkeypatch):
    close = RangedFile.close
    closed = []

    def close_interrupted(file: RangedFile) -> None:
        closed.append(threading.current_thread() is threading.main_thread())
        os.kill(os.getpid(), signal.SIGINT)
        close(file)

    opener = RasterOpener(ObjectsInMemory({IMAGE: tiff(np.zeros((3, 64, 64), np.uint8))}))

    def look() -> None:
        with opener(IMAGE, etag=None):
            monkeypatch.setattr(RangedFile, "close", close_interrupted)

    with pytest.raises(KeyboardInterrupt):
        look()
    monkeypatch.undo()
    assert closed
