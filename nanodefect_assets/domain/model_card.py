"""What a person should know of a model before they trust it."""

from nanodefect_assets.domain.champion import ModelRecord, Range, Score


def model_facts(record: ModelRecord, version: str) -> dict[str, str]:
    """Return what is known of a model in words, in the order in which it is read; what is not known is left out."""
    weights = record.weights
    n_numbers = "" if weights is None or weights.n_parameters is None else f", {weights.n_parameters} numbers"
    found = {
        "model": f"{record.name}, version {version}",
        "task": record.task.replace("_", " "),
        "architecture": f"{record.architecture.name}{n_numbers}",
        "classes": ", ".join(record.classes),
        "trained on": "simulated images only" if record.is_simulated_training else "measured images too",
        "materials": ", ".join(record.materials),
        "modalities": ", ".join(record.modalities),
        "pixel sizes": _range(record.pixel_size_range_nm, "nm/px"),
        "doses": _range(record.dose_range_e_per_nm2, "e/nm2"),
        "training set": record.training_fingerprint[:12],
        **{f"{name}, held out": _score(score) for name, score in record.scores.items()},
        "licence": record.licence,
        "notes": record.notes,
    }
    return {name: value for name, value in found.items() if value}


def model_card(record: ModelRecord, version: str) -> str:
    """Return the card of a model as a Markdown list."""
    return "\n".join(f"- **{name}**: {value}" for name, value in model_facts(record, version).items())


def _range(values: Range | None, unit: str) -> str:
    return "" if values is None else f"{values[0]:.4g} to {values[1]:.4g} {unit}"


def _score(score: Score) -> str:
    interval = "" if score.interval is None else f" (95 %: {score.interval[0]:.3f} to {score.interval[1]:.3f})"
    return f"{score.value:.3f}{interval}, {score.n} independent items"
