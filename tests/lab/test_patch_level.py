# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The patch level of real hosts is what their own tools say: apt-get, unattended-upgrade, needrestart."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.index import FILE

from tests.advisories import fill, said

QUIET = "export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8\n"
# Libraries are replaced under running services; then one package is held, what needs its new version is kept back by
# it, and one is pinned.
BEHIND = (
    QUIET
    + """
apt-get -qq install --no-install-recommends needrestart unattended-upgrades >/dev/null
apt-get -qq install --only-upgrade liblzma5 libpcre2-8-0 >/dev/null
apt-mark -qq hold libsasl2-modules-db
printf 'Package: libssh2-1\\nPin: version *\\nPin-Priority: -1\\n' >/etc/apt/preferences.d/pinned
cat >/etc/apt/apt.conf.d/60security-alone <<'CONF'
#clear Unattended-Upgrade::Origins-Pattern;
Unattended-Upgrade::Origins-Pattern { "origin=Debian,codename=${distro_codename}-security,label=Debian-Security"; };
Unattended-Upgrade::MinimalSteps "false";
CONF
"""
)
CUT_OFF = (
    "sed -i 's|^URIs: .*security.*|URIs: http://127.0.0.1:9/debian-security|' /etc/apt/sources.list.d/debian.sources"
)
UNATTENDED = QUIET + "unattended-upgrade --dry-run -d 2>&1"
STALE = QUIET + "needrestart -b -r l"
SIMULATED = QUIET + "apt-get -s -qq dist-upgrade"


def test_it_is_what_the_hosts_own_tools_say(lab, maintain, clone):
    lab.break_("web1", BEHIND)
    lab.break_("db1", CUT_OFF)
    # A vulnerability that every Debian has: no version is as high as the one that fixes it.
    everywhere = [said("bash", "CVE-2026-1", fixed="999:1", severity="high", release=f"debian:{n}") for n in (12, 13)]
    fill(clone.path / FILE, everywhere)
    with ThreadPoolExecutor() as pool:  # it takes as long as the run, and neither minds the other
        unattended = pool.submit(lab.shell, "web1", UNATTENDED)
        ran = maintain({"db1": {"patch_refresh": "always"}}, playbook="playbooks/audit.yml")
    assert ran.rc == 0, ran.stdout
    clone.validate_documents()
    levels = {each["host"]: each["data"] for each in clone.observations() if each["phase"] == "patch_level"}

    for name in ("web1", "web2"):
        would = re.findall(r"^Inst ([^\s:]+)\S* (?:\[\S+\] )?\((\S+)", lab.shell(name, SIMULATED), re.M)
        pending = {(each["name"], each["candidate"]) for each in levels[name]["pending"] if each["blocked_by"] is None}
        assert pending == set(would)
        gone = re.findall(r"^Remv ([^\s:]+)", lab.shell(name, SIMULATED), re.M)
        assert [each["name"] for each in levels[name]["removals"]] == sorted(gone)
        assert levels[name]["metadata"]["stale"] is False
        assert levels[name]["reboot"]["required"] is None and levels[name]["kernel"]["running_version"] is None

    behind = levels["web1"]
    would = re.search(r"^Packages that will be upgraded: (.*)$", unattended.result(), re.M)
    security = {each["name"] for each in behind["pending"] if each["security"] and each["blocked_by"] is None}
    assert security == set(would.group(1).split())

    # needrestart has a name of its own for the system's manager, which is the unit init.scope.
    restart = set(re.findall(r"^NEEDRESTART-SVC: (\S+)$", lab.shell("web1", STALE), re.M))
    assert {each["unit"] for each in behind["services_stale"]} == {
        "init.scope" if unit == "systemd-manager" else unit for unit in restart
    }
    assert len(restart) > 3

    blocked = {each["name"]: (each["blocked_by"], each["blocked_detail"]) for each in behind["pending"]}
    assert (
        blocked["libsasl2-modules-db"][0] == "held"
        and "apt-mark unhold libsasl2-modules-db" in blocked["libsasl2-modules-db"][1]
    )
    assert blocked["libssh2-1"][0] == "pinned" and "priority -1" in blocked["libssh2-1"][1]
    assert (
        blocked["libsasl2-2"][0] == "kept_back"
        and "libsasl2-modules-db" in blocked["libsasl2-2"][1]
        and "(held)" in blocked["libsasl2-2"][1]
    )

    cut = levels["db1"]["metadata"]
    assert cut["stale"] is True and cut["refresh_ok"] is False
    assert any("127.0.0.1:9" in problem for problem in cut["problems"])

    # One host that does not know what is pending leaves both gates open, and what is known of the others is told.
    gates = {gate["id"]: gate for gate in clone.report()["gates"]}
    assert gates["vulns_critical"]["status"] == gates["patch_sla"]["status"] == "unknown"
    assert "1 of 3 hosts" in gates["vulns_critical"]["reason"] and "db1" in gates["vulns_critical"]["reason"]
    document = (clone.path / "audits/security.md").read_text()
    assert "127.0.0.1:9" in document and "CVE-2026-1" in document and "bash: version 999:1 fixes CVE-2026-1" in document

    # What the next collection finds, if nothing changes until then.
    assert lab.shell("web2", "stat -c %a /var/lib/upkeep/patch_level/last-apt.json") == "600"
