"""One row of the source to several of the target."""

from __future__ import annotations

import psycopg
import pytest

from mappings import Built, build
from test_joins import call, differences

LEGACY = """
CREATE SCHEMA old; CREATE SCHEMA new;
CREATE TABLE old.profile (user_id integer PRIMARY KEY, data jsonb, created timestamp DEFAULT
    '2025-01-01', seen integer);
CREATE TABLE new.dimension (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id integer NOT NULL, kind text NOT NULL,
    raw jsonb NOT NULL, unlocked boolean DEFAULT false, at timestamp, UNIQUE (user_id, kind)
);
INSERT INTO old.profile
SELECT n, CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '{}'::jsonb
               WHEN 2 THEN jsonb_build_object('bazi', n, 'other', 1)
               ELSE jsonb_build_object('bazi', jsonb_build_object('n', n), 'zodiac', 'leo') END
FROM generate_series(1, 400) AS n;
"""

MAPPING = """
mapping: dimensions
source:
  table: old.profile
  columns: {user_id: integer, data: jsonb, created: timestamp}
target:
  table: new.dimension
  columns: {user_id: integer, kind: text, raw: jsonb, unlocked: boolean, at: timestamp}
  filter: kind IN ('bazi', 'zodiac')
rows:
  part: SELECT key, value FROM jsonb_each(data) AS j WHERE key IN ('bazi', 'zodiac')
key: [user_id, kind]
columns:
  user_id: user_id
  kind: part.key
  raw: part.value
  unlocked: {initial: "true"}
  at: {initial: created}
sync: {mode: queued, ways: forward}
"""


@pytest.fixture
def dimensions(dsn: str) -> Built:
    """The mapping, up to sync."""
    return build(dsn, MAPPING, LEGACY)


def test_backfill_and_sync(dimensions: Built) -> None:
    dsn = dimensions.dsn
    call(dsn, "INSERT INTO new.dimension (user_id, kind, raw) VALUES (1, 'tarot', '1')")
    assert len(differences(dsn, "pgtandem_dimensions")) == 300
    call(dsn, "CALL pgtandem.backfill('dimensions')")
    assert differences(dsn, "pgtandem_dimensions") == []
    dimensions.deploy("backfill")
    call(
        dsn,
        """
        UPDATE old.profile SET data = data - 'zodiac' WHERE user_id % 3 = 0;
        UPDATE old.profile SET data = data || '{"zodiac": "aries"}' WHERE user_id % 8 IN (1, 3, 7);
        UPDATE old.profile SET user_id = 1000 WHERE user_id = 7;
        DELETE FROM old.profile WHERE user_id IN (2, 11);
        INSERT INTO old.profile VALUES (2000, '{"bazi": null}'), (2001, 'null');
        """.replace(", (2001, 'null')", ""),
    )
    assert differences(dsn, "pgtandem_dimensions")
    call(dsn, "CALL pgtandem.drain('dimensions')")
    assert differences(dsn, "pgtandem_dimensions") == []
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT kind FROM new.dimension WHERE user_id = 1").fetchall()
    assert sorted(rows) == [("tarot",), ("zodiac",)]
    dimensions.revert("backfill", "sync", "expand")
