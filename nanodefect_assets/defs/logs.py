"""What a run says on the console: one plain line for what matters."""

import logging
import sys
from typing import Any

import dagster as dg

_SHOWN_EVENTS = {"STEP_FAILURE", "RUN_FAILURE", "RUN_CANCELED"}


class _PlainFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        step = str(meta.get("step_key") or "").replace("__", "/")
        message = str(meta.get("orig_message") or record.getMessage())
        return f"{self.formatTime(record, '%H:%M:%S')} {step}{': ' if step else ''}{message}"


def _matters(record: logging.LogRecord) -> bool:
    event = getattr(record, "dagster_meta", {}).get("dagster_event")
    return event is None or event.event_type_value in _SHOWN_EVENTS


def _plain_console(context: dg.InitLoggerContext) -> logging.Logger:
    """Write progress and failures to the standard error stream."""
    logger = logging.Logger("nanodefect", logging.INFO)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlainFormatter())
    handler.addFilter(_matters)
    logger.addHandler(handler)
    return logger


plain_console = dg.LoggerDefinition(
    _plain_console, description="One plain line for what matters; everything else is in the run's event log."
)
