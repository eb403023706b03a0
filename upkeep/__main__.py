# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`python -m upkeep <command>`: what an operator asks without starting a run."""

from __future__ import annotations

import argparse
import sys


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="upkeep", description="Maintenance with proof: the operator's command.")
    commands = parser.add_subparsers(dest="command", required=True)
    status = commands.add_parser("status", help="where things stand, from the last evidence")
    status.add_argument("--home", help="the folder that holds the evidence; by default this clone, else UPKEEP_HOME")
    restore = commands.add_parser("restore", help="restore a set of a host; without a set, list what there is")
    for name, what in (
        ("host", "the host, by its inventory name"),
        ("set", "the backup set"),
        ("at", "the newest archive made until then (2026-11-23T08:34:03Z, or a day); by default the last"),
        ("paths", "only these, separated by commas"),
        ("dumps", "load these dumps, by name and separated by commas, or all; then files only with --paths"),
        ("dest", "the folder to restore into; by default to its place"),
        ("overwrite", "older, never or always"),
        ("inventory", "the inventory"),
        ("home", "the folder that holds the evidence; by default this clone, else UPKEEP_HOME"),
    ):
        restore.add_argument(f"--{name}", help=what)
    restore.add_argument("--yes", action="store_true", help="do it; without this it is a dry run")
    restore.add_argument("arguments", nargs="*", help="more options of ansible-playbook, after --")
    proof = commands.add_parser("proof", help="the restore proofs: check their chain, or show one")
    proof.add_argument("action", choices=["verify", "show"])
    proof.add_argument("host", nargs="?", help="show: the host; none lists all proofs")
    proof.add_argument("set", nargs="?", help="show: the backup set")
    proof.add_argument("--allowed-signers", help="verify: whose signatures count, a file as of ssh-keygen(1)")
    proof.add_argument(
        "--known", metavar="SHA256", help="verify: a proof's sha256 kept elsewhere; it must be there still"
    )
    proof.add_argument("--require-signed", action="store_true", help="verify: none unsigned after the first signed one")
    proof.add_argument("--json", action="store_true", help="verify: a JSON document instead of text")
    proof.add_argument("--home", help="the folder that holds the evidence; by default this clone, else UPKEEP_HOME")
    key = commands.add_parser("key", help="the private key that opens encrypted backups")
    key.add_argument(
        "action", choices=["new", "show", "check"], help="make it; print its public key; see that it is one"
    )
    key.add_argument("--file", help="the key's file; by default state/keys/backup.agekey in the home")
    key.add_argument(
        "--public", help="check: the public key that it must have; without it, that of the key in the home"
    )
    key.add_argument("--home", help="the folder that holds the evidence; by default this clone, else UPKEEP_HOME")
    commands.add_parser("doctor", help="what this machine lacks for which command, and the line that installs it")
    options = parser.parse_args(argv)
    # Imported on demand: doctor must run on a machine that has nothing but a Python yet.
    if options.command == "doctor":
        from upkeep.doctor import run as doctor

        return doctor()
    if options.command == "restore":
        from upkeep.restore import run as restore_set

        return restore_set(options)
    if options.command == "key":
        from upkeep.key import run as keys

        return keys(options)
    if options.command == "proof":
        from upkeep.proof import run as proofs

        return proofs(options)
    from upkeep.status import run as show_status

    return show_status(options.home)


if __name__ == "__main__":
    sys.exit(main())
