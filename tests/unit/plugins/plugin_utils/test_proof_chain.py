# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each kind of tampering with the chain, by name; and signatures by a real ssh-keygen."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import partial

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils import proof_chain, proof_signatures, proofs, signing

ENCRYPT = ["ssh-keygen", "-q", "-p", "-N", "secret", "-f"]
needs_keygen = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="no ssh-keygen here")


@pytest.fixture(name="chain")
def chain_fixture(home, open_run, record, samples):
    """Four proofs of web1 etc, recorded as a run does it: their files in order."""
    run = open_run("r1", ["restore_test"], ["web1"])
    for number in range(4):
        record(run, "web1", "restore_test", {"data": samples.restore(finished=f"2026-11-23T09:00:0{number + 2}Z")})
    folder = home / "backups/proofs"
    return [folder / name for name in proofs.file_names(home)]


def problems(home):
    return proof_chain.verify(home, runs_too=True).problems


def test_a_whole_chain_from_the_first_to_the_last(home, chain):
    found = proof_chain.verify(home, runs_too=True)
    assert (found.problems, found.order, found.proofs) == ([], [path.name for path in chain], 4)
    assert (found.signed, found.unsigned) == ([], found.order)
    assert found.head_sha256 in found.sha256s


def swap(one, other):
    for suffix in (".json", ".txt"):
        a, b = one.with_suffix(suffix).read_bytes(), other.with_suffix(suffix).read_bytes()
        one.with_suffix(suffix).write_bytes(b)
        other.with_suffix(suffix).write_bytes(a)


def forge(home, after, name, **more):
    """A proof in the right shape that says it follows `after`, without the note of it."""
    note = (home / "state/proofs-head.json").read_bytes()
    document = json.loads(after.read_bytes())
    files, _failure = proofs._files(after.with_name(name), {
        **document, "previous_proof": after.name, "previous_proof_sha256": proofs._file_sha256(after),
        "previous_text_sha256": proofs._file_sha256(after.with_suffix(".txt")), **more,
    }, None)  # fmt: skip
    for path, content in files.items():
        path.write_bytes(content)
    (home / "state/proofs-head.json").write_bytes(note)


def lose(path):
    path.unlink()
    path.with_suffix(".txt").unlink()


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (lambda home, chain: lose(chain[0]), "02Z-web1-etc.json: lost, "),
        (lambda home, chain: lose(chain[2]), "04Z-web1-etc.json: lost, "),
        (lambda home, chain: lose(chain[3]), "05Z-web1-etc.json: lost, it was the last one written"),
        (lambda home, chain: chain[1].write_bytes(chain[1].read_bytes() + b" "), "03Z-web1-etc.json: altered"),
        (lambda home, chain: chain[3].write_bytes(chain[3].read_bytes() + b" "), "05Z-web1-etc.json: altered"),
        (lambda home, chain: swap(chain[1], chain[2]), "out of order"),
        (lambda home, chain: chain[1].rename(chain[1].with_name("20260101T000000Z-web1-etc.json")), "out of order"),
        (lambda home, chain: forge(home, chain[1], "20261123T090003Z-web1-etc.2.json"), ".2.json: put in"),
        (lambda home, chain: forge(home, chain[3], "20261123T090009Z-web1-etc.json"), "09Z-web1-etc.json: not noted"),
    ],
)
def test_tampering_is_named(home, chain, tamper, told):
    assert problems(home) == []
    tamper(home, chain)
    assert any(told in problem for problem in problems(home)), problems(home)


def test_a_chain_that_is_cut_at_its_end_with_its_note_is_missed_elsewhere(home, chain):
    before = json.loads(chain[3].read_bytes())["previous_proof_sha256"]
    text = json.loads(chain[3].read_bytes())["previous_text_sha256"]
    lose(chain[3])
    note = {"name": chain[2].name, "sha256": before, "text_sha256": text, "proofs": 3}
    (home / "state/proofs-head.json").write_text(json.dumps(note))
    told = problems(home)
    assert any("last_restore.json: names a proof of web1 etc that ended 2026-11-23T09:00:05Z" in each for each in told)
    last = home / "backups/hosts/web1/etc/last_restore.json"
    last.write_bytes(chain[2].read_bytes())
    # Without the runs it could not be noticed any more.
    assert proof_chain.verify(home).problems == []
    assert [each for each in problems(home) if each.startswith("runs/r1/")]


