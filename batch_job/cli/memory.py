"""The memory that this process took; nothing but the standard library, so that anybody can ask."""

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_PEAK = "VmHWM:"


def peak_mb() -> int:
    """Give the most resident memory that this process had at once, MiB.

    On Linux ``ru_maxrss`` starts at the peak of whoever started the process, so it is asked only elsewhere.
    """
    if _STATUS.exists():
        [line] = [line for line in _STATUS.read_text().splitlines() if line.startswith(_PEAK)]
        return round(int(line.split()[1]) / 2**10)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)
