# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next with a host that was not patched: why, and the line that does it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

_PATCH = "make patch HOST={host}"
_ROLLBACK = "make rollback HOST={host} RUN={run_id}"
_FINISH = "finish on the host what was interrupted (Debian: dpkg --configure -a), then patch again"
_LEAVE_OUT = "look at the log, then mend the host or leave the package out (patch_exceptions), and patch again"

# By the reason's code; each a sentence that completes "next:", and a command or nothing.
_BY_CODE = {
    "outside_window": ("wait for its window; an emergency goes with ARGS='-e patch_outside_window=true'", _PATCH),
    "budget": ("no time was left for it in this run: patch it in the next", _PATCH),
    "ring_stopped": ("look at the hosts that failed before it, then patch again", _PATCH),
    "claimed": ("another run works on it: wait until that is done", _PATCH),
    "claim_lost": ("another run took it over: wait until that is done", _PATCH),
    "lock_held": ("another package manager works there: let it finish, or see what keeps it", _PATCH),
    "interrupted": (_FINISH, _PATCH),
    "half_configured": (_FINISH, _PATCH),
    "no_space": ("make room where it says, then patch again", _PATCH),
    "plan_moved": ("the repositories have moved on since it was planned: patch again, for a fresh plan", _PATCH),
    "plan_changed": ("look who changed the plan on the host, then patch again, for a fresh one", _PATCH),
    "file_changed": ("look who changed the file on the host, then patch again: it is fetched anew", _PATCH),
    "not_fetched": ("look who removed the file on the host, then patch again: it is fetched anew", _PATCH),
    "boot_full": ("remove a kernel that is no longer needed, then patch again", _PATCH),
    "unmet_dependencies": ("mend its dependencies (Debian: apt-get -f install), then patch again", _PATCH),
    "invalid_policy": ("correct the variable that it names, then patch again", _PATCH),
    "unprotected": ("back it up and prove the restore first, then patch", _PATCH),
    "irreversible": ("patch_irreversible decides: allow it, or leave those packages out", _PATCH),
    "stale_metadata": ("make its package lists fresh (patch_refresh: always), then patch again", _PATCH),
    "health_red": ("it was ill before it was patched: make its health checks green, then patch again", _PATCH),
    "unreachable": ("make it answer, then patch", _PATCH),
    "soak_failed": ("look at the host: what it does worse than before; the versions before are kept", _ROLLBACK),
    "apply_unknown": ("patch again: it finds the job on the host, waits for its end, and goes on from there", _PATCH),
    "apply_timeout": ("patch again: it finds the job on the host, waits for its end, and goes on from there", _PATCH),
    "reboot_timeout": ("see on its console why it does not come up; when it answers, patch again: it goes on", _PATCH),
    "undrain_failed": ("take it back into service by hand, and see why the hook failed", ""),
    "rollback_failed": ("look at the host and the log of the way back; then try that again", _ROLLBACK),
    "interrupted_run": ("patch again: it goes on where it was", _PATCH),
    "cut_off": ("patch again: it goes on where it was", _PATCH),
    "unfinished": ("put right what it names, then patch again: it goes on where it was", _PATCH),
    "unverified": ("patch again: it goes on where it was", _PATCH),
}  # fmt: skip
_BY_OUTCOME = {
    "refused": ("nothing was changed: put right what it names, then patch again", _PATCH),
    "rolled_back": (f"the versions before are back: {_LEAVE_OUT}", _PATCH),
    "failed": ("look at the log; patch again where that is mended, or take it back", _ROLLBACK),
    "needs_attention": ("look at the host, then patch again: it goes on where it was", _PATCH),
}


def advice(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """`{"why", "command"}` for a patch document (upkeep.patch/1); None where nothing is left to do.

    A rollback that was asked for tries itself again; `command` is null where a person has to look first.
    """
    outcome = document.get("outcome")
    is_rollback = bool(document.get("rollback_of"))
    if outcome not in _BY_OUTCOME or (is_rollback and outcome == "rolled_back"):
        return None
    known = _BY_CODE if outcome in ("refused", "needs_attention") else {}
    why, command = known.get(str(document.get("error_code"))) or _BY_OUTCOME[str(outcome)]
    if is_rollback and command == _PATCH:
        command = _ROLLBACK
        why = why.replace("patch again", "try again").replace(", then patch", ", then try again")
    run_id = document.get("rollback_of") or document.get("run_id")
    # A host's name can hold anything, and an operator pastes the line.
    filled = command.format(host=shlex.quote(str(document.get("host"))), run_id=shlex.quote(str(run_id)))
    return {"why": why, "command": filled or None}
