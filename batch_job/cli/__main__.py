"""``python -m batch_job.cli`` is ``imagery-backfill``."""

from batch_job.cli import main

main()