@pytest.fixture(name="key")
def key_fixture(tmp_path):
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    (tmp_path / "signers").write_text(f"auditor {path.with_suffix('.pub').read_text()}")
    return path


@needs_keygen
def test_signed_proofs(home, samples, key, tmp_path):
    drill = {"project": "shop", "host": "web1", **samples.restore()}
    proofs.append(home, drill)
    signed = proofs.append(home, drill, partial(signing.sign, key=key)).path
    chain = proof_chain.verify(home)
    assert (chain.problems, chain.signed, len(chain.unsigned)) == ([], [signed.name], 1)
    good = proof_signatures.verify(home, chain.signed, tmp_path / "signers")
    assert (good.signers, good.problems) == ({"auditor": 1}, [])
    anyone = proof_signatures.verify(home, chain.signed, None)
    assert anyone.problems == [] and "SHA256:" in next(iter(anyone.signers))
    # Rewritten with the note of it: the chain holds, the signature does not.
    document = json.loads(signed.read_bytes())
    other = {**document, "files_verified": 1}
    files, _failure = proofs._files(signed, other, None)
    for path, content in files.items():
        path.write_bytes(content)
    proofs._write_head(home, signed.parent, signed)
    assert proof_chain.verify(home).problems == []
    bad = proof_signatures.verify(home, chain.signed, tmp_path / "signers")
    assert len(bad.problems) == 2 and "incorrect signature" in bad.problems[0]
    # A signature that was taken away shows, whoever the key is of.
    proofs.signature_of(signed).unlink()
    assert f"{signed.name}.sig: lost, the proof says that it was signed" in proof_chain.verify(home).problems


@needs_keygen
def test_somebody_elses_signature_is_not_good(home, samples, key, tmp_path):
    drill = {"project": "shop", "host": "web1", **samples.restore()}
    name = proofs.append(home, drill, partial(signing.sign, key=key)).path.name
    (tmp_path / "signers").write_text("")
    assert "its key is not in" in proof_signatures.verify(home, [name], tmp_path / "signers").problems[0]


@needs_keygen
@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (lambda key: key.unlink(), "signing_key_missing", "cannot be read"),
        (lambda key: key.chmod(0o640), "signing_key_mode", "chmod 0600"),
        (lambda key: key.write_text("nonsense\n"), "signing_failed", "does not sign"),
        (
            lambda key: subprocess.run([*ENCRYPT, key], check=True, capture_output=True),
            "signing_key_encrypted",
            "ssh-add",
        ),
    ],
)  # fmt: skip
def test_a_key_that_cannot_sign(home, samples, key, monkeypatch, spoil, code, words):
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    spoil(key)
    with pytest.raises(UpkeepError, match=words) as raised:
        signing.sign(b"x", key)
    assert raised.value.code == code and "\n" not in raised.value.message
    # The proof of what was found is not lost for it.
    drill = {"project": "shop", "host": "web1", **samples.restore()}
    proof = proofs.append(home, drill, partial(signing.sign, key=key))
    assert proof.unsigned_because.code == code and proof.document["signed"] is False
    assert proof_chain.verify(home).problems == []


@needs_keygen
@pytest.mark.skipif(not shutil.which("ssh-agent"), reason="no ssh-agent here")
def test_an_encrypted_key_signs_through_an_agent(key, tmp_path, monkeypatch):
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.DEVNULL)
    try:
        while not (tmp_path / "agent").exists():
            assert agent.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        subprocess.run(["ssh-add", "-q", key], check=True)
        subprocess.run([*ENCRYPT, key], check=True, capture_output=True)
        assert signing.sign(b"x", key).startswith(b"-----BEGIN SSH SIGNATURE-----")
        assert signing.sign(b"x", key.with_suffix(".pub")).startswith(b"-----BEGIN SSH SIGNATURE-----")
    finally:
        agent.terminate()
        agent.wait()
