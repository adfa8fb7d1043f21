"""What is held out: which micrographs of a training set are one item, and which of them a model has not seen."""

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from nanodefect_assets.domain.champion import ModelRecord, marks_of
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.micrograph import file_of
from nanodefect_assets.domain.refusal import Refusal

if TYPE_CHECKING:
    import pandas as pd

    from nanodefect_assets.domain.micrograph import Micrograph
    from nanodefect_assets.domain.patches import PatchSet
    from nanodefect_assets.stores.home import Home
    from nanodefect_assets.stores.registry import StoredModel

_TRAINING_SET = AssetName(group="hrtem", noun="training_set")
_SEGMENTER = AssetName(group="hrtem", noun="segmenter")


def counts_digest(micrograph: "Micrograph") -> str:
    """Return the SHA-256 of the counts of a micrograph, which tells it again under another name."""
    return sha256(f"{micrograph.counts.shape}".encode() + micrograph.counts.tobytes()).hexdigest()


def units_of(micrographs: "pd.DataFrame") -> dict[str, str]:
    """Return the independent unit of each micrograph, given rows of `TRAINING_MICROGRAPHS`.

    Of a set that was made before units were kept it is the file.
    """
    pairs = zip(micrographs["micrograph_id"], micrographs["independent_unit"], strict=True)
    return {str(name): unit if isinstance(unit, str) else file_of(str(name)) for name, unit in pairs}


def marks_seen(micrographs: "pd.DataFrame", *, start: ModelRecord | None) -> tuple[str, ...] | None:
    """Return the marks of what a model has seen that was trained on a set, and of what the one had that it began with.

    Marked are the names of the micrographs, of their counts and of their units, and of files unless parted.

    Parameters
    ----------
    micrographs : DataFrame
        Rows of `TRAINING_MICROGRAPHS`, all sides.
    start : ModelRecord or None
        The model that it began with; if it is not known what that has seen, nothing is returned.
    """
    if start is not None and start.seen is None:
        return None
    names: set[str] = set()
    for row in micrographs[micrographs["side"].isin(["train", "validation"])].to_dict("records"):
        name, unit = str(row["micrograph_id"]), row["independent_unit"]
        is_whole = isinstance(unit, str) and file_of(unit) == unit
        names |= {name, *_known(row["counts_sha256"]), *_known(unit), *([file_of(name)] if is_whole else [])}
    return tuple(sorted({*marks_of(names), *(start.seen or () if start else ())}))


def with_marks(home: "Home", model: "StoredModel") -> "StoredModel":
    """Return a segmenter that knows what it has seen.

    One that was registered before records had it is looked up in the training set that it was trained on and in the
    row of its training, which tells what it began with; where either is gone, it is returned as it is.
    """
    if model.record.seen is not None:
        return model
    seen = _looked_up(home, model)
    return replace(model, record=model.record.model_copy(update={"seen": seen}))


def _looked_up(home: "Home", model: "StoredModel") -> tuple[str, ...] | None:
    from nanodefect_assets.defs.hrtem.networks import starting_model
    from nanodefect_assets.domain.schemas import TRAINING_MICROGRAPHS, TRAININGS
    from nanodefect_assets.stores.generations import kept_generations
    from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader

    fingerprint, place = model.record.training_fingerprint, Place(study=model.record.architecture.name)
    sets = (
        made
        for made in kept_generations(home, _TRAINING_SET, Place())
        if PatchSetReader(made.folder / FOLDER).combined_fingerprint == fingerprint
    )
    trainings = (made.rows(TRAININGS) for made in kept_generations(home, _SEGMENTER, place))
    own = (rows[rows["model_version"] == model.version] for rows in trainings)
    source, row = next(sets, None), next((rows for rows in own if len(rows)), None)
    if source is None or row is None:
        return None
    version = row["start_version"].iloc[0]
    start = with_marks(home, starting_model(home, version)).record if isinstance(version, str) else None
    return marks_seen(source.rows(TRAINING_MICROGRAPHS), start=start)


def _known(value: object) -> list[str]:
    return [value] if isinstance(value, str) else []


def seen_among(test: "PatchSet", micrographs: "pd.DataFrame", records: list[ModelRecord]) -> set[str]:
    """Return the micrographs of a side whose unit one of some models is known to have seen, in part or under any name.

    Parameters
    ----------
    test : PatchSet
        The side.
    micrographs : DataFrame
        Rows of `TRAINING_MICROGRAPHS` of its set.
    records : list of ModelRecord
        The models.
    """
    units = units_of(micrographs)
    digests = dict(zip(micrographs["micrograph_id"], micrographs["counts_sha256"], strict=True))
    seen_units = {
        units[name]
        for name in test.micrograph_ids
        if any(record.has_seen(name, file_of(name), units[name], *_known(digests[name])) for record in records)
    }
    return {name for name in test.micrograph_ids if units[name] in seen_units}


def unseen_by(test: "PatchSet", micrographs: "pd.DataFrame", records: list[ModelRecord]) -> "PatchSet":
    """Return the patches of the units of which none of some models is known to have seen anything."""
    seen = seen_among(test, micrographs, records)
    kept = [group for group, name in enumerate(test.micrograph_ids) if name not in seen]
    return test.subset(kept) if seen else test


def held_out(
    test: "PatchSet", micrographs: "pd.DataFrame", records: list[ModelRecord], *, is_by_hand: bool
) -> "PatchSet":
    """Return the test side without what one of the models has seen, in training on an earlier set for example.

    Where a person decides and nothing is left, all of it is taken: the record says so.

    Raises
    ------
    Refusal
        If nothing is left to judge by, or if it is not known what one of the models was trained on.
    """
    if any(record.seen is None for record in records) and not is_by_hand:
        raise Refusal(
            "not_known_what_was_seen",
            expected="two models of which it is known what they were trained on",
            got="one that was registered before that was kept, and whose training set is gone",
            advice="Decide yourself, with version and override_reason, or train it again.",
        )
    unseen = unseen_by(test, micrographs, records)
    if len(unseen):
        return unseen
    if not is_by_hand or not len(test):
        raise Refusal(
            "nothing_held_out",
            expected="held-out micrographs that neither the model in use nor its challenger was trained on",
            got=f"{len(test.micrograph_ids)} micrographs on the test side, of which they have seen all",
            advice="Add labelled micrographs, or take another field_seed in hrtem/training_set; or decide yourself, "
            "with version and override_reason.",
        )
    return test


def what_was_seen(test: "PatchSet", micrographs: "pd.DataFrame", records: list[ModelRecord]) -> str:
    """Return in words what takes from the worth of a comparison; nothing if nothing does."""
    n_seen = len(seen_among(test, micrographs, records))
    words = [f"{n_seen} of them seen in training"] if n_seen else []
    if any(record.seen is None for record in records):
        words.append("what one of the two was trained on is not known")
    return f" ({'; '.join(words)})" if words else ""
