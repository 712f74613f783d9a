# ruff: noqa: T201  it is a program
"""Damaged images through all stages: ``python -m tests.fuzz.images --files 20000``; a seed makes a file.

Every file must end as chips or as an ``InputError``: no crash, no hang, no other exception, no memory over the bound.
``--seed N --files 1 --keep FOLDER`` repeats one and leaves the file.
"""

import argparse
import logging
import multiprocessing
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from tests.fuzz.mutations import Damaged, damage
from tests.fuzz.originals import masks, originals
from tests.fuzz.visit import Ending, Kind, limit_memory, visit

TIMEOUT_S = 20
"""For one file."""
START_TIMEOUT_S = 120
PROGRESS_S = 5

_PROCESSES = multiprocessing.get_context("spawn")
READY = "ready"


class Worker:
    """A process with bounds that visits one file after another; a new one takes its place when it dies."""

    def __init__(self, example: bytes) -> None:
        self._example = example
        self._start()

    def visit(self, body: bytes, mask: bytes | None = None, *, timeout_s: float = TIMEOUT_S) -> Ending:
        """Send a file through, and a mask beside it; whatever happens is an ending."""
        try:
            self._connection.send((body, mask))
            if self._connection.poll(timeout_s):
                return self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            ending = Ending(Kind.CRASH, f"exit code {self._process.exitcode}")
        else:
            ending = Ending(Kind.HANG, f"over {timeout_s} s", timeout_s)
        self.stop()
        self._start()
        return ending

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _start(self) -> None:
        self._connection, theirs = _PROCESSES.Pipe()
        self._process = _PROCESSES.Process(target=_serve, args=(theirs, self._example), daemon=True)
        self._process.start()
        theirs.close()
        if not self._connection.poll(START_TIMEOUT_S) or self._connection.recv() != READY:
            raise RuntimeError("a worker did not start")


def _serve(connection: Connection, example: bytes) -> None:
    logging.disable()
    warnings.simplefilter("ignore")
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123  the libraries' complaints are of thousands of files
        os.dup2(nowhere.fileno(), sys.stderr.fileno())
    limit_memory()
    visit(example)  # what is loaded when first used is not any file's
    connection.send(READY)
    while True:
        try:
            body, mask = connection.recv()
        except EOFError:
            return
        connection.send(visit(body, mask))


def run(
    seeds: range, broken: Callable[[int], Damaged], *, workers: int, example: bytes
) -> Iterator[tuple[int, Ending]]:
    """Yield how each seed ended, in no order; ``example`` is a good file."""
    idle: SimpleQueue[Worker] = SimpleQueue()
    ended: SimpleQueue[tuple[int, Ending]] = SimpleQueue()
    made = [Worker(example) for _ in range(workers)]
    for worker in made:
        idle.put(worker)

    def work(seed: int) -> None:
        worker = idle.get()
        try:
            made_of = broken(seed)
            ended.put((seed, worker.visit(made_of.body, made_of.mask)))
        finally:
            idle.put(worker)

    with ThreadPoolExecutor(workers) as threads:
        try:
            asked = [threads.submit(work, seed) for seed in seeds]
            for _ in asked:
                yield ended.get()
        finally:
            threads.shutdown(cancel_futures=True)
            for worker in made:
                worker.stop()


def fuzz(seeds: range, *, workers: int) -> int:
    """Run seeds and print what failed; gives the exit code."""
    files, beside = originals(), masks()

    def broken(seed: int) -> Damaged:
        return damage(seed, files, beside)

    print(f"{len(files)} originals, {len(beside)} masks, {len(seeds)} damaged files, {workers} at once", flush=True)
    began = told = time.monotonic()
    counts: Counter[str] = Counter()
    failed, slowest, largest = 0, (0.0, 0), (0.0, 0)
    for seed, ending in run(seeds, broken, workers=workers, example=files["png"]):
        counts[ending.what if ending.kind is Kind.REFUSED else ending.kind] += 1
        slowest, largest = max(slowest, (ending.seconds, seed)), max(largest, (ending.peak_mb, seed))
        if not ending.kind.is_fine:
            failed += 1
            print(f"seed {seed}: {ending.kind}: {ending.what}\n  {broken(seed).story}", flush=True)
        if time.monotonic() - told > PROGRESS_S:
            told = time.monotonic()
            print(f"{counts.total()} of {len(seeds)} files, {failed} failed, {told - began:.0f} s", flush=True)
    print(f"{counts.total()} files: {', '.join(f'{n} {what}' for what, n in counts.most_common())}")
    print(f"slowest {slowest[0]:.1f} s (seed {slowest[1]}), most memory {largest[0]:.0f} MB (seed {largest[1]})")
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="of the first")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the files there")
    given = parser.parse_args()
    seeds = range(given.seed, given.seed + given.files)
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
        files, beside = originals(), masks()
        for seed in seeds:
            damaged = damage(seed, files, beside)
            (given.keep / f"{seed}.image").write_bytes(damaged.body)
            if damaged.mask is not None:
                (given.keep / f"{seed}.image.msk").write_bytes(damaged.mask)
    return fuzz(seeds, workers=given.workers)


if __name__ == "__main__":
    sys.exit(main())
