"""The folder that holds everything: where things lie in it, and which generation of each asset is in force."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.stores.files import make_folder

POINTER = "current"
RECORD = "generation.json"


@dataclass(frozen=True)
class Home:
    """The folders of one installation.

    Attributes
    ----------
    root : Path
        The home itself; everything that the software writes lies below it.
    """

    root: Path

    @classmethod
    def of_environment(cls) -> Self:
        """Return the home that `NANODEFECT_HOME` names, else ``data`` in the working folder."""
        return cls(Path(os.environ.get("NANODEFECT_HOME", "data")).absolute())

    @property
    def landing(self) -> Path:
        """Where batches arrive; only read."""
        return self.root / "landing"

    @property
    def quarantine(self) -> Path:
        """What could not be accepted, each with its reason."""
        return self.root / "quarantine"

    @property
    def raw(self) -> Path:
        """Accepted originals, by batch and revision."""
        return self.root / "raw"

    @property
    def artifacts(self) -> Path:
        """Everything derived, by asset and place."""
        return self.root / "artifacts"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file that readers open."""
        return self.root / "warehouse" / "nanodefect.duckdb"

    @property
    def dagster(self) -> Path:
        """`DAGSTER_HOME`."""
        return self.root / "dagster"

    @property
    def work(self) -> Path:
        """Parts of long work, kept so that it can go on; may be removed at any time."""
        return self.root / "work"

    @property
    def mlflow(self) -> Path:
        """Folder of the MLflow database and its artefacts."""
        return self.root / "mlflow"

    @property
    def mlflow_uri(self) -> str:
        """Tracking address of MLflow: `MLFLOW_TRACKING_URI` if set, else a database in the home."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self._own_mlflow_database}?timeout=60"

    @property
    def mlflow_database(self) -> Path | None:
        """SQLite file of the home's own MLflow, made or not; None where `MLFLOW_TRACKING_URI` points elsewhere."""
        is_own = self.mlflow_uri.partition("?")[0] == f"sqlite:///{self._own_mlflow_database}"
        return self._own_mlflow_database if is_own else None

    @property
    def _own_mlflow_database(self) -> Path:
        return self.mlflow.absolute() / "mlflow.db"

    def prepare(self) -> Self:
        """Make the folders that must exist."""
        for folder in (self.landing, self.quarantine, self.raw, self.artifacts, self.dagster, self.mlflow):
            make_folder(folder)
        make_folder(self.warehouse.parent)
        return self

    def folder_of(self, asset: AssetName, place: Place) -> Path:
        """Return the folder that holds the generations of one asset at one place."""
        return self.artifacts.joinpath(asset.group, asset.noun, *place.parts)

    def current_folder(self, asset: AssetName, place: Place) -> Path | None:
        """Return the folder of the generation in force, or None if nothing was made yet."""
        return follow_pointer(self.folder_of(asset, place))

    def places_of(self, asset: AssetName) -> list[Place]:
        """Return where `asset` has a generation in force, in order."""
        pointers = (self.artifacts / asset.group / asset.noun).glob(f"*/*/{POINTER}")
        places = (_place_of(pointer) for pointer in pointers)
        return sorted((place for place in places if place is not None), key=lambda place: place.parts)

    def assets_at(self, place: Place) -> list[AssetName]:
        """Return the assets that have a generation in force at a place, in order."""
        pointers = sorted(self.artifacts.glob("/".join(("*", "*", *place.parts, POINTER))))
        return [AssetName(group=pointer.parts[-5], noun=pointer.parts[-4]) for pointer in pointers]

    def pointers(self) -> Iterator[tuple[AssetName, Place, Path]]:
        """Yield asset, place and folder of every generation in force."""
        for pointer in sorted(self.artifacts.glob(f"*/*/*/*/{POINTER}")):
            group, noun = pointer.parts[-5:-3]
            folder, place = follow_pointer(pointer.parent), _place_of(pointer)
            if folder is not None and place is not None:
                yield AssetName(group=group, noun=noun), place, folder


def _place_of(pointer: Path) -> Place | None:
    """Return the place that the folders above a pointer name; None if no place is called so: the folder is not ours."""
    try:
        return Place.of_parts(*pointer.parts[-3:-1])
    except ValueError:
        return None


def follow_pointer(folder: Path) -> Path | None:
    """Return the generation below `folder` that its pointer names; None without a pointer."""
    try:
        name = (folder / POINTER).read_text().strip()
    except FileNotFoundError:
        return None
    return folder / name
