"""The peers whose merging ``border_quality`` compares with; each merges in a process of its own that stays at hand."""

import os
import subprocess
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.border_scene import Views
from benchmarks.set_up import OSML, SAHI, Environment
from benchmarks.side_merge import IN, MERGED, OUT
from benchmarks.sides import ROOT

RULES = {"sahi": "SAHI default", "osml": "OSML NMS", "nms": "NMS, IoU 0.5"}
"""By the name in rows: what people are told. SAHI's is GREEDYNMM, OSML's NMS from an IoU of 0.75."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Peer:
    """A program that merges, by one rule or several."""

    home: Environment
    module: str
    rules: tuple[str, ...]


PEERS = (
    Peer(SAHI, "benchmarks.side_sahi_merge", ("sahi", "nms")),
    Peer(OSML, "benchmarks.side_osml_merge", ("osml",)),
)


class PeerError(Exception):
    """A peer ended; its last words say why."""


class Merger:
    """A peer at work, until it is closed: importing some takes longer than merging."""

    def __init__(self, peer: Peer) -> None:
        """Start it."""
        self._peer = peer
        self._closing = ExitStack()
        self._folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory()))
        self._errors = self._closing.enter_context(tempfile.TemporaryFile("w+"))  # noqa: SIM115  the stack closes it
        self._process = self._closing.enter_context(
            subprocess.Popen(
                [str(peer.home.python.absolute()), "-W", "ignore", "-m", peer.module],
                cwd=ROOT,
                env={**os.environ, **peer.home.variables},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
            )
        )
        self._closing.callback(self._process.kill)

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the peer."""
        self._closing.close()

    def merge(self, views: Views) -> dict[str, Floats]:
        """Merge; gives (n, 5) boxes and labels by rule.

        Raises:
            PeerError: it cannot.
        """
        np.savez(self._folder / IN, boxes=views.boxes, labels=views.labels, confidences=views.confidences)
        if self._answer(f"{self._folder}\n") != MERGED:
            raise PeerError(f"{self._peer.home.name}: {self._last_words()}")
        with np.load(self._folder / OUT) as merged:
            return dict(merged)

    def _answer(self, line: str) -> str:
        asked, told = self._process.stdin, self._process.stdout
        if asked is None or told is None:
            raise PeerError(f"{self._peer.home.name}: cannot be asked")
        with suppress(BrokenPipeError):
            asked.write(line)
            asked.flush()
        return told.readline().strip()

    def _last_words(self) -> str:
        self._errors.seek(0)
        return (self._errors.read().strip().splitlines() or ["no word"])[-1]
