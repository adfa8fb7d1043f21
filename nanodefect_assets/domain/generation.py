"""A generation: one immutable result of one asset at one place, and what it was made from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from nanodefect_assets.domain.keys import Place

RunSize = Literal["fast", "study", "full"]
"""Sizes in which the same graph runs: demo and tests, studies on two cores, the thesis's own sizes."""


@dataclass(frozen=True, kw_only=True)
class AssetName:
    """Key of an asset: group and noun."""

    group: str
    noun: str

    def __str__(self) -> str:
        return f"{self.group}/{self.noun}"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a result is made from and by which code; known before the work starts.

    Attributes
    ----------
    asset, place : AssetName, Place
        What is made, for where.
    code_version : str
        Version of the asset's science.
    params : mapping
        Parameters, as JSON knows them.
    run_size : str
        ``fast``, ``study`` or ``full``.
    dagster_run_id, job_name, mlflow_run_id : str or None
        Runs that make it.
    """

    asset: AssetName
    place: Place
    code_version: str
    params: Mapping[str, Any] = field(default_factory=dict)
    run_size: RunSize = "full"
    dagster_run_id: str | None = None
    job_name: str | None = None
    mlflow_run_id: str | None = None

    @property
    def params_hash(self) -> str:
        """First 12 hexadecimal digits of the SHA-256 of the parameters."""
        text = json.dumps(self.params, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def recipe(self) -> tuple[str, str, RunSize]:
        """Code, parameters and size of run: what a result depends on beside its inputs."""
        return self.code_version, self.params_hash, self.run_size


@dataclass(frozen=True, kw_only=True)
class Input:
    """A generation that another was made from."""

    asset: AssetName
    place: Place
    generation: str


@dataclass(frozen=True, kw_only=True)
class Generation:
    """The record of a finished generation.

    Attributes
    ----------
    name : str
        Name of its folder: the moment it was begun and eight random digits.
    origin : Origin
        What it was made from and by which code.
    inputs : tuple of Input
        Generations read.
    content_digest : str
        SHA-256 over the names and bytes of its files.
    package_version : str
        Version of this package that made it.
    n_items, n_refused : int
        Items that went in and items that were set aside.
    created_at : datetime
        When it was finished, UTC.
    """

    name: str
    origin: Origin
    inputs: tuple[Input, ...]
    content_digest: str
    package_version: str
    n_items: int
    n_refused: int
    created_at: datetime

    def as_input(self) -> Input:
        """Return the reference under which another generation names this one."""
        return Input(asset=self.origin.asset, place=self.origin.place, generation=self.name)

    def is_same_result_as(self, other: "Generation") -> bool:
        """Whether `other` has the same content, made from the same inputs by the same code."""
        return self.content_digest == other.content_digest and self.is_made_alike(other.origin, other.inputs)

    def is_made_alike(self, origin: Origin, inputs: tuple[Input, ...]) -> bool:
        """Whether this was made from `inputs` by the same code, with the same parameters and size of run."""
        return self.inputs == inputs and self.origin.recipe == origin.recipe
