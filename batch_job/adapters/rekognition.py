"""Amazon Rekognition DetectLabels, through boto3, with the chip's bytes in the request."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import boto3
import orjson
from botocore.config import Config
from botocore.exceptions import ClientError

from batch_job.adapters.aws_errors import REKOGNITION, as_ours, error_code
from batch_job.adapters.calls import Flow, call_all
from batch_job.errors import InputError
from batch_job.ports import Detector, Keep
from batch_job.values.answers import Answer, ChipRejected, RawAnswer
from batch_job.values.spaces import Chip

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient

ENGINE = "rekognition"
MAX_LABELS = 1000
"""Default and ceiling of the service."""
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
"""An answer takes 0.2–2 s; the chip's upload counts too."""


def rekognition_client(
    *,
    calls_in_flight: int,
    endpoint_url: str | None = None,
    region: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
) -> "RekognitionClient":
    """Make a client whose every attempt is one paid call at most.

    Args:
        calls_in_flight: Over all threads that share the client; each has a connection of its own.
        endpoint_url: None: the service's own.
        region: None: as the environment says; so too the keys.
        access_key: Of a stand-in.
        secret_key: Of a stand-in.

    Raises:
        SettingsError: no region.
    """
    config = Config(
        # every attempt draws from the budget, so none is hidden; calls.py repeats
        retries={"mode": "standard", "total_max_attempts": 1},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=calls_in_flight,
    )
    with as_ours(REKOGNITION, doing="making a client of Rekognition"):
        return boto3.Session().client(
            "rekognition",
            endpoint_url=endpoint_url,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=config,
        )


class RekognitionDetector:
    """Fits ``ports.Detector``."""

    def __init__(
        self, client: "RekognitionClient", *, min_confidence: float, flow: Flow, max_labels: int = MAX_LABELS
    ) -> None:
        """Use a client made by ``rekognition_client`` for at least ``flow.calls_in_flight``."""
        self._client, self._flow = client, flow
        self._min_confidence, self._max_labels = min_confidence, max_labels

    def detect(self, chips: Iterable[Chip], *, keep: Keep) -> Iterator[Answer]:
        """Yield the answer to each chip; see ``ports.Detector``."""
        return call_all(chips, self._ask, keep=keep, flow=self._flow)

    def _ask(self, chip: Chip) -> Answer:
        try:
            with as_ours(REKOGNITION, doing=f"asking Rekognition about {chip.image.uri} {chip.frame.window}"):
                response: Any = self._client.detect_labels(
                    Image={"Bytes": chip.body}, MinConfidence=self._min_confidence, MaxLabels=self._max_labels
                )
        except InputError as error:
            return _rejected(chip, error)
        facts = {key: value for key, value in response.items() if key != "ResponseMetadata"}
        version = facts.get("LabelModelVersion") or ""
        return RawAnswer(chip.frame, engine=ENGINE, body=orjson.dumps(facts), model_version=version)


def _rejected(chip: Chip, error: InputError) -> ChipRejected:
    """Take a refusal for good as an outcome of the chip."""
    cause = error.__cause__
    code = error_code(cause) if isinstance(cause, ClientError) else type(error).__name__
    return ChipRejected(chip.frame, code=code, message=str(error))


if TYPE_CHECKING:
    _fits: type[Detector] = RekognitionDetector
