"""Feature flags: the commands, the rule as Python has it, sessions at once, roles."""

from __future__ import annotations

import hashlib
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from command_line import as_json, pgtandem
from helpers import OWNER, Session, sqitch

HAS_PAID = """
    CREATE SCHEMA app;
    CREATE TABLE app.payment (user_id text);
    INSERT INTO app.payment VALUES ('7');
    CREATE FUNCTION app.has_paid(p_user text) RETURNS boolean
    LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
    AS $$ SELECT EXISTS (SELECT FROM app.payment WHERE user_id = p_user) $$;
"""
NASTY = ['it\'s "v5"; --', " Two  words ", "UPPER", "林黛玉 🦊", "ü" * 100, "%s {0} \\n"]


def in_rollout(user: str, percentage: int) -> bool:
    """The rule, as the application of old has it in Python."""
    return int(hashlib.md5(user.encode()).hexdigest(), 16) % 100 < percentage  # noqa: S324


def rollout(*arguments, dsn, code=0):
    out, err = pgtandem("rollout", *arguments, dsn=dsn, code=code)
    return err if code else out


def value(connection, query, parameters=None):
    return connection.execute(query, parameters).fetchone()[0]


# The commands.


@pytest.mark.both
def test_set_says_from_what_to_what(dsn):
    for state, said in (
        ("5", "v5: a new flag, 5 %."),
        ("20%", "v5: from 5 % to 20 %."),
        ("20", "v5: 20 % already; nothing was changed."),
        ("12", "v5: from 20 % to 12 %. Some who had it have it no longer."),
        ("on", "v5: from 12 % to on."),
        ("off", "v5: from on to off, for everybody, the allow list included."),
    ):
        assert rollout("set", "v5", state, dsn=dsn) == f"{said}\n"


def test_what_is_switched_off_must_be_there(dsn):
    rollout("set", "v5_memory", "20", dsn=dsn)
    for state in ("off", " OFF "):
        err = rollout("set", "v5_memroy", state, dsn=dsn, code=2)
        assert err == (
            'Error: There is no flag "v5_memroy". (SQLSTATE TD050)\n'
            'Detail: Flags: v5_memory.\nHint: Did you mean "v5_memory"?\n'
        )
    assert [flag["flag"] for flag in as_json("rollout", "status", dsn=dsn)["flags"]] == [
        "v5_memory"
    ]


@pytest.mark.both
def test_next_and_back_go_by_stages(dsn):
    rollout("set", "v5", "0", dsn=dsn)
    assert [rollout("next", "v5", dsn=dsn) for _ in range(4)] == [
        "v5: from 0 % to 1 %.\n", "v5: from 1 % to 5 %.\n", "v5: from 5 % to 20 %.\n",
        "v5: from 20 % to 100 %.\n",
    ]  # fmt: skip
    assert "(SQLSTATE TD054)\nDetail: Its stages: 1, 5, 20, 100.\nHint: " in rollout(
        "next", "v5", dsn=dsn, code=2
    )
    assert rollout("back", "v5", "--reason", "slow", dsn=dsn) == (
        "v5: from 100 % to 20 %. Some who had it have it no longer.\n"
    )
    assert rollout("stages", "v5", "2", "50", dsn=dsn) == "v5: its stages are 2, 50.\n"
    assert rollout("next", "v5", dsn=dsn) == "v5: from 20 % to 50 %.\n"
    rollout("back", "v5", dsn=dsn)
    assert rollout("back", "v5", dsn=dsn).startswith("v5: from 2 % to off, ")
    assert "(SQLSTATE TD054)" in rollout("back", "v5", dsn=dsn, code=2)


