# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The advisory sources of the rpm distributions, over documents made here in their true form."""

from __future__ import annotations

import bz2
import copy
import io
import json
import os
import random
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from ansible_collections.proven.upkeep.plugins.module_utils.errors import UpkeepError
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.model import Edition, Feed
from ansible_collections.proven.upkeep.plugins.plugin_utils.advisories.sources import alma, redhat, rocky, suse
from hypothesis import given, settings
from hypothesis import strategies as some

# Slices of real feeds beside a checkout; without the folder the tests over them are skipped.
SLICES = Path(os.environ.get("UPKEEP_FEED_SLICES", "/nonexistent"))


def rows(source, path, content, folder):
    """(statements, edition) of a file with this content, whose name ends as `path` does."""
    file = folder / path.replace("/", "-")
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    found = list(source.parse(Feed("https://example.org", path), file))
    editions = [row.generated_at for row in found if isinstance(row, Edition)]
    return [row for row in found if not isinstance(row, Edition)], editions[-1] if editions else None


def short(statements):
    return {
        (each.release, each.package, each.kind, each.status, each.fixed, each.module, each.subscription, each.deferred)
        for each in statements
    }


def tar(members):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


# Red Hat

PLATFORMS = {
    "red_hat_enterprise_linux_6": "cpe:/o:redhat:enterprise_linux:6",
    "red_hat_enterprise_linux_8": "cpe:/o:redhat:enterprise_linux:8",
    "red_hat_enterprise_linux_10": "cpe:/o:redhat:enterprise_linux:10.0",
    "AppStream-8.9.0.Z.MAIN": "cpe:/a:redhat:enterprise_linux:8::appstream",
    "BaseOS-9.3.0.Z.MAIN": "cpe:/o:redhat:enterprise_linux:9::baseos",
    "BaseOS-9.0.0.Z.EUS": "cpe:/o:redhat:rhel_eus:9.0::baseos",
    "7Server-ELS": "cpe:/o:redhat:rhel_els:7",
    "red_hat_storage_3": "cpe:/a:redhat:storage:3",
}
PURLS = {
    "curl": "pkg:rpm/redhat/curl?arch=src",
    "libcurl": "pkg:rpm/redhat/libcurl",
    "kernel": "pkg:rpm/redhat/kernel?arch=src",
    "curl-0:7.76.1-26.el9_3.2.src": "pkg:rpm/redhat/curl@7.76.1-26.el9_3.2?arch=src",
    "curl-0:7.76.1-9.el9_3.1.src": "pkg:rpm/redhat/curl@7.76.1-9.el9_3.1?arch=src",
    "curl-0:7.76.1-14.el9_0.7.src": "pkg:rpm/redhat/curl@7.76.1-14.el9_0.7?arch=src",
    "curl-0:7.29.0-59.el7_9.3.src": "pkg:rpm/redhat/curl@7.29.0-59.el7_9.3?arch=src",
    "libcurl-0:7.76.1-26.el9_3.2.x86_64": "pkg:rpm/redhat/libcurl@7.76.1-26.el9_3.2?arch=x86_64",
    "tool-1:2-3.el8.x86_64": "pkg:rpm/redhat/tool@2-3.el8?arch=x86_64&epoch=1",
    "tool-debuginfo-1:2-3.el8.x86_64": "pkg:rpm/redhat/tool-debuginfo@2-3.el8?arch=x86_64&epoch=1",
    "nodejs:18:8090020231019:a75119d5": "pkg:rpmmod/redhat/nodejs@18:8090020231019:a75119d5",
    "nodejs-1:18.18.2-1.module+el8.src": "pkg:rpm/redhat/nodejs@18.18.2-1.module+el8?arch=src&epoch=1",
    "npm-1:9.8-1.module+el8.src": "pkg:rpm/redhat/npm@9.8-1.module+el8?arch=src&rpmmod=nodejs:20:8090:a7",
    "nodejs:16/nodejs": "pkg:rpm/redhat/nodejs?arch=src",
}


