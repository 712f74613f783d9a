"""Log events with names and fixed keys, as JSON lines on stderr. Only entry points call ``configure``."""

import logging
import sys
from typing import Protocol, TextIO, cast

import structlog


class LogFile(Protocol):
    """What events are written to: as much of a file as that takes."""

    def write(self, text: str, /) -> int:
        """Take text."""
        ...

    def flush(self) -> None:
        """Let the text go."""
        ...


def configure(level: str = "info", *, file: LogFile | None = None) -> None:
    """Send this package's events, from ``level`` up, to a file; None: to stderr."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=cast(TextIO, file or sys.stderr)),
    )
