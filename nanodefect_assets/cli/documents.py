"""Parts of the documents that are made from the code: the README's asset table and the data dictionary.

Run as ``python -m nanodefect_assets.cli.documents`` in the root of a checkout.
"""

from pathlib import Path

import dagster as dg

from nanodefect_assets.defs.partitions import sample, synthesis_batch

_BEGIN, _END = "<!-- assets: begin -->\n", "<!-- assets: end -->"


def asset_table(definitions: dg.Definitions) -> str:
    """Return the assets as a Markdown table: key, what a partition is, first line of the description."""
    lines = ["| asset | per | what it is |", "|---|---|---|"]
    graph = definitions.resolve_asset_graph()
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        first_line = (node.description or "").strip().splitlines()[0]
        lines.append(f"| `{key.to_user_string()}` | {_per(node.partitions_def)} | {first_line} |")
    return "\n".join(lines) + "\n"


def _per(partitions: dg.PartitionsDefinition | None) -> str:
    if partitions is None:
        return "home"
    if isinstance(partitions, dg.StaticPartitionsDefinition):
        return "study cell"
    return {sample: "sample", synthesis_batch: "batch"}[partitions]


def with_asset_table(readme: str, table: str) -> str:
    """Return the README with its asset table replaced."""
    before, rest = readme.split(_BEGIN)
    return f"{before}{_BEGIN}{table}{_END}{rest.split(_END)[1]}"


def write_documents(root: Path) -> None:
    """Write the generated parts below `root`."""
    from nanodefect_assets.definitions import defs
    from nanodefect_assets.stores.dictionary import data_dictionary_markdown

    readme = root / "README.md"
    readme.write_text(with_asset_table(readme.read_text(), asset_table(defs)))
    (root / "DATA_DICTIONARY.md").write_text(data_dictionary_markdown())


if __name__ == "__main__":
    write_documents(Path.cwd())