def vex(fixed=(), affected=(), not_affected=(), investigated=(), remediations=(), **more):
    """A VEX document; products are `platform:component`, or `platform:module:component`."""
    named = {"fixed": fixed, "known_affected": affected, "known_not_affected": not_affected}
    named["under_investigation"] = investigated
    relationships = []

    def part(whole, component, of):
        relationships.append(
            {
                "category": "default_component_of",
                "full_product_name": {"name": whole, "product_id": whole},
                "product_reference": component,
                "relates_to_product_reference": of,
            }
        )

    for product in (each for products in named.values() for each in products):
        platform, _colon, rest = product.partition(":")
        module = next((name for name in PURLS if rest.startswith(name + ":")), None)
        if module:
            part(f"{platform}:{module}", module, platform)
            part(product, rest[len(module) + 1 :], f"{platform}:{module}")
        else:
            part(product, rest, platform)
    branches = [
        {"category": "product_name", "name": name, "product": {"name": name, "product_id": name, **helper(name)}}
        for name in [*PLATFORMS, *PURLS]
    ]
    return {
        "document": {
            "category": "csaf_vex",
            "aggregate_severity": {"text": "Moderate"},
            "tracking": {"id": "CVE-2023-0001", "current_release_date": "2024-05-06T07:08:09+02:00"},
        },
        "product_tree": {
            "branches": [{"category": "vendor", "name": "Red Hat", "branches": branches}],
            "relationships": relationships,
        },
        "vulnerabilities": [
            {
                "cve": "CVE-2023-0001",
                "release_date": "2023-10-10T00:00:00+00:00",
                "product_status": {name: list(products) for name, products in named.items() if products},
                "remediations": list(remediations),
                "scores": [{"cvss_v3": {"baseScore": 7.5}, "products": []}],
                **more,
            }
        ],
    }


def helper(name):
    what = {"cpe": PLATFORMS[name]} if name in PLATFORMS else {"purl": PURLS[name]}
    return {"product_identification_helper": what}


NINE, CURL = "BaseOS-9.3.0.Z.MAIN", "curl-0:7.76.1-26.el9_3.2.src"
EIGHT, SIX, TEN = "red_hat_enterprise_linux_8", "red_hat_enterprise_linux_6", "red_hat_enterprise_linux_10"
STREAM = "AppStream-8.9.0.Z.MAIN"
ELS = "7Server-ELS:curl-0:7.29.0-59.el7_9.3.src"
CURL_9 = ("rhel:9", "curl", "source", "fixed", "0:7.76.1-26.el9_3.2", None, None, None)
CURL_7 = ("rhel:7", "curl", "source", "fixed", "0:7.29.0-59.el7_9.3", None, "els", None)
VEX = {
    "fixed, by its source": ({"fixed": [f"{NINE}:{CURL}", f"{NINE}:libcurl-0:7.76.1-26.el9_3.2.x86_64"]}, {CURL_9}),
    "fixed, only binaries named": (
        {"fixed": [f"{STREAM}:tool-1:2-3.el8.x86_64", f"{STREAM}:tool-debuginfo-1:2-3.el8.x86_64"]},
        {("rhel:8", "tool", "binary", "fixed", "1:2-3.el8", None, None, None)},
    ),
    "fixed twice: the later one": (
        {"fixed": [f"{NINE}:{CURL}", f"{NINE}:curl-0:7.76.1-9.el9_3.1.src"]},
        {CURL_9},
    ),
    "a minor release's own fix is nobody else's": (
        {"fixed": ["BaseOS-9.0.0.Z.EUS:curl-0:7.76.1-14.el9_0.7.src"]},
        set(),
    ),
    "a fix for subscribers": ({"fixed": [ELS]}, {CURL_7}),
    "in a module stream": (
        {
            "fixed": [
                f"{STREAM}:nodejs:18:8090020231019:a75119d5:nodejs-1:18.18.2-1.module+el8.src",
                f"{STREAM}:npm-1:9.8-1.module+el8.src",
            ]
        },
        {
            ("rhel:8", "nodejs", "source", "fixed", "1:18.18.2-1.module+el8", "nodejs:18", None, None),
            ("rhel:8", "npm", "source", "fixed", "1:9.8-1.module+el8", "nodejs:20", None, None),
        },
    ),
    "affected, and why": (
        {
            "affected": [f"{SIX}:curl", f"{EIGHT}:curl", f"{TEN}:kernel", f"{EIGHT}:nodejs:16/nodejs"],
            "remediations": [
                {"category": category, "details": details, "product_ids": [product]}
                for category, details, product in (
                    ("no_fix_planned", "Out of support scope", f"{SIX}:curl"),
                    ("no_fix_planned", "Will not fix", f"{EIGHT}:nodejs:16/nodejs"),
                    ("none_available", "Fix deferred", f"{TEN}:kernel"),
                    ("none_available", "Affected", f"{EIGHT}:curl"),
                )
            ],
        },
        {
            ("rhel:6", "curl", "source", "affected", None, None, None, "out of support scope"),
            ("rhel:8", "curl", "source", "affected", None, None, None, None),
            ("rhel:8", "nodejs", "source", "affected", None, "nodejs:16", None, "will not fix"),
            ("rhel:10", "kernel", "source", "affected", None, None, None, "fix deferred"),
        },
    ),
    "fixed for subscribers, affected elsewhere": (
        {"fixed": [ELS], "affected": [f"{EIGHT}:curl"]},
        {CURL_7, ("rhel:8", "curl", "source", "affected", None, None, None, None)},
    ),
    "under investigation, not affected": (
        {
            "investigated": [f"{EIGHT}:curl"],
            "not_affected": [f"{SIX}:curl", f"{SIX}:libcurl", "red_hat_storage_3:curl"],
        },
        {
            ("rhel:8", "curl", "source", "under_investigation", None, None, None, None),
            ("rhel:6", "curl", "source", "not_affected", None, None, None, None),
        },
    ),
}


