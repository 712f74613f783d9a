"""What a job finds around it: the variables of its container."""

import os
from pathlib import Path

from local.emulation import cloud
from local.emulation.addresses import reachable
from local.emulation.cloud import Environment
from local.emulation.jobs import Job

EMULATORS_OWN = frozenset(
    {"GATEWAY_PORT", "EDGE_PORT", "BIND_HOST", "MINISTACK_HOST", "STATE_DIR", "S3_DATA_DIR", "AUTH", "LAMBDA_EXECUTOR"}
)
"""Variables of the emulator's process that are none of a job's business."""


def variables(job: Job, *, array_size: int, place: Environment, scratch: Path) -> dict[str, str]:
    """Give all variables of a job's next attempt; the service's own win over the definition's."""
    inherited = {name: value for name, value in os.environ.items() if name not in EMULATORS_OWN}
    return {
        **inherited,
        **cloud.credentials(job.job_id, job.plan.role_arn),
        **reachable(job.plan.environment),
        **_of_array(job, array_size),
        "TMPDIR": str(scratch),
        "AWS_BATCH_JOB_ID": job.job_id,
        "AWS_BATCH_JOB_ATTEMPT": str(len(job.attempts) + 1),
        "AWS_BATCH_JQ_NAME": job.queue_arn.rpartition("/")[2],
        "AWS_BATCH_CE_NAME": place.name,
    }


def _of_array(job: Job, array_size: int) -> dict[str, str]:
    if not job.parent_id:
        return {}
    return {"AWS_BATCH_JOB_ARRAY_INDEX": str(job.index), "AWS_BATCH_JOB_ARRAY_SIZE": str(array_size)}
