# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is run: a `Case` is one shell command whose whole process tree is timed, and what makes it ready untimed.

Cases of one group do the same work and are run in turn, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Dict, List, NamedTuple, Tuple

from _trees import Tree

OURS = Path(__file__).resolve().parent / "_ours.py"
TOOLS = {"pigz": "pigz", "zstd": "zstd", "restic": "restic", "borg": "borgbackup"}  # command: Debian's package
# community.general comes with the package `ansible`; it gets a virtual environment of its own
COMMUNITY = Path(__file__).resolve().parent.parent / ".cache" / "bench-ansible" / "bin" / "ansible"


class Case(NamedTuple):
    """`needs` is a command that has to be installed; `output` what the command makes, whose size is told."""

    group: str
    name: str
    command: str
    ready: str = ""
    output: str = ""
    needs: str = ""


class Goal(NamedTuple):
    """`measure` of `ours` is to be at most `limit` times that of `peer`, `plus` the wall of another case.

    Without a peer, `limit` is the figure itself (seconds, MiB). Where `faster` is set, `limit` says how many times
    faster than the peer.
    """

    group: str
    ours: str
    measure: str
    limit: float
    peer: str = ""
    plus: str = ""
    faster: bool = False


class Bench:
    """The commands over one tree, in one folder; `python` runs ours."""

    def __init__(self, name: str, tree: Tree, work: Path, python: str) -> None:
        self.name, self.tree, self.work, self.python = name, tree, work / name, python
        self.work.mkdir()

    def ours(self, operation: str, **request: object) -> str:
        return shlex.join([self.python, str(OURS), operation, json.dumps(request)])

    def back_up(self, suffix: str, level: int, kept: bool = False) -> Case:
        folder = self.work / ("kept" if kept else "ours") / suffix
        dest = f"{folder}/a.tar.{suffix}"
        request = {"name": f"{self.name}-{suffix}-{kept}", "paths": [self.tree.path.name], "dest": dest, "level": level}
        command = self.ours("backup", root=str(self.tree.path.parent), **request)
        ready = "" if kept else f"rm -rf {folder}; mkdir -p {folder}"
        return Case(f"{self.name}: {suffix} {level}", "ours", command, ready, dest)

    def tar(self) -> str:
        return f"tar -C {self.tree.path.parent} -cf - {self.tree.path.name}"

    def piped(self, suffix: str, level: int, tool: str, command: str) -> Case:
        out = self.work / f"{tool}.tar.{suffix}"
        group = f"{self.name}: {suffix} {level}"
        return Case(group, f"tar | {command}", f"{self.tar()} | {command} > {out}", f"rm -f {out}", str(out), tool)

    def gz(self) -> List[Case]:
        out = self.work / "czf.tar.gz"
        czf = f"tar -C {self.tree.path.parent} -czf {out} {self.tree.path.name}"
        return [
            self.back_up("gz", 6),
            self.piped("gz", 6, "pigz", "pigz -6"),
            Case(f"{self.name}: gz 6", "tar czf", czf, f"rm -f {out}", str(out)),
        ]

    def community(self) -> List[Case]:
        """Ansible's own way to the same archive: one task, on this machine, at its one level, 9."""
        out = self.work / "community.tar.gz"
        task = f"path={self.tree.path} dest={out} format=gz"
        options = f"-i localhost, -c local -e ansible_python_interpreter={self.python}"
        command = f"LC_ALL=C.UTF-8 {COMMUNITY} localhost {options} -m community.general.archive -a {shlex.quote(task)}"
        return [
            Case(f"{self.name}: gz 6", "community.general.archive", command, f"rm -f {out}", str(out), str(COMMUNITY))
        ]

    def zst(self) -> List[Case]:
        return [self.back_up("zst", 3), self.piped("zst", 3, "zstd", "zstd -T0 -3 -q")]

    def repositories(self) -> List[Case]:
        """A first backup into a new repository, which is made untimed."""
        restic, borg, group = self.work / "restic", self.work / "borg", f"{self.name}: zst 3"
        return [
            Case(
                group, "restic backup", f"restic -q -r {restic} backup {self.tree.path}",
                f"rm -rf {restic}; restic -q -r {restic} init", str(restic), "restic",
            ),
            Case(
                group, "borg create", f"borg create -C zstd,3 {borg}::a {self.tree.path}",
                f"rm -rf {borg}; borg init -e none {borg}", str(borg), "borg",
            ),
        ]  # fmt: skip

    def unchanged(self) -> List[Case]:
        group = f"{self.name}: unchanged"
        again = self.back_up("zst", 3, kept=True)._replace(group=group, output="")
        find = f"find {self.tree.path} -printf '%p %y %m %U %G %s %T@ %C@ %i\\n' > /dev/null"
        return [again, Case(group, "find -printf", find), Case(group, "python3 -c pass", f"{self.python} -c pass")]

    def verify(self, suffix: str) -> List[Case]:
        """Read back what `tar` or ours made, against the hashes known; the pair's hashes are listed untimed."""
        out, sums = self.work / "out", self.work / "sums"
        archive, fresh = self.kept_archive(suffix), f"rm -rf {out}; mkdir {out}"
        pair = f"tar -xf {archive} -C {out} && cd {out} && sha256sum --quiet -c {sums}"
        stream = self.ours("verify", archive=archive)
        extract = self.ours("verify", archive=archive, mode="extract", dest=str(out))
        group = f"{self.name}: verify {suffix}"
        return [
            Case(group, "ours, stream", stream),
            Case(group, "ours, extract and compare", extract, fresh),
            Case(group, "tar -x, sha256sum -c", pair, fresh, needs="zstd" if suffix == "zst" else ""),
        ]

    def restic_restore(self) -> List[Case]:
        repository, out = self.work / "restic-kept", self.work / "restic-out"
        command = f"restic -q -r {repository} restore latest --verify --target {out}"
        return [Case(f"{self.name}: verify zst", "restic restore --verify", command, f"rm -rf {out}", needs="restic")]

    def one_file(self) -> List[Case]:
        out = self.work / "one"
        wanted = [f"{self.tree.path.name}/{self.tree.one}"]
        command = self.ours("restore", archive=self.kept_archive("zst"), dest=str(out), paths=wanted)
        return [Case(f"{self.name}: one file", "ours", command, f"rm -rf {out}; mkdir {out}")]

    def kept_archive(self, suffix: str) -> str:
        return f"{self.work}/kept/{suffix}/a.tar.{suffix}"

    def once(self) -> List[str]:
        """Untimed, before the first round: warm caches, the kept archives, the list of hashes."""
        kept = [self.back_up(suffix, level, kept=True) for suffix, level in (("gz", 6), ("zst", 3))]
        where = self.tree.path
        sums = f"cd {where.parent} && find {where.name} -type f -print0 | xargs -0 sha256sum > {self.work}/sums"
        return [f"{self.tar()} | cat > /dev/null", sums] + [
            f"mkdir -p {Path(case.output).parent} && {case.command}" for case in kept
        ]

    def restic_once(self) -> str:
        kept = self.work / "restic-kept"
        return f"restic -q -r {kept} init && restic -q -r {kept} backup {self.tree.path}"


