# Copyright: (c) 2026, The Upkeep maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The index in SQL: its tables, and what is done as a load ends."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE source (
    name TEXT PRIMARY KEY, title TEXT, os_ids TEXT, max_age INTEGER, fetched_at TEXT, generated_at TEXT,
    checked_at TEXT, rows INTEGER, error TEXT, feeds TEXT, lacking TEXT
) WITHOUT ROWID;
CREATE TABLE statement (
    source TEXT, release TEXT, package TEXT, kind TEXT, vulnerability TEXT, status TEXT, fixed TEXT, advisory TEXT,
    advisory_published TEXT, severity TEXT, cvss REAL, published TEXT, deferred TEXT, module TEXT, subscription TEXT
);
CREATE INDEX statement_of ON statement (release, package, kind);
CREATE INDEX statement_from ON statement (source);
CREATE TABLE notice (
    source TEXT, advisory TEXT, published TEXT, release TEXT, package TEXT, fixed TEXT, vulnerabilities TEXT
);
CREATE INDEX notice_of ON notice (release, package);
CREATE TABLE exploited (source TEXT, vulnerability TEXT, added TEXT, due TEXT, ransomware INTEGER, title TEXT);
CREATE INDEX exploited_of ON exploited (vulnerability);
CREATE TABLE score (source TEXT, vulnerability TEXT, epss REAL, percentile REAL, scored TEXT);
CREATE INDEX score_of ON score (vulnerability);
CREATE TABLE known (vulnerability TEXT PRIMARY KEY, first_published TEXT) WITHOUT ROWID;
"""
# Which advisory brought which fix, one row a vulnerability: exists while a source is being replaced.
BROUGHT = """
CREATE TEMP TABLE IF NOT EXISTS brought (
    release TEXT, package TEXT, vulnerability TEXT, fixed TEXT, advisory TEXT, published TEXT
);
CREATE INDEX IF NOT EXISTS temp.brought_of ON brought (release, package, vulnerability);
"""
# In this order: an advisory that names the vulnerability and brought the very version, one that names it, one that
# brought the version.
MATCHES = (
    "brought.vulnerability = statement.vulnerability AND brought.fixed = statement.fixed",
    "brought.vulnerability = statement.vulnerability",
    "brought.vulnerability = '' AND brought.fixed = statement.fixed",
)
JOIN = """
UPDATE statement SET (advisory, advisory_published) = (
    SELECT advisory, published FROM brought
    WHERE brought.release = statement.release AND brought.package = statement.package AND {match}
    ORDER BY published LIMIT 1
) WHERE source = ? AND status = 'fixed' AND advisory IS NULL AND EXISTS (
    SELECT 1 FROM brought WHERE brought.release = statement.release AND brought.package = statement.package AND {match}
)
"""
# When a vulnerability was first spoken of, as far as any edition ever loaded says: no later edition moves it back.
REMEMBER = """
INSERT INTO known
SELECT vulnerability, min(said) FROM (
    SELECT vulnerability, published AS said FROM statement WHERE source = :source
    UNION ALL SELECT vulnerability, advisory_published FROM statement WHERE source = :source
    UNION ALL SELECT vulnerability, added FROM exploited WHERE source = :source
) WHERE said IS NOT NULL GROUP BY vulnerability
ON CONFLICT (vulnerability) DO UPDATE SET first_published = min(first_published, excluded.first_published)
"""
