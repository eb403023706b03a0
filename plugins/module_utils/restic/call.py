# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Calls of restic: no secret in its arguments, none on a disk; what it says comes back as documents.

Passwords and the address reach it by files that have no name (memfd_create(2)), S3's keys by a credentials file of that
kind. What restic takes from the environment alone, such as RESTIC_REST_PASSWORD, stands in its environment, which only
its user and root can read.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import tempfile
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple
from urllib.parse import unquote

from ansible_collections.proven.upkeep.plugins.module_utils import state
from ansible_collections.proven.upkeep.plugins.module_utils.dumps import processes
from ansible_collections.proven.upkeep.plugins.module_utils.dumps.model import Failed
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError

from . import exits, program

_USER = re.compile(r"//([^/@:]*):([^/@]*)@")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# These are ours to set, or would run something.
_OURS = ("RESTIC_PASSWORD", "RESTIC_REPOSITORY", "RESTIC_CACHE_DIR", "RESTIC_PROGRESS_FPS", "LD_", "PATH", "HOME", "GO")
_PASSED_ON = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "SSH_AUTH_SOCK", "TMPDIR",
)  # fmt: skip
# The file that every S3 client reads: a variable, and what it is called there.
_AWS = {
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_SESSION_TOKEN": "aws_session_token",
}
_FIT_FOR_INI = re.compile(r"[A-Za-z0-9/+=_.:-]+")
_SAID = 20  # lines of what restic says that an error quotes, and names that a list holds


class Repository(NamedTuple):
    """Where, and how it is opened. `environment` holds values, not names of secrets."""

    program: str
    version: str
    address: str
    password: str
    environment: Dict[str, str]
    options: Sequence[str]
    retry_lock: str
    secrets: Tuple[str, ...]

    @property
    def shown(self) -> str:
        """The address without a password that stands in it."""
        return _USER.sub(r"//\1:***@", self.address)

    def scrub(self, text: str) -> str:
        inside = [part for match in _USER.finditer(self.address) for part in (match.group(2), unquote(match.group(2)))]
        return processes.scrub(text, [*self.secrets, *inside])


def repository(
    address: str, password: str, environment: Dict[str, str], secrets: Dict[str, Any], restic: str,
    options: Sequence[str], retry_lock: str, settings: Optional[Mapping[str, Any]] = None,
) -> Repository:  # fmt: skip
    """`password` and the values of `environment` are names in `secrets`; those of `settings` are values.

    Raises UpkeepError bad_parameter, secret_missing, restic_missing, restic_too_old.
    """
    if not address:
        raise UpkeepError("bad_parameter", "repository: none is named.", option="repository")
    settings = settings or {}
    for variable in (*environment, *settings):
        if not _VARIABLE.fullmatch(variable) or variable.startswith(_OURS):
            message = f"environment: {variable} cannot be set here."
            raise UpkeepError("bad_parameter", message, option="environment")
    if not re.fullmatch(r"(\d+(\.\d+)?(ms|s|m|h))+|0", retry_lock):
        message = f"retry_lock: {retry_lock!r} is no time such as 15m or 1h30m."
        raise UpkeepError("bad_parameter", message, option="retry_lock")
    opened_with = _secret("password", password, secrets)
    values = {name: str(value) for name, value in settings.items() if value not in (None, "")}
    values.update({name: _secret(f"environment.{name}", key, secrets) for name, key in environment.items()})
    path, version = program.found(restic)
    every = tuple(str(value) for value in secrets.values() if value)
    return Repository(path, version, address, opened_with, values, tuple(map(str, options)), retry_lock, every)


def _secret(option: str, name: str, secrets: Dict[str, Any]) -> str:
    if secrets.get(name) in (None, ""):
        message = f"{option}: there is no secret {name}; name one of those in secrets."
        raise UpkeepError("secret_missing", message, option=option, secret=name)
    return str(secrets[name])


class Answer:
    """How a call ended, and what it said: documents on its output, sentences on its error output."""

    def __init__(self, code: int, out: Any, errors: List[Dict[str, Any]]) -> None:
        self.code, self._out, self.errors = code, out, errors

    def documents(self, *kinds: str) -> Iterator[Dict[str, Any]]:
        """What it wrote, a document a line, as it stands in a file: memory does not grow. Only these message types."""
        self._out.seek(0)
        for line in self._out:
            found = parsed(line)
            if isinstance(found, dict) and (not kinds or found.get("message_type") in kinds):
                yield found

    def value(self) -> Any:
        """The one document of a command that writes one. ValueError where it did not."""
        self._out.seek(0)
        return json.load(self._out)

    def summary(self) -> Dict[str, Any]:
        """Its last summary, empty where it wrote none."""
        found = list(self.documents("summary"))
        return found[-1] if found else {}

    @property
    def said(self) -> str:
        """What went wrong, in its own words: the final word first."""
        final = [error for error in self.errors if error.get("message_type") == "exit_error"]
        return "; ".join(dict.fromkeys(text(error) for error in (final or self.errors)[-_SAID:]))[-800:]


