# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What apt would do for exactly the wanted versions: its own simulation, and what may not be done taken out of it."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from . import _dpkg_now
from ._apt_commands import Commands, parse_plan
from ._apt_view import Key, Plan, failed, native_key
from ._apt_why import Reasons, label
from ._debversion import version_key
from ._dpkg import DpkgPackage
from ._largest import Attempt, largest
from ._run import Finished, run
from .transaction import Action, Simulation, Wanted

# What is not needed stays away, whatever the host's configuration says; what nobody needs any more stays, too.
ONLY_WHAT_IS_NEEDED = (
    "-o", "APT::Install-Recommends=false", "-o", "APT::Install-Suggests=false", "-o", "APT::Get::AutomaticRemove=false",
    "-o", "APT::Get::Purge=false", "-o", "APT::Get::Upgrade-By-Source-Package=false",
)  # fmt: skip
_SIMULATE = ("apt-get", "-s", "-q", *ONLY_WHAT_IS_NEEDED, "-o", "APT::Get::Show-User-Simulation-Note=false", "install")
# " app:i386 : Depends: lib (>= 3) but 1 is to be installed"
_UNMET = re.compile(r"^ (\S+?)(?::(\S+))? : (.+)$", re.MULTILINE)
# apt 3: "   1. app:amd64=2 is selected for install"
_SELECTED = re.compile(r"^ +\d+\. (\S+?):(\S+?)=\S+ is selected (?:for install|as an upgrade)", re.MULTILINE)

Fields = Mapping[str, str]


