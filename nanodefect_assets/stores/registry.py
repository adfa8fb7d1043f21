"""Registered models: versions that stay, and the alias ``champion`` on the one in use."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlparse

from pydantic import TypeAdapter

import nanodefect_assets
from nanodefect_assets.domain.champion import ModelName, ModelRecord, PromotionDecision
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores.files import locked
from nanodefect_assets.stores.home import Home
from nanodefect_assets.stores.mlflow_client import TrackingUnavailable, has_database, open_tracking, patiently
from nanodefect_assets.stores.models import MODEL_FILE, check_model, read_estimator, read_model, read_model_record

CHAMPION = "champion"
SHIPPED = "shipped"
"""Version of the models that come with the package."""

DECISION_TAG = "nanodefect/decision"
_NOT_FOUND = "RESOURCE_DOES_NOT_EXIST"
_NO_SUCH_ALIAS = "INVALID_PARAMETER_VALUE"


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model that can be applied.

    Attributes
    ----------
    record : ModelRecord
        What it is.
    folder : Path
        Where its files lie; only to be read.
    version : str
        Version in the registry, or ``shipped``.
    mlflow_run_id : str or None
        Run that trained it; None for a shipped one.
    """

    record: ModelRecord
    folder: Path
    version: str
    mlflow_run_id: str | None

    def weights(self) -> dict[str, Any]:
        """Return the weights as arrays, by name."""
        return read_model(self.folder)[1]

    def estimator(self) -> Any:
        """Return the fitted scikit-learn estimator."""
        return read_estimator(self.folder)[1]


@dataclass(frozen=True)
class _Version:
    version: str
    source: str
    mlflow_run_id: str | None


