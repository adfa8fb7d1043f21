import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from nanodefect_assets.cli.ingest import print_results
from nanodefect_assets.domain import schemas
from nanodefect_assets.domain.generation import AssetName
from nanodefect_assets.domain.keys import Place
from nanodefect_assets.domain.refusal import Refusal
from nanodefect_assets.stores import warehouse_files
from nanodefect_assets.stores.files import locked
from nanodefect_assets.stores.home import POINTER, Home
from nanodefect_assets.stores.warehouse import describe_tables, load_warehouse, open_warehouse, repeated_keys, run_query
from nanodefect_assets.stores.warehouse_sql import sql_type, warehouse_columns
from nanodefect_assets.stores.warehouse_views import VIEWS

OTHER_CELL = Place(batch="pd-1", aliquot="end")


def folder_of(home, generation):
    return home.folder_of(generation.origin.asset, generation.origin.place) / generation.name


def test_every_declared_table_is_there_and_empty_in_an_empty_home(home):
    loaded = load_warehouse(home)

    assert loaded.n_rows == {table.name: 0 for table in schemas.ALL}
    assert loaded.n_generations == 0


def test_columns_types_and_comments_are_the_declared_ones(home):
    load_warehouse(home)
    with open_warehouse(home) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns() "
            "WHERE NOT internal AND schema_name = 'main' ORDER BY table_name, column_index"
        ).fetchall()
        meanings = dict(
            connection.execute("SELECT table_name, comment FROM duckdb_tables() WHERE schema_name = 'main'").fetchall()
        )

    for table in schemas.ALL:
        declared = [(c.name, sql_type(c), c.is_nullable, c.comment) for c in warehouse_columns(table)]
        assert [row[1:] for row in rows if row[0] == table.name] == declared
        assert meanings[table.name] == table.meaning


def test_columns_of_views_are_the_declared_ones(home, write_chain):
    write_chain()
    load_warehouse(home)
    described = describe_tables(home).to_pylist()

    for view in VIEWS:
        found = [(row["column"], row["type"], row["meaning"]) for row in described if row["table"] == view.name]
        assert found == [(column.name, sql_type(column), column.comment) for column in view.columns]


def test_rows_carry_where_they_come_from(home, write_chain, cell):
    made = write_chain(n_particles=2, run_size="fast", params={"sigma_px": 2})["particles"]
    loaded = load_warehouse(home)

    assert loaded.n_rows["particles"] == 2
    found = run_query(home, "SELECT DISTINCT sample, generation, run_size, params_hash, code_version FROM particles")
    assert found.to_pylist() == [
        {
            "sample": cell.sample,
            "generation": made.name,
            "run_size": "fast",
            "params_hash": made.origin.params_hash,
            "code_version": "1",
        }
    ]


def test_values_come_through_unchanged(home, write, row_of):
    rows = [
        row_of(schemas.PARTICLES, particle_id="a'b\"#1", area_px=2**62, area_nm2=None, solidity=0.1, touches_edge=True),
        row_of(schemas.PARTICLES, particle_id="ü#2", area_px=-1, area_nm2=1e-300, solidity=float(2**-1074)),
    ]
    write("hrtem/particles", {"PARTICLES": rows})
    load_warehouse(home)

    names = ", ".join(schemas.PARTICLES.names)
    assert run_query(home, f"SELECT {names} FROM particles ORDER BY particle_id").to_pylist() == rows


def test_each_file_gets_its_own_provenance_when_there_are_many(home, write, row_of):
    made = {}
    for n in range(60):
        place = Place(batch=f"b{n * 7919 % 1000}", aliquot="end")
        rows = [
            row_of(schemas.PARTICLES, particle_id=f"{place.sample}/a#{label}", label=label) for label in range(n % 4)
        ]
        made[place.sample] = write("hrtem/particles", {"PARTICLES": rows}, place=place).name, n % 4
    load_warehouse(home)

    found = run_query(
        home,
        "SELECT sample, any_value(generation) AS g, count(*) AS n, bool_and(particle_id LIKE sample || '/a#%') AS ok "
        "FROM particles GROUP BY sample",
    ).to_pylist()
    assert {row["sample"]: (row["g"], row["n"]) for row in found} == {s: m for s, m in made.items() if m[1]}
    assert all(row["ok"] for row in found)


