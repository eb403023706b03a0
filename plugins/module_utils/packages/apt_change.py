# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changing packages with apt.

Forward, apt installs the very files that were fetched: no list can move under it, and nothing else can come along.
Back, dpkg unpacks the files that were kept: that set of versions was whole before, so no solver has to agree, and none
has to like the state that the way forward broke off in.
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Any, Collection, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple

from .. import state
from ..errors import UpkeepError
from . import _apt_excerpt, _apt_files, _dpkg_now, pool
from ._apt_commands import Commands
from ._apt_files import Item, Source
from ._apt_solve import ONLY_WHAT_IS_NEEDED, Solver
from ._apt_view import Key, Paths, native_key
from ._debdeps import parse_relations
from ._dpkg import DpkgPackage, read_auto
from ._dpkg_repack import repack
from ._leftovers import leftovers
from ._locks import locked_by
from ._run import run
from .transaction import Action, Kept, Simulation, Step, Wanted

_QUIET = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "APT_LISTCHANGES_FRONTEND": "none",
    "APT_LISTBUGS_FRONTEND": "none",
    "NEEDRESTART_MODE": "l",
    "NEEDRESTART_SUSPEND": "1",  # its restarts are ours to make, and to tell of
    "UCF_FORCE_CONFFOLD": "1",
}
_CONFFILES = ("--force-confdef", "--force-confold")
_LOCK_PATIENCE = 60  # seconds; who holds it longer was waited for before
_FORWARD = (
    "apt-get", "install", "-y", "-q", *ONLY_WHAT_IS_NEEDED,
    "-o", f"DPkg::Lock::Timeout={_LOCK_PATIENCE}", "-o", "Dpkg::Use-Pty=0", "-o", "APT::Sandbox::User=root",
    *(word for option in _CONFFILES for word in ("-o", f"DPkg::Options::={option}")),
)  # fmt: skip
# With no repository to look at, there is nothing that apt could take but the files, and nothing to download.
_OFFLINE = (
    "-o", "Dir::Etc::sourcelist=/dev/null", "-o", "Dir::Etc::sourceparts=/dev/null", "-o", "Dir::Cache::pkgcache=",
    "-o", "Dir::Cache::srcpkgcache=",
)  # fmt: skip
# What stands between the versions before and the ones now must not keep the former out: they are consistent in the end.
_UNPACK = ("dpkg", "--unpack", "--force-downgrade,overwrite,conflicts,breaks,depends", *_CONFFILES)
_CONFIGURE = ("dpkg", "--configure", "-a", *_CONFFILES)
_LEFT = (".dpkg-dist", ".dpkg-new", ".dpkg-old", ".ucf-dist", ".ucf-new", ".ucf-old")


