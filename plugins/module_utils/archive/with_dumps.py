# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Dumps in an archive: what a backup takes before the files, and what a drill loads after them."""

from __future__ import annotations

import contextlib
import heapq
import os
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import walk
from .findings import Findings
from .model import order
from .scope import Scope, under

# The engines are imported where there are dumps at all: they bring subprocess and more, mostly for nothing.
FOLDER = b".upkeep-dumps"  # the same as dumps.model.FOLDER
REASON = "dumps are taken anew each time"
Documents = List[Dict[str, Any]]


def check(dumps: Sequence[Dict[str, Any]], secrets: Dict[str, Any], roots: List[walk.Root]) -> Documents:
    """What check mode can say of these dumps. Raises UpkeepError bad_parameter, secret_missing."""
    if not dumps:
        return []
    from ansible_collections.proven.upkeep.plugins.module_utils.dumps import take  # pylint: disable=import-outside-toplevel

    if any(under(root.path, FOLDER) for root in roots):
        message = f"paths: {os.fsdecode(FOLDER)} is the name that dumps have in the archive; rename the folder."
        raise UpkeepError("bad_parameter", message, option="paths")
    return take.expected(take.parsed(dumps, secrets))


@contextlib.contextmanager
def taken(
    dumps: Sequence[Dict[str, Any]], secrets: Dict[str, Any], name: str, dest: str
) -> Iterator[Tuple[Documents, Optional[walk.Walker]]]:
    """(a document for each dump, the walk over them); they are gone when the block is left. Raises like `take`."""
    if not dumps:
        yield [], None
        return
    from ansible_collections.proven.upkeep.plugins.module_utils.dumps import take  # pylint: disable=import-outside-toplevel

    with take.taken(dumps, secrets, take.spool_of(name, dest)) as (documents, folder):
        root = walk.Root(FOLDER, os.fsencode(os.path.dirname(folder)), FOLDER)
        yield documents, walk.Walker([root], walk.keep_all)


def merged(nodes: Iterable[walk.Node], dumps: Optional[walk.Walker]) -> Iterable[walk.Node]:
    """The files' and the dumps' nodes in archive order."""
    return nodes if dumps is None else heapq.merge(nodes, dumps.nodes(), key=lambda node: order(node.path))


def reserved(exclude: Callable[[bytes, bytes], bool]) -> Callable[[bytes, bytes], bool]:
    """The exclusion, which also leaves out what has the dumps' name among the files."""
    return lambda path, name: path == FOLDER or exclude(path, name)


# -- in a drill -----------------------------------------------------------------------------------------------------


def loaded(
    scratch: str, asked: Optional[Sequence[Dict[str, Any]]], scope: Scope, known: Documents, findings: Findings
) -> Documents:
    """Load what was extracted into `scratch`; failures and what was left out go into `findings`. None asks for none."""
    if asked is None:
        return []
    folder = os.path.join(scratch, os.fsdecode(FOLDER))
    if scope.sample is not None or not (scope.everything or scope.reaches(FOLDER)):
        if known or asked:
            findings.left_out("that the dumps load", "they are not all in the scope of this drill")
        return []
    if not os.path.isdir(folder) and not asked:
        return []
    from ansible_collections.proven.upkeep.plugins.module_utils.dumps import load  # pylint: disable=import-outside-toplevel

    try:
        results = load.tested(folder, scratch, asked)
    except UpkeepError as error:
        findings.fail(error.code, error.message)
        return []
    for code, sentence in load.failures(results):
        findings.fail(code, f"dumps: {sentence}.")
    for item in load.left_out(results):
        findings.left_out(item["what"], item["why"])
    return results


def missed(asked: Optional[Sequence[Dict[str, Any]]], known: Documents, findings: Findings) -> None:
    """Where nothing is extracted: what is asked for and not there, by what the backup says of its archive."""
    there = {(item.get("name"), item.get("engine")) for item in known}
    for item in asked or ():
        if (item.get("name"), item.get("engine")) not in there:
            message = f"dumps: {item.get('name')}: the archive holds no such dump, and the inventory names it."
            findings.fail("dump_missing", message)


def untested(results: Documents) -> bool:
    """Whether one could not be loaded for want of its server: then the drill is not whole."""
    return any(result["status"] == "not_checked" for result in results)