@pytest.mark.parametrize("case", sorted(VEX))
def test_redhat(tmp_path, case):
    arguments, expected = VEX[case]
    statements, edition = rows(redhat.SOURCE, "redhat/cve.json", vex(**arguments), tmp_path)
    assert short(statements) == expected
    assert edition == "2024-05-06T05:08:09Z"
    assert {each.vulnerability for each in statements} <= {"CVE-2023-0001"}
    assert {(each.severity, each.cvss, each.published) for each in statements} <= {
        ("medium", 7.5, "2023-10-10T00:00:00Z")
    }


def test_redhat_errata_and_ratings(tmp_path):
    product = "BaseOS-9.3.0.Z.MAIN:curl-0:7.76.1-26.el9_3.2.src"
    document = vex(
        fixed=[product],
        affected=["red_hat_enterprise_linux_8:curl"],
        remediations=[
            {
                "category": "vendor_fix",
                "product_ids": [product],
                "url": "https://access.redhat.com/errata/RHSA-2023:6745",
                "date": "2023-11-07T10:27:03+00:00",
            },
            {"category": "workaround", "details": "Do not.", "product_ids": [product]},
        ],
        threats=[
            {"category": "impact", "details": "Important", "product_ids": [product]},
            {"category": "exploit_status", "details": "Low"},
        ],
        scores=[{"cvss_v3": {"baseScore": 8.1}, "products": [product]}],
    )
    (fixed, affected), _edition = rows(redhat.SOURCE, "redhat/cve.json", document, tmp_path)
    assert (fixed.advisory, fixed.advisory_published) == ("RHSA-2023:6745", "2023-11-07T10:27:03Z")
    assert (fixed.severity, fixed.cvss) == ("high", 8.1)
    assert (affected.advisory, affected.severity, affected.cvss) == (None, "medium", None)


