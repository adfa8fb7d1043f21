"""Tables of what was accepted: batches, files, images, tilt series, coordinates, labels, corrections."""

from nanodefect_assets.domain.schemas.columns import ALIQUOT, BATCH, MICROGRAPH, SIMULATED
from nanodefect_assets.domain.tables import Table, flag, integer, moment, number, text

BATCHES = Table(
    name="batches",
    meaning="One synthesis batch in its accepted revision.",
    columns=(
        BATCH,
        text("revision", "Accepted revision of the batch, such as r0001."),
        text("material", "Material, as written in batch.yaml.", null=True),
        text("operator", "Who made the batch.", null=True),
        text("robot_run_id", "Run of the synthesis robot.", null=True),
        text("note", "Free text of batch.yaml.", null=True),
        flag("is_simulated", "Whether every file of the batch was made by a computer."),
        integer("n_aliquots", "Aliquots with accepted files."),
        integer("n_files", "Accepted files."),
        integer("n_refused", "Files of the batch that were refused."),
        integer("size_bytes", "Size of the accepted files together.", "B"),
    ),
    key=("synthesis_batch",),
)

ALIQUOTS = Table(
    name="aliquots",
    meaning="One aliquot of a batch.",
    columns=(
        BATCH,
        ALIQUOT,
        text("aliquot_label", "Growth time as written by people, such as 8 h."),
        integer("growth_time_s", "Growth time; unknown for the end of a synthesis.", "s", null=True),
        integer("replicate", "Number of the replicate at this time, from 1."),
        integer("n_files", "Accepted files."),
    ),
    key=("synthesis_batch", "aliquot_time"),
)

CONDITIONS = Table(
    name="conditions",
    meaning="One synthesis condition of a batch or an aliquot: temperature, a reagent's amount, a free field.",
    columns=(
        BATCH,
        text("aliquot_time", "Aliquot that the condition is of; the whole batch if missing.", null=True),
        text("name", "Name of the condition, such as temperature or reagent/PVP."),
        number("value", "Value, where it is a number.", "see unit", null=True),
        text("unit", "Unit of the value, as written in batch.yaml.", null=True),
        text("text_value", "Value, where it is text.", null=True),
    ),
    key=("synthesis_batch", "aliquot_time", "name"),
)

FILES = Table(
    name="files",
    meaning="One accepted file of a batch, as the microscope or a colleague wrote it.",
    columns=(
        text("file_id", "<batch>/<aliquot>/<path below the batch>."),
        BATCH,
        ALIQUOT,
        text("path", "Path below the batch's folder."),
        text("sha256", "SHA-256 of the file's bytes."),
        integer("size_bytes", "Size.", "B"),
        text("modality", "hrtem, hrstem, sem, tilt_series, standard, coordinates or labels."),
        text("label_of", "For labels: path of the micrograph that they label.", null=True),
        text("revision", "Revision of the batch in which the file arrived in these bytes."),
        flag("is_simulated", "Whether a computer made the file."),
    ),
    key=("file_id",),
)

REFUSED = Table(
    name="refused",
    meaning="One file, image or particle set aside, with the reason. Nothing is deleted.",
    columns=(
        text("asset", "Asset that refused it, as group/noun."),
        text("item", "File, micrograph or item refused."),
        text("reason", "Kind of trouble, such as truncated_file."),
        text("expected", "What was needed."),
        text("got", "What came."),
        text("advice", "What to do about it."),
    ),
    key=("asset", "item", "reason"),
)

CORRECTIONS = Table(
    name="corrections",
    meaning="One correction by a person after a batch was accepted: what, why and by whom. None is ever removed.",
    columns=(
        BATCH,
        integer("number", "Number of the correction within its batch, from 1."),
        text("kind", "veto, restore, calibration, mask, retract, reinstate or rename."),
        text("target", "Path of the file that it is about; the batch itself if missing.", null=True),
        text("value", "What was set: a pixel size in nm, the path of a mask, a new batch id.", null=True),
        text("reason", "Why."),
        text("author", "Who."),
        moment("made_at", "When (UTC)."),
        flag("is_in_force", "Whether no later correction has replaced it."),
    ),
    key=("synthesis_batch", "number"),
)

