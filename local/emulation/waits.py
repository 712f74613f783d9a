"""Waits of messages, cut short where nobody wants to wait: retries come as they would, only sooner."""

import os
from typing import Any

from ministack.services import sqs

VARIABLE = "EMULATOR_MAX_WAIT_S"
"""Seconds; a message that is handed back waits for no longer, whatever its worker says."""


def install() -> None:
    """Set the hook, if a longest wait is given."""
    if VARIABLE not in os.environ:
        return
    longest, change = int(os.environ[VARIABLE]), sqs._HANDLERS["ChangeMessageVisibility"]

    def change_visibility(data: dict[str, Any], url: str) -> Any:
        wanted = int(data.get("VisibilityTimeout", longest))
        return change({**data, "VisibilityTimeout": min(longest, wanted)}, url)

    sqs._HANDLERS["ChangeMessageVisibility"] = change_visibility
