# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One phase on one host, as it was seen: the model, its statuses, and how several of them combine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = "upkeep.observation/1"

# From worst to best. `unknown` is a value of its own: worse than anything that was seen, but for a failure.
STATUSES = ("failed", "unknown", "incomplete", "ok", "skipped")
# What is no success.
BAD = ("failed", "unknown", "incomplete")

# A phase and the tag that selects it.
PHASE_TAGS = {"backup": "backup", "restore_test": "restore_test", "patch_level": "patch", "audit": "audit"}
# Phases that are of a part of the fleet only, where a backup leaves its host; each of their tags selects them.
OFF_HOST_TAGS = {"vault": ("backup", "vault"), "copy": ("backup", "vault")}
# What a report shows of a host, in this order, whether or not the run at hand did it.
PHASES = tuple(PHASE_TAGS)
# Those that speak with the host. An audit of recorded facts can succeed while the host is away.
CONTACT = ("backup", "vault", "restore_test", "restore", "disaster_drill", "patch_level", "patch")

WORKFLOWS = "workflows"
CONTROLLER_HOST = "localhost"


_NONE = type(None)
_OF_PART = ("name", "status", "reason", "duration_ms", "changed")
_SHAPE: dict[str, tuple[type, ...]] = {
    "run_id": (str,), "project": (str,), "host": (str,), "asset": (str,), "phase": (str,), "status": (str,),
    "reason": (str, _NONE), "started": (str,), "finished": (str,), "duration_ms": (int, _NONE), "name": (str, _NONE),
    "tool": (dict,), "parts": (list,), "data": (dict, list, _NONE),
}  # fmt: skip
_PART_SHAPE: dict[str, tuple[type, ...]] = {
    "name": (str, _NONE), "status": (str,), "reason": (str, _NONE), "duration_ms": (int, _NONE), "changed": (bool,),
}  # fmt: skip


def worst(statuses: Iterable[str]) -> str:
    """The worst of `statuses`; `unknown` for none at all."""
    return min(statuses, key=STATUSES.index, default="unknown")


@dataclass
class Part:
    """The outcome of one set of a phase, or of the whole phase where it has no sets (`name` None).

    `file`, relative to `upkeep_home`, is where it was read from.
    """

    name: str | None
    status: str
    reason: str | None = None
    duration_ms: int | None = None
    changed: bool = False
    data: Any = None
    file: str | None = None


@dataclass
class Observation:
    """`data` is what the module returned; a list (with null for a set that returned nothing) where the phase has sets.

    `parts` are aligned with that list, or hold one entry. `clock_skew_s` is how far the host's clock is off (`clock`),
    None where nothing tells. `name` tells recordings of one host and phase apart;
    `process` says whose recording it is (`processes.this`).
    """

    run_id: str
    project: str
    host: str
    asset: str
    phase: str
    status: str
    reason: str | None
    started: str
    finished: str
    duration_ms: int | None = None
    name: str | None = None
    process: str | None = None
    clock_skew_s: int | None = None
    tool: dict[str, Any] = field(default_factory=dict)
    parts: list[dict[str, Any]] = field(default_factory=list)
    data: Any = None
    schema: str = SCHEMA

    def document(self) -> dict[str, Any]:
        """The JSON document, `schema` first."""
        fields = asdict(self)
        return {"schema": fields.pop("schema"), **fields}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Observation:
        """Raises TypeError or KeyError for a document that is none; fields added later are passed over."""
        if document["schema"] != SCHEMA:
            raise TypeError(f"not an {SCHEMA} document")
        _check_shape(document)
        return cls(**{key: value for key, value in document.items() if key in cls.__dataclass_fields__})

    @property
    def is_controllers_own(self) -> bool:
        """Of the operation's own workflows: it says nothing of the controller as a managed host."""
        return (self.host, self.name) == (CONTROLLER_HOST, WORKFLOWS)

    def outcomes(self) -> list[Part]:
        """The parts with their data."""
        data = self.data if isinstance(self.data, list) else [self.data]
        return [
            Part(**{key: part[key] for key in _OF_PART}, data=item, file=part.get("file"))
            for part, item in zip(self.parts, data)
        ]

    def hold(self, parts: Sequence[Part], as_list: bool) -> None:
        """Set `status`, `reason`, `duration_ms`, `parts` and `data` from `parts`."""
        self.status = worst(part.status for part in parts)
        self.reason = joined_reason(parts)
        durations = [part.duration_ms for part in parts if part.duration_ms is not None]
        self.duration_ms = sum(durations) if durations else None
        self.parts = [_described(part) for part in parts]
        self.data = [part.data for part in parts] if as_list else parts[0].data


def _described(part: Part) -> dict[str, Any]:
    described = {key: getattr(part, key) for key in _OF_PART}
    return {**described, "file": part.file} if part.file else described


def _check_shape(document: dict[str, Any]) -> None:
    """Raises TypeError or KeyError for what no reader could use."""
    _check(document, _SHAPE, "it")
    if not document["parts"]:
        raise TypeError("it has no parts")
    for part in document["parts"]:
        if not isinstance(part, dict):
            raise TypeError("a part of it is no mapping")
        _check(part, _PART_SHAPE, "a part of it")
    data = document["data"] if isinstance(document["data"], list) else [document["data"]]
    if len(data) != len(document["parts"]) or not all(item is None or isinstance(item, dict) for item in data):
        raise TypeError("its data does not fit its parts")


def _check(document: dict[str, Any], shape: dict[str, tuple[type, ...]], what: str) -> None:
    for key, types in shape.items():
        value = document[key]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise TypeError(f"{what} has {key} of a wrong type: {type(value).__name__}")
    if document["status"] not in STATUSES:
        raise TypeError(f"{what} has no known status")


def joined_reason(parts: Sequence[Part]) -> str | None:
    """The reasons of `parts`, each with its set's name where there are several; equal ones once."""
    told = [part for part in parts if part.reason]
    if len({part.reason for part in told}) == 1 and len(told) == len(parts):
        return told[0].reason
    several = len(parts) > 1
    return (
        "; ".join(f"{part.name}: {part.reason}" if several and part.name else part.reason or "" for part in told)
        or None
    )


def combined(observations: Sequence[Observation]) -> Observation:
    """What the recordings of one (run, host, phase) say together, given in the order in which they were made.

    A later recording answers an earlier one of the same name and set; a failure that names no set is answered by any
    later recording of the same name.
    """
    if len(observations) == 1:
        return observations[0]
    kept: dict[tuple[str | None, str | None], Part] = {}
    as_list = False
    for observation in observations:
        kept.pop((observation.name, None), None)
        for part in observation.outcomes():
            kept[(observation.name, part.name)] = part
        as_list = as_list or isinstance(observation.data, list)
    last = observations[-1]
    whole = Observation(**{**last.__dict__, "name": None, "started": min(item.started for item in observations)})
    whole.hold(list(kept.values()), as_list or len(kept) > 1)
    return whole
