# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A zypper with a system of its own below a folder."""

from __future__ import annotations

import subprocess
import sys

from tests.managers.rpms import collect


class System:
    """A system below `top` with its rpm database, configuration and repositories, for the real zypper."""

    def __init__(self, forge, top):
        self.forge, self.top, self.root = forge, top, top / "root"
        self.env = {**forge.env, "UPKEEP_STATE_DIR": str(top / "state")}
        (self.root / "etc/zypp/repos.d").mkdir(parents=True)

    def install(self, *rpms):
        self.forge.install(self.root, list(rpms))

    def serve(self, repo, **options):
        self.point(repo.id, f"file://{self.forge.repository(repo, self.top / 'srv' / repo.id)}", **options)

    def point(self, name, address, **options):
        lines = {"name": f"The {name} repository", "baseurl": address, "gpgcheck": "0", "enabled": "1", **options}
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        (self.root / f"etc/zypp/repos.d/{name}.repo").write_text(f"[{name}]\n{text}")

    def zypper(self, *arguments):
        argv = ["zypper", "--root", str(self.root), "--non-interactive", *arguments]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 100, 101), f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def collect(self, fails=False, **options):
        state = collect(sys.executable, self.env, manager="zypper", root=str(self.root), **options)
        assert ("error_code" in state) is fails, state
        return state
