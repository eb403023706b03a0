# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Record what a patch run, or its rollback, came to on a host."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.proven.upkeep.plugins.module_utils import atomic, times
from ansible_collections.proven.upkeep.plugins.plugin_utils import (
    evidence,
    findings,
    outcome,
    processes,
    proofs,
    sla,
)
from ansible_collections.proven.upkeep.plugins.plugin_utils._action import say, tool
from ansible_collections.proven.upkeep.plugins.plugin_utils._recording import CHECK_FAILED, RecordingAction
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import engine
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories import findings as advisories
from ansible_collections.proven.upkeep.plugins.plugin_utils.documents.patch import plan_lines
from ansible_collections.proven.upkeep.plugins.plugin_utils.observation import Observation, Part
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import document as documents
from ansible_collections.proven.upkeep.plugins.plugin_utils.patching import recorded, steps
from ansible_collections.proven.upkeep.plugins.plugin_utils.runs import Run


class ActionModule(RecordingAction):
    """See the documentation of the module of this name."""

    ARGUMENTS: ClassVar[dict[str, Any]] = {
        "results": {"type": "dict", "required": True},
        "mode": {"type": "str", "choices": ["patch", "report", "rollback"], "default": "patch"},
        "failed": {"type": "raw"},
        "failed_step": {"type": "str"},
        "patch_id": {"type": "str"},
        "ring": {"type": "str"},
        "rollback_of": {"type": "str"},
        "drained": {"type": "bool", "default": False},
        "if_missing": {"type": "bool", "default": False},
    }

    def act(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Compose the document, show the plan where that is all there is, and record."""
        failed = arguments["failed"] if isinstance(arguments["failed"], Mapping) else {}
        if arguments["if_missing"] and failed.get("error_code") == CHECK_FAILED:
            # Shown already, by the record that failed the check: it stays failed, and is not told twice.
            return {"recorded": False, "failed": True, "msg": failed.get("msg"), "error_code": CHECK_FAILED}
        home, host = self.home(), self.inventory_name()
        results = steps.with_failure(arguments["results"], arguments["failed"], arguments["failed_step"])
        ran = steps.read(results)
        run = self.current_run(home)
        run_id = run.run_id if run else self.run_id()
        if set(ran) == {"soak"}:
            earlier = recorded.of_host(home, run_id, host)
            if earlier is None or earlier.get("outcome") != "patched":
                return {"recorded": False, "skipped": True, "msg": f"{host} was not patched in this run"}
            document = documents.soaked(earlier, ran["soak"], run_id)
        else:
            document = documents.made(self._facts(home, host, run_id, arguments, ran), ran)
            if document["outcome"] == "patched" and "level" in ran:
                document["open_before"] = self._open_before(home, ran["level"].data, document)
        self._plan, self._logs = documents.plan_of(ran), {name: documents.log_of(ran, name) for name in _LOGS}
        if document["outcome"] == "planned" and self._plan:
            say(plan_lines(self._plan, document["notes"]))
        answer = {
            "data": document,
            "changed": bool(document["changed"] or document["taken_back"]),
            "duration_ms": document["duration_ms"],
        }
        parts, as_list = outcome.parts_of("patch", answer)
        observation = self.observed("patch", host, parts, as_list)
        told = self.recorded(observation, arguments["if_missing"])
        if told.get("error_code") == CHECK_FAILED:
            return {**told, "outcome": document["outcome"]}  # a failure is shown with all that it has
        return {**told, "outcome": document["outcome"], "patch": document}

    def _facts(
        self, home: Path, host: str, run_id: str, arguments: Mapping[str, Any], ran: Mapping[str, steps.Step]
    ) -> dict[str, Any]:
        opening = self.opening([], [])
        return {
            "project": self.project(),
            "run_id": run_id,
            "host": host,
            "mode": arguments["mode"],
            "predicted": self.check,
            "patch_id": arguments["patch_id"],
            "ring": arguments["ring"],
            "rollback_of": arguments["rollback_of"],
            "drained": arguments["drained"],
            "proofs": _proofs(home, host, ran),
            "ran_by": {"user": opening.user, "controller": processes.controller(), "playbook": opening.playbook},
            "tool": tool(),
            "now": times.iso(times.now()),
        }

    def _open_before(self, home: Path, level: Mapping[str, Any], document: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What an audit would have found right before: a fix may be out since the last one."""
        asset = str(self.variable("upkeep_asset_id") or document["host"])
        found = findings.of_patch_level(level, document["project"], asset, document["started"])
        match = engine.matched(home, level)
        enriched = found if match is None else advisories.enriched(found, level, match)
        return sla.all_started(enriched, {}, times.parse(document["started"]))

    def publish(self, home: Path, observation: Observation, run: Run, key: str | None) -> list[Path]:
        """The plan and what the package manager wrote, beside the observation, which names them."""
        del key
        folder = recorded.folder(home, run.run_id, observation.host)
        written: dict[str, Path] = {}
        (part,) = observation.outcomes()
        try:
            if self._plan:
                written["plan"] = folder / "plan.json"
                atomic.write_json(str(written["plan"]), self._plan)
            for name, file in _LOGS.items():
                text = self._logs[name]
                if text:
                    written[file.partition(".")[0]] = folder / file
                    atomic.write_text(str(folder / file), text)
        except OSError as error:
            told = [f"evidence_unwritten: {error.strerror}: {error.filename}", part.reason]
            part = Part(None, "failed", "; ".join(filter(None, told)), part.duration_ms, part.changed, part.data)
        files = {**(part.data.get("files") or {}), **{name: _relative(home, path) for name, path in written.items()}}
        part.data = {**part.data, "files": files}
        observation.hold([part], False)
        return list(written.values())


# What a step's package manager wrote, and the file for it.
_LOGS = {"apply": "apply.log", "back_apply": "back.log"}


def _relative(home: Path, path: Path) -> str:
    return str(path.relative_to(home))


def _proofs(home: Path, host: str, ran: Mapping[str, steps.Step]) -> list[dict[str, Any]]:
    """The backups that were relied upon, each with the archive that is proven and the proof's file."""
    told = ran["protected"].data.get("sets") if "protected" in ran else None
    return [_proof(home, host, each) for each in told or [] if isinstance(each, Mapping)]


def _proof(home: Path, host: str, each: Mapping[str, Any]) -> dict[str, Any]:
    name = str(each.get("backup"))
    drill = evidence.last_restore(evidence.place(home, host, name)) or {}
    is_it = bool(each.get("proven_at")) and drill.get("finished") == each.get("proven_at")
    if not is_it and each.get("proven_at"):
        drill = next((one for one in proofs.of_set(home, host, name) if one.get("finished") == each["proven_at"]), {})
    return {
        **{key: each.get(key) for key in ("backup", "proven_at", "age_s", "ok", "why")},
        "archive": drill.get("archive"),
        "archive_sha256": each.get("archive_sha256") or drill.get("archive_sha256"),
        "proof_run_id": drill.get("run_id"),
    }
