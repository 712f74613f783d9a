"""The budget in one DynamoDB item (``docs/budget.md``), and the same in memory."""

import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from batch_job.adapters.aws_errors import DYNAMODB, as_ours, error_code
from batch_job.errors import UnavailableError
from batch_job.ports import BudgetStore
from batch_job.values.budget import Draw, Drawn, Granted, Lane, NotYet

PARTITION_KEY = "budget"
"""The table's only key, a string; the stack makes it so."""
ITEM = "calls"
"""One item, so that ceilings of money can be drawn from in the same conditional write."""

CONNECT_TIMEOUT_S = 2
READ_TIMEOUT_S = 2
"""An answer takes 5–50 ms; a slow one is of no use, as its grant is stale."""
ATTEMPTS = 4
"""In all, with botocore's standard back-off; a draw that had succeeded unheard is repeated, and counts as spent."""

_LOST = "ConditionalCheckFailedException"


def dynamodb_client(
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    access_key: str | None = None,
    secret_key: str | None = None,
) -> Any:
    """Make a client; what is None comes from the environment, as always with AWS.

    Raises:
        SettingsError, AccessError: the environment names what is not there, a profile say.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    with as_ours(DYNAMODB, doing="connecting to DynamoDB"):
        return boto3.Session().client(
            "dynamodb",
            endpoint_url=endpoint_url,
            region_name=region,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=config,
        )


class DynamoDbBudget:
    """Fits ``ports.BudgetStore``; any number of threads."""

    def __init__(self, client: Any, *, table: str) -> None:
        """Take a client of ``dynamodb_client`` and the name of a table whose key is ``PARTITION_KEY``."""
        self._client, self._table = client, table

    def time_s(self) -> int:
        """Ask what time it is; see ``ports.BudgetStore``."""
        with as_ours(DYNAMODB, doing=f"reading the budget in {self._table} (needs dynamodb:GetItem)"):
            answer = self._client.get_item(TableName=self._table, Key=_KEY, ProjectionExpression=PARTITION_KEY)
        return _date_s(answer)

    def draw(self, draw: Draw) -> Drawn:
        """Draw, in two branches, as an update expression has no maximum; see ``ports.BudgetStore``."""
        drawn = self._draw_on(draw)
        if isinstance(drawn, NotYet) and drawn.next_us < draw.oldest_us:
            drawn = self._draw_anew(draw)
        return drawn

    def _draw_on(self, draw: Draw) -> Drawn:
        """Draw from a lane in use: its next moment lies in the slack."""
        return self._update(
            draw,
            set_next="#next = #next + :cost",
            condition="#next BETWEEN :oldest AND :now",
            values={":cost": draw.cost_us, ":oldest": draw.oldest_us, ":now": draw.now_us},
        )

    def _draw_anew(self, draw: Draw) -> Drawn:
        """Draw from a lane that nobody used for a while, or ever."""
        return self._update(
            draw,
            set_next="#next = :end",
            condition="attribute_not_exists(#next) OR #next < :oldest",
            values={":end": draw.oldest_us + draw.cost_us, ":oldest": draw.oldest_us},
        )

    def _update(self, draw: Draw, *, set_next: str, condition: str, values: Mapping[str, int]) -> Drawn:
        field = next_field(draw.lane)
        with as_ours(DYNAMODB, doing=f"drawing {draw.calls} calls from {self._table} (needs dynamodb:UpdateItem)"):
            try:
                answer = self._client.update_item(
                    TableName=self._table,
                    Key=_KEY,
                    UpdateExpression=f"SET {set_next} ADD #calls :calls",
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#next": field, "#calls": calls_field(draw.lane)},
                    ExpressionAttributeValues={n: {"N": str(v)} for n, v in {**values, ":calls": draw.calls}.items()},
                    ReturnValues="UPDATED_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error_code(error) != _LOST:
                    raise
                before: Any = error.response
                return NotYet(_number(before.get("Item", {}), field), _date_s(before))
        return Granted(_number(answer["Attributes"], field) - draw.cost_us, _date_s(answer))


_KEY = {PARTITION_KEY: {"S": ITEM}}
_NEVER_US = 0


def next_field(lane: Lane) -> str:
    """Name the attribute with a lane's next free moment, µs since 1970."""
    return f"{lane}_next_us"


def calls_field(lane: Lane) -> str:
    """Name the attribute with the number of calls that a lane ever handed out."""
    return f"{lane}_calls"


def _number(attributes: Mapping[str, Mapping[str, str]], field: str) -> int:
    return int(attributes[field]["N"]) if field in attributes else _NEVER_US


def _date_s(answer: Mapping[str, Any]) -> int:
    """Read the service's time off an answer, refusals included."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    if date is None:
        raise UnavailableError("the budget's answer has no Date, so nobody knows the time")
    return int(parsedate_to_datetime(date).timestamp())


class MemoryBudget:
    """The budget in memory, with the conditions of ``DynamoDbBudget``; any number of threads."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        """Answer with the time of ``now_s``, seconds since 1970."""
        self._now_s = now_s
        self._lock = threading.Lock()
        self.next_us: dict[Lane, int] = {}
        self.calls: dict[Lane, int] = {}

    def time_s(self) -> int:
        """Tell the time; see ``ports.BudgetStore``."""
        return int(self._now_s())

    def draw(self, draw: Draw) -> Drawn:
        """Draw at once; see ``ports.BudgetStore``."""
        with self._lock:
            next_us = self.next_us.get(draw.lane, _NEVER_US)
            if next_us > draw.now_us:
                return NotYet(next_us, self.time_s())
            start_us = max(next_us, draw.oldest_us)
            self.next_us[draw.lane] = start_us + draw.cost_us
            self.calls[draw.lane] = self.calls.get(draw.lane, 0) + draw.calls
            return Granted(start_us, self.time_s())


if TYPE_CHECKING:
    _real: type[BudgetStore] = DynamoDbBudget
    _memory: type[BudgetStore] = MemoryBudget
