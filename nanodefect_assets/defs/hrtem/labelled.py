"""Micrographs with labels: those of all samples of the home, and those simulated for training."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from nanodefect_assets.defs.hrtem.held_out import counts_digest
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.refusal import Refusal

if TYPE_CHECKING:
    import numpy as np

    from nanodefect_assets.domain.keys import Place
    from nanodefect_assets.domain.micrograph import Micrograph
    from nanodefect_assets.domain.patches import PatchSource
    from nanodefect_assets.science.hrtem.patch_params import ClassParams
    from nanodefect_assets.science.synthetic.params import HrtemFieldParams
    from nanodefect_assets.science.synthetic.training_params import TrainingFieldParams
    from nanodefect_assets.stores.arrays import ArraysReader
    from nanodefect_assets.stores.generations import StoredGeneration
    from nanodefect_assets.stores.home import Home
    from nanodefect_assets.stores.simulated_fields import SimulatedFields

_ANNOTATIONS = AssetName(group="samples", noun="annotations")
_MANIFEST = AssetName(group="samples", noun="manifest")
_MICROGRAPHS = AssetName(group="samples", noun="micrographs")


@dataclass(frozen=True, kw_only=True)
class LabelledSample:
    """A sample with labels, and the generations in force that hold its images and labels."""

    place: "Place"
    images: "StoredGeneration"
    drawn: "StoredGeneration"

    @property
    def inputs(self) -> "tuple[StoredGeneration, StoredGeneration]":
        """What it is made from."""
        return self.images, self.drawn


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One micrograph of which the class of each pixel is known.

    Attributes
    ----------
    micrograph_id : str
        Identifier; of a field simulated for training it is one that no micrograph of a batch can have.
    label_id : str or None
        File of its labels.
    stratum : str
        What it is parted together with: its sample, or the material of simulated fields.
    source : PatchSource
        What is known of it.
    load : callable
        Reads or makes the image and its classes; a Refusal says why that cannot be.
    """

    micrograph_id: str
    label_id: str | None
    stratum: str
    source: "PatchSource"
    load: "Callable[[], tuple[Micrograph, np.ndarray]]"


def labelled_samples(home: "Home", batches: Sequence[str]) -> list[LabelledSample]:
    """Return the samples that have labels, in order; of some batches, or of all if none is named.

    Raises
    ------
    Refusal
        If a batch is named of which nothing was accepted.
    """
    from nanodefect_assets.stores.corrections import existing_cells
    from nanodefect_assets.stores.generations import current_generation

    cells = existing_cells(home)
    if unknown := sorted(set(batches) - {str(place.batch) for place in cells}):
        known = ", ".join(sorted({str(place.batch) for place in cells})) or "none"
        raise Refusal("unknown_batch", expected=f"accepted batches ({known})", got=", ".join(unknown))
    found = []
    for place in cells:
        images, drawn = current_generation(home, _MICROGRAPHS, place), current_generation(home, _ANNOTATIONS, place)
        chosen = not batches or place.batch in batches
        if chosen and images is not None and drawn is not None and len(drawn.arrays("annotations")):
            found.append(LabelledSample(place=place, images=images, drawn=drawn))
    return found


def labelled_micrographs(
    home: "Home", found: LabelledSample, params: "ClassParams", *, at_most: int | None = None
) -> "Iterator[tuple[str, Labelled | Refusal]]":
    """Yield the file of each label of a sample with the micrograph that it labels, or why there is none."""
    sources, images, masks = (
        _sources(home, found),
        found.images.arrays("micrographs"),
        found.drawn.arrays("annotations"),
    )
    values = _values(found)
    taken: set[str] = set()
    for label_id in islice(masks, at_most):
        micrograph_id = str(masks.attributes(label_id)["micrograph_id"])
        if micrograph_id not in images or micrograph_id not in sources:
            expected = f"the micrograph {micrograph_id}"
            yield label_id, Refusal("no_micrograph", expected=expected, got="none that could be used", file=label_id)
        elif micrograph_id in taken:
            expected = f"one label of {micrograph_id}"
            yield label_id, Refusal("labelled_twice", expected=expected, got="another one", file=label_id)
        else:
            taken.add(micrograph_id)
            yield (
                label_id,
                Labelled(
                    micrograph_id=micrograph_id,
                    label_id=label_id,
                    stratum=found.place.sample,
                    source=sources[micrograph_id],
                    load=partial(_load, micrograph_id, label_id, images, masks, values, params),
                ),
            )