def cases(benches: Dict[str, Bench]) -> Tuple[List[Case], List[Goal]]:
    """All that is measured over the trees there are, and what is wanted of it."""
    found: List[Case] = []
    goals: List[Goal] = []
    for name, bench in benches.items():
        found += bench.gz() + bench.zst()
        goals += [
            Goal(f"{name}: gz 6", "ours", "wall_s", 1.0, "tar | pigz -6"),
            Goal(f"{name}: gz 6", "ours", "bytes", 1.02, "tar czf"),
            Goal(f"{name}: gz 6", "ours", "rss_mib", 96),
            Goal(f"{name}: zst 3", "ours", "wall_s", 1.1, "tar | zstd -T0 -3 -q"),
            Goal(f"{name}: zst 3", "ours", "rss_mib", 96),
        ]
        if name in ("small", "million"):
            found += bench.unchanged()
            goals.append(Goal(f"{name}: unchanged", "ours", "wall_s", 1.5, "find -printf", "python3 -c pass"))
        if name == "small":
            found += (
                bench.community()
                + bench.repositories()
                + bench.verify("gz")
                + bench.verify("zst")
                + bench.restic_restore()
            )
            pair, extract = "tar -x, sha256sum -c", "ours, extract and compare"
            goals += [
                Goal("small: gz 6", "ours", "cpu_s", 0.333, "community.general.archive"),
                Goal("small: zst 3", "ours", "wall_s", 1.0, "restic backup"),
                Goal("small: zst 3", "ours", "wall_s", 1.0, "borg create"),
                Goal("small: verify gz", "ours, stream", "wall_s", 4, pair, faster=True),
                Goal("small: verify zst", "ours, stream", "wall_s", 8, pair, faster=True),
                Goal("small: verify zst", extract, "wall_s", 1.0, pair),
                Goal("small: verify zst", extract, "wall_s", 1.0, "restic restore --verify"),
            ]
        if name in ("small", "large"):
            found += bench.one_file()
            goals.append(Goal(f"{name}: one file", "ours", "wall_s", 0.1))
    return found, goals


if __name__ == "__main__":
    sys.exit("run.py is what one runs")
