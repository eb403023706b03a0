# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import multiprocessing
import os
import re
import subprocess
import sys

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import processes, run_id


@pytest.mark.parametrize(
    ("variables", "environ", "expected"),
    [
        ({}, {"UPKEEP_RUN_ID": "nightly-1"}, "nightly-1"),
        ({"awx_job_id": 7}, {"UPKEEP_RUN_ID": "nightly-1"}, "nightly-1"),
        ({"awx_job_id": 7, "awx_workflow_job_id": 3}, {}, "awx-w3"),
        ({"awx_job_id": "7"}, {}, "awx-7"),
        ({"tower_job_id": 9}, {}, "awx-9"),
        ({"tower_workflow_job_id": 2, "tower_job_id": 9, "awx_job_id": None}, {}, "awx-w2"),
    ],
)
def test_given(variables, environ, expected):
    assert run_id.current(variables, environ) == expected


@pytest.mark.parametrize("bad", ["..", ".hidden", "a/b", "a b", "-x", "x" * 101, "a\n"])
def test_bad_ids_are_refused(bad):
    with pytest.raises(UpkeepError) as caught:
        run_id.current({}, {"UPKEEP_RUN_ID": bad})
    assert caught.value.code == "bad_run_id"


def _in_worker(queue):
    queue.put(run_id.current({}, {}))


def test_the_same_in_every_worker():
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    workers = [context.Process(target=_in_worker, args=(queue,)) for n in range(2)]
    for worker in workers:
        worker.start()
    found = {queue.get(timeout=30) for worker in workers}
    for worker in workers:
        worker.join()
    assert found == {run_id.current({}, {})}
    assert re.fullmatch(rf"\d{{8}}T\d{{6}}Z-{os.getpid()}", found.pop())


def test_alive_and_gone(monkeypatch):
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = processes.find(child.pid)
    assert processes.is_alive(child.pid, found.identity)
    assert not processes.is_alive(child.pid, "another/1")
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_alive(child.pid, found.identity), "a zombie does not go on"
    child.communicate()
    assert processes.find(child.pid) is None


def test_ps_serves_where_there_is_no_proc(monkeypatch, tmp_path):
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    shown = processes.find(os.getpid())
    monkeypatch.undo()
    exact = processes.find(os.getpid())
    assert shown is None or abs((shown.started - exact.started).total_seconds()) < 3