class Apt:
    """`transaction.Transactions` on apt-get, dpkg and apt-mark. Where their files are, apt's configuration says."""

    def __init__(self, root: str = "/") -> None:
        self._root = root

    def simulate(self, wanted: Sequence[Wanted], removals: bool) -> Simulation:
        with _asking() as commands:
            with _excerpt(commands):
                found = Solver(commands, removals).simulate(wanted)
            # Where something is in the way of something, the whole lists have the word (`_apt_excerpt`).
            if found.impossible or any(each.action == "remove" for each in found.actions):
                found = Solver(commands, removals).simulate(wanted)
            return found

    def reversible(self, actions: Sequence[Action]) -> List[Action]:
        with _asking() as commands:
            native, here = commands.paths().native, _dpkg_now.packages(commands.paths())
        # What is whole can be put together again, if it comes to that. What is not is no version to go back to.
        return [_with(each, each.before is None or _is_whole(_before(each), here, native)) for each in actions]

    def fetch(self, actions: Sequence[Action], folder: str) -> int:
        coming = _coming(actions)
        with _asking() as commands:
            with _excerpt(commands):
                source = Source(commands, coming)
            gone = [item for item in coming if item not in source.hashes]
            if gone:
                raise _apt_files.moved(gone, "the lists of this host do not have it any more")
            pool.tidy(self._of_use(commands.paths(), coming).__contains__)
            missing = [item for item in coming if not _lies_in(folder, item, source)]
            found = {item: source.on_disk(item) for item in missing}
            for path in filter(None, found.values()):
                _apt_files.put(path, folder)
            wanted = [item for item in missing if not found[item]]
            came, said = source.download(wanted, folder)
            lost = [item for item in wanted if item not in came]
            if lost:
                raise _apt_files.trouble(lost, said)
            self._remember(commands, coming, folder, actions)
            return sum(source.sizes.values())

    def keep(self, actions: Sequence[Action], folder: str) -> List[Kept]:
        going = _going(actions)
        with _asking() as commands:
            with _excerpt(commands):
                source = Source(commands, going)
            found: Dict[Item, bool] = {}
            for item in going:
                path = source.on_disk(item)
                if path and os.path.dirname(path) != folder:
                    _apt_files.put(path, folder)
                found[item] = bool(path)
            wanted = [item for item in going if not found[item] and item in source.hashes]
            came, _said = source.download(wanted, folder)  # what did not come is put together, whatever apt says of it
            found.update((item, True) for item in came)
            lost = {}
            for item in (item for item in going if not found[item]):
                lost[item] = self._put_together(item, commands.paths(), folder) or ""
            self._remember(commands, [item for item in going if not lost.get(item)], folder, actions)
        return [_kept(item, folder, lost.get(item, ""), item in lost) for item in going]

    def forward(self, actions: Sequence[Action], folder: str) -> List[Step]:
        note = _apt_files.read_note(folder)
        with _asking() as commands:
            native, here = commands.paths().native, _dpkg_now.packages(commands.paths())
        coming = [item for item in _coming(actions) if not _is_whole(item, here, native)]
        files = _apt_files.verified(folder, note, coming)
        staying = {native_key(action.name, action.arch, native) for action in actions if action.after is not None}
        going = {native_key(item.name, item.arch, native) for item in _going(actions)} - staying
        leaving = [f"{name}:{arch}-" for name, arch in sorted(going) if (name, arch) in here]
        steps = []
        if files or leaving:
            guard = [] if leaving else ["--no-remove"]
            if any(each.state != "installed" for each in here.values()):
                # Without it, apt names the dependencies of what was unpacked before it was killed, and does nothing.
                guard.append("--fix-broken")
            steps.append(Step("install", (*_FORWARD, *_OFFLINE, *guard, *files, *leaving), environment=_QUIET))
        return steps + _marks(_auto(note) | _new(actions, native))

    def back(self, actions: Sequence[Action], folder: str) -> List[Step]:
        note = _apt_files.read_note(folder)
        with _asking() as commands:
            native, here = commands.paths().native, _dpkg_now.packages(commands.paths())
        returning = [item for item in _going(actions) if not _is_whole(item, here, native)]
        kept = [Item(each["name"], each["arch"], each["version"]) for each in note["files"]]
        lost = [str(item) for item in returning if item not in kept]
        if lost:
            raise UpkeepError(
                "irreversible",
                f"There is no way back: {', '.join(lost)} could not be kept. Nothing was changed now.",
                lost=lost,
            )
        files = _apt_files.verified(folder, note, returning)
        new = [here[key] for key in sorted(_new(actions, native)) if key in here]
        replacing = _replacing(new, {item.name for item in returning})
        steps = _away([each for each in new if each in replacing], note["residues"])
        if files:
            steps.append(Step("unpack", (*_UNPACK, *files), environment=_QUIET, always=True))
        steps += _away([each for each in new if each not in replacing], note["residues"])
        # Whole as far as can be even where one of the files would not go in.
        steps.append(Step("configure", _CONFIGURE, environment=_QUIET, always=True))
        return steps + _marks(_auto(note))

    def repair(self) -> List[Step]:
        # What is half unpacked, or waits for what never came, it cannot mend: the files that come after it do.
        return [Step("repair", _CONFIGURE, allow=(0, 1), environment=_QUIET)]

    def installed(self) -> Dict[Tuple[str, str], str]:
        with _asking() as commands:
            return {(each.name, each.arch): each.version for each in _dpkg_now.packages(commands.paths()).values()}

    def unfinished(self) -> List[str]:
        with _asking() as commands:
            paths = commands.paths()
        said = [
            f"{each.name} {each.version} ({each.arch}) is {each.state}."
            for each in _dpkg_now.packages(paths).values()
            if each.state != "installed"
        ]
        if _dpkg_now.journal(paths):
            said.append("dpkg works, or was interrupted: it left a journal (`dpkg --configure -a` goes on).")
        return said

    def leftovers(self) -> List[str]:
        return leftovers(os.path.join(self._root, "etc"), _LEFT)

    def locked_by(self) -> Optional[str]:
        with _asking() as commands:
            return locked_by(commands.paths().locks())[0]

    def _put_together(self, item: Item, paths: Paths, folder: str) -> Optional[str]:
        """Make a package file of what is installed. Why it cannot be, None where it was."""
        here = _dpkg_now.packages(paths)
        if not _is_whole(item, here, paths.native):
            return "no repository has it any more, and what this host has of it is not whole"
        try:
            repack(item.name, item.arch, paths.status, os.path.join(folder, item.file), self._root)
        except (OSError, UpkeepError) as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                # With room there would be a way back: that is none of the losses that policy may allow.
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(folder, item.file) + ".new")
                raise _apt_files.not_written(f"{item} cannot be kept in {folder}", error, path=folder)
            return f"no repository has it any more, and it cannot be put together: {error}"
        return None

    def _of_use(self, paths: Paths, coming: Collection[Item]) -> Collection[str]:
        """The names of the files that are worth keeping: of what is installed, and of what is to be."""
        here = _dpkg_now.packages(paths).values()
        return {item.file for item in (*coming, *(Item(each.name, each.arch, each.version) for each in here))}

    def _remember(self, commands: Commands, items: Sequence[Item], folder: str, actions: Sequence[Action]) -> None:
        """Note what lies in `folder`, and what commands that install files do not leave as it was."""
        paths = commands.paths()
        for item in items:
            pool.add(os.path.join(folder, item.file))
        touched = {native_key(action.name, action.arch, paths.native) for action in actions}
        auto = sorted(read_auto(paths.extended_states) & touched)
        _apt_files.write_note(folder, items, auto=[list(key) for key in auto], residues=_dpkg_now.residues(paths))


