"""Handwritten sevens, on which the study of label noise is published."""

import os
from pathlib import Path

import dagster as dg
from pydantic import BaseModel, ConfigDict, Field

from nanodefect_assets.defs.checks import declare_check
from nanodefect_assets.defs.making import making, report
from nanodefect_assets.defs.resources import HomeResource
from nanodefect_assets.domain.refusal import Refusal

SEVENS_VARIABLE = "NANODEFECT_MNIST"
SEVENS_ARRAY = "sevens"
_ASSET = ("sem", "sevens")
_N_PUBLISHED = 6265


class SevensParams(BaseModel):
    """Where the digits are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str | None = Field(
        default=None,
        description="mnist.npz as Keras has it (x_train, y_train). None: the environment's NANODEFECT_MNIST. "
        "Nothing is ever downloaded.",
    )


class SevensConfig(SevensParams, dg.Config):
    """Launchpad form of `SevensParams`."""


@dg.asset(
    key=list(_ASSET),
    group_name="sem",
    code_version="1",
    kinds={"numpy"},
    check_specs=[
        declare_check(
            _ASSET, "as_many_as_published", "There are 6,265 sevens, those of the training side.", partitions=None
        )
    ],
)
def sevens(context: dg.AssetExecutionContext, config: SevensConfig, home: HomeResource) -> dg.MaterializeResult:
    """The sevens of MNIST's training side, from a file that the user gives: a chiral shape of known hand."""
    from nanodefect_assets.stores.digits import read_digits

    path = _path(config)
    images = read_digits(path, digit=7)
    with making(context, home) as out:
        out.n_items = 1
        out.add_array(SEVENS_ARRAY, SEVENS_ARRAY, images)
    return report(
        out,
        metadata={"n_sevens": len(images), "file": dg.MetadataValue.path(path)},
        checks=[
            dg.AssetCheckResult(
                check_name="as_many_as_published",
                passed=len(images) == _N_PUBLISHED,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"n_sevens": len(images), "n_published": _N_PUBLISHED},
            )
        ],
    )


def _path(config: SevensParams) -> Path:
    given = config.file or os.environ.get(SEVENS_VARIABLE)
    if not given:
        raise Refusal(
            "no_digits",
            expected=f"the path of mnist.npz, as file of sem/sevens or in {SEVENS_VARIABLE}",
            got="none",
            advice="Fetch it once, such as from storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz.",
        )
    return Path(given)
