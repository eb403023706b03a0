# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A systemctl for machines that systemd does not run: it answers from a file, and keeps what it was told."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

# Words as the real one understands them; `on_restart`: the properties that a restart leads to, `rc`: its exit code.
_PROGRAM = """#!{python}
import fnmatch, json, sys
world, told = {world!r}, {told!r}
arguments = sys.argv[1:]
with open(told, "a") as stream:
    stream.write(json.dumps(arguments) + "\\n")
with open(world) as stream:
    units = json.load(stream)
verb, rest = arguments[0], [word for word in arguments[1:] if not word.startswith("--")]
if verb == "show":
    keys = next(word[11:] for word in arguments if word.startswith("--property=")).split(",")
    names = []
    for name in rest:
        if "*" in name:
            names += [each for each in units if fnmatch.fnmatch(each, name)]
        else:
            names.append(name if "." in name else name + ".service")
    missing = {{"LoadState": "not-found", "ActiveState": "inactive"}}
    blocks = [dict(units.get(name, missing), Id=name) for name in names]
    print("\\n\\n".join("\\n".join(key + "=" + block.get(key, "") for key in keys) for block in blocks))
elif verb == "is-system-running":
    print(units["system"])
    sys.exit(0 if units["system"] == "running" else 1)
elif verb == "try-restart":
    for name in rest:
        for each in [name] + units[name].get("takes_along", []):
            units[each].update(units[each].get("on_restart", {{}}))
            units[each]["InvocationID"] = units[each].get("InvocationID", "") + "+"
    with open(world, "w") as stream:
        json.dump(units, stream)
    if units[name].get("rc"):
        sys.stderr.write("Job for %s failed because the control process exited with error code.\\n" % name)
        sys.exit(units[name]["rc"])
"""


class Systemd:
    """Units by name, each with the properties that `systemctl show` gives."""

    def __init__(self, folder: Path) -> None:
        self._world, self._told = folder / "units.json", folder / "told.jsonl"
        self.programs = folder / "bin"
        self.programs.mkdir(parents=True)
        self.units(system="running")
        text = _PROGRAM.format(python=sys.executable, world=str(self._world), told=str(self._told))
        self.program("systemctl", text)

    def program(self, name: str, text: str) -> None:
        """A program of this text on the PATH."""
        path = self.programs / name
        path.write_text(text)
        path.chmod(0o755)

    def units(self, **units) -> None:
        """Set the world anew."""
        self._world.write_text(json.dumps(units))

    def load(self, units) -> None:
        """Set the world to a dictionary of units."""
        self.units(**{"system": "running", **units})

    @property
    def told(self):
        """What it was told to do, without the questions."""
        with contextlib.suppress(FileNotFoundError):
            calls = [json.loads(line) for line in self._told.read_text().splitlines()]
            return [call for call in calls if call[0] not in ("show", "is-system-running")]
        return []

    @property
    def questions(self) -> int:
        """How often it was asked for properties."""
        return sum(json.loads(line)[0] == "show" for line in self._told.read_text().splitlines())


def running(folder, monkeypatch) -> Systemd:
    """A machine that this systemctl seems to run."""
    from ansible_collections.proven.upkeep.plugins.module_utils.patching import systemd

    fake = Systemd(Path(str(folder)) / "systemd")
    monkeypatch.setattr(systemd, "BOOTED", str(fake.programs))
    monkeypatch.setenv("PATH", f"{fake.programs}{os.pathsep}{os.environ['PATH']}")
    return fake