@pytest.mark.skipif(not shutil.which("zstd"), reason="zstd is missing (Debian: zstd)")
def test_redhat_archive(tmp_path):
    document = json.dumps(vex(affected=["red_hat_enterprise_linux_8:curl"])).encode()
    plain = tar({f"2023/cve-{number}.json": document for number in range(50)})
    packed = subprocess.run(["zstd", "-qc"], input=plain, stdout=subprocess.PIPE, check=True).stdout
    statements, _edition = rows(redhat.SOURCE, "redhat/csaf_vex.tar.zst", packed, tmp_path)
    assert len(statements) == 50
    for cut in (len(packed) // 2, len(packed) - 3):
        with pytest.raises(UpkeepError) as error:
            rows(redhat.SOURCE, "redhat/csaf_vex.tar.zst", packed[:cut], tmp_path)
        assert error.value.code == "feed_damaged"


# AlmaLinux


def erratum(**changed):
    def package(name, epoch, src, arch="x86_64", version="1.2", release="3.el9"):
        return {"name": name, "epoch": epoch, "version": version, "release": release, "arch": arch, "src": src}

    return {
        "id": "ALSA-2024:0001",
        "issued_date": 1700000000,
        "updated_date": 1700000100,
        "severity": "Important",
        "title": "Important: tool security update",
        "type": "security",
        "packages": [
            package("tool", "1", "tool-1.2-3.el9.src.rpm"),
            package("tool", "1", "tool-1.2-3.el9.src.rpm", arch="aarch64"),
            package("tool-libs", "1", "tool-1.2-3.el9.src.rpm"),
            package("odd", "0", "oddities-5-1.el9.src.rpm", version="5"),
            package("odd-extra", "2", "oddities-5-1.el9.src.rpm", version="6"),
        ],
        "modules": [],
        "references": [
            {"id": "CVE-2024-0001", "type": "cve", "href": ""},
            {"id": "CVE-2024-0002", "type": "cve", "href": ""},
            {"id": "ALSA-2024:0001", "type": "self", "href": ""},
        ],
        **changed,
    }


def errata(*listed):
    return {"schema_version": "1.0", "data": list(listed)}


def test_alma(tmp_path):
    document = errata(erratum(), erratum(id="ALBA-2024:1", type="bugfix", updated_date=1700001000))
    statements, edition = rows(alma.SOURCE, "alma/errata-9.full.json", document, tmp_path)
    assert edition == "2023-11-14T22:30:00Z"
    assert {each.vulnerability for each in statements} == {"CVE-2024-0001", "CVE-2024-0002"}
    assert short(statements) == {
        ("almalinux:9", "tool", "source", "fixed", "1:1.2-3.el9", None, None, None),
        ("almalinux:9", "odd", "binary", "fixed", "0:5-3.el9", None, None, None),
        ("almalinux:9", "odd-extra", "binary", "fixed", "2:6-3.el9", None, None, None),
    }
    (first, *_rest) = statements
    assert (first.advisory, first.advisory_published, first.severity) == (
        "ALSA-2024:0001", "2023-11-14T22:13:20Z", "high",
    )  # fmt: skip


def test_alma_module_streams(tmp_path):
    def built(release):
        source = f"db-1.0-{release}.src.rpm"
        return {"name": "db", "epoch": "3", "version": "1.0", "release": release, "arch": "x86_64", "src": source}

    modular = erratum(
        title="Moderate: db:10 security update",
        modules=[{"name": name, "stream": stream} for name in ("db", "db-devel") for stream in ("10", "11")],
        packages=[built("2.module_el8.6.0+2"), built("2.module_el8.3.0+1"), built("2.module_el8.5.0+9")],
    )
    statements, _edition = rows(alma.SOURCE, "alma/errata-8.full.json", errata(modular), tmp_path)
    assert short(statements) == {
        ("almalinux:8", "db", "source", "fixed", "3:1.0-2.module_el8.3.0+1", module, None, None)
        for module in ("db:10", "db-devel:10")
    }


@pytest.mark.parametrize("block", [1, 7, 64])
def test_alma_read_in_pieces(tmp_path, monkeypatch, block):
    monkeypatch.setattr(alma, "_BLOCK", 60 + block)
    document = json.dumps(errata(*(erratum(id=f"ALSA-2024:{number}") for number in range(4))), indent=1).encode()
    statements, _edition = rows(alma.SOURCE, "alma/errata-9.full.json", document, tmp_path)
    assert len({each.advisory for each in statements}) == 4


def test_alma_feeds():
    (feed,) = alma.SOURCE.feeds(("almalinux:9", "debian:12"))
    assert feed.path == "alma/errata-9.full.json" and "/9/" in feed.url
    assert alma.SOURCE.feeds(("debian:12",)) == []
    with pytest.raises(UpkeepError) as error:
        alma.SOURCE.feeds(())
    assert error.value.code == "releases_needed"


# Rocky


def record(**changed):
    def affected(name, fixed, purl="distro=rocky-linux-9&epoch=1", ecosystem="Rocky Linux:9"):
        return {
            "package": {"ecosystem": ecosystem, "name": name, "purl": f"pkg:rpm/rocky-linux/{name}?{purl}"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
        }

    return {
        "id": "RLSA-2024:0001",
        "modified": "2024-06-14T14:02:44.124064Z",
        "published": "2024-06-14T14:00:40.182624Z",
        "related": ["CVE-2024-0001", "CVE-2024-0002"],
        "summary": "Important: ruby:3.3 security, bug fix, and enhancement update",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [
            affected("ruby", "0:3.3.1-2.module+el9.4.0+20787+4c237fd3"),
            affected("plain", "1:2.0-1.el9"),
            affected("kernel", "0:5.14-1.cloud", purl="distro=rocky-linux-9-sig-cloud&epoch=0"),
            affected("other", "0:1-1", ecosystem="AlmaLinux:9"),
        ],
        **changed,
    }


def zipped(members):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def test_rocky(tmp_path):
    members = {
        "RLSA-2024:0001.json": json.dumps(record()),
        "gone.json": json.dumps(record(withdrawn="2024-07-01T00:00:00Z")),
    }
    statements, edition = rows(rocky.SOURCE, "rocky/osv-all.zip", zipped(members), tmp_path)
    assert edition == "2024-06-14T14:02:44Z" and len(statements) == 4
    assert short(statements) == {
        ("rocky:9", "ruby", "source", "fixed", "0:3.3.1-2.module+el9.4.0+20787+4c237fd3", "ruby:3.3", None, None),
        ("rocky:9", "plain", "source", "fixed", "1:2.0-1.el9", None, None, None),
    }
    assert {(each.severity, each.cvss, each.advisory_published) for each in statements} == {
        ("high", 8.1, "2024-06-14T14:00:40Z")
    }


# SUSE

NOTICE = """<?xml version="1.0" encoding="UTF-8"?>
<cvrfdoc xmlns="http://docs.oasis-open.org/csaf/ns/csaf-cvrf/v1.2/cvrf">
  <DocumentTracking>
    <Identification><ID>SUSE-SU-2024:0001-1</ID></Identification>
    <InitialReleaseDate>2024-01-27T18:38:10Z</InitialReleaseDate>
    <CurrentReleaseDate>2024-01-28T18:38:10Z</CurrentReleaseDate>
  </DocumentTracking>
  <Vulnerability xmlns="http://docs.oasis-open.org/csaf/ns/csaf-cvrf/v1.2/vuln" Ordinal="1">
    <CVE>CVE-2024-0001</CVE>
    <ProductStatuses><Status Type="Fixed">{products}</Status>
      <Status Type="Known Affected"><ProductID>openSUSE Leap 15.6:other-1-1</ProductID></Status></ProductStatuses>
    <Threats><Threat Type="Impact"><Description>important</Description></Threat></Threats>
    <CVSSScoreSets><ScoreSetV3><BaseScoreV3>7.8</BaseScoreV3></ScoreSetV3></CVSSScoreSets>
  </Vulnerability>
</cvrfdoc>
"""
SLES = "SUSE Linux Enterprise Server 15 SP6"


def notice(*products):
    return NOTICE.format(products="".join(f"<ProductID>{each}</ProductID>" for each in products)).encode()


def test_suse_notices(tmp_path):
    content = notice(
        "SUSE Linux Enterprise Server 15 SP3-LTSS:bind-9.16-150300.1",
        "SUSE Linux Enterprise Server 15 SP4-LTSS:bind-9.16-150400.1",
        "SUSE Linux Enterprise Server 15 SP4:bind-9.16-150400.1",
        f"{SLES}:bind-utils-32bit-9.18.28+git.1-150600.3.3",
        "SUSE Linux Enterprise Module for Server Applications 15 SP6:bind-9.18-150600.3",
        "openSUSE Leap 15.6:bind-9.18-150600.3",
        "SUSE Linux Enterprise Server 16.0:bind-9.20-160000.1",
        "SUSE Linux Enterprise Micro 5.5:bind-9.16-1",
        "SUSE Linux Enterprise High Performance Computing 15 SP4-LTSS:bind-9.16-1",
        "SUSE Linux Enterprise Module for Live Patching 15 SP6:kernel-livepatch-1-1",
        "Container suse/sle15:bind-9.16-1",
    )
    for path, packed in (
        ("suse/one.xml", content),
        ("suse/cvrf1.2.tar.bz2", bz2.compress(tar({"cvrf/a.xml": content}))),
    ):
        statements, edition = rows(suse.SOURCE, path, packed, tmp_path)
        assert edition == "2024-01-28T18:38:10Z"
        assert short(statements) == {
            ("sles:15.3", "bind", "binary", "fixed", "9.16-150300.1", None, "ltss", None),
            ("sles:15.4", "bind", "binary", "fixed", "9.16-150400.1", None, None, None),
            ("sles:15.6", "bind-utils-32bit", "binary", "fixed", "9.18.28+git.1-150600.3.3", None, None, None),
            ("sles:15.6", "bind", "binary", "fixed", "9.18-150600.3", None, None, None),
            ("opensuse-leap:15.6", "bind", "binary", "fixed", "9.18-150600.3", None, None, None),
            ("sles:16.0", "bind", "binary", "fixed", "9.20-160000.1", None, None, None),
        }
        facts = {(e.vulnerability, e.advisory, e.advisory_published, e.severity, e.cvss) for e in statements}
        assert facts == {("CVE-2024-0001", "SUSE-SU-2024:0001-1", "2024-01-27T18:38:10Z", "high", 7.8)}


def suse_vex(**statuses):
    products = {product for listed in statuses.values() for product in listed}
    return {
        "document": {
            "aggregate_severity": {"text": "moderate"},
            "tracking": {
                "current_release_date": "2024-07-26T03:43:57Z",
                "initial_release_date": "2023-10-20T01:08:03Z",
            },
        },
        "product_tree": {
            "branches": [],
            "relationships": [
                {
                    "full_product_name": {"product_id": product},
                    "product_reference": product.partition(":")[2],
                    "relates_to_product_reference": product.partition(":")[0],
                }
                for product in sorted(products)
            ],
        },
        "vulnerabilities": [
            {
                "cve": "CVE-2024-0001",
                "product_status": statuses,
                "remediations": [
                    {"category": "no_fix_planned", "product_ids": [f"{SLES}:old"]},
                    {"category": "vendor_fix", "details": "zypper patch", "product_ids": [f"{SLES}:bind-9.18-1.1"]},
                ],
                "threats": [{"category": "impact", "details": "important"}],
            }
        ],
    }


def test_suse_what_is_not_fixed(tmp_path):
    document = suse_vex(
        recommended=[f"{SLES}:bind-9.18-150600.1"],
        known_affected=[
            f"{SLES}:bind",
            f"{SLES}:old",
            f"{SLES}:python3-foo",
            "SUSE Linux Enterprise Server 15 SP3-LTSS:x",
        ],
        under_investigation=[f"{SLES}:libtiff5-4.0.9-150000.45.1"],
        known_not_affected=[f"{SLES}:fine"],
    )
    for path, content in (
        ("suse/one.json", document),
        ("suse/csaf-vex.tar.bz2", bz2.compress(tar({"v/c.json": json.dumps(document).encode()}))),
    ):
        statements, edition = rows(suse.SOURCE, path, content, tmp_path)
        assert edition == "2024-07-26T03:43:57Z"
        assert short(statements) == {
            ("sles:15.6", "old", "binary", "affected", None, None, None, "will not fix"),
            ("sles:15.6", "python3-foo", "binary", "affected", None, None, None, None),
            ("sles:15.6", "libtiff5", "binary", "under_investigation", None, None, None, None),
        }
        assert {(e.severity, e.published) for e in statements} == {("high", "2023-10-20T01:08:03Z")}


def test_suse_xml_with_entities_is_refused(tmp_path):
    bomb = notice().replace(b"<cvrfdoc", b'<!DOCTYPE x [<!ENTITY a "aaaa">]><cvrfdoc', 1)
    with pytest.raises(UpkeepError) as error:
        rows(suse.SOURCE, "suse/one.xml", bomb, tmp_path)
    assert error.value.code == "feed_damaged"


# Damage

SOUND = {
    "redhat/cve.json": (redhat.SOURCE, vex(
        fixed=["BaseOS-9.3.0.Z.MAIN:curl-0:7.76.1-26.el9_3.2.src"],
        affected=["red_hat_enterprise_linux_8:nodejs:16/nodejs"],
        remediations=[{"category": "no_fix_planned", "details": "Will not fix", "product_ids": ["x"]}],
        threats=[{"category": "impact", "details": "Low", "product_ids": ["x"]}],
    )),
    "alma/errata-9.full.json": (alma.SOURCE, errata(erratum())),
    "rocky/record.json": (rocky.SOURCE, record()),
    "suse/one.json": (suse.SOURCE, suse_vex(known_affected=[f"{SLES}:bind"], recommended=[f"{SLES}:a-1-1"])),
}  # fmt: skip
ODD = [None, 0, -1, 1e400, "", "x", [], {}, [None], {"x": None}, True]


def only_damage(source, path, content, folder):
    try:
        return rows(source, path, content, folder)
    except UpkeepError as error:
        assert error.code == "feed_damaged", error.message
    return None


def places(value, path=()):
    """Where in a document something could be something else."""
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*path, name))
    elif isinstance(value, list):
        for number, each in enumerate(value[:3]):
            yield from places(each, (*path, number))