def _load(
    micrograph_id: str,
    label_id: str,
    images: "ArraysReader",
    masks: "ArraysReader",
    values: "ArraysReader",
    params: "ClassParams",
) -> "tuple[Micrograph, np.ndarray]":
    from nanodefect_assets.science.hrtem.patches import name_classes
    from nanodefect_assets.stores.micrographs import read_micrograph

    shape, drawn = images.shape(micrograph_id), values.shape(label_id)
    if drawn != shape:
        raise Refusal(
            "label_does_not_fit",
            expected=f"a label of {shape[0]} x {shape[1]} pixels, as {micrograph_id} has",
            got=" x ".join(map(str, drawn)),
            file=label_id,
            advice="Export the label at full size, without margins.",
        )
    try:
        classes = name_classes(values.read(label_id), params, is_particle=masks.read(label_id))
    except Refusal as refusal:
        raise refusal.about(label_id) from None
    return read_micrograph(images, micrograph_id), classes


def simulated_micrographs(
    home: "Home", params: "TrainingFieldParams", n_fields: int, *, class_number: int
) -> "list[Labelled]":
    """Return fields to be simulated for training; one that the home keeps from an earlier time is read."""
    from nanodefect_assets.domain.patches import PatchSource
    from nanodefect_assets.science.synthetic.training_fields import draw_field
    from nanodefect_assets.stores.simulated_fields import SimulatedFields

    kept, found = SimulatedFields(home), []
    for number in range(n_fields):
        field = draw_field(params, number)
        micrograph_id = f"_/_/simulated-{params.field_seed}/{field.material.lower()}-{number:05d}"
        source = PatchSource(material=field.material, is_simulated=True, dose_e_per_nm2=field.dose_e_per_nm2)
        found.append(
            Labelled(
                micrograph_id=micrograph_id,
                label_id=None,
                stratum=f"simulated {field.material}",
                source=source,
                load=partial(_simulate, kept, field, params.field_seed, number, micrograph_id, class_number),
            )
        )
    return found


def _simulate(
    kept: "SimulatedFields",
    field: "HrtemFieldParams",
    seed: int,
    number: int,
    micrograph_id: str,
    class_number: int,
) -> "tuple[Micrograph, np.ndarray]":
    import numpy as np

    from nanodefect_assets.science.synthetic.training_fields import FIELDS_VERSION, simulate_field

    path = kept.path_of({"code": FIELDS_VERSION, "seed": seed, "number": number, **field.model_dump(mode="json")})
    made = kept.read(path, micrograph_id)
    if made is None:
        made = simulate_field(field, seed=seed, number=number, micrograph_id=micrograph_id).labelled()
        kept.keep(path, made)
    return made.micrograph, np.where(made.labels > 0, class_number, 0).astype(np.uint8)


def _values(found: LabelledSample) -> "ArraysReader":
    """Return the values of label images; annotations made by an older version have only which pixels are particle."""
    has_values = found.drawn.record.origin.code_version != "1"
    return found.drawn.arrays("label_values" if has_values else "annotations")


def _sources(home: "Home", found: LabelledSample) -> "dict[str, PatchSource]":
    from nanodefect_assets.domain.patches import PatchSource
    from nanodefect_assets.domain.schemas import MICROGRAPHS
    from nanodefect_assets.stores.generations import input_of
    from nanodefect_assets.stores.manifests import read_sample_manifest

    material = read_sample_manifest(input_of(home, found.drawn, _MANIFEST)).material
    rows = found.images.rows(MICROGRAPHS)
    doses = rows["dose_e_per_nm2"]
    return {
        str(row["micrograph_id"]): PatchSource(
            material=material,
            modality=row["modality"],
            is_simulated=bool(row["is_simulated"]),
            dose_e_per_nm2=None if dose != dose else float(dose),
        )
        for row, dose in zip(rows.to_dict("records"), doses, strict=True)
    }


class SeenImages:
    """Tells whether the same counts came before, in whatever file."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def refuse_again(self, micrograph: "Micrograph") -> None:
        """Refuse a micrograph whose counts are those of another one: it could end up on both sides of a split."""
        first = self._first.setdefault(counts_digest(micrograph), micrograph.micrograph_id)
        if first != micrograph.micrograph_id:
            raise Refusal("same_image", expected="an image of its own", got=f"the counts of {first}")
