# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`upkeep proof verify`: is the chain of proofs whole, and who signed it? `upkeep proof show`: what it says."""

from __future__ import annotations

import json
import sys
import textwrap
from argparse import Namespace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils import home as homes  # noqa: E402
from ansible_collections.proven.upkeep.plugins.plugin_utils import (  # noqa: E402
    proof_chain,
    proof_signatures,
    proofs,
)
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.text import (  # noqa: E402
    amount,
    plural,
    printable,
    table,
)

SCHEMA = "upkeep.proof_check/1"
_SHOWN = 20


def run(options: Namespace) -> int:
    """0 where the chain is whole (or there was something to show), 1 where it is not, 2 for a wrong question."""
    try:
        home = homes.resolve(options.home).path
        return _verify(home, options) if options.action == "verify" else _show(home, options.host, options.set)
    except UpkeepError as error:
        print(error.message, file=sys.stderr)
        return 2


def check(
    home: Path, allowed_signers: Path | None, known: str | None = None, require_signed: bool = False
) -> dict[str, Any]:
    """`upkeep.proof_check/1`. Raises UpkeepError `signing_failed` where there is no ssh-keygen."""
    chain = proof_chain.verify(home, runs_too=True)
    signatures = proof_signatures.verify(home, chain.signed, allowed_signers)
    problems = [*chain.problems, *signatures.problems]
    if known and known.lower() not in chain.sha256s:
        problems.append(f"no proof has the sha256 {known}: it was lost or altered, or the sha256 is of something else")
    if require_signed:
        first = next((at for at, name in enumerate(chain.order) if name in chain.signed), 0)
        bare = [name for name in chain.order[first:] if name in chain.unsigned]
        problems += [
            f"{name}: unsigned, its key could not sign, or it was put in the place of another" for name in bare
        ]
    if not chain.proofs and not problems:
        problems.append("there is no proof: nothing was ever drilled here, or all of them are lost")
    return {
        "schema": SCHEMA,
        "home": str(home),
        "intact": not problems,
        "proofs": chain.proofs,
        "head": chain.head,
        "head_sha256": chain.head_sha256,
        "signed": len(chain.signed),
        "unsigned": chain.unsigned,
        "signers": signatures.signers,
        "signers_checked": allowed_signers is not None,
        "problems": problems,
        "not_noticed": proof_chain.BLIND_SPOT,
    }


def _verify(home: Path, options: Namespace) -> int:
    allowed = Path(options.allowed_signers).expanduser() if options.allowed_signers else None
    if allowed is not None and not allowed.is_file():
        raise UpkeepError("signers_missing", f"--allowed-signers: there is no file {allowed}.")
    found = check(home, allowed, options.known, options.require_signed)
    print(json.dumps(found, indent=2) if options.json else "\n".join(lines(found)))
    return 0 if found["intact"] else 1


def lines(found: dict[str, Any]) -> list[str]:
    """What a check found, for a person."""
    rows = [
        ("proofs", amount(found["proofs"])),
        ("newest", f"{found['head'] or 'none'}"),
        ("its sha256", f"{found['head_sha256'] or 'none'}"),
        ("signed", _signed(found)),
    ]
    unsigned = found["unsigned"]
    if unsigned and found["signed"]:
        more = [f"and {amount(len(unsigned) - _SHOWN)} more"] if len(unsigned) > _SHOWN else []
        rows += [("unsigned" if not at else "", name) for at, name in enumerate([*unsigned[:_SHOWN], *more])]
    told = ["", *(f"  {printable(problem)}" for problem in found["problems"])] if found["problems"] else []
    verdict = "Proofs OK" if found["intact"] else f"Proofs BROKEN: {plural(len(found['problems']), 'problem')}"
    return [verdict, *told, "", *table(rows), "", *_wrapped(found["not_noticed"])]


def _signed(found: dict[str, Any]) -> str:
    words = f"{amount(found['signed'])} of {amount(found['proofs'])}"
    if not found["signers"]:
        return words
    who = ", ".join(f"{printable(signer)} ({amount(number)})" for signer, number in sorted(found["signers"].items()))
    unknown = "" if found["signers_checked"] else "; whose key that is was not checked: give --allowed-signers"
    return f"{words}, by {who}{unknown}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent="  ", subsequent_indent="  ")


def _show(home: Path, host: str | None, name: str | None) -> int:
    """A list of all proofs, of a host's, or the text of the newest one of a set."""
    found = [
        (file, document)
        for file, document in proofs.documents(home).items()
        if host in (None, document.get("host")) and name in (None, document.get("backup"))
    ]
    if not found:
        print(
            f"There is no proof{f' of {host}' if host else ''}{f' {name}' if name else ''} in {home}.", file=sys.stderr
        )
        return 1
    if host and name:
        newest = max(found, key=lambda each: str(each[1].get("finished")))[0]
        text = (home / "backups/proofs" / newest).with_suffix(".txt")
        try:
            print(text.read_text(encoding="utf-8", errors="backslashreplace"), end="")
        except OSError as error:
            raise UpkeepError("proof_unreadable", f"{text}: {error.strerror}.")
        return 0
    print("\n".join(table([("PROOF", "HOST", "SET", "STATUS", "LEVEL", "PROVEN", "SIGNED"), *map(_row, found)])))
    return 0


def _row(found: tuple[str, dict[str, Any]]) -> tuple[str, ...]:
    file, document = found
    scope = document.get("scope") or {}
    level = document.get("level_reached") or scope.get("mode") or "-"
    share = f"{scope['coverage_pct']:g} %" if isinstance(scope.get("coverage_pct"), (int, float)) else "?"
    cells = (file, document.get("host"), document.get("backup"), document.get("status"), level, share)
    return (*(printable(cell) for cell in cells), "yes" if document.get("signed") else "no")