@pytest.mark.parametrize("path", sorted(SOUND))
def test_damaged_members(tmp_path, path):
    source, sound = SOUND[path]
    chance = random.Random(5)
    found = list(places(sound))[1:]
    for place in chance.sample(found, min(len(found), 150)):
        damaged = copy.deepcopy(sound)
        inner = damaged
        for step in place[:-1]:
            inner = inner[step]
        if chance.random() < 0.3:
            del inner[place[-1]]
        else:
            inner[place[-1]] = chance.choice(ODD)
        only_damage(source, path, json.dumps(damaged).encode(), tmp_path)


@pytest.mark.parametrize("path", [*sorted(SOUND), "suse/one.xml"])
def test_damaged_bytes(tmp_path, path):
    source, sound = SOUND.get(path, (suse.SOURCE, None))
    content = notice(f"{SLES}:bind-9.18-1.1") if sound is None else json.dumps(sound).encode()
    chance = random.Random(6)
    for _time in range(60):
        at = chance.randrange(len(content))
        only_damage(source, path, content[:at], tmp_path)
        only_damage(source, path, content[:at] + bytes([chance.randrange(256)]) + content[at + 1 :], tmp_path)


@pytest.mark.parametrize("path", ["rocky/osv-all.zip", "suse/cvrf1.2.tar.bz2", "redhat/csaf_vex.tar.zst"])
@settings(max_examples=25, deadline=None)
@given(content=some.binary(max_size=200))
def test_no_archive_at_all(tmp_path_factory, path, content):
    source = {"rocky": rocky.SOURCE, "suse": suse.SOURCE, "redhat": redhat.SOURCE}[path.partition("/")[0]]
    assert only_damage(source, path, content, tmp_path_factory.getbasetemp()) is None