@pytest.mark.parametrize("name", ["we[i]rd *", "it's", "key=value", "Daten für Größe"])
def test_a_home_may_have_any_name(tmp_path, name, monkeypatch, request):
    home = Home(tmp_path / name).prepare()
    request.getfixturevalue("home")
    from nanodefect_assets.domain.generation import Origin
    from nanodefect_assets.stores.generations import new_generation

    origin = Origin(asset=AssetName(group="samples", noun="intake"), place=OTHER_CELL, code_version="1")
    row = {"asset": "samples/intake", "item": "a", "reason": "b", "expected": "c", "got": "d", "advice": "e"}
    with new_generation(home, origin) as out:
        out.add_rows(schemas.REFUSED, [row])

    assert load_warehouse(home).n_rows["refused"] == 1
    assert run_query(home, "FROM refused").to_pylist()[0]["item"] == "a"


def test_only_the_generation_in_force_counts(home, write_chain):
    write_chain(n_particles=3)
    latest = write_chain(n_particles=5)["particles"]
    load_warehouse(home)

    assert run_query(home, "SELECT DISTINCT generation, count(*) OVER () AS n FROM particles").to_pylist() == [
        {"generation": latest.name, "n": 5}
    ]


def test_records_become_tables(home, write_chain, write):
    write_chain(dagster_run_id="run-1", job_name="ingest")
    write("population/size_distribution", {}, place=Place(batch="pd-1"), dagster_run_id="run-2", params={"n_bins": 3})
    load_warehouse(home)

    runs = run_query(home, "SELECT dagster_run_id, job_name, n_generations FROM runs ORDER BY ALL").to_pylist()
    assert runs == [
        {"dagster_run_id": "run-1", "job_name": "ingest", "n_generations": 4},
        {"dagster_run_id": "run-2", "job_name": None, "n_generations": 1},
    ]
    found = run_query(
        home, "SELECT sample, params ->> 'n_bins' AS n, path FROM generations WHERE dagster_run_id = 'run-2'"
    )
    row = found.to_pylist()[0]
    assert (row["sample"], row["n"]) == ("pd-1/_", "3")
    assert (home.artifacts / row["path"]).is_dir()
    assert run_query(home, "SELECT count(*) AS n FROM generation_inputs").to_pylist() == [{"n": 4}]


def test_places_without_a_sample_are_left_out(home, write_chain, write, cell):
    gone = Place(batch="gone", aliquot="end")
    for place in (cell, gone):
        write_chain(place)
        write("population/size_distribution", {}, place=Place(batch=place.batch))
        write("population/aliquot_trend", {}, place=Place(aliquot=place.aliquot))
    write("hrtem/training_set", {}, place=Place())
    loaded = load_warehouse(home, existing={cell})

    samples = run_query(home, "SELECT DISTINCT sample FROM generations ORDER BY 1").column("sample").to_pylist()
    assert samples == ["_/_", "_/t0028800", "pd-1/_", "pd-1/t0028800"]
    assert [place.sample for place in loaded.skipped] == ["_/end", "gone/_", "gone/end"]
    assert load_warehouse(home).n_rows["particles"] == 2 * loaded.n_rows["particles"]


def test_the_same_generations_are_not_loaded_twice(home, write_chain):
    write_chain()
    first = load_warehouse(home)
    inode = home.warehouse.stat().st_ino
    second = load_warehouse(home)

    assert (first.is_unchanged, second.is_unchanged) == (False, True)
    assert home.warehouse.stat().st_ino == inode
    assert second.n_rows == first.n_rows
    write_chain(n_particles=1)
    assert not load_warehouse(home).is_unchanged


def test_the_published_file_is_read_only_and_alone(home, write_chain):
    write_chain()
    leftover = home.warehouse.with_name(".build-1-dead.duckdb")
    leftover.write_bytes(b"half a file")
    (home.warehouse.parent / ".build-1-dead.duckdb.tmp").mkdir()
    load_warehouse(home)

    assert stat.S_IMODE(home.warehouse.stat().st_mode) == 0o444
    assert sorted(path.name for path in home.warehouse.parent.iterdir()) == ["load.lock", "nanodefect.duckdb"]


def break_parquet(path):
    path.write_bytes(b"PAR1 nothing of the kind PAR1")


def cut_parquet(path):
    path.write_bytes(path.read_bytes()[:-20])


def scramble_pages(path):
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)


def remove_record(path):
    (path.parent / "generation.json").unlink()


def scramble_record(path):
    (path.parent / "generation.json").write_text('{"kind": "nanodefect/gen')


