# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`python -m lab <command>`: start, stop, break and mend the lab's hosts."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lab import hosts, images, keys, needs
from lab.fleet import LAB, LABEL, STATE, Host, LabError, chosen
from lab.run import podman, succeeds

T = TypeVar("T")


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    try:
        if os.geteuid() != 0 and options.run is not why_not:
            raise LabError(needs.NOT_ROOT)
        return options.run(options) or 0
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    except OSError as error:
        print(f"lab: {error.strerror}: {error.filename}", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="Real hosts in containers, to try things on.")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Callable, text: str, with_hosts: bool = True) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        if with_hosts:
            added.add_argument("hosts", nargs="*", metavar="HOST", help="all of them if none is named")
        return added

    up_parser = command("up", up, "build what is missing and start the hosts")
    up_parser.add_argument("--fresh", action="store_true", help="in their first state, whatever was done to them")
    command("down", down, "remove hosts, snapshots, network and keys; what was built stays in .cache", False)
    command("status", status, "what each host is doing")
    command("stop", stop, "shut hosts down")
    command("start", start, "start hosts that were shut down")
    command("snapshot", snapshot, "freeze hosts under a name").add_argument("--name", default="saved")
    reset_parser = command("reset", reset, "bring hosts back to their first state, or to a snapshot")
    reset_parser.add_argument("--to", metavar="NAME", help="a snapshot's name")
    ssh_parser = command("ssh", ssh, "open a shell on a host, or run a command there", False)
    ssh_parser.add_argument("host")
    ssh_parser.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    command("why-not", why_not, "say why this machine cannot hold a lab, if it cannot", False)
    return parser


def _each(which: Sequence[T], do: Callable[[T], str | None], done: str = "") -> None:
    """Do it to all at once; a line for each with what `do` says, or `done`. LabError names those that failed."""

    def timed(one: T) -> str:
        started = time.monotonic()
        try:
            said, failed = do(one) or done, ""
        except LabError as error:
            said, failed = str(error), str(one)
        print(f"  {one!s:10} {said:60} {time.monotonic() - started:5.1f} s", flush=True)
        return failed

    with ThreadPoolExecutor(len(which)) as pool:
        failed = list(filter(None, pool.map(timed, which)))
    if failed:
        raise LabError(f"not done: {', '.join(failed)}")


def _image(release: str) -> str:
    if not images.is_here(release):
        print(f"  {release:10} making the image, which takes a minute the first time", flush=True)
    return f"image {images.ensure(release)}"


def up(options: argparse.Namespace) -> None:
    which = chosen(options.hosts)
    needs.install()
    keys.ensure()
    images.CACHE.mkdir(parents=True, exist_ok=True)
    with (images.CACHE / "lock").open("w") as lock:  # two that build at once would sweep each other's work
        fcntl.flock(lock, fcntl.LOCK_EX)
        _each(tuple(sorted({host.release for host in which})), _image)
    hosts.network()
    keys.write_config({host.name: hosts.address(host) for host in chosen([])})

    def begin(host: Host) -> str:
        if options.fresh:
            hosts.remove(host)
        hosts.start(host)
        return f"up: {host.release} at {hosts.address(host)}"

    _each(which, begin)
    print("try: make maintain INVENTORY=inventories/lab")


def down(options: argparse.Namespace) -> None:
    if needs.missing().keys() & {"podman"}:
        print("  no podman here, so no lab")
        return
    _each(chosen([]), hosts.remove, "removed")
    # By label: a snapshot that was taken anew leaves its predecessor without a name.
    for image in dict.fromkeys(podman("images", "-aq", "--filter", f"label={LABEL}").splitlines()):
        podman("rmi", "-f", image)
    if succeeds("podman", "network", "exists", LAB):
        podman("network", "rm", "-f", LAB)
    shutil.rmtree(STATE, ignore_errors=True)
    print("  the lab is gone")


def status(options: argparse.Namespace) -> None:
    for host in chosen(options.hosts):
        seen = hosts.state(host)
        where = hosts.address(host) if seen != "absent" else ""
        print(f"  {host.name:10} {host.release:10} {seen:10} {where}")


def stop(options: argparse.Namespace) -> None:
    _each(chosen(options.hosts), hosts.stop, "stopped")


def start(options: argparse.Namespace) -> None:
    _each(chosen(options.hosts), hosts.start, "up")


def snapshot(options: argparse.Namespace) -> None:
    _each(chosen(options.hosts), lambda host: hosts.snapshot(host, options.name), f"frozen as {options.name}")


def reset(options: argparse.Namespace) -> None:
    _each(chosen(options.hosts), lambda host: hosts.reset(host, options.to), f"as {options.to or 'new'}")


def ssh(options: argparse.Namespace) -> None:
    (host,) = chosen([options.host])
    if not keys.SSH_CONFIG.exists():
        raise LabError("there is no lab here: make lab")
    os.execvp("ssh", ["ssh", "-F", str(keys.SSH_CONFIG), host.name, *options.words])


def why_not(options: argparse.Namespace) -> int:
    reason = needs.why_not()
    print(reason or "this machine can hold a lab")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