def test_damaged_zip(tmp_path):
    whole = zipped({f"RLSA-{number}.json": json.dumps(record()) for number in range(3)})
    chance = random.Random(7)
    for _time in range(60):
        at = chance.randrange(len(whole))
        only_damage(
            rocky.SOURCE, "rocky/osv-all.zip", whole[:at] + bytes([chance.randrange(256)]) + whole[at + 1 :], tmp_path
        )


@pytest.mark.parametrize(
    ("source", "path", "slice_", "at_least"),
    [
        (redhat.SOURCE, "redhat/x.json", "redhat-csaf-vex/cve-2023-6228.json", 6),
        (redhat.SOURCE, "redhat/x.json", "redhat-csaf-vex/cve-2023-6237.json", 12),
        (alma.SOURCE, "alma/errata-8.full.json", "almalinux-errata/errata.full.json", 20),
        (rocky.SOURCE, "rocky/x.json", "rocky-osv/RLSA-2024_3671.json", 9),
        (suse.SOURCE, "suse/x.json", "suse-csaf-vex/cve-1999-0003.json", 0),
    ],
)
def test_slices_of_real_feeds(source, path, slice_, at_least):
    file = SLICES / slice_
    if not file.exists():
        pytest.skip("no slices of feeds here: UPKEEP_FEED_SLICES names their folder")
    found = [row for row in source.parse(Feed("https://example.org", path), file) if not isinstance(row, Edition)]
    assert len(found) >= at_least
