"""Taking in a batch without a running user interface: the same jobs that the sensors ask for, one after the other."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg

from nanodefect_assets.defs.cells import cells_to_make, made_samples, unjudged_cells, waits_for_model
from nanodefect_assets.defs.check_results import words_of
from nanodefect_assets.defs.jobs import (
    ACCEPT_BATCH,
    JUDGE_HANDEDNESS,
    MAKE_SAMPLE,
    PUBLISH,
    SUMMARISE_BATCH,
    TRAIN_HANDEDNESS,
)
from nanodefect_assets.defs.partitions import register_batch, register_places, sample_key
from nanodefect_assets.defs.sensors import INGEST_TAG, landing_tags
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.manifest import Manifest
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.processes import PROCESS_TAG, ProcessIdentity

_INTERRUPTS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


@dataclass(frozen=True, kw_only=True)
class Ingested:
    """What came of a batch.

    Attributes
    ----------
    manifest : Manifest or None
        What was accepted; None if the batch was refused.
    made, failed : tuple of Place
        Samples that were made now, and samples whose run failed.
    trouble : tuple of str
        What failed, in words.
    doubts : tuple of str
        Checks that did not pass.
    """

    manifest: Manifest | None
    made: tuple[Place, ...] = ()
    failed: tuple[Place, ...] = ()
    trouble: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def ingest_batch(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    home: Home,
    folder: Path,
    say: Callable[[str], None],
) -> Ingested:
    """Accept the batch in `folder`, make its samples and statistics, and publish the warehouse."""
    from nanodefect_assets.stores.intake import read_landed

    folder = folder.resolve()
    _, spec, _ = read_landed(home, folder)
    register_batch(instance, spec.batch)
    say(f"Accepting {spec.batch} from {folder}")
    result = _run(definitions, instance, ACCEPT_BATCH, spec.batch, source=folder, tags=landing_tags(home, folder))
    if not result.success:
        return Ingested(manifest=None, trouble=_failures(result))
    made = make_batch(definitions, instance, home, spec.batch, say)
    return replace(made, doubts=(*_doubts(result), *made.doubts))


def make_batch(
    definitions: dg.Definitions, instance: dg.DagsterInstance, home: Home, batch: str, say: Callable[[str], None]
) -> Ingested:
    """Make the samples of an accepted batch that are missing or were made of something else, and publish them."""
    from nanodefect_assets.stores.corrections import manifest_in_force

    manifest = manifest_in_force(home, batch)
    if manifest is None:
        raise RuntimeError(f"Expected an accepted revision of {batch}. Got none.")
    cells = cells_to_make(made_samples(instance), home, manifest)
    register_places(instance, (Place(batch=batch), *cells))
    failed, trouble, doubts = [], [], []
    for n, place in enumerate(cells):
        say(f"Sample {n + 1} of {len(cells)}: {place.sample}")
        result = _run(definitions, instance, MAKE_SAMPLE, sample_key(place))
        doubts += [f"{place.sample}: {doubt}" for doubt in _doubts(result)]
        if not result.success:
            failed.append(place)
            trouble += _failures(result)
    for job, key in (*_chiral_steps(home, manifest, cells), (SUMMARISE_BATCH, batch), (PUBLISH, None)):
        result = _run(definitions, instance, job, key)
        trouble += _failures(result)
        doubts += _doubts(result)
    made = tuple(place for place in cells if place not in failed)
    return Ingested(manifest=manifest, made=made, failed=tuple(failed), trouble=tuple(trouble), doubts=tuple(doubts))


def _chiral_steps(home: Home, manifest: Manifest, made: tuple[Place, ...]) -> list[tuple[str, str]]:
    """Return what a chiral batch needs besides: its model, trained on all samples, then the hands in all of them.

    A training that was stopped is taken up again even where no sample is new.
    """
    if manifest.chirality is None:
        return []
    is_trained = not made and not waits_for_model(home, manifest)
    unjudged = unjudged_cells(home, manifest) if is_trained else manifest.cells()
    judged = [(JUDGE_HANDEDNESS, sample_key(place)) for place in unjudged]
    return judged if is_trained else [(TRAIN_HANDEDNESS, manifest.batch), *judged]


def _run(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    partition_key: str | None,
    *,
    source: Path | None = None,
    tags: dict[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    process = ProcessIdentity.of_this().to_text()
    tags = {**(tags or {}), PROCESS_TAG: process, INGEST_TAG: process}
    config: dict[str, Any] = {"loggers": {"console": {}}}
    if source is not None:
        config["ops"] = {"samples__intake": {"config": {"source": str(source)}}}
    result = definitions.resolve_job_def(job).execute_in_process(
        instance=instance, partition_key=partition_key, run_config=config, tags=tags, raise_on_error=False
    )
    if _was_interrupted(result):
        raise KeyboardInterrupt
    return result


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether a person stopped a run: Dagster makes a failed step of it, after which all others would go on."""
    failures = [event.step_failure_data.error for event in result.filter_events(lambda event: event.is_step_failure)]
    return any(error is not None and error.cls_name in _INTERRUPTS for error in failures)


def _doubts(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    """Return the checks of a run that did not pass, with what they said."""
    found = result.get_asset_check_evaluations()
    return tuple(
        f"{check.asset_key.to_user_string()} {check.check_name.replace('_', ' ')} ({words_of(check) or 'no more said'})"
        for check in found
        if not check.passed
    )


def _failures(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    """Return why the steps of a run failed, in the words of their errors."""
    lines = []
    for event in result.filter_events(lambda event: event.is_step_failure):
        failure = event.step_failure_data
        user = failure.user_failure_data
        error = failure.error
        text = user.description if user is not None and user.description else (error.message if error else "failed")
        if error is not None and error.cause is not None and user is None:
            text = error.cause.message
        lines.append(f"{event.step_key}: {str(text).strip()}".replace("__", "/"))
    return tuple(lines)
