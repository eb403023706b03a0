# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A set with databases, through the playbooks: backed up, drilled, lost, loaded again; and a dump that fails."""

from __future__ import annotations

import contextlib
import sqlite3
import sys

import pytest

SECRET = "open-sesame-4711"
PASSES_ON = "import os; print(open(os.environ['UPKEEP_SECRET_FILE']).read()[::-1]); print('# end')"


@pytest.mark.once
def test_databases_are_backed_up_drilled_and_loaded(clone, tmp_path):
    base = tmp_path / "app.db"
    with contextlib.closing(sqlite3.connect(base)) as database:
        database.executescript("CREATE TABLE orders (i); INSERT INTO orders VALUES (1), (2), (3)")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("kept")
    door = {"name": "door", "engine": "command", "argv": [sys.executable, "-c", PASSES_ON], "secret": "door",
            "trailer": "# end", "load_argv": ["sh", "-c", 'grep -q "# end" "$UPKEEP_DUMP"']}  # fmt: skip
    sets = [{"name": "shop", "paths": [str(tmp_path / "data")], "dest": str(tmp_path / "archives/shop.tar.gz"),
             "dumps": [{"name": "app", "engine": "sqlite", "path": str(base)}, door]}]  # fmt: skip
    given = {"backup_sets": sets, "backup_secrets": {"door": SECRET}, "gate_enforce": False}
    inventory = clone.inventory({"one": {}}, **given, restore_test_folder=str(tmp_path / "scratch"))

    outputs = []

    def run(playbook, code=0, cmdline="-vvv", **more):
        ran = clone.run(f"playbooks/{playbook}.yml", inventory=inventory, target="one", cmdline=cmdline, **more)
        assert (ran.rc == 0) == (code == 0), ran.stdout
        outputs.append(ran.stdout)
        return ran.stdout

    assert "1 database with 1 table and 3 rows" in run("backup")
    success = clone.json("backups/hosts/one/shop/last_success.json")
    assert [(dump["name"], dump["rows"]) for dump in success["dumps"]] == [("app", 3), ("door", None)]

    for place in ("host", "controller"):
        assert "1 database with 1 table and 3 rows loaded" in run("restore_test", restore_test_on=place)
        last = clone.json("backups/hosts/one/shop/last_restore.json")
        assert [(dump["ok"], dump["rows"]) for dump in last["dumps"]] == [(True, 3), (True, None)]
        proof = (clone.path / "backups/hosts/one/shop/restore-proof.txt").read_text()
        assert f"app ({base}): loaded, 1 database with 1 table and 3 rows, 3 rows dumped" in proof
        assert "door: loaded" in proof

    base.unlink()
    told = {"restore_set": "shop", "restore_dumps": "app"}  # nobody but a person can load the other one
    (tmp_path / "data" / "file").write_text("edited")
    files = {"restore_paths": [str(tmp_path / "data")], "restore_overwrite": "always"}
    assert "would be: app" in run("restore", cmdline="--check --diff", **told, **files) and not base.exists()
    assert "3 rows" in run("restore", **told)  # without files
    with contextlib.closing(sqlite3.connect(base)) as database:
        assert database.execute("SELECT count(*) FROM orders").fetchone() == (3,)
    assert (tmp_path / "data" / "file").read_text() == "edited"

    base.unlink()
    assert "dump_failed: dumps: app" in run("backup", code=1)
    assert clone.json("backups/hosts/one/shop/last_success.json")["created"] == success["created"]
    clone.validate_documents()
    written = [path for path in clone.path.glob("[brs]*/**/*") if path.is_file() and "inventories" not in path.parts]
    for text in (*outputs, *(path.read_text(errors="replace") for path in written)):
        assert SECRET not in text
