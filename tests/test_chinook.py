"""The whole road on somebody else's data: Chinook's customers become contacts."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from helpers import ROOT
from mappings import build

CHINOOK = ROOT.parent / "shared" / "data" / "chinook.sql"

MAPPING = """
mapping: contacts
source:
  table: chinook.customer
  columns: {customer_id: integer, first_name: text, last_name: text, company: text, address: text,
            city: text, state: text, country: text, postal_code: text, phone: text, fax: text,
            email: text, support_rep_id: integer}
target:
  table: crm.contact
  columns: {id: integer, first_name: text, last_name: text, full_name: text, company: text,
            email_address: text, country: text, stage: text}
key: [id]
columns:
  id: customer_id
  first_name: first_name
  last_name: last_name
  full_name: {from: "first_name || ' ' || last_name", back: none}
  company: company
  email_address: email
  country: country
  stage: {initial: "'customer'"}
contract: {archive: chinook_archive}
"""

TARGET = """
CREATE SCHEMA crm;
CREATE TABLE crm.contact (
    id            integer PRIMARY KEY,
    first_name    text NOT NULL,
    last_name     text NOT NULL,
    full_name     text,
    company       text,
    email_address text NOT NULL,
    country       text,
    stage         text NOT NULL DEFAULT 'lead'
);
"""


def chinook() -> str:
    """Chinook's script for a schema of an existing database; its file makes a database."""
    if not CHINOOK.exists():
        pytest.skip("shared/data/chinook.sql is not here: it is no part of the project")
    lines = CHINOOK.read_text(encoding="utf-8").splitlines()
    kept = [
        line for line in lines if not line.startswith(("DROP DATABASE", "CREATE DATABASE", "\\c"))
    ]
    return "\n".join(["CREATE SCHEMA chinook; SET search_path = chinook;", *kept, TARGET])


@pytest.mark.both
def test_customers_become_contacts_and_go_back(dsn: str, tmp_path: Path) -> None:
    contacts = build(dsn, MAPPING, chinook(), ("expand",), directory=tmp_path)
    with psycopg.connect(dsn, autocommit=True) as db:
        before = db.execute("TABLE chinook.customer ORDER BY customer_id").fetchall()
        assert len(before) > 50
        contacts.deploy("sync", "backfill")

        # Every row, renamed and derived.
        assert db.execute(
            "SELECT count(*) FROM crm.contact AS c"
            " JOIN chinook.customer AS o ON o.customer_id = c.id"
            " WHERE c.full_name = o.first_name || ' ' || o.last_name AND c.email_address = o.email"
        ).fetchone() == (len(before),)
        assert {row[0] for row in db.execute("SELECT stage FROM crm.contact")} == {"customer"}

        # Both sides write; what is derived follows.
        db.execute("UPDATE chinook.customer SET last_name = 'Ångström' WHERE customer_id = 1")
        db.execute("UPDATE crm.contact SET first_name = 'Zoë', stage = 'vip' WHERE id = 2")
        db.execute(
            "INSERT INTO crm.contact (id, first_name, last_name, email_address)"
            " VALUES (900, 'Neu', 'Kunde', 'neu@example.invalid')"
        )
        with pytest.raises(errors.Error) as refused:
            db.execute("UPDATE crm.contact SET full_name = 'someone else' WHERE id = 3")
        assert refused.value.sqlstate == "TD011"
        rows = dict(db.execute("SELECT id, full_name FROM crm.contact WHERE id IN (1, 2, 900)"))
        assert rows[1].endswith("Ångström")
        assert rows[2].startswith("Zoë ")
        assert rows[900] == "Neu Kunde"
        assert db.execute(
            "SELECT first_name FROM chinook.customer WHERE customer_id = 2"
        ).fetchone() == ("Zoë",)
        db.execute("CALL pgtandem.compare('contacts')")
        assert difference_count(db) == 0

        # An invoice still refers to the old table: contract names it and stays closed.
        with pytest.raises(AssertionError, match="invoice_customer_id_fkey"):
            contacts.deploy("contract")
        db.execute("ALTER TABLE chinook.invoice DROP CONSTRAINT invoice_customer_id_fkey")
        contacts.deploy("contract")

        # A straggler of the old side, on the view; the new side goes on.
        db.execute(
            "UPDATE chinook.customer SET fax = '+49 30 1', country = 'DE' WHERE customer_id = 1"
        )
        db.execute("DELETE FROM crm.contact WHERE id = 900")
        db.execute(
            "INSERT INTO crm.contact (id, first_name, last_name, full_name, email_address)"
            " VALUES (901, 'Later', 'Still', 'Later Still', 'later@example.invalid')"
        )
        assert db.execute(
            "SELECT fax, country FROM chinook.customer WHERE customer_id = 1"
        ).fetchone() == ("+49 30 1", "DE")

        # And back, to the very start, with every write of both.
        contacts.revert("contract")
        db.execute("CALL pgtandem.compare('contacts')")
        assert difference_count(db) == 0
        contacts.revert("backfill", "sync", "expand")
        after = {row[0]: row for row in db.execute("TABLE chinook.customer")}
        expected = {row[0]: list(row) for row in before}
        expected[1][2], expected[1][7], expected[1][10] = "Ångström", "DE", "+49 30 1"
        expected[2][1] = "Zoë"
        assert after.pop(901)[1:3] == ("Later", "Still")
        assert after == {key: tuple(row) for key, row in expected.items()}
        assert db.execute("SELECT to_regnamespace('chinook_archive')").fetchone() == (None,)


def difference_count(db: psycopg.Connection[tuple[int, ...]]) -> int:
    """Of the last comparison."""
    row = db.execute(
        "SELECT missing + extra + changed FROM pgtandem.comparison ORDER BY id DESC LIMIT 1"
    ).fetchone()
    assert row
    return row[0]
