"""The segmenters that were trained, or tuned, on the training set in force, gathered for comparison."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from nanodefect_assets.defs.hrtem.segmenter import TRAINING_SET
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.science.learning.params import Architecture

if TYPE_CHECKING:
    import pandas as pd

    from nanodefect_assets.domain.patches import PatchSet
    from nanodefect_assets.science.learning.benchmark import Contender
    from nanodefect_assets.stores.generations import StoredGeneration
    from nanodefect_assets.stores.home import Home

SEGMENTER_ASSET = AssetName(group="hrtem", noun="segmenter")
CLASSICAL = AssetName(group="hrtem", noun="classical_segmenters")
MATERIAL_STUDY = AssetName(group="hrtem", noun="material_study")
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """What was trained on one training set, and how it fared on its test side.

    Attributes
    ----------
    source : StoredGeneration
        The training set.
    fingerprint : str
        Of that set.
    class_names : tuple of str
        Its classes but the support.
    trainings, scores : DataFrame
        Rows of `TRAININGS` and `MODEL_SCORES`.
    held_out : DataFrame
        Rows of `TRAINING_MICROGRAPHS` of the micrographs that they were judged on.
    inputs : tuple of StoredGeneration
        All that was read.
    missing : dict of str to str
        What there is not, and why.
    """

    source: "StoredGeneration"
    fingerprint: str
    class_names: tuple[str, ...]
    trainings: "pd.DataFrame"
    scores: "pd.DataFrame"
    held_out: "pd.DataFrame"
    inputs: "tuple[StoredGeneration, ...]"
    missing: dict[str, str]

    def test_side(self) -> "PatchSet":
        """Read the patches that models are judged on."""
        from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader

        return PatchSetReader(self.source.folder / FOLDER).read("test")

    def registered(self) -> dict[str, str]:
        """Return the version in the registry of each architecture, of its best repeat."""
        rows = self.trainings[self.trainings["architecture"].isin(ARCHITECTURES)].dropna(subset=["model_version"])
        return {str(row["architecture"]): str(row["model_version"]) for row in rows.to_dict("records")}


def gather(home: "Home", *, with_classical: bool = True, only_from_random: bool = False) -> Gathered:
    """Gather every segmenter of the training set in force; one made from an earlier set is left out, and said to be.

    Parameters
    ----------
    home : Home
        Where they are kept.
    with_classical : bool
        Whether classical methods and the study of materials belong to them.
    only_from_random : bool
        Whether networks that began with the weights of another are left out too: they had a head start.

    Raises
    ------
    Refusal
        If there is no training set.
    """
    from nanodefect_assets.domain.schemas import MODEL_SCORES, TRAINING_MICROGRAPHS, TRAININGS
    from nanodefect_assets.stores.generations import require_generation
    from nanodefect_assets.stores.patch_sets import FOLDER, PatchSetReader

    source = require_generation(home, TRAINING_SET, Place())
    reader = PatchSetReader(source.folder / FOLDER)
    found, missing = _current(home, reader.combined_fingerprint, with_classical)
    if only_from_random:
        found, adapted = _from_random(found)
        missing |= adapted
    micrographs = source.rows(TRAINING_MICROGRAPHS)
    held_out = micrographs[(micrographs["side"] == "test") & (micrographs["n_labelled"] > 0)]
    found, partly = _judged_on_all(found, set(held_out["micrograph_id"]))
    missing |= partly
    return Gathered(
        source=source,
        fingerprint=reader.combined_fingerprint,
        class_names=reader.class_names("test")[1:],
        trainings=_joined([made.rows(TRAININGS) for made in found], TRAININGS.names),
        scores=_joined([made.rows(MODEL_SCORES) for made in found], MODEL_SCORES.names),
        held_out=held_out,
        inputs=(source, *found),
        missing=missing,
    )


def _current(home: "Home", fingerprint: str, with_classical: bool) -> "tuple[list[StoredGeneration], dict[str, str]]":
    """Return what was made from the training set of `fingerprint`, and why the rest is missing."""
    from nanodefect_assets.domain.schemas import TRAININGS
    from nanodefect_assets.stores.generations import current_generation

    places = {name: (SEGMENTER_ASSET, Place(study=name)) for name in ARCHITECTURES}
    others = {str(asset): (asset, Place()) for asset in (CLASSICAL, MATERIAL_STUDY)} if with_classical else {}
    found, missing = [], {}
    for name, (asset, place) in (places | others).items():
        made = current_generation(home, asset, place)
        if made is None:
            missing[name] = "not made yet"
        elif set(made.rows(TRAININGS)["training_fingerprint"]) != {fingerprint}:
            missing[name] = "made from an earlier training set"
        else:
            found.append(made)
    return found, missing


def _from_random(made: "list[StoredGeneration]") -> "tuple[list[StoredGeneration], dict[str, str]]":
    """Return what was trained from random weights, and why the rest is left out, by architecture."""
    from nanodefect_assets.domain.schemas import TRAININGS

    kept, adapted = [], {}
    for one in made:
        rows = one.rows(TRAININGS).reindex(columns=list(TRAININGS.names))
        versions = sorted(set(rows["start_version"].dropna().astype(str)))
        if versions:
            adapted[str(one.record.origin.place.study)] = f"began with the weights of version {', '.join(versions)}"
        else:
            kept.append(one)
    return kept, adapted


def _judged_on_all(
    made: "list[StoredGeneration]", held_out: set[str]
) -> "tuple[list[StoredGeneration], dict[str, str]]":
    """Return what was judged on every held-out micrograph, and why the rest is left out."""
    from nanodefect_assets.domain.schemas import MODEL_SCORES

    kept, partly = [], {}
    for one in made:
        if n_missing := len(held_out - set(one.rows(MODEL_SCORES)["micrograph_id"])):
            name = one.record.origin.place.study or str(one.record.origin.asset)
            partly[name] = f"not judged on {n_missing} of the held-out micrographs, which it had seen before"
        else:
            kept.append(one)
    return kept, partly


def _joined(parts: "list[pd.DataFrame]", columns: tuple[str, ...]) -> "pd.DataFrame":
    """Return rows of several generations; columns that those of an older version lack are empty."""
    import pandas as pd

    whole = [part.reindex(columns=list(columns)) for part in parts if len(part)]
    return pd.concat(whole, ignore_index=True) if whole else pd.DataFrame(columns=list(columns))


def contenders_of(trainings: "pd.DataFrame") -> "list[Contender]":
    """Return what is compared: of each network the registered repeat and the mean over repeats, and every method.

    A network that began with the weights of another bears that version in its name.
    """
    from nanodefect_assets.science.learning.benchmark import BEST, MEAN, Contender

    found = []
    trained_on = trainings["trained_on"].fillna("")
    start = trainings["start_version"].map(lambda version: "" if version != version else f" from version {version}")
    for (name, part), rows in trainings.groupby([trainings["architecture"] + start, trained_on], sort=False):
        runs, registered = tuple(rows["mlflow_run_id"]), rows["model_version"].notna()
        about = {"name": str(name), "trained_on": str(part) or None}
        if registered.any():
            found.append(Contender(**about, runs=(rows["mlflow_run_id"][registered].iloc[0],), repeats=BEST))
        if len(runs) > 1 or not registered.any():
            found.append(Contender(**about, runs=runs, repeats=MEAN))
    return found