def register_model(home: Home, folder: Path, *, mlflow_run_id: str) -> str:
    """Keep the model in `folder` with the run that trained it and return its new version; it is not yet in use.

    Raises
    ------
    Refusal
        If the folder holds no whole model.
    TrackingUnavailable
        If the registry stays locked or is out of reach.
    """
    record = check_model(folder)
    client = open_tracking(home)
    from mlflow.exceptions import MlflowException

    path = f"model/{record.name}"
    client.log_artifacts(mlflow_run_id, str(folder), path)
    source = f"{patiently(client.get_run, mlflow_run_id).info.artifact_uri}/{path}"
    try:
        patiently(client.create_registered_model, record.name, description=f"Model for {record.task}.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    tags = {"nanodefect/task": record.task, "nanodefect/training_fingerprint": record.training_fingerprint}
    made = patiently(
        client.create_model_version, record.name, source, mlflow_run_id, tags, description=record.notes[:5000]
    )
    return str(made.version)


def promote(home: Home, name: str, version: str, decision: PromotionDecision) -> None:
    """Put a version in use and record why. Earlier ones stay reachable by `model_version`.

    The alias moves last and in one transaction: whatever fails before, the earlier champion stays.

    Raises
    ------
    Refusal
        If the decision is about other models than these, or the model's files are damaged.
    TrackingUnavailable
        If the registry stays locked or is out of reach.
    """
    if not decision.is_promoted:
        raise ValueError(f"Expected a decision to promote. Got: {decision.reason}")
    with locked(home.mlflow / "promote.lock"):
        _check_about(decision, name, version)
        check_model(model_version(home, name, version).folder)
        _check_still_true(home, decision)
        record_decision(home, name, version, decision)
        patiently(open_tracking(home).set_registered_model_alias, name, CHAMPION, version)


def _check_still_true(home: Home, decision: PromotionDecision) -> None:
    in_use = model_in_use(home, decision.name)
    if (None if in_use is None else in_use.version) != decision.incumbent_version:
        raise Refusal(
            "champion_changed",
            expected=f"version {decision.incumbent_version} of {decision.name} in use, as when they were compared",
            got="none" if in_use is None else f"version {in_use.version}",
            advice="Compare again with the model now in use.",
        )


def _check_about(decision: PromotionDecision, name: str, version: str) -> None:
    if (decision.name, decision.challenger_version) != (name, version):
        raise Refusal(
            "other_decision",
            expected=f"a decision about version {version} of {name}",
            got=f"version {decision.challenger_version} of {decision.name}",
        )


def record_decision(home: Home, name: str, version: str, decision: PromotionDecision) -> None:
    """Keep with a version what was decided about it, for or against."""
    _check_about(decision, name, version)
    client = open_tracking(home)
    for key, value in (
        (DECISION_TAG, decision.model_dump_json()),
        ("nanodefect/is_promoted", str(decision.is_promoted).lower()),
        ("nanodefect/reason", decision.reason),
    ):
        patiently(client.set_model_version_tag, name, version, key, value)


def decision_of(home: Home, name: str, version: str) -> PromotionDecision | None:
    """Return what was last decided about a version; None if nothing was."""
    text = patiently(open_tracking(home).get_model_version, name, version).tags.get(DECISION_TAG)
    return None if text is None else PromotionDecision.model_validate_json(text)


def champion_of(home: Home, name: str) -> StoredModel | None:
    """Return the champion of a home; None if none was promoted.

    Raises
    ------
    TrackingUnavailable
        If the registry stays locked or is out of reach: another model is then not taken in silence.
    """
    found = _find(home, name)
    return None if found is None else _stored(home, name, found)


def model_version(home: Home, name: str, version: str) -> StoredModel:
    """Return any version that was ever registered."""
    found = _find(home, name, version=version)
    if found is None:
        raise Refusal("no_such_model", expected=f"a registered version of {name}", got=f"version {version}")
    return _stored(home, name, found)


def shipped_model(name: str) -> StoredModel | None:
    """Return the model of this name that comes with the package; None if none does."""
    TypeAdapter(ModelName).validate_python(name)
    folder = Path(str(files(nanodefect_assets))) / "shipped" / name
    if not (folder / MODEL_FILE).exists():
        return None
    return StoredModel(record=read_model_record(folder), folder=folder, version=SHIPPED, mlflow_run_id=None)


def model_in_use(home: Home, name: str) -> StoredModel | None:
    """Return the champion, else the model that ships with the package, else None."""
    return champion_of(home, name) or shipped_model(name)


def _find(home: Home, name: str, *, version: str | None = None) -> _Version | None:
    """Return a version, or the champion; only MLflow itself is asked, whose tables change from release to release."""
    if home.mlflow_database is not None and not has_database(home):
        return None
    client = open_tracking(home)
    from mlflow.exceptions import MlflowException

    try:
        if version is None:
            found = patiently(client.get_model_version_by_alias, name, CHAMPION)
        else:
            found = patiently(client.get_model_version, name, version)
    except MlflowException as error:
        if error.error_code in (_NOT_FOUND, _NO_SUCH_ALIAS):
            return None
        raise
    return _Version(str(found.version), str(found.source), found.run_id)


def _stored(home: Home, name: str, found: _Version) -> StoredModel:
    folder = _local_folder(home, found.source) or _downloaded(home, name, found)
    return StoredModel(
        record=read_model_record(folder), folder=folder, version=found.version, mlflow_run_id=found.mlflow_run_id
    )


def _local_folder(home: Home, source: str) -> Path | None:
    """Return where the files of a source lie; also where the whole home was moved after they were written."""
    address = urlparse(source)
    if address.scheme not in ("", "file"):
        return None
    path = unquote(address.path)
    within_home = home.mlflow / "artifacts" / path.rpartition("/mlflow/artifacts/")[2]
    folder = within_home if "/mlflow/artifacts/" in path and within_home.exists() else Path(path)
    if not folder.exists():
        raise TrackingUnavailable(
            f"The files of a registered model are gone: {folder}. Restore them, or promote another."
        )
    return folder


def _downloaded(home: Home, name: str, found: _Version) -> Path:
    """Return a copy of the files that a tracking server keeps; fetched once, and used only when whole."""
    from mlflow.artifacts import download_artifacts

    folder = home.mlflow / "downloads" / name / found.version
    with locked(home.mlflow / "download.lock"):
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=folder.parent) as draft:
                fetched = download_artifacts(artifact_uri=found.source, dst_path=draft, tracking_uri=home.mlflow_uri)
                check_model(Path(fetched))
                Path(fetched).replace(folder)
    return folder