@contextlib.contextmanager
def _asking() -> Iterator[Commands]:
    commands = Commands()
    try:
        yield commands
    finally:
        commands.close()


@contextlib.contextmanager
def _excerpt(commands: Commands) -> Iterator[None]:
    """Let apt look into lists that are cut down to what can matter here, as the patch level does, in a tenth of the
    time. Kept where the patch level keeps one: in check mode there may be none, and none is made."""
    paths = commands.paths()
    kept = os.path.isdir(state.under("patch_level/apt-lists"))
    here = _dpkg_now.packages(paths).values()
    with _apt_excerpt.excerpt(paths, commands.apt_version, here, kept) as lists:
        commands.use(lists)
        try:
            yield
        finally:
            commands.use(None)


def _coming(actions: Sequence[Action]) -> List[Item]:
    return [Item(each.name, each.arch, each.after) for each in actions if each.after is not None]


def _going(actions: Sequence[Action]) -> List[Item]:
    return [_before(each) for each in actions if each.before is not None]


def _before(action: Action) -> Item:
    return Item(action.name, action.arch, action.before or "")


def _with(action: Action, reversible: bool) -> Action:
    return Action.of({**action.document(), "reversible": reversible})


def _is_whole(item: Item, here: Dict[Key, DpkgPackage], native: str) -> bool:
    found = here.get(native_key(item.name, item.arch, native))
    return (
        found is not None
        and (found.version, found.arch) == (item.version, item.arch)
        and found.state in ("installed", "triggers-pending", "triggers-awaited")
    )


def _lies_in(folder: str, item: Item, source: Source) -> bool:
    path = os.path.join(folder, item.file)
    return os.path.isfile(path) and _apt_files.digest(path) == source.hashes[item]


def _new(actions: Sequence[Action], native: str) -> Set[Key]:
    """What `actions` bring that was there at no version: dependencies, since only what is there is ever wanted."""
    before = {native_key(item.name, item.arch, native) for item in _going(actions)}
    return {native_key(item.name, item.arch, native) for item in _coming(actions)} - before


def _auto(note: Mapping[str, Any]) -> Set[Key]:
    """What was marked as automatically installed before anything was changed."""
    return set(map(tuple, note["auto"]))


def _marks(auto: Collection[Key]) -> List[Step]:
    """apt takes who names a file for somebody who wants that package itself."""
    if not auto:
        return []
    names = [f"{name}:{arch}" for name, arch in sorted(auto)]
    # 100: one of them is not there, since a step before failed.
    return [Step("marks", ("apt-mark", "auto", *names), allow=(0, 100), always=True)]


def _away(packages: Sequence[DpkgPackage], residues: Collection[str]) -> List[Step]:
    """Remove what came new, and its configuration, unless that lay there before."""
    steps = []
    for verb, stay in (("purge", False), ("remove", True)):
        names = [f"{each.name}:{each.arch}" for each in packages if (each.name in residues) == stay]
        if names:
            argv = ("dpkg", f"--{verb}", "--force-depends,remove-reinstreq", *names)
            steps.append(Step(verb, argv, environment=_QUIET, always=True))
    return steps


def _replacing(packages: Sequence[DpkgPackage], names: Collection[str]) -> List[DpkgPackage]:
    """Those that took over files of one of `names`: as long as they are there, dpkg does not give these back.

    Whatever else came new goes last: what is still there may be in need of it.
    """
    if not packages:
        return []
    asked = [f"{each.name}:{each.arch}" for each in packages]
    said = run(["dpkg-query", "-W", "-f", "${Package}\t${Replaces}\n", *asked], allow=(0, 1)).stdout
    rows = dict(line.split("\t", 1) for line in said.splitlines())
    replaced = {
        name: {relation.name for group in parse_relations(text) for relation in group} for name, text in rows.items()
    }
    return [each for each in packages if replaced.get(each.name, set()) & set(names)]


def _kept(item: Item, folder: str, lost: str, made: bool) -> Kept:
    if lost:
        return Kept(item.name, item.arch, item.version, None, 0, lost)
    path = os.path.join(folder, item.file)
    why = "put together from what is installed: no repository has it any more" if made else None
    return Kept(item.name, item.arch, item.version, path, os.stat(path).st_size, why)
