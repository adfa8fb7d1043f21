"""Tables of atoms, their order, and the grains and defects that they make up."""

from nanodefect_assets.domain.schemas.columns import SIMULATED
from nanodefect_assets.domain.tables import Table, flag, integer, number, text

ATOMIC_MODELS = Table(
    name="atomic_models",
    meaning="One particle of which every atom has a position.",
    columns=(
        text("structure_id", "The particle: <batch>/<aliquot>/<path below the batch>."),
        text("source", "imported: coordinates that came with the batch; traced: found in a tilt series."),
        SIMULATED,
        integer("n_atoms", "Atoms."),
        text("composition", "Chemical formula."),
    ),
    key=("structure_id",),
)

ATOMS = Table(
    name="atoms",
    meaning="One atom of a particle.",
    columns=(
        text("structure_id", "The particle."),
        integer("atom_index", "Number of the atom, from 0."),
        SIMULATED,
        text("species", "Chemical symbol; X where it is not known."),
        *(number(f"{axis}_angstrom", f"Position along {axis}.", "angstrom") for axis in "xyz"),
        number(
            "sigma_pm",
            "Standard deviation of the position, over all three coordinates, from the noise of the images; missing "
            "where imported.",
            "pm",
            null=True,
        ),
        number("intensity", "Sum of the atom's image, in the counts of the tilt series; traced only.", null=True),
        number("intensity_sigma", "Standard deviation of the intensity; traced only.", null=True),
        integer("intensity_class", "0, or 1 for the brighter of two kinds of atoms; traced only.", null=True),
    ),
    key=("structure_id", "atom_index"),
)

ATOM_CANDIDATES = Table(
    name="atom_candidates",
    meaning="One peak of a reconstructed volume that may be an atom.",
    columns=(
        text("tilt_series_id", "The tilt series."),
        integer("candidate_index", "Number of the peak, from 0."),
        SIMULATED,
        *(
            number(f"{axis}_angstrom", f"Position along {axis}, from the volume's centre.", "angstrom")
            for axis in "xyz"
        ),
        number("height", "Rise above the volume's median, in the units of the volume."),
        number(
            "contrast",
            "Height over the depth of the volume's deepest minimum, missing where it has none; noise "
            "hardly makes more than 1.",
            null=True,
        ),
        flag("is_claimed", "Whether the volume alone shows it to be more than noise."),
    ),
    key=("tilt_series_id", "candidate_index"),
)

ATOM_ORDERS = Table(
    name="atom_orders",
    meaning="The crystal that the neighbours of one atom belong to; with positions in the view ordered_atoms.",
    columns=(
        text("structure_id", "The particle."),
        integer("atom_index", "Number of the atom, from 0."),
        text("order_class", "fcc, hcp, five_fold, icosahedral, ambiguous, surface or disordered."),
        number("score_fcc", "Agreement of the neighbours with the fcc polyhedron, 0 to 12 (eq. 2.1 of the thesis)."),
        number("score_hcp", "The same with the hcp polyhedron."),
        number("score_five_fold", "The same with the polyhedron on the axis of a decahedron; 0 where not tried."),
        number("score_icosahedral", "The same with the icosahedron; 0 where not tried."),
        text("sublattice", "cation or anion of a compound: what it is by its own lattice; else missing.", null=True),
        integer("coordination", "Neighbours within the cut-off; in a compound those of its own lattice."),
        flag("is_exposed", "Whether the atom lies at the outside of the particle."),
        text("cna_class", "fcc, hcp, icosahedral or other by common neighbour analysis."),
        number("q4", "Averaged bond order parameter of Lechner and Dellago, l = 4.", null=True),
        number("q6", "Averaged bond order parameter of Lechner and Dellago, l = 6.", null=True),
        number("mean_strain", "Mean normal strain of its shell against bulk; missing where not known.", null=True),
    ),
    key=("structure_id", "atom_index"),
)

ATOM_GRAINS = Table(
    name="atom_grains",
    meaning="Grain and defect that one atom belongs to; with positions in the view ordered_atoms.",
    columns=(
        text("structure_id", "The particle."),
        integer("atom_index", "Number of the atom, from 0."),
        integer("grain", "Number of the grain; missing for atoms of no one grain.", null=True),
        integer("plane", "Number of the layer of hcp atoms; missing for others.", null=True),
        text("defect", "Kind of the defect, or none; in an hcp crystal the basal fault (fcc: a thicker block)."),
    ),
    key=("structure_id", "atom_index"),
)