def raise_record_version(path):
    record = path.parent / "generation.json"
    record.write_text(record.read_text().replace('"version": 1', '"version": 99'))


def raise_rows_version(path):
    rows = pq.read_table(path)
    pq.write_table(rows.replace_schema_metadata({**rows.schema.metadata, b"version": b"99"}), path)


def swap_kind(path):
    rows = pq.read_table(path)
    pq.write_table(rows.replace_schema_metadata({**rows.schema.metadata, b"kind": b"nanodefect/masks"}), path)


def drop_column(path):
    pq.write_table(pq.read_table(path).drop_columns(["solidity"]), path)


def put_nulls(path):
    rows = pq.read_table(path)
    index = rows.schema.get_field_index("solidity")
    pq.write_table(
        rows.set_column(index, "solidity", [[None] * len(rows)]).replace_schema_metadata(rows.schema.metadata), path
    )


def put_text(path):
    rows = pq.read_table(path)
    index = rows.schema.get_field_index("solidity")
    pq.write_table(
        rows.set_column(index, "solidity", [["much"] * len(rows)]).replace_schema_metadata(rows.schema.metadata), path
    )


DAMAGES = [
    *(break_parquet, cut_parquet, scramble_pages, remove_record, scramble_record, raise_record_version),
    *(raise_rows_version, swap_kind, drop_column, put_nulls, put_text),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_generation_is_left_out_and_told_and_the_rest_is_loaded(home, write_chain, damage):
    bad = write_chain(OTHER_CELL)["particles"]
    write_chain(n_particles=4)
    damage(folder_of(home, bad) / "particles.parquet")
    loaded = load_warehouse(home)

    assert list(loaded.left_out) == [f"hrtem/particles/pd-1/end/{bad.name}"]
    assert all(loaded.left_out.values())
    assert loaded.n_rows["particles"] == 4
    assert loaded.n_rows["micrographs"] == 2


def test_a_generation_is_left_out_whole(home, write, row_of):
    place = OTHER_CELL
    rows = {"MASKS": [row_of(schemas.MASKS)], "MASK_SCORES": [row_of(schemas.MASK_SCORES)]}
    bad = write("hrtem/segmentation", rows, place=place)
    break_parquet(folder_of(home, bad) / "mask_scores.parquet")
    loaded = load_warehouse(home)

    assert (loaded.n_rows["masks"], loaded.n_rows["generations"]) == (0, 0)


def test_a_generation_copied_by_hand_to_another_place_is_left_out(home, write_chain):
    made = write_chain()["particles"]
    base = folder_of(home, made).parent
    copy = base.parent / "end"
    copy.mkdir()
    for name in (made.name, POINTER):
        subprocess.run(["cp", "-r", base / name, copy / name], check=True)

    assert "copied by hand" in load_warehouse(home).left_out[f"hrtem/particles/pd-1/end/{made.name}"]


def test_a_foreign_folder_among_the_artefacts_does_no_harm(home, write_chain):
    write_chain()
    stray = home.artifacts / "hrtem" / "particles" / "Kopie von pd-1" / "end"
    stray.mkdir(parents=True)
    (stray / POINTER).write_text("anything\n")

    assert load_warehouse(home).n_rows["particles"] == 3


def test_a_mended_generation_comes_back(home, write_chain):
    bad = write_chain(n_particles=2)["particles"]
    path = folder_of(home, bad) / "particles.parquet"
    content = path.read_bytes()
    break_parquet(path)
    assert load_warehouse(home).n_rows["particles"] == 0
    path.write_bytes(content)

    assert load_warehouse(home).n_rows["particles"] == 2


def test_older_rows_without_a_column_added_since_are_read(home, write, row_of):
    old = write("hrtem/particles", {"PARTICLES": [row_of(schemas.PARTICLES, particle_id="old#1")]}, place=OTHER_CELL)
    write("hrtem/particles", {"PARTICLES": [row_of(schemas.PARTICLES, particle_id="new#1")]})
    path = folder_of(home, old) / "particles.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["area_nm2", "feret_max_nm"]), path)
    loaded = load_warehouse(home)

    assert not loaded.left_out
    found = run_query(home, "SELECT particle_id, area_nm2, feret_max_nm, area_px FROM particles ORDER BY particle_id")
    assert found.to_pylist() == [
        {"particle_id": "new#1", "area_nm2": 1.5, "feret_max_nm": 1.5, "area_px": 1},
        {"particle_id": "old#1", "area_nm2": None, "feret_max_nm": None, "area_px": 1},
    ]


def test_a_reader_keeps_what_it_opened_and_the_next_sees_the_new_file(home, write_chain):
    write_chain(n_particles=2)
    load_warehouse(home)
    with open_warehouse(home) as before:
        write_chain(n_particles=7)
        assert load_warehouse(home).n_rows["particles"] == 7
        assert before.execute("SELECT count(*) FROM particles").fetchone() == (2,)
        assert run_query(home, "SELECT count(*) AS n FROM particles").to_pylist() == [{"n": 7}]


def test_a_reader_is_never_in_the_loaders_way(home, write_chain):
    write_chain()
    load_warehouse(home)
    with duckdb.connect(home.warehouse, read_only=True) as foreign:
        write_chain(n_particles=6)
        assert load_warehouse(home).n_rows["particles"] == 6
        assert foreign.execute("SELECT count(*) FROM particles").fetchone() == (3,)


def test_a_reader_does_not_wait_for_the_loaders_lock(home, write_chain):
    write_chain()
    load_warehouse(home)
    with locked(home.warehouse.parent / "load.lock"):
        assert run_query(home, "SELECT count(*) AS n FROM particles").to_pylist() == [{"n": 3}]


FOREIGN_WRITER = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("SET checkpoint_threshold = '1GB'; CREATE TABLE mine AS SELECT 1 AS a")
os._exit(9)  # as if killed: the log stays
"""


def write_by_hand(path):
    path.chmod(0o644)
    subprocess.run([sys.executable, "-c", FOREIGN_WRITER, str(path)], check=False)
    assert path.with_name(path.name + ".wal").exists()


def test_a_foreign_log_is_set_aside_by_the_next_load(home, write_chain):
    write_chain()
    load_warehouse(home)
    write_by_hand(home.warehouse)
    write_chain(n_particles=1)
    with pytest.warns(UserWarning, match="opened it for writing"):
        load_warehouse(home)

    assert run_query(home, "SELECT count(*) AS n FROM particles").to_pylist() == [{"n": 1}]
    assert len(list(home.warehouse.parent.glob("*.wal.foreign-*"))) == 1


def test_a_log_that_belongs_to_an_earlier_file_is_set_aside_by_a_reader(home, write_chain):
    write_chain()
    load_warehouse(home)
    write_by_hand(home.warehouse)
    log = home.warehouse.with_name("nanodefect.duckdb.wal")
    content = log.read_bytes()
    write_chain(n_particles=1)
    with pytest.warns(UserWarning, match="It is now"):
        load_warehouse(home)
    log.write_bytes(content)
    with pytest.warns(UserWarning, match="opened it for writing"):
        found = run_query(home, "SELECT count(*) AS n FROM particles").to_pylist()

    assert found == [{"n": 1}]


def test_a_published_file_that_is_damaged_is_made_anew(home, write_chain):
    write_chain()
    load_warehouse(home)
    home.warehouse.chmod(0o644)
    home.warehouse.write_bytes(b"no database")
    with pytest.raises(Refusal, match="makes it anew"):
        run_query(home, "SELECT 1")

    assert not load_warehouse(home).is_unchanged
    assert run_query(home, "SELECT count(*) AS n FROM particles").to_pylist() == [{"n": 3}]


def test_without_a_warehouse_the_advice_says_what_to_do(home):
    with pytest.raises(Refusal, match="population/warehouse"):
        run_query(home, "SELECT 1")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT size FROM read_blob('{file}')",
        "SELECT * FROM read_duckdb('{file}', table_name = 'particles')",
        "FROM glob('{folder}/*')",
        "WITH a AS (COPY (SELECT 42) TO '{file}' (FORMAT csv, USE_TMP_FILE false)) FROM a",
        "WITH a AS (COPY (SELECT 42) TO '{file}.wal' (FORMAT csv, USE_TMP_FILE false)) FROM a",
        "WITH a AS (COPY (SELECT 42) TO '{file}' (FORMAT parquet)) FROM a",
        "WITH a AS (COPY (SELECT 42) TO 'out.csv') FROM a",
        "WITH a AS (DELETE FROM particles RETURNING *) FROM a",
        "FROM query('WITH a AS (COPY (SELECT 42) TO ''{file}'') FROM a')",
        "EXPLAIN ANALYZE COPY (SELECT 42) TO '{file}' (FORMAT csv, USE_TMP_FILE false)",
        "EXPLAIN ANALYZE DELETE FROM particles",
        "FROM enable_logging(storage = 'file', storage_path = '{folder}')",
        "FROM enable_profiling(format = 'json', save_location = '{folder}/out.csv')",
        "SELECT nonsense FROM particles",
        "SELEC 1",
    ],
)
def test_a_question_can_only_read_the_warehouse(home, write_chain, tmp_path, monkeypatch, sql):
    content = published(home, write_chain, tmp_path, monkeypatch)
    with pytest.raises(Refusal) as caught:
        run_query(home, sql.format(file=home.warehouse, folder=home.warehouse.parent))

    assert caught.value.reason == "bad_sql"
    assert "Error" in caught.value.got
    assert_untouched(home, tmp_path, content)


def published(home, write_chain, tmp_path, monkeypatch):
    """Publish a warehouse, work in an empty folder, and return the bytes of the published file."""
    write_chain()
    load_warehouse(home)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return home.warehouse.read_bytes()


def assert_untouched(home, tmp_path, content):
    assert home.warehouse.read_bytes() == content
    assert sorted(path.name for path in home.warehouse.parent.iterdir()) == ["load.lock", "nanodefect.duckdb"]
    assert not list((tmp_path / "empty").iterdir())


@pytest.mark.parametrize(
    ("sql", "got"),
    [
        ("COPY (SELECT 42) TO '{file}' (FORMAT csv, USE_TMP_FILE false)", "COPY"),
        ("COPY (SELECT 42) TO '{file}.wal' (FORMAT csv, USE_TMP_FILE false)", "COPY"),
        ("COPY particles TO 'out.csv'", "COPY"),
        ("EXPORT DATABASE 'out'", "EXPORT"),
        ("DELETE FROM particles", "DELETE"),
        ("WITH a AS (FROM particles) DELETE FROM particles", "DELETE"),
        ("DROP VIEW mask_quality", "DROP"),
        ("CREATE TABLE nanodefect.more AS SELECT 1", "CREATE"),
        ("CREATE TEMP TABLE more AS SELECT 1", "CREATE"),
        ("ATTACH 'other.duckdb'", "ATTACH"),
        ("INSTALL httpfs", "LOAD"),
        ("SET enable_external_access = true", "SET"),
        ("PRAGMA database_list", "PRAGMA"),
        ("CALL enable_logging()", "CALL"),
        ("CHECKPOINT", "CALL"),
        ("SELECT 1; SELECT 2", "SELECT, SELECT"),
        ("SELECT 1; DROP VIEW mask_quality", "SELECT, DROP"),
        ("", "none"),
        ("-- nothing", "none"),
    ],
)
def test_what_does_more_than_ask_is_refused(home, write_chain, tmp_path, monkeypatch, sql, got):
    content = published(home, write_chain, tmp_path, monkeypatch)
    with pytest.raises(Refusal, match="one statement that only reads") as caught:
        run_query(home, sql.format(file=home.warehouse))

    assert (caught.value.reason, caught.value.got) == ("not_a_question", got)
    assert_untouched(home, tmp_path, content)


@pytest.mark.parametrize(
    ("sql", "n_rows"),
    [
        ("SELECT label FROM particles;", 3),
        ("-- which?\nWITH a AS (FROM particles), b AS (SELECT label FROM a) SELECT * FROM b ORDER BY ALL", 3),
        ("WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 4) FROM r", 4),
        ("FROM particles LIMIT 2", 2),
        ("VALUES (1), (2)", 2),
        ("(SELECT 1) UNION (SELECT 2)", 2),
        ("DESCRIBE warehouse_info", 4),
        ("SHOW warehouse_info", 4),
        ("SUMMARIZE warehouse_info", 4),
        ("EXPLAIN SELECT * FROM particles", 1),
        ("EXPLAIN ANALYZE SELECT * FROM particles", 1),
        ("PIVOT particles ON label USING count(*) GROUP BY sample", 1),
        ("SELECT list_transform([label], lambda x: x + 1) FROM particles", 3),
        ("SELECT count(DISTINCT a) FROM range(300000) AS r(a)", 1),
    ],
)
def test_every_way_to_ask_is_answered(home, write_chain, sql, n_rows):
    write_chain()
    load_warehouse(home)

    assert len(run_query(home, sql)) == n_rows


def test_a_question_too_large_for_memory_is_refused_in_words(home, write_chain, monkeypatch):
    write_chain()
    load_warehouse(home)
    monkeypatch.setitem(warehouse_files.CONNECTION_CONFIG, "memory_limit", "20MB")
    with pytest.raises(Refusal, match=r"fits into memory.*aggregate first"):
        run_query(home, "SELECT a, hash(a)::VARCHAR AS b FROM range(2000000) AS r(a) ORDER BY b")


def test_what_our_own_questions_spill_goes_to_a_folder_of_their_own_and_then_away(
    home, write_chain, tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write_chain()
    load_warehouse(home)
    monkeypatch.setitem(warehouse_files.CONNECTION_CONFIG, "memory_limit", "60MB")
    monkeypatch.setitem(warehouse_files.CONNECTION_CONFIG, "threads", 1)
    with open_warehouse(home) as connection, open_warehouse(home) as another:
        folders = {one.execute("SELECT current_setting('temp_directory')").fetchone() for one in (connection, another)}
        rows = connection.execute("SELECT a, hash(a)::VARCHAR AS b FROM range(3000000) AS r(a) ORDER BY b")
        rows.fetchone()
        spilled = [path for (folder,) in folders for path in Path(folder).iterdir()]
        assert len(folders) == 2
        assert all(stat.S_IMODE(Path(folder).stat().st_mode) == 0o700 for (folder,) in folders)
        assert spilled

    assert not list(tmp_path.glob("nanodefect-sql*"))


def test_moments_are_in_utc_whatever_the_machines_zone(home, write_chain, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    made = write_chain()["particles"]
    load_warehouse(home)

    found = run_query(home, "SELECT created_at FROM generations WHERE asset = 'hrtem/particles'").column(0)
    assert found.type.tz == "UTC"
    assert found[0].as_py() == made.created_at


def test_many_threads_load_at_once_and_all_agree(home, write_chain):
    write_chain(n_particles=2)
    results = []
    threads = [threading.Thread(target=lambda: results.append(load_warehouse(home).is_unchanged)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [False, True, True, True]


def test_repeated_keys_are_told(home, write_chain, write, row_of):
    write_chain()
    load_warehouse(home)
    assert repeated_keys(home) == {}
    write("hrtem/mended", {"MASKS": [row_of(schemas.MASKS, micrograph_id="pd-1/t0028800/a.tif")]})
    load_warehouse(home)

    assert repeated_keys(home) == {"masks": ["pd-1/t0028800/a.tif"]}


def test_an_error_that_is_nobodys_file_is_raised_and_leaves_the_old_file(home, write_chain, monkeypatch):
    write_chain()
    load_warehouse(home)
    write_chain(n_particles=9)
    monkeypatch.setattr("nanodefect_assets.stores.warehouse_building.create_views_sql", lambda views: "SELECT nonsense")
    with pytest.raises(duckdb.Error):
        load_warehouse(home)

    assert run_query(home, "SELECT count(*) AS n FROM particles").to_pylist() == [{"n": 3}]
    assert not list(home.warehouse.parent.glob(".build-*"))


def test_progress_names_every_table(home):
    steps = []
    load_warehouse(home, on_step=steps.append)

    assert [step.detail for step in steps[:-1]] == [table.name for table in schemas.WRITTEN]
    assert steps[-1].done == steps[-1].total == len(schemas.WRITTEN)


def test_pandas_reads_what_a_query_returns(home, write_chain):
    write_chain()
    load_warehouse(home)

    assert isinstance(run_query(home, "FROM particles").to_pandas(), pd.DataFrame)


def test_what_ingest_shows_at_the_end_is_what_there_is(home, write, row_of, capsys):
    atoms, series, nothing = (Place(batch=batch, aliquot="end") for batch in ("atoms-1", "tilts-1", "nothing-1"))
    row = row_of(schemas.PARTICLE_READINGS, structure_id=f"{atoms.sample}/a.xyz")
    write("atoms/grains", {"PARTICLE_READINGS": [row]}, place=atoms)
    row = row_of(schemas.RECONSTRUCTIONS, tilt_series_id=f"{series.sample}/a.mrc")
    write("tomography/reconstruction", {"RECONSTRUCTIONS": [row]}, place=series)
    load_warehouse(home)

    shown = {}
    for place in (atoms, series, nothing):
        print_results(home, [place.batch])
        shown[place] = capsys.readouterr().out
    assert shown.pop(nothing) == ""
    assert f"{atoms.sample}/a.xyz" in shown[atoms]
    assert f"{series.sample}/a.mrc" in shown[series]
    assert all(said.count("rows)") == 1 and "(0 rows)" not in said for said in shown.values())
