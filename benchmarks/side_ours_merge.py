"""Our merging on arrays: ``python -m benchmarks.side_ours_merge IN.npz`` prints seconds, objects left, peak memory."""

import sys
import time

import numpy as np

from batch_job.cli.memory import peak_mb
from batch_job.detection.merge import merge_views
from batch_job.detection.views import Views

FIELDS = ("boxes", "labels", "confidences", "chips", "cut", "windows", "resolutions_px")


def main() -> None:
    """Do what the argument says."""
    with np.load(sys.argv[1]) as given:
        arrays = {name: given[name] for name in FIELDS}
    began = time.process_time()
    groups, _ = merge_views(Views(**arrays))
    seconds = time.process_time() - began
    print(seconds, len(np.unique(groups)), peak_mb())


if __name__ == "__main__":
    main()