GRAINS = Table(
    name="grains",
    meaning="One fcc crystal of a particle.",
    columns=(
        text("structure_id", "The particle."),
        integer("grain", "Number of the grain, the largest first, from 0."),
        integer("n_atoms", "Atoms that are fcc beyond doubt; of a compound its cations."),
        *(number(f"centre_{axis}_angstrom", f"Mean of its atoms along {axis}.", "angstrom") for axis in "xyz"),
        *(number(f"stacking_{axis}", f"Component along {axis} of a stacking direction <111>.") for axis in "xyz"),
        integer("row", "Tetrahedral subunits: 0 in the core, 1 and 2 in the rows over it, 3 below.", null=True),
        number("completeness", "Tetrahedral subunits: atoms over the median of the core's five.", null=True),
    ),
    key=("structure_id", "grain"),
)

PLANES = Table(
    name="planes",
    meaning="One layer of hcp atoms: a twin plane, or part of a stacking fault.",
    columns=(
        text("structure_id", "The particle."),
        integer("plane", "Number of the layer, the largest first, from 0."),
        text("kind", "twin, intrinsic, extrinsic, hcp (of a block or a crystal) or rhcp."),
        integer("defect_number", "Number of the defect; the layers of one fault share it."),
        text("letters", "Layers around it along its normal: f fcc, h hcp, ? not known; it is the middle one."),
        integer("n_atoms", "Hcp atoms of the layer; of a compound its cations."),
        *(number(f"normal_{axis}", f"Component of its normal along {axis}.") for axis in "xyz"),
        number("distance_to_twin_angstrom", "Distance from the nearest twin plane.", "angstrom", null=True),
        integer("n_inner_edge_atoms", "Edge atoms inside the particle at no other boundary: a partial dislocation."),
    ),
    key=("structure_id", "plane"),
)

DISLOCATIONS = Table(
    name="dislocations",
    meaning="One perfect dislocation inside a grain; partial ones are in planes.n_inner_edge_atoms.",
    columns=(
        text("structure_id", "The particle."),
        integer("dislocation", "Number of the dislocation, from 0, the longest first."),
        integer("grain", "Number of the grain."),
        text("burgers", "Burgers vector in the grain's cubic axes, up to its sign: 1/2 [110]."),
        *(number(f"burgers_{axis}_angstrom", f"The same along {axis} of the particle.", "angstrom") for axis in "xyz"),
        *(number(f"centre_{axis}_angstrom", f"Middle of its line along {axis}.", "angstrom") for axis in "xyz"),
        *(number(f"line_{axis}", f"Component along {axis} of the line's direction.") for axis in "xyz"),
        number("angle_deg", "Between Burgers vector and line: 0 screw, 90 edge.", "deg"),
        integer("n_bonds", "Bonds beside the line that close a circuit around it."),
    ),
    key=("structure_id", "dislocation"),
)

PARTICLE_READINGS = Table(
    name="particle_readings",
    meaning="What a particle is and how it grew, by its labelled atoms.",
    columns=(
        text("structure_id", "The particle."),
        SIMULATED,
        text(
            "kind",
            "single_crystal, faulted (fcc, or hcp with basal faults), twinned, decahedron, on_the_way, icosahedron, "
            "hcp (also wurtzite), polycrystal or disordered.",
        ),
        text(
            "crystal",
            "fcc or hcp; of a compound zincblende, wurtzite or rocksalt; missing where most atoms are disordered, and "
            "of other compounds.",
            null=True,
        ),
        text("pathway", "If on_the_way: A, tetrahedron by tetrahedron; B, two rows at once; undecided. Else none."),
        integer("n_atoms", "Atoms."),
        integer("n_grains", "Grains."),
        integer("n_twin_planes", "Twin planes."),
        integer("n_intrinsic_faults", "Intrinsic stacking faults, basal ones too."),
        integer("n_extrinsic_faults", "Extrinsic stacking faults, basal ones too."),
        integer("n_five_fold_axes", "Axes in which five grains meet."),
        number("fcc_fraction", "Share of all atoms that are fcc."),
        number("hcp_fraction", "Share of all atoms that are hcp."),
        number(
            "bond_angstrom",
            "Distance of neighbours, of a compound of its cations: first peak of the radial distribution function.",
            "angstrom",
        ),
        number("bond_spread_angstrom", "Standard deviation of the distances of neighbours.", "angstrom"),
        number(
            "bond_stretch",
            "This distance over that of bulk of the species that the file names, less 1; missing for alloys, unnamed "
            "species and those of which no bulk is known, whatever the batch's material.",
            null=True,
        ),
    ),
    key=("structure_id",),
)

EVIDENCE = Table(
    name="evidence",
    meaning="One number that a reading of a particle rests on.",
    columns=(
        text("structure_id", "The particle."),
        text("name", "What was counted or measured."),
        number("value", "The number.", null=True),
    ),
    key=("structure_id", "name"),
)
