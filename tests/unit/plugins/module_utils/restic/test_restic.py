# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What needs no restic: times, modes, plans, exit codes, and what its lines say."""

from __future__ import annotations

import os

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.module_utils.restic import (
    call,
    compare,
    exits,
    forget,
    program,
    snapshots,
)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2009-02-13T23:31:30.123456789Z", 1_234_567_890_123_456_789),
        ("2009-02-14T01:31:30.5+02:00", 1_234_567_890_500_000_000),
        ("1969-12-31T23:59:59.25Z", -750_000_000),
    ],
)
def test_times_to_the_nanosecond(text, nanoseconds):
    assert snapshots.nanoseconds(text) == nanoseconds


@pytest.mark.parametrize(("go", "unix"), [(0o644, 0o644), (1 << 31 | 0o755, 0o755), (1 << 23 | 1 << 22 | 0o750, 0o6750),
                                          (1 << 31 | 1 << 20 | 0o777, 0o1777)])  # fmt: skip
def test_modes(go, unix):
    assert compare.mode_of(go) == unix


def test_a_pattern_means_one_path():
    assert compare.pattern("/a*b[c]?\\") == "/a\\*b\\[c]\\?\\\\"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"message_type":"exit_error","code":12,"message":"Fatal: wrong password"}', "wrong password"),
        (b'{"message_type":"error","error":{"message":"open x"},"during":"archival","item":"/x"}', "open x"),
        (b'{"message_type":"error","error":"plain","item":"/x"}', "plain"),
    ],
)
def test_errors_in_each_of_their_forms(line, said):
    assert call.text(call.parsed(line)) == said


@pytest.mark.parametrize("line", [b"", b"repository opened", b'{"cut', b"created new cache in /x"])
def test_what_is_no_document(line):
    assert call.parsed(line) is None


def snapshot(day: int, ident: str, **more) -> dict:
    return {
        "id": ident * 64,
        "time": f"2026-11-{day:02d}T08:00:00.5Z",
        "hostname": "h",
        "tags": ["upkeep", "set=s"],
        **more,
    }


def group(keep: list, remove: list) -> list:
    reasons = [{"snapshot": one, "matches": ["daily snapshot"]} for one in keep]
    return [{"keep": keep, "remove": remove, "reasons": reasons}]


OLD, MID, NEW = snapshot(1, "a"), snapshot(2, "b"), snapshot(3, "c")


@pytest.mark.parametrize(
    ("groups", "at_least", "verified", "kept"),
    [
        (group([NEW], [MID, OLD]), 1, (), "c"),
        (group([NEW], [MID, OLD]), 2, (), "cb"),
        (group([NEW], [MID, OLD]), 1, ("a" * 64,), "ca"),
        (group([OLD], [MID, NEW]), 0, (), "ca"),  # the newest stays, whatever the plan says
        (group([], [OLD]), 0, (), "a"),
    ],
)
def test_what_is_protected_is_taken_out_of_the_plan(groups, at_least, verified, kept):
    stays, goes = forget.plan(groups, at_least, verified)
    assert "".join(one["id"][0] for one in stays) == kept
    assert {one["id"][0] for one in goes} == set("".join(o["id"][0] for g in groups for o in g["remove"])) - set(kept)
    assert all(one["why"] for one in stays + goes)


@pytest.mark.parametrize(
    ("kept", "gone", "why"),
    [
        ([NEW], [snapshot(1, "d", hostname="other")], "of others"),
        ([NEW], [snapshot(1, "d", tags=["upkeep", "set=t"])], "of others"),
        ([], [NEW], "keeps nothing"),
        ([NEW], [OLD], "verified"),
    ],
)
def test_a_plan_that_is_not_carried_out(kept, gone, why):
    with pytest.raises(UpkeepError, match=why) as caught:
        forget._require_sane(kept, gone, "h", "set=s", ["a" * 64])
    assert caught.value.code == "forget_refused"


CODES = {1: "restic_failed", 10: "repository_missing", 11: "repository_locked", 12: "wrong_password",
         130: "restic_interrupted", 77: "restic_failed"}  # fmt: skip


@pytest.mark.parametrize(("code", "known"), CODES.items())
def test_exit_codes(code, known):
    error = exits.failure(code, "backup", "/srv/r", "some reason\nover lines.")
    assert error.code == known and error.details["rc"] == code and "some reason over lines. " in error.message


def fake(folder, text: str, code: int = 0) -> str:
    path = folder / "restic"
    path.write_text(f"#!/bin/sh\nif [ \"$1\" = version ]; then echo '{text}'; exit 0; fi\n"
                    f"echo 'Fatal: no user boss:pw-1234 with s3cr3t' >&2; exit {code}\n")  # fmt: skip
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("version", ["restic 0.16.5 compiled with go", "restic 0.14.0", "something else"])
def test_too_old(tmp_path, version):
    with pytest.raises(UpkeepError, match="0\\.17\\.0") as caught:
        program.found(fake(tmp_path, version))
    assert caught.value.code == "restic_too_old"


def test_an_error_quotes_no_secret(tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    restic = fake(tmp_path, "restic 0.18.0 compiled", 12)
    here = call.repository("rest:http://boss:pw-1234@h/x", "p", {}, {"p": "s3cr3t"}, restic, (), "1s")
    with call.opened(here) as session, pytest.raises(UpkeepError) as caught:
        session.call("cat config")
    assert caught.value.code == "wrong_password" and "********" in caught.value.message
    assert "pw-1234" not in caught.value.message and "s3cr3t" not in caught.value.message
    assert caught.value.details["repository"] == "rest:http://boss:***@h/x"


def test_secrets_reach_it_by_files_without_a_name(tmp_path, monkeypatch):
    monkeypatch.setenv("UPKEEP_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "restic"
    path.write_text(
        '#!/bin/sh\n[ "$1" = version ] && { echo restic 0.18.0; exit 0; }\n'
        'cat "$RESTIC_PASSWORD_FILE" "$RESTIC_REPOSITORY_FILE" "$AWS_SHARED_CREDENTIALS_FILE" > "$HOME/got"\n'
        'env | grep -c AKIA >> "$HOME/got"; exit 0\n'
    )
    path.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    keys = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"}
    secrets = {"p": "pass", "k": "AKIAXXX", "s": "se/cr+et="}
    with call.opened(call.repository("/srv/r", "p", keys, secrets, str(path), (), "1s")) as session:
        session.call("cat config")
    got = (tmp_path / "got").read_text().split("\n")
    assert got == ["pass", "/srv/r", "[default]", "aws_access_key_id = AKIAXXX", "aws_secret_access_key = se/cr+et=",
                   "0", ""]  # fmt: skip
    assert not os.listdir(tmp_path / "state/restic")


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("environment", {"environment": {"PATH": "p"}}),
        ("environment", {"environment": {"RESTIC_PASSWORD_COMMAND": "p"}}),
        ("retry_lock", {"retry_lock": "soon"}),
        ("repository", {"address": ""}),
    ],
)
def test_what_is_refused_before_anything_starts(option, given):
    asked = {"address": "/r", "environment": {}, "retry_lock": "1m", **given}
    with pytest.raises(UpkeepError) as caught:
        call.repository(
            asked["address"], "p", asked["environment"], {"p": "x"}, "restic", (), asked["retry_lock"]
        )  # fmt: skip
    assert caught.value.code == "bad_parameter" and caught.value.details["option"] == option
