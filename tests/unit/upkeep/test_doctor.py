# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

from upkeep import doctor

ROOT = Path(__file__).resolve().parents[3]


def test_it_needs_no_installed_package():
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import upkeep.doctor"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_what_is_missing_is_named_with_its_remedy(monkeypatch, capsys):
    gone = tuple(dataclasses.replace(need, found=lambda: None) for need in doctor.NEEDS)
    monkeypatch.setattr(doctor, "NEEDS", gone)
    assert doctor.run() == 1
    screen = capsys.readouterr().out
    for need in gone:
        assert need.name in screen and need.debian in screen


def test_without_age_one_line_says_so_and_one_mends_it(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(doctor, "NEEDS", tuple(need for need in doctor.NEEDS if need.name == "age"))
    monkeypatch.setattr(doctor, "_lab_needs", lambda: ())
    monkeypatch.setattr(doctor, "ROOT", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.run() == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    (told,) = (line for line in lines if line[1:2] == ["age"])
    assert told[0] == "missing" and {"backup-key", "makes", "key,"} <= set(told)
    assert lines.count(["apt-get", "install", "age"]) == 1


def test_what_is_optional_does_not_fail(monkeypatch, capsys):
    needs = tuple(dataclasses.replace(n, found=lambda n=n: "there" if n.required else None) for n in doctor.NEEDS)
    monkeypatch.setattr(doctor, "NEEDS", needs)
    assert doctor.run() == 0
    assert "missing" in capsys.readouterr().out