@pytest.mark.both
def test_lists_cohorts_and_which_rule_decides(dsn, conn):
    conn.execute(HAS_PAID)
    rollout("set", "v5", "50", dsn=dsn)
    assert rollout("allow", "v5", "a", "b", "b", dsn=dsn) == (
        "v5: 2 users are on the allow list now.\n"
    )
    assert rollout("deny", "v5", "b", "c", "--reason", "broke", dsn=dsn) == (
        "v5: 2 users are on the deny list now.\n"
    )
    assert rollout("deny", "v5", "b", "d", dsn=dsn) == (
        "v5: 1 user is on the deny list now, 1 already.\n"
    )
    assert rollout("forget", "v5", "d", "e", dsn=dsn) == (
        "v5: 1 user is on no list now, 1 already.\n"
    )
    assert rollout("cohort", "v5", "app.has_paid", dsn=dsn) == (
        "v5: its cohorts are app.has_paid.\n"
    )
    assert rollout("cohort", "v5", "app.has_paid", dsn=dsn) == (
        "v5: its cohorts are app.has_paid; nothing was changed.\n"
    )
    for user, said in (
        ("a", "v5 is on for a: the allow list.\n"),
        ("b", "v5 is off for b: the deny list.\n"),
        ("7", "v5 is on for 7: the cohort app.has_paid.\n"),
        ("1", "v5 is on for 1: bucket 11 of 0 to 99, and it is at 50 %.\n"),
        ("42", "v5 is off for 42: bucket 74 of 0 to 99, and it is at 50 %.\n"),
    ):
        assert rollout("check", "v5", user, dsn=dsn) == said
    assert as_json("rollout", "check", "v5", "42", dsn=dsn) == {
        "flag": "v5", "user": "42", "enabled": False, "rule": "outside", "bucket": 74,
        "state": "percentage", "percentage": 50,
    }  # fmt: skip
    assert rollout("cohort", "v5", "app.has_paid", "--remove", dsn=dsn) == "v5: it has no cohort.\n"
    rollout("set", "v5", "on", dsn=dsn)
    assert rollout("check", "v5", "42", dsn=dsn) == "v5 is on for 42: it is on for everybody.\n"
    rollout("set", "v5", "off", dsn=dsn)
    assert rollout("check", "v5", "a", dsn=dsn) == "v5 is off for a: it is off for everybody.\n"
    assert rollout("allow", "v5", "z", dsn=dsn).endswith(
        "It is off for everybody. For the allow list alone: pgtandem rollout set v5 0\n"
    )


