"""Many seeds on all cores: ``python -m tests.schedule.soak --seeds 50000``; ``--variants`` finds failing seeds anew."""

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.schedule.run import Schedule, run
from tests.schedule.variants import VARIANTS

FAILING_SEEDS = Path(__file__).with_name("failing_seeds.json")
CHUNK = 250
MOST_SEEDS_PER_VARIANT = 100_000


def say(text: str, *, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


def run_chunk(first: int, n: int = CHUNK) -> tuple[int, Counter[str], dict[int, str]]:
    """Run seeds; gives how many, what they covered, and which failed with what."""
    covered: Counter[str] = Counter()
    failed: dict[int, str] = {}
    for seed in range(first, first + n):
        try:
            covered.update(run(seed))
        except Exception as error:  # noqa: BLE001  whatever it is, the seed is to be named
            failed[seed] = f"{type(error).__name__}: {error}"
    return n, covered, failed


def first_failing_seed(name: str) -> tuple[str, int | None, str]:
    """Find the first seed that catches a variant."""
    for seed in range(MOST_SEEDS_PER_VARIANT):
        try:
            VARIANTS[name].run(seed)
        except Exception as error:  # noqa: BLE001  caught is caught
            return name, seed, f"{type(error).__name__}: {error}"
    return name, None, "never caught"


def story(seed: int) -> Iterator[str]:
    """Tell what happens in a seed."""
    told: list[str] = []
    try:
        Schedule(seed, story=told).run()
    except Exception as error:  # noqa: BLE001  it is the end of the story
        told.append(f"{type(error).__name__}: {error}")
    yield from told


def soak(seeds: int, *, first: int) -> int:
    """Run seeds on all cores; gives the exit code."""
    started, done, covered = time.monotonic(), 0, Counter[str]()
    failed: dict[int, str] = {}
    with multiprocessing.Pool() as pool:
        for n, more, bad in pool.imap_unordered(run_chunk, range(first, first + seeds, CHUNK)):
            done += n
            covered.update(more)
            failed.update(bad)
            rate = done / (time.monotonic() - started)
            if sys.stdout.isatty() or done % (20 * CHUNK) == 0:
                end = "\r" if sys.stdout.isatty() else "\n"
                say(f"{done} of {seeds} seeds, {rate:.0f} per second, {len(failed)} failed", end=end)
    say("")
    for name, times in sorted(covered.items()):
        say(f"  {name:30} {times}")
    for seed, what in sorted(failed.items()):
        say(f"seed {seed}: {what[:300]}")
    return 1 if failed else 0


def find_variants(names: list[str]) -> int:
    """Find each variant's first failing seed and store it; gives the exit code."""
    stored: dict[str, int] = json.loads(FAILING_SEEDS.read_text()) if FAILING_SEEDS.exists() else {}
    with multiprocessing.Pool() as pool:
        found = list(pool.imap_unordered(first_failing_seed, names))
    for name, seed, what in found:
        say(f"{name:45} {seed!s:>7}  {what[:120]}")
        stored.pop(name, None)
        if seed is not None:
            stored[name] = seed
    kept = {name: stored[name] for name in VARIANTS if name in stored}
    FAILING_SEEDS.write_text(json.dumps(kept, indent=2) + "\n")
    return 0 if kept.keys() == VARIANTS.keys() else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--variants", nargs="*", metavar="NAME", help="find failing seeds of these variants (all)")
    parser.add_argument("--story", type=int, metavar="SEED", help="tell what happens in a seed")
    given = parser.parse_args()
    if given.story is not None:
        say("\n".join(story(given.story)))
        return 0
    if given.variants is not None:
        return find_variants(given.variants or list(VARIANTS))
    return soak(given.seeds, first=given.first)


if __name__ == "__main__":
    sys.exit(main())
