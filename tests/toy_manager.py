# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A package manager for tests of what is built on one: its packages are files in the folder $UPKEEP_TOY.

installed/<name>  available/<name>      the version, as content
fails/<name>      its installation ends with exit code 100, half done
half/<name>       it is half installed
left/<name>       configuration file handling left it
slow              seconds that an installation takes
hold              as long as it is there, installations wait
lock              who holds the lock, as "812 apt-get"
"""

from __future__ import annotations

import os

from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Action, Kept, Simulation, Step

_INSTALL = """
echo "Setting up {name} ({version}) ..."
touch half/{name}
sleep "$(cat slow 2>/dev/null || echo 0)"
while [ -e hold ]; do sleep 0.05; done
[ ! -e fails/{name} ] || {{ echo "{name}: postinst failed"; exit 100; }}
printf %s {version} > installed/{name}
rm half/{name}
echo {name} {version} >> history
"""


def _read(path):
    with open(path, encoding="utf-8") as stream:  # noqa: PTH123
        return stream.read().strip()


class Apt:
    """`transaction.Transactions`, under the name of the manager that it stands in for."""

    def __init__(self, root="/"):
        self.top = os.environ["UPKEEP_TOY"]

    def _all(self, folder):
        top = os.path.join(self.top, folder)
        return {name: _read(os.path.join(top, name)) for name in sorted(os.listdir(top))} if os.path.isdir(top) else {}

    def _step(self, name, script, **more):
        return Step(name, ("/bin/sh", "-c", f"cd {self.top} && {{ {script}\n}}"), **more)

    def simulate(self, wanted, removals):
        installed, available = self._all("installed"), self._all("available")
        there = [each for each in wanted if available.get(each.name) == each.version]
        actions = [
            Action("upgrade" if each.name in installed else "install", each.name, each.arch, installed.get(each.name),
                   each.version)
            for each in there
        ]  # fmt: skip
        return Simulation(actions, [(each, "it is gone") for each in wanted if each not in there])

    def reversible(self, actions):
        return list(actions)

    def fetch(self, actions, folder):
        return 0

    def keep(self, actions, folder):
        return [Kept(each.name, each.arch, each.before, None) for each in actions if each.before]

    def forward(self, actions, folder):
        return [self._step(each.name, _INSTALL.format(name=each.name, version=each.after)) for each in actions]

    def back(self, actions, folder):
        steps = [
            self._step(
                each.name,
                f"rm -f half/{each.name}\n"
                + (
                    f"printf %s {each.before} > installed/{each.name}"
                    if each.before
                    else f"rm -f installed/{each.name}"
                ),
            )
            for each in actions
        ]
        return [self._step("unlucky", "[ ! -e back-fails ]"), *steps]

    def repair(self):
        return [self._step("repair", "rm -f half/*; echo repaired >> history")]

    def installed(self):
        return {(name, "all"): version for name, version in self._all("installed").items()}

    def unfinished(self):
        return [f"{name} is half-configured" for name in self._all("half")]

    def leftovers(self):
        return [os.path.join(self.top, "left", name) for name in self._all("left")]

    def locked_by(self):
        lock = os.path.join(self.top, "lock")
        return _read(lock) if os.path.exists(lock) else None