class Solver:
    """One question to apt: `simulate`. Raises UpkeepError as `apt.collect` does."""

    def __init__(self, commands: Commands, removals: bool) -> None:
        self._commands = commands
        self._removals = removals
        paths = commands.paths()
        self._native = paths.native
        self._here = _dpkg_now.packages(paths)
        self._offered: Dict[Tuple[Key, str], Fields] = {}

    def simulate(self, wanted: Sequence[Wanted]) -> Simulation:
        """See `Transactions.simulate`."""
        self._look_up([(self._key(each), each.version) for each in wanted])
        objections = {each: self._out_of_question(each) for each in wanted}
        impossible = [(each, why) for each, why in objections.items() if why]
        asked = [each for each in wanted if not objections[each] and not self._is_there(each)]
        plan, others = largest(asked, self._ask)
        actions = sorted(self._actions(plan, wanted), key=lambda each: (*each.identity[1:3], each.action))
        impossible += others
        return Simulation(
            actions=actions,
            impossible=sorted(impossible, key=lambda each: (each[0].name, each[0].arch)),
            download_bytes=sum(
                int(self._record(key, step.version).get("size", 0)) for key, step in plan.install.items()
            ),
            disk_bytes=self._growth(plan),
        )

    def _key(self, wanted: Wanted) -> Key:
        return native_key(wanted.name, wanted.arch, self._native)

    def _is_there(self, wanted: Wanted) -> bool:
        here = self._here.get(self._key(wanted))
        return here is not None and here.version == wanted.version and here.state == "installed"

    def _out_of_question(self, wanted: Wanted) -> Optional[str]:
        key = self._key(wanted)
        here = self._here.get(key)
        if self._is_there(wanted):
            return None
        if here and here.held:
            return _held(key, here, self._native)
        if here and here.version and version_key(wanted.version) < version_key(here.version):
            return f"{label(key, self._native)} {here.version} is installed, and {wanted.version} would be a downgrade."
        if (key, wanted.version) not in self._offered:
            return (
                f"No repository has {label(key, self._native)} {wanted.version} any more, by the lists of this host: "
                "collect the patch level again."
            )
        return None

    def _ask(self, wanted: List[Wanted]) -> Attempt:
        specs = [f"{name}:{arch}={each.version}" for each in wanted for name, arch in [self._key(each)]]
        said = self._commands.ask(_SIMULATE, specs)
        if said.rc:
            if not wanted:
                raise failed(_complaint(said))
            return Attempt(why=f"apt says: {_complaint(said)}.", blamed=self._blamed(said, wanted))
        plan = parse_plan(said.stdout, self._native)
        self._look_up([(key, step.version) for key, step in plan.install.items()])
        reasons = Reasons(plan, self._here, self._offered, self._native)
        by_key = {self._key(each): each for each in wanted}
        blamed: Dict[Wanted, str] = {}
        why = ""
        for key, objection in self._objections(plan, by_key):
            why = objection
            guilty = reasons.root(key, set(by_key))
            if guilty:
                blamed.setdefault(by_key[guilty], objection)
        return Attempt(plan if not why else None, why, blamed)

    def _objections(self, plan: Plan, wanted: Mapping[Key, Wanted]) -> Iterator[Tuple[Key, str]]:
        """What the plan does and must not do, by the package that it does it to, as sentences."""
        for key, asked in wanted.items():
            if key not in plan.install or plan.install[key].version != asked.version:
                yield key, f"apt would not install {label(key, self._native)} {asked.version} with what else is wanted."
        for key, step in plan.install.items():
            here = self._here.get(key)
            name = label(key, self._native)
            if here and here.held:
                yield key, _held(key, here, self._native)
            elif here and here.version and version_key(step.version) < version_key(here.version):
                yield key, f"{name} {here.version} would have to go down to {step.version}."
            elif (key, step.version) not in self._offered:
                yield key, f"{name} {step.version} would have to be installed, and no repository has it."
        vital = _vital(plan)
        for key, version in plan.remove.items():
            here = self._here.get(key)
            name = label(key, self._native)
            if here and here.held:
                yield key, _held(key, here, self._native)
            elif key in vital:
                yield key, f"{name} {version} would be removed, which the system cannot do without."
            elif not self._removals:
                yield key, f"{name} {version} would have to be removed."

    def _blamed(self, said: Finished, wanted: Sequence[Wanted]) -> Dict[Wanted, str]:
        """Which of the wanted the solver names as what does not fit, in its words."""
        text = f"{said.stdout}\n{said.stderr}"
        words: Dict[Key, str] = {}
        for name, arch, unmet in _UNMET.findall(text):
            words.setdefault((name, arch or self._native), f"{name} cannot be installed: {unmet.strip()}.")
        for name, arch in _SELECTED.findall(text):
            words.setdefault((name, arch), f"{name} cannot be installed: {_complaint(said)}.")
        held = {key[0] for key, package in self._here.items() if package.held}
        found = {}
        for each in wanted:
            sentence = words.get(self._key(each))
            if sentence:
                stuck = sorted(name for name in held if re.search(rf"[ :]{re.escape(name)}[ :]", sentence))
                found[each] = sentence + (f" ({', '.join(stuck)} is held on this host.)" if stuck else "")
        return found

    def _actions(self, plan: Plan, wanted: Sequence[Wanted]) -> Iterator[Action]:
        approved = {self._key(each): each.why for each in wanted}
        reasons = Reasons(plan, self._here, self._offered, self._native)
        for key, step in plan.install.items():
            here = self._here.get(key)
            arch = self._record(key, step.version).get("architecture") or step.arch
            why = approved[key] if key in approved else reasons.because(key)
            if here and here.version and here.arch != arch:
                # To dpkg these are two packages, and so they are to whoever compares before and after.
                yield Action("remove", here.name, here.arch, here.version, None, f"its new version is of {arch}")
                yield Action("install", key[0], arch, None, step.version, why)
            elif here and here.version:
                yield Action("upgrade", key[0], arch, here.version, step.version, why)
            else:
                yield Action("install", key[0], arch, None, step.version, why)
        for key in plan.remove:
            here = self._here[key]
            yield Action("remove", here.name, here.arch, here.version, None, reasons.because(key))

    def _look_up(self, wanted: Sequence[Tuple[Key, str]]) -> None:
        self._offered.update(self._commands.offered([each for each in wanted if each not in self._offered]))

    def _record(self, key: Key, version: str) -> Fields:
        return self._offered.get((key, version), {})

    def _growth(self, plan: Plan) -> int:
        """Bytes by which the installed packages grow. Debian counts in KiB."""
        said = run(["dpkg-query", "-W", "-f", "${Package}\t${Architecture}\t${Installed-Size}\n"], allow=(0, 1)).stdout
        rows = (line.split("\t") for line in said.splitlines())
        sizes = {native_key(name, arch, self._native): size for name, arch, size in rows}
        new = sum(_number(self._record(key, step.version).get("installed-size")) for key, step in plan.install.items())
        old = sum(_number(sizes.get(key)) for key in {*plan.install, *plan.remove})
        return (new - old) * 1024


def _number(text: Optional[str]) -> int:
    return int(text) if text and text.isdecimal() else 0


def _held(key: Key, package: DpkgPackage, native: str) -> str:
    name = label(key, native)
    return f"{name} {package.version} is held on this host (`apt-mark unhold {name}` lets it go)."


def _complaint(said: Finished) -> str:
    """What apt gives as its reason, in a line."""
    lines = [line[2:].strip(" .") for line in said.stderr.splitlines() if line.startswith("E:")]
    return "; ".join(lines) or "it does not say why"


def _vital(plan: Plan) -> List[Key]:
    """Of what would be removed, what is essential or protected."""
    if not plan.remove:
        return []
    names = [f"{name}:{arch}" for name, arch in plan.remove]
    said = run(["dpkg-query", "-W", "-f", "${Package}\t${Essential}\t${Protected}\n", *names], allow=(0, 1)).stdout
    rows = [line.split("\t") for line in said.splitlines()]
    vital = {row[0] for row in rows if "yes" in row[1:]}
    return [key for key in plan.remove if key[0] in vital]