MICROGRAPHS = Table(
    name="micrographs",
    meaning="One micrograph, calibrated and despiked.",
    columns=(
        MICROGRAPH,
        text("file_id", "File that it was read from."),
        text("sha256", "SHA-256 of that file's bytes."),
        text("modality", "hrtem, hrstem or sem."),
        SIMULATED,
        integer("n_rows", "Height.", "px"),
        integer("n_cols", "Width.", "px"),
        number("pixel_size_nm", "Edge of a pixel; missing if declared uncalibrated.", "nm/px", null=True),
        text("calibration_source", "file, batch.yaml, override, correction or uncalibrated."),
        text("calibration_reason", "Why the file's own calibration was overridden.", null=True),
        text("row_order", "top, or bottom if the file's first row is the bottom of the image; it was then turned."),
        number("voltage_kv", "Acceleration voltage.", "kV", null=True),
        number("dose_e_per_nm2", "Electron dose.", "e/nm2", null=True),
        number("exposure_s", "Exposure or dwell of the frame.", "s", null=True),
        number("magnification", "Magnification that the microscope states.", null=True),
        number("stage_tilt_deg", "Tilt of the stage.", "deg", null=True),
        number("stage_x_nm", "Stage position of the centre of the image, in the stage's own axes.", "nm", null=True),
        number("stage_y_nm", "Stage position of the centre of the image, in the stage's own axes.", "nm", null=True),
        text("map_id", "Map that the image is a tile of: <batch>/<aliquot>/<name in batch.yaml, or entry>.", null=True),
        number("map_x_nm", "Place of the image's centre in its map, to the right along columns.", "nm", null=True),
        number("map_y_nm", "Place of the image's centre in its map, down along rows.", "nm", null=True),
        text(
            "map_source",
            "file (its metadata), table (of positions), override (a table against the metadata) or grid (its name).",
            null=True,
        ),
        integer("n_despiked", "Pixels replaced because they stood out of their neighbourhood.", "px"),
        number("mean_counts", "Mean intensity.", "counts"),
        number("sd_counts", "Standard deviation of the intensity.", "counts"),
    ),
    key=("micrograph_id",),
)

TILT_SERIES = Table(
    name="tilt_series",
    meaning="One tilt series: images of one particle at many stage tilts.",
    columns=(
        text("tilt_series_id", "The series: <batch>/<aliquot>/<path below the batch>."),
        text("file_id", "File that it was read from."),
        text("sha256", "SHA-256 of that file's bytes."),
        SIMULATED,
        integer("n_tilts", "Images of the series."),
        integer("n_rows", "Height.", "px"),
        integer("n_cols", "Width.", "px"),
        number("pixel_size_nm", "Edge of a pixel; missing if declared uncalibrated.", "nm/px", null=True),
        text("calibration_source", "file, batch.yaml, override, correction or uncalibrated."),
        number("min_tilt_deg", "Smallest tilt.", "deg"),
        number("max_tilt_deg", "Largest tilt.", "deg"),
        number(
            "tilt_axis_deg",
            "Tilt axis in the image, from vertical, counterclockwise, as the file or batch.yaml states it.",
            "deg",
            null=True,
        ),
        number("voltage_kv", "Acceleration voltage.", "kV", null=True),
        number("dose_e_per_nm2", "Electron dose of one image.", "e/nm2", null=True),
        number("exposure_s", "Exposure or dwell of one image.", "s", null=True),
    ),
    key=("tilt_series_id",),
)

TILTS = Table(
    name="tilts",
    meaning="One image of a tilt series, in the order of the file.",
    columns=(
        text("tilt_series_id", "The series."),
        integer("tilt_index", "Number of the image in its file, from 0."),
        number("tilt_deg", "Stage tilt.", "deg"),
        number("mean_counts", "Mean intensity of its finite pixels.", "counts", null=True),
        number("sd_counts", "Standard deviation of the same.", "counts", null=True),
    ),
    key=("tilt_series_id", "tilt_index"),
)

STRUCTURES = Table(
    name="structures",
    meaning="One imported set of atomic coordinates.",
    columns=(
        text("structure_id", "The structure: <batch>/<aliquot>/<path below the batch>."),
        text("file_id", "File that it was read from."),
        text("sha256", "SHA-256 of that file's bytes."),
        SIMULATED,
        integer("n_atoms", "Atoms."),
        text("composition", "Chemical formula."),
        text("length_unit", "What one unit of the file's numbers was taken to be."),
        number("nearest_neighbour_angstrom", "Median distance of an atom to its nearest neighbour.", "angstrom"),
    ),
    key=("structure_id",),
)

COORDINATES = Table(
    name="coordinates",
    meaning="One atom of an imported set of coordinates.",
    columns=(
        text("structure_id", "The structure."),
        integer("atom_index", "Number of the atom in its file, from 0."),
        text("species", "Chemical symbol; X where the file gives none."),
        *(number(f"{axis}_angstrom", f"Position along {axis}.", "angstrom") for axis in "xyz"),
    ),
    key=("structure_id", "atom_index"),
)

PARTICLE_LABELS = Table(
    name="particle_labels",
    meaning="One particle that an expert gave a class, from a table that came with the batch.",
    columns=(
        text("label_file_id", "File of the table."),
        integer("row_index", "Row of that table, from 0."),
        MICROGRAPH,
        text("class_name", "Class that the expert gave."),
        integer("label", "Number of the particle in a label image of the batch.", null=True),
        number("row_px", "Position, along rows.", "px", null=True),
        number("col_px", "Position, along columns.", "px", null=True),
    ),
    key=("label_file_id", "row_index"),
)
