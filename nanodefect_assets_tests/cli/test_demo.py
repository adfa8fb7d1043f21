import pytest
from click.testing import CliRunner

from nanodefect_assets.cli import main


@pytest.mark.slow
def test_the_demo_reads_its_particles_for_what_was_planted(tmp_path):
    command = ["--home", str(tmp_path / "home"), "demo"]
    first, again = CliRunner().invoke(main, command), CliRunner().invoke(main, command)

    assert first.exit_code == again.exit_code == 0, first.output + again.output
    for said in (first.output, again.output):
        read = [line.split() for line in said.splitlines() if ".xyz" in line and line.startswith("sim-pd")]
        planted_and_read = [(words[1], words[3]) for words in read]
        assert len(read) == 6
        assert ("decahedron", "decahedron") in planted_and_read
        assert set(planted_and_read) <= {
            ("decahedron", "decahedron"),
            ("icosahedron", "icosahedron"),
            ("faulted", "twinned"),
        }
        assert "SIMULATED" in said
    assert "REFUSED" not in first.output
    assert "Simulated before" in again.output
    assert "nothing new" in again.output