def parsed(line: bytes) -> Any:
    """The JSON document of a line; None for anything else, which restic mixes in."""
    if not line.lstrip().startswith((b"{", b"[")):
        return None
    try:
        return json.loads(line.decode("utf-8", "replace"))
    except ValueError:
        return None


def text(error: Dict[str, Any]) -> str:
    """The sentence of an error's document, whichever of its forms it has."""
    inner = error.get("error")
    found = error.get("message") or (inner.get("message") if isinstance(inner, dict) else inner) or ""
    return re.sub(r"^Fatal: ", "", str(found).strip())


class Session:
    """A repository that can be called. `changes` is false in check mode: nothing is written here or there."""

    def __init__(self, here: Repository, env: Dict[str, str], fds: List[int], changes: bool) -> None:
        self.repository, self._env, self._fds, self._changes = here, env, fds, changes

    def call(self, command: str, *arguments: str, ok: Sequence[int] = (0,), reads: Sequence[int] = ()) -> Answer:
        """Run a command. Raises UpkeepError for an exit code that is not among `ok`. `reads` are files it is given.

        Where the repository is locked, locks that restic itself knows as left behind are removed, and it is tried
        again, for as long as `retry_lock` says.
        """
        answer = self._once(command, arguments, reads)
        if answer.code == exits.LOCKED and self._changes:
            self._once("unlock", (), ())
            answer = self._once(command, ("--retry-lock", self.repository.retry_lock, *arguments), reads)
        if answer.code not in ok:
            raise exits.failure(answer.code, command.split()[0], self.repository.shown, answer.said)
        return answer

    def _once(self, command: str, arguments: Sequence[str], reads: Sequence[int]) -> Answer:
        here = self.repository
        argv = [here.program, "--json", *here.options, *command.split(), *arguments]
        out = tempfile.TemporaryFile()  # noqa: SIM115  # the answer reads it
        with tempfile.TemporaryFile() as errors:
            try:
                process = processes.start(
                    argv, stdout=out, stderr=errors, env=self._env, fds=[*self._fds, *reads], dies_by=signal.SIGINT
                )
            except Failed as failed:
                raise UpkeepError("restic_failed", f"program: {here.program} cannot be started ({failed.why}).")
            with processes.ended(process, signal.SIGINT):
                code = process.wait()
            errors.seek(0)
            said = [self._error(line) for line in errors if line.strip()]
        return Answer(code, out, said)

    def _error(self, line: bytes) -> Dict[str, Any]:
        clean = self.repository.scrub(line.decode("utf-8", "replace").strip())
        found = parsed(clean.encode())
        return found if isinstance(found, dict) else {"message": clean}


@contextlib.contextmanager
def opened(here: Repository, changes: bool = True) -> Iterator[Session]:
    """The repository, callable while the block runs. Raises OSError where the cache folder cannot be made."""
    with contextlib.ExitStack() as stack:

        def private(content: str) -> int:
            return stack.enter_context(processes.private(content))

        env, fds = dict(here.environment), []
        files = {"RESTIC_PASSWORD_FILE": here.password + "\n", "RESTIC_REPOSITORY_FILE": here.address + "\n"}
        keys = {name: env[name] for name in _AWS if name in env}
        if "AWS_SECRET_ACCESS_KEY" in keys and all(map(_FIT_FOR_INI.fullmatch, keys.values())):
            lines = "".join(f"{_AWS[name]} = {env.pop(name)}\n" for name in keys)
            files["AWS_SHARED_CREDENTIALS_FILE"] = f"[default]\n{lines}"
        for variable, content in files.items():
            fds.append(private(content))
            env[variable] = processes.at(fds[-1])
        env.update({name: os.environ[name] for name in _PASSED_ON if name in os.environ})
        env["RESTIC_PROGRESS_FPS"] = "0.1"
        env["RESTIC_CACHE_DIR"] = state.ensure("restic") if changes else os.path.join(state.state_dir(), "restic")
        if not changes:
            here = here._replace(options=(*here.options, "--no-cache"))
        yield Session(here, env, fds, changes)