@pytest.mark.both
def test_status_and_history(dsn, conn):
    assert rollout("status", dsn=dsn).startswith("There is no flag yet. ")
    assert rollout("history", dsn=dsn) == "Nothing was changed yet.\n"
    assert as_json("rollout", "status", dsn=dsn) == {"flags": []}
    rollout("set", "v5", "5", "--reason", "early users", dsn=dsn)
    rollout("set", "v6", "on", dsn=dsn)
    rollout("allow", "v5", *map(str, range(12)), dsn=dsn)
    lines = rollout("status", dsn=dsn).splitlines()
    assert lines[0].split() == ["flag", "state", "allowed", "denied", "changed", "by", "cohorts"]
    assert lines[1].split()[:5] == ["v5", "5", "%", "12", "0"]
    assert lines[2].split()[:4] == ["v6", "on", "0", "0"]
    first, second = as_json("rollout", "status", dsn=dsn)["flags"]
    assert first.pop("changed_at") > second["changed_at"]
    assert first == {
        "flag": "v5", "state": "percentage", "percentage": 5, "allowed": 12, "denied": 0,
        "cohorts": [], "stages": [1, 5, 20, 100], "changed_by": OWNER,
    }  # fmt: skip
    assert second["percentage"] == 100

    one = rollout("status", "v5", dsn=dsn)
    assert "allow list  0, 1, 10, 11, 2, 3, 4, 5, 6, 7, and 2 more\n" in one
    assert "\nlast changes\n" in one
    document = as_json("rollout", "status", "v5", dsn=dsn)
    assert document["users"][0] == {"user": "0", "list": "allow"}
    assert len(document["history"]) == 10

    change = as_json("rollout", "history", "v5", dsn=dsn)["history"][0]
    assert change.pop("id")
    assert change.pop("changed_at")
    assert change == {
        "flag": "v5", "what": "state", "subject": None, "old": None, "new": "5 %", "role": OWNER,
        "application": "pgtandem", "reason": "early users",
    }  # fmt: skip
    assert len(as_json("rollout", "history", "--limit", "2", dsn=dsn)["history"]) == 2
    assert as_json("rollout", "history", "v6", dsn=dsn)["history"][0]["new"] == "on"
    text = rollout("history", "v5", "--limit", "13", dsn=dsn)
    assert "early users" in text.splitlines()[1]
    assert all(" user " in line for line in text.splitlines()[2:])

    assert rollout("drop", "v5", "--reason", "code is gone", dsn=dsn).startswith("v5: dropped. ")
    assert value(conn, "SELECT pgtandem.enabled('v5', '1')") is False
    last = as_json("rollout", "history", "v5", dsn=dsn)["history"][-1]
    assert (last["old"], last["new"], last["reason"]) == ("5 %", None, "code is gone")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("next", "none"), "TD050", "Detail: Flags: v5."),
        (("back", "none"), "TD050", "Hint: Mend the name, or make the flag: "),
        (("stages", "none", "1"), "TD050", "Flags: v5."),
        (("allow", "none", "a"), "TD050", "Flags: v5."),
        (("deny", "none", "a"), "TD050", "Flags: v5."),
        (("forget", "none", "a"), "TD050", "Flags: v5."),
        (("cohort", "none", "app.x"), "TD050", "Flags: v5."),
        (("cohort", "none", "app.x", "--remove"), "TD050", "Flags: v5."),
        (("drop", "none"), "TD050", "Flags: v5."),
        (("status", "none"), "TD050", "Hint: pgtandem rollout status lists them."),
        (("history", "none"), "TD050", "Flags: v5."),
        (("check", "none", "a"), "TD050", "Flags: v5."),
        (("set", "v5", "0.5"), "TD051", "Detail: There are 100 buckets of users, so a part"),
        (("set", "v5", "101"), "TD051", '"101" is no state of a flag'),
        (("set", "v5", "yes"), "TD051", "Hint: on, off, or a whole percentage from 0 to 100."),
        (("set", "v5", ""), "TD051", '"" is no state of a flag'),
        (("stages", "v5", "5", "1"), "TD051", "{5,1} are no stages of a flag"),
        (("cohort", "v5", "has_paid"), "TD052", "Hint: Name it with its schema: CREATE FUNCTION"),
        (("set", "", "5"), "TD053", '"" is no name of a flag'),
        (("allow", "v5", ""), "TD053", '"" is no user'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_changes_nothing(conn, dsn, arguments, code, words):
    conn.execute("SELECT pgtandem.set_flag('v5', 5)")
    err = rollout(*arguments, dsn=dsn, code=2)
    assert err.startswith("Error: ")
    assert f"(SQLSTATE {code})" in err
    assert words in err
    assert value(conn, "SELECT count(*) FROM pgtandem.flag_change") == 1
    assert conn.execute("SELECT name, percentage FROM pgtandem.flag").fetchall() == [("v5", 5)]


@pytest.mark.parametrize(
    "arguments",
    [("set", "v5"), ("allow", "v5"), ("stages", "v5", "few"), ("check", "v5"), ("nothing",),
     ("history", "--limit", "0")],
)  # fmt: skip
def test_a_wrong_call_is_refused(dsn, arguments):
    assert "Error: " in rollout(*arguments, dsn=dsn, code=2)


@pytest.mark.parametrize("arguments", [("status",), ("set", "v5", "5"), ("allow", "v5", "a")])
def test_no_engine_or_an_older_one_or_no_rights(empty_dsn, dsn, as_user, arguments):
    for where in (empty_dsn, dsn):
        if where == dsn:
            sqitch("revert", "-y", "--to-change", "columns", dsn=dsn)
        err = rollout(*arguments, dsn=where, code=2)
        assert err.startswith('Error: The engine is not in the database "test_')
        assert "Hint: pgtandem init deploys it" in err
    err = rollout(*arguments, dsn=as_user(dsn, "old_app"), code=2)
    assert 'Error: The role "old_app" may not use the engine. (SQLSTATE 42501)' in err


@pytest.mark.both
def test_odd_names_of_flags_and_users(dsn, conn):
    conn.execute('CREATE SCHEMA "It\'s ""A"" 林"')
    conn.execute(
        'CREATE FUNCTION "It\'s ""A"" 林"."%s Ü"(text) RETURNS boolean LANGUAGE sql STABLE'
        " PARALLEL SAFE SET search_path = pg_catalog AS $$ SELECT $1 = 'x' $$"
    )
    for flag, user in zip(NASTY, reversed(NASTY), strict=True):
        assert rollout("set", flag, "0", dsn=dsn) == f"{flag}: a new flag, 0 %.\n"
        rollout("allow", flag, user, dsn=dsn)
        assert value(conn, "SELECT pgtandem.enabled(%s, %s)", (flag, user))
        found = as_json("rollout", "status", flag, dsn=dsn)
        assert found["flag"] == flag
        assert [each["user"] for each in found["users"]] == [user]
    assert rollout("status", dsn=dsn).count("\n") == len(NASTY) + 1
    assert rollout("set", 'it\'s "v4"', "off", dsn=dsn, code=2).startswith("Error: There is no")
    rollout("cohort", NASTY[0], '"It\'s ""A"" 林"."%s Ü"', dsn=dsn)
    said = rollout("check", NASTY[0], "x", dsn=dsn)
    assert said == f'{NASTY[0]} is on for x: the cohort "It\'s ""A"" 林"."%s Ü".\n'


# The rule.

percentages = st.integers(0, 100)
names = st.text(
    st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=60
) | st.uuids().map(str) | st.integers(-(2**63), 2**63 - 1).map(str)  # fmt: skip
TRY = settings(
    deadline=None, database=None, max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip


@pytest.fixture
def asked(conn):
    """What SQL says of a user at each percentage from 0 to 100."""
    conn.execute(
        "SELECT pgtandem.set_flag('at ' || n, n::numeric) FROM generate_series(0, 100) AS n"
    )

    def ask(user: object) -> list[bool]:
        return value(
            conn,
            "SELECT array_agg(pgtandem.enabled('at ' || n, %s) ORDER BY n)"
            " FROM generate_series(0, 100) AS n",
            (user,),
        )

    return ask


@pytest.mark.both
def test_sql_and_python_agree_and_more_percent_is_never_less(asked):
    @TRY
    @given(user=names)
    def check(user):
        said = asked(user)
        assert said == [in_rollout(user, percentage) for percentage in range(101)]
        assert said == sorted(said)  # monotone: off, then on

    check()


@pytest.mark.both
def test_uuids_and_numbers_are_their_text_in_python(asked):
    @TRY
    @given(user=st.uuids() | st.integers(-(2**63), 2**63 - 1))
    def check(user):
        assert asked(user) == [in_rollout(str(user), percentage) for percentage in range(101)]

    check()
    assert asked(UUID("123E4567E89B12D3A456426614174000")) == asked(
        "123e4567-e89b-12d3-a456-426614174000"
    )


@pytest.mark.both
def test_raising_a_flag_step_by_step_switches_nobody_off(conn):
    """All the ways up, with lists and a cohort, by one flag that is set again and again."""
    conn.execute(HAS_PAID)
    conn.execute("SELECT pgtandem.set_flag('v5', 'off')")
    conn.execute("SELECT pgtandem.add_cohort('v5', 'app.has_paid')")
    conn.execute("SELECT pgtandem.set_flag_users('v5', 'allow', '{1,2,3}')")
    conn.execute("SELECT pgtandem.set_flag_users('v5', 'deny', '{4,5,6}')")
    had: set[str] = set()
    for state in ("off", *map(str, range(101)), "on"):
        conn.execute("SELECT pgtandem.set_flag('v5', %s::text)", (state,))
        rows = conn.execute(
            "SELECT n::text FROM generate_series(1, 500) AS n WHERE pgtandem.enabled('v5', n)"
        )
        has = {user for (user,) in rows}
        assert had <= has
        had = has
        if state == "0":
            assert has == {"1", "2", "3", "7"}
    assert len(had) == 497


@pytest.mark.both
def test_the_rule_is_of_utf_8_whatever_the_database_is(server):
    """As Python encodes; a LATIN1 server has other bytes for the same name."""
    with psycopg.connect(server.dsn(), autocommit=True) as admin:
        admin.execute(
            "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0 OWNER " + OWNER
        )
        try:
            dsn = server.dsn("latin", OWNER)
            sqitch("deploy", dsn=dsn)
            with psycopg.connect(dsn, autocommit=True) as latin:
                for user in ("Müller", "ñandú", "Ünal & Søn"):
                    bucket = value(latin, "SELECT pgtandem.bucket(%s)", (user,))
                    assert in_rollout(user, bucket + 1)
                    assert not in_rollout(user, bucket)
        finally:
            admin.execute("DROP DATABASE latin")


@pytest.mark.both
def test_in_parallel_workers_it_is_the_same(conn):
    conn.execute(HAS_PAID)
    conn.execute("CREATE TABLE app.account AS SELECT n AS id FROM generate_series(1, 20000) AS n")
    conn.execute("ANALYZE app.account")
    conn.execute("SELECT pgtandem.set_flag('v5', 20)")
    conn.execute("SELECT pgtandem.add_cohort('v5', 'app.has_paid')")
    conn.execute("SELECT pgtandem.set_flag_users('v5', 'allow', '{42}')")
    query = "SELECT count(*) FROM app.account WHERE pgtandem.enabled('v5', id)"
    alone = value(conn, query)
    for name in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
        conn.execute(sql.SQL("SET {} = 0").format(sql.Identifier(name)))
    plan = conn.execute("EXPLAIN (ANALYZE, COSTS off, TIMING off) " + query).fetchall()
    assert any("Workers Launched: 2" in line for (line,) in plan), plan
    assert value(conn, query) == alone == 2 + sum(in_rollout(str(n), 20) for n in range(1, 20001))


# Several sessions.


@pytest.mark.both
def test_of_two_who_set_a_flag_one_waits_and_the_history_is_a_chain(dsn):
    with Session(dsn) as one, Session(dsn) as two:
        one.run("BEGIN")
        one.run("SELECT pgtandem.set_flag('v5', 5)")
        two.send("SELECT * FROM pgtandem.set_flag('v5', 20)").waits_for_lock(one)  # both make it
        one.run("COMMIT")
        assert two.result() == [("5 %", "20 %", False)]
        one.run("BEGIN")
        one.run("SELECT pgtandem.set_flag('v5', 'off')")
        two.send("SELECT * FROM pgtandem.next_stage('v5')").waits_for_lock(one)
        one.run("COMMIT")
        assert two.result() == [("off", "1 %", False)]
        one.run("BEGIN")
        one.run("SELECT pgtandem.set_flag_users('v5', 'allow', '{a,b}')")
        two.send("SELECT pgtandem.set_flag_users('v5', 'deny', '{b,a}')").waits_for_lock(one)
        one.run("COMMIT")
        assert two.result() == [(2,)]
        chain = two.run(
            "SELECT coalesce(subject, ''), old, new FROM pgtandem.flag_change ORDER BY id"
        )
        assert [each for each in chain if each[0] in {"", "a"}] == [
            ("", None, "5 %"), ("", "5 %", "20 %"), ("", "20 %", "off"), ("", "off", "1 %"),
            ("a", None, "allow"), ("a", "allow", "deny"),
        ]  # fmt: skip


@pytest.mark.both
def test_above_read_committed_nothing_is_overwritten_unseen(dsn, conn):
    conn.execute(HAS_PAID)
    conn.execute("SELECT pgtandem.set_flag('v5', 5)")
    with Session(dsn) as one, Session(dsn) as two:
        two.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
        two.run("SELECT count(*) FROM pgtandem.flag")
        one.run("SELECT pgtandem.set_flag('v5', 20)")
        with pytest.raises(psycopg.errors.SerializationFailure):
            two.run("SELECT pgtandem.set_flag('v5', 50)")
        two.run("ROLLBACK")
        for call in ("add_cohort('v5', 'app.has_paid')", "remove_cohort('v5', 'app.has_paid')",
                     "drop_flag('v5')"):  # fmt: skip
            two.run("BEGIN ISOLATION LEVEL SERIALIZABLE")
            with pytest.raises(psycopg.Error) as caught:
                two.run(f"SELECT pgtandem.{call}")
            assert caught.value.sqlstate == "TD055"
            assert caught.value.diag.message_hint == "BEGIN ISOLATION LEVEL READ COMMITTED."
            two.run("ROLLBACK")


@pytest.mark.both
def test_two_sessions_that_add_cohorts_lose_none(dsn, conn):
    conn.execute(HAS_PAID)
    conn.execute(
        "CREATE FUNCTION app.is_new(text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE"
        " SET search_path = pg_catalog AS $$ SELECT $1 = 'new' $$"
    )
    conn.execute("SELECT pgtandem.set_flag('v5', 0), pgtandem.set_flag('v6', 0)")
    with Session(dsn) as one, Session(dsn) as two:
        one.run("BEGIN")
        one.run("SELECT pgtandem.add_cohort('v5', 'app.has_paid')")
        two.send("SELECT pgtandem.add_cohort('v6', 'app.is_new')").waits_for_lock(one)
        one.run("COMMIT")
        assert two.result() == [(True,)]
    assert conn.execute(
        "SELECT pgtandem.enabled('v5', '7'), pgtandem.enabled('v5', 'new'),"
        " pgtandem.enabled('v6', '7'), pgtandem.enabled('v6', 'new')"
    ).fetchone() == (True, False, False, True)


@pytest.mark.both
def test_who_asks_never_waits_for_who_changes(dsn, conn):
    conn.execute(HAS_PAID)
    conn.execute("SELECT pgtandem.set_flag('v5', 0)")
    conn.execute("SELECT pgtandem.add_cohort('v5', 'app.has_paid')")
    ask = "SELECT pgtandem.enabled('v5', '7'), pgtandem.enabled('v5', 'a')"
    with Session(dsn) as change, Session(dsn) as reader:
        reader.run("SET lock_timeout = '1s'")
        for statement in (
            "SELECT pgtandem.set_flag('v5', 100)",
            "SELECT pgtandem.set_flag_users('v5', 'allow', '{a}')",
            "SELECT pgtandem.remove_cohort('v5', 'app.has_paid')",
            "SELECT pgtandem.drop_flag('v5')",
        ):
            change.run("BEGIN")
            change.run(statement)
            reader.run("BEGIN")
            assert reader.run(ask) == [(True, False)]
            locks = conn.execute(
                "SELECT l.mode, l.granted, c.oid IS NOT NULL FROM pg_locks AS l"
                " LEFT JOIN pg_class AS c ON c.oid = l.relation"
                " WHERE l.pid = %s AND l.locktype <> 'virtualxid'",
                (reader.pid,),
            ).fetchall()
            assert locks
            assert set(locks) == {("AccessShareLock", True, True)}
            # Nor does who changes wait for a reader that stays in its transaction.
            change.run("ROLLBACK")
            change.run("BEGIN")
            change.run("SET LOCAL lock_timeout = '1s'")
            change.run(statement)
            change.run("ROLLBACK")
            reader.run("COMMIT")


# Roles.


@pytest.mark.both
def test_an_application_needs_one_function_and_gets_no_more(dsn, conn, as_user):
    conn.execute(HAS_PAID)
    conn.execute("SELECT pgtandem.set_flag('v5', 0)")
    conn.execute("SELECT pgtandem.add_cohort('v5', 'app.has_paid')")
    with psycopg.connect(as_user(dsn, "new_app"), autocommit=True) as application:

        def refused(query):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                application.execute(query)

        ask = "SELECT pgtandem.enabled('v5', '7')"
        refused(ask)
        conn.execute("GRANT USAGE ON SCHEMA pgtandem TO new_app")
        refused(ask)
        refused("SELECT pgtandem.enabled('v5', 7)")
        refused("SELECT pgtandem.enabled('v5', gen_random_uuid())")
        conn.execute("GRANT EXECUTE ON FUNCTION pgtandem.enabled(text, text) TO new_app")
        assert value(application, ask) is True
        assert value(application, "SELECT pgtandem.enabled('v5', 7)") is True
        assert value(application, "SELECT pgtandem.enabled('v5', gen_random_uuid())") is False
        assert value(application, "SELECT pgtandem.enabled('v5')") is False
        for query in (
            "SELECT * FROM pgtandem.flag", "SELECT * FROM pgtandem.flag_user",
            "SELECT * FROM pgtandem.flag_change", "SELECT * FROM pgtandem.rollout_status",
            "SELECT pgtandem.flag_rule('v5', '7')", "SELECT pgtandem.set_flag('v5', 100)",
            "SELECT pgtandem.next_stage('v5')", "SELECT pgtandem.previous_stage('v5')",
            "SELECT pgtandem.set_stages('v5', '{1}')",
            "SELECT pgtandem.set_flag_users('v5', 'allow', '{a}')",
            "SELECT pgtandem.add_cohort('v5', 'app.has_paid')",
            "SELECT pgtandem.remove_cohort('v5', 'app.has_paid')",
            "SELECT pgtandem.drop_flag('v5')", "SELECT app.has_paid('7')",
            "SELECT pgtandem._in_cohort('app.has_paid', '7')", "SELECT * FROM app.payment",
            "SELECT pgtandem._bind_cohorts()",
        ):  # fmt: skip
            refused(query)
        # Objects of the application's own do not get between, though it may make temporary ones.
        application.execute("CREATE TEMPORARY TABLE flag (name text, state text)")
        application.execute("CREATE TEMPORARY TABLE payment AS SELECT 'x' AS user_id")
        application.execute("SET search_path = pg_temp, app, pgtandem, pg_catalog")
        assert value(application, ask) is True
        assert value(application, "SELECT pgtandem.enabled('v5', 'x')") is False


@pytest.mark.both
def test_a_member_of_the_owner_may_change_flags_and_is_named(dsn, conn, as_user):
    conn.execute(HAS_PAID)
    with psycopg.connect(as_user(dsn, "postgres"), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE ana LOGIN IN ROLE {OWNER}")
        try:
            ana = as_user(dsn, "ana")
            rollout("set", "v5", "5", dsn=ana)
            rollout("cohort", "v5", "app.has_paid", dsn=ana)
            rollout("allow", "v5", "a", dsn=ana)
            assert rollout("check", "v5", "7", dsn=ana) == (
                "v5 is on for 7: the cohort app.has_paid.\n"
            )
        finally:
            admin.execute("DROP ROLE ana")
    whats = "SELECT DISTINCT role FROM pgtandem.flag_change"
    assert conn.execute(whats).fetchall() == [("ana",)]
    assert value(conn, "SELECT changed_by FROM pgtandem.rollout_status") == "ana"


@pytest.mark.both
def test_nobody_else_s_function_becomes_a_cohort(dsn, conn, as_user):
    """It would run with the rights of the engine's owner, and its owner may change it at will."""
    conn.execute("SELECT pgtandem.set_flag('v5', 5)")
    conn.execute("CREATE SCHEMA app")
    conn.execute("GRANT USAGE, CREATE ON SCHEMA app TO old_app")
    make = (
        "CREATE FUNCTION app.mine(text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE"
        " SET search_path = pg_catalog AS 'SELECT true'"
    )
    with psycopg.connect(as_user(dsn, "old_app"), autocommit=True) as old_app:
        old_app.execute(make)
    err = rollout("cohort", "v5", "app.mine", dsn=dsn, code=2)
    assert "Error: app.mine cannot be a cohort (SQLSTATE TD052)\n" in err
    assert (
        f"Detail: Its owner old_app is no member of {OWNER}, with whose rights it would run.\n"
        in err
    )
    # A superuser's is, if the owner may execute it.
    with psycopg.connect(as_user(dsn, "postgres"), autocommit=True) as admin:
        admin.execute("DROP FUNCTION app.mine")
        admin.execute(make)
        admin.execute("REVOKE EXECUTE ON FUNCTION app.mine FROM PUBLIC")
        assert f"{OWNER} may not execute it." in rollout(
            "cohort", "v5", "app.mine", dsn=dsn, code=2
        )
        admin.execute(f"GRANT EXECUTE ON FUNCTION app.mine TO {OWNER}")
    rollout("cohort", "v5", "app.mine", dsn=dsn)
    assert value(conn, "SELECT pgtandem.enabled('v5', '7')") is True
