# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apt's solver says, who is to blame, and why something comes along: over texts, without apt."""

from __future__ import annotations

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.packages import _apt_solve
from ansible_collections.proven.upkeep.plugins.module_utils.packages._apt_solve import Solver
from ansible_collections.proven.upkeep.plugins.module_utils.packages._apt_view import Paths
from ansible_collections.proven.upkeep.plugins.module_utils.packages._run import Finished
from ansible_collections.proven.upkeep.plugins.module_utils.packages.transaction import Wanted

# apt 2.6
UNMET = """\
Some packages could not be installed. This may mean that you have
requested an impossible situation or if you are using the unstable
distribution that some required packages have not yet been created
or been moved out of Incoming.
The following information may help to resolve the situation:

The following packages have unmet dependencies:
 app : Depends: lib (>= 3) but 1 is to be installed
       Depends: more
 odd:i386 : Breaks: lib but 1 is to be installed
"""
CORRECT = "E: Unable to correct problems, you have held broken packages.\n"
# apt 3.0
CONFLICT = """\
E: Unable to satisfy dependencies. Reached two conflicting assignments:
   1. app:amd64=2 is selected for install
   2. app:amd64=2 Depends lib (>= 3)
      but none of the choices are installable:
      - lib:amd64=1 is not selected for install
"""
STATUS = """\
Package: app
Status: install ok installed
Architecture: amd64
Version: 1
Depends: lib

Package: lib
Status: hold ok installed
Architecture: amd64
Version: 1

Package: odd
Status: install ok installed
Architecture: i386
Version: 1
"""
INST = {
    ("app", "amd64"): "Inst app [1] (2 Debian:12.5/stable [amd64])\n",
    ("odd", "i386"): "Inst odd:i386 [1] (2 Debian:12.5/stable [i386])\n",
}


class Asked:
    """An apt that refuses one package, in given words."""

    def __init__(self, top, refusal):
        status = top / "status"
        status.write_text(STATUS)
        self.refusal, self.questions = refusal, []
        self._paths = Paths(str(status), "", "", "", "", "", "", "", "amd64", False)

    def paths(self):
        return self._paths

    def offered(self, wanted):
        return {
            (key, version): {"architecture": key[1], "filename": "x", "size": "100", "installed-size": "20"}
            for key, version in wanted
            if version == "2"
        }

    def ask(self, command, arguments):
        self.questions.append(list(arguments))
        if "app:amd64=2" in arguments:
            return self.refusal
        return Finished(0, "".join(INST[tuple(each.partition("=")[0].split(":"))] for each in arguments), "")


@pytest.fixture(autouse=True)
def no_dpkg(monkeypatch):
    sizes = "app\tamd64\t10\nodd\ti386\t15\nlib\tamd64\t\n"
    monkeypatch.setattr(_apt_solve, "run", lambda argv, **more: Finished(0, sizes, ""))


@pytest.mark.parametrize(
    ("refusal", "why", "questions"),
    [
        (
            Finished(100, UNMET.replace(" odd:i386", " other:i386"), CORRECT),
            "app cannot be installed: Depends: lib (>= 3) but 1 is to be installed. (lib is held on this host.)",
            2,
        ),
        (
            Finished(100, "", CONFLICT),
            "app cannot be installed: Unable to satisfy dependencies. Reached two conflicting assignments:.",
            2,
        ),
        (Finished(100, "", "E: Internal Error, who knows.\n"), "apt says: Internal Error, who knows.", 3),
        (Finished(100, "", ""), "apt says: it does not say why.", 3),
    ],
)
def test_who_is_to_blame(tmp_path, refusal, why, questions):
    commands = Asked(tmp_path, refusal)
    wanted = [Wanted("app", "amd64", "2", "because"), Wanted("odd", "i386", "2", "because")]
    found = Solver(commands, removals=False).simulate(wanted)
    assert [(each.name, text) for each, text in found.impossible] == [("app", why)]
    assert [(each.name, each.arch, each.before, each.after, each.why) for each in found.actions] == [
        ("odd", "i386", "1", "2", "because")
    ]
    assert (found.download_bytes, found.disk_bytes) == (100, 5 * 1024)
    assert len(commands.questions) == questions


def test_where_apt_does_nothing_at_all_it_says_so(tmp_path):
    commands = Asked(tmp_path, Finished(100, "", ""))
    commands.ask = lambda command, arguments: Finished(100, "", "E: The package odd needs to be reinstalled.\n")
    with pytest.raises(UpkeepError, match="needs to be reinstalled") as raised:
        Solver(commands, removals=False).simulate([Wanted("app", "amd64", "2")])
    assert raised.value.code == "apt_failed"
