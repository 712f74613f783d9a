"""AWS Batch: submits jobs, and takes back those that wait."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

import structlog
from botocore.exceptions import ClientError

from batch_job.adapters.aws_errors import BATCH, as_ours, error_code
from batch_job.adapters.clients import Where, connect
from batch_job.ports import JobQueue

ATTEMPTS = 8
"""In all: Batch takes about 50 requests a second of a whole account, and says so with 429 (AWS Batch quotas)."""
MAX_NAME_CHARS = 128

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]")
_REFUSED = "ClientException"

log = structlog.get_logger()


def batch_client(**where: Unpack[Where]) -> Any:
    """Make a client of AWS Batch; see ``clients.connect``."""
    return connect("batch", BATCH, attempts=ATTEMPTS, **where)


class BatchJobQueue:
    """One queue and one job definition; fits ``ports.JobQueue``."""

    def __init__(self, client: Any, *, queue: str, definition: str) -> None:
        """Take a client of ``batch_client``, and the names or ARNs of queue and job definition."""
        self._client, self._queue, self._definition = client, queue, definition

    def submit(self, name: str, parameters: Mapping[str, str]) -> str:
        """Submit a job of its own; gives its id."""
        return self._submit(name, parameters)

    def submit_array(self, name: str, parameters: Mapping[str, str], *, size: int) -> str:
        """Submit a job of 2 to 10,000 children; gives its id."""
        return self._submit(name, parameters, arrayProperties={"size": size})

    def _submit(self, name: str, parameters: Mapping[str, str], **array: Any) -> str:
        with as_ours(
            BATCH, doing=f"submitting {name} to {self._queue} (needs batch:SubmitJob on queue and definition)"
        ):
            answer: Mapping[str, str] = self._client.submit_job(
                jobName=_NOT_IN_A_NAME.sub("-", name)[:MAX_NAME_CHARS],
                jobQueue=self._queue,
                jobDefinition=self._definition,
                parameters=dict(parameters),
                **array,
            )
        return answer["jobId"]

    def cancel(self, job_id: str, *, reason: str) -> None:
        """Take back what has not started; that the job is over, or forgotten, is no error."""
        with as_ours(BATCH, doing=f"cancelling {job_id} (needs batch:CancelJob)"):
            try:
                self._client.cancel_job(jobId=job_id, reason=reason)
            except ClientError as error:
                if error_code(error) != _REFUSED:
                    raise
                log.info("job.not_cancelled", job=job_id, error=str(error))


if TYPE_CHECKING:
    _fits: type[JobQueue] = BatchJobQueue
