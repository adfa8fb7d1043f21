"""How science's steps reach the run's log."""

from time import monotonic

import dagster as dg

from nanodefect_assets.domain.progress import OnStep, Progress

_SECONDS_BETWEEN_LINES = 2.0


def log_steps(log: dg.DagsterLogManager) -> OnStep:
    """Return a callback that writes a line now and then, and one at the end."""
    last = -_SECONDS_BETWEEN_LINES

    def on_step(progress: Progress) -> None:
        nonlocal last
        if progress.done == progress.total or monotonic() - last >= _SECONDS_BETWEEN_LINES:
            last = monotonic()
            log.info(f"{progress.task}: {progress.done} of {progress.total} {progress.detail}".rstrip())

    return on_step
