# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What PostgreSQL is told when a dump is loaded; tests/servers has the real one."""

from __future__ import annotations

import contextlib
import json
import time

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.dumps import model, postgresql
from ansible_collections.proven.upkeep.plugins.module_utils.dumps.model import Dump, Failed, Job


class Server:
    """Answers as a server that has these databases, and remembers what it was told."""

    def __init__(self, *databases: str) -> None:
        self.databases, self.told = list(databases), []

    def ask(self, _database, query, _seconds):
        self.told.append(query)
        if query.startswith("SELECT datname"):
            return self.databases
        if query.startswith("SELECT quote_ident"):
            return ["keeper"]
        return [json.dumps(["t", 1])] if "gexec" in query else []


@pytest.fixture
def server(monkeypatch):
    made = Server("shop")
    monkeypatch.setattr(postgresql, "ways", lambda _job: contextlib.nullcontext(made))
    monkeypatch.setattr(postgresql.Postgresql, "_restore", lambda *_given: None)
    return made


def job(folder: object = "/x") -> Job:
    return Job(Dump("pg", "postgresql"), None, str(folder), time.monotonic() + 60)


@pytest.mark.parametrize("rows", [1, 2])
def test_what_was_there_comes_back_when_other_rows_were_loaded(server, rows):
    item = model.taken(job().dump, "shop", "f", "PostgreSQL 15", {"t": rows})
    with pytest.raises(Failed, match="1 rows, 2 rows were dumped") if rows == 2 else contextlib.nullcontext():
        assert postgresql.Postgresql().load(job(), item, overwrite=True)["status"] == "loaded"
    back = 'ALTER DATABASE "shop_before_upkeep" RENAME TO "shop"'
    gone = 'DROP DATABASE "shop_before_upkeep"'
    assert [query for query in server.told if query in (back, gone)] == [back if rows == 2 else gone]


@pytest.mark.parametrize("there", [["shop_before_upkeep"], ["shop", "shop_before_upkeep"]])
def test_what_a_killed_restore_put_aside_is_not_forgotten(server, there):
    server.databases = there
    with pytest.raises(Failed, match="killed") as caught:
        postgresql.Postgresql().load(job(), model.taken(job().dump, "shop", "f", "s", {"t": 1}), overwrite=True)
    assert 'ALTER DATABASE "shop_before_upkeep" RENAME TO "shop"' in caught.value.why
    assert 'DROP DATABASE "shop_before_upkeep"' in caught.value.why
    assert all(query.startswith("SELECT") for query in server.told)


ROLES = rb"""--
-- PostgreSQL database cluster dump
--
\restrict 5rCkTd8xLbhMRwhXwhqN
SET standard_conforming_strings = on;
CREATE ROLE "DOM\user";
ALTER ROLE "DOM\user" WITH LOGIN PASSWORD 'SCRAM-SHA-256$4096:a/b==$c:d=';
COMMENT ON ROLE keeper IS E'it''s \\\\ a (keeper) \\! -- no';
-- User Config "DOM\user"
ALTER ROLE keeper SET search_path TO '"$user"', 'public';
\unrestrict 5rCkTd8xLbhMRwhXwhqN
-- PostgreSQL database cluster dump complete
"""


@pytest.mark.parametrize("statements", [ROLES, ROLES.replace(b"\n", b"\r\n"), b""])
def test_what_pg_dumpall_writes_is_taken(statements):
    postgresql.refuse_commands(statements)


@pytest.mark.parametrize(
    "line",
    [
        rb"\! id", rb"  \! id", rb"SELECT 1; \! id", rb"SELECT 1 \g |id", rb"\restrict k \! id",
        b"SELECT E'\nALTER ROLE keeper ';\nSELECT E' \\\\! id ';", rb"/* ' */ \! id /* ' */",
        b"SELECT '\n' \\! id '", b"-- '\n\\! id\n-- '", rb"SELECT $$'$$; \! id '", rb"SELECT '\'; \! id '",
        rb"SELECT aE'\'; \! id --'", b"SELECT '\n--' \\! id", rb'SELECT "a" \! id',
    ],
)  # fmt: skip
def test_a_command_to_psql_among_the_roles_never_runs(server, tmp_path, line):
    (tmp_path / "f").write_bytes(ROLES + line + b"\n")
    item = model.taken(job().dump, None, "f", "PostgreSQL 15", None, accompanies=True)
    with pytest.raises(Failed, match="pg_dumpall never writes"):
        postgresql.Postgresql().load(job(tmp_path), item, overwrite=False)
