"""What Lambda gives a function: events of a queue, and the time left."""

import json
from typing import Any

QUEUE_ARN = "arn:aws:sqs:us-east-1:000000000000:live"


def event(*bodies: str, receives: int = 1) -> dict[str, Any]:
    """An SQS event; message ``m0`` has the receipt ``r0``."""
    return {
        "Records": [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"r{number}",
                "body": body,
                "attributes": {"ApproximateReceiveCount": str(receives)},
                "eventSource": "aws:sqs",
                "eventSourceARN": QUEUE_ARN,
            }
            for number, body in enumerate(bodies)
        ]
    }


def of_s3(bucket: str, key: str, detail_type: str = "Object Created") -> str:
    """An event of S3, as EventBridge sends it."""
    detail = {"version": "0", "bucket": {"name": bucket}, "object": {"key": key, "size": 5, "sequencer": "0055AED6"}}
    return json.dumps({"version": "0", "source": "aws.s3", "detail-type": detail_type, "detail": detail})


def left(answer: dict[str, Any]) -> list[str]:
    """The messages that go back."""
    assert answer.keys() == {"batchItemFailures"}
    return [one["itemIdentifier"] for one in answer["batchItemFailures"]]


class Context:
    """An invocation with so much time."""

    def __init__(self, *seconds: float):
        self._seconds = list(seconds or (900.0,))

    def get_remaining_time_in_millis(self) -> int:
        return round(1000 * (self._seconds.pop(0) if len(self._seconds) > 1 else self._seconds[0]))
