"""What is held out: which micrographs of a training set are one item."""

from typing import TYPE_CHECKING

from nanodefect_assets.domain.micrograph import file_of

if TYPE_CHECKING:
    import pandas as pd


def units_of(micrographs: "pd.DataFrame") -> dict[str, str]:
    """Return the independent unit of each micrograph, given rows of `TRAINING_MICROGRAPHS`.

    Of a set that was made before units were kept it is the file.
    """
    pairs = zip(micrographs["micrograph_id"], micrographs["unit"], strict=True)
    return {str(name): unit if isinstance(unit, str) else file_of(str(name)) for name, unit in pairs}
