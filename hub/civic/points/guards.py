"""What the database itself promises about the ledger, whoever writes: its triggers, declared once for both engines.

Balances are kept by a trigger after each posting, not by our code: then a posting inserted by hand moves them too, and
cached sum and postings cannot part. An UPDATE of a balance is let through only when it applies exactly the next posting
of that account (`at_posting` grows, the difference is that posting's amount), so nobody can set a figure. Transactions
and postings are append-only; accounts are never deleted; a balance below the floor is refused by CHECK, and only a
reversal or a false-claim deduction lowers a floor.

Alembic's batch mode drops triggers without a word: tests compare the store after `upgrade head` with this list.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

_LOWERS_FLOOR = "('reversal', 'false_claim')"
_APPLIES = """EXISTS (SELECT 1 FROM points_posting p WHERE p.id = NEW.at_posting
    AND ((p.source = NEW.id AND NEW.balance = OLD.balance - p.amount)
      OR (p.destination = NEW.id AND NEW.balance = OLD.balance + p.amount)))"""
_SAME = "NEW.id = OLD.id AND NEW.kind = OLD.kind AND NEW.owner = OLD.owner AND NEW.unit = OLD.unit"
_GUARDED = "id, kind, owner, unit, balance, earned, floor, at_posting"
# Money has accounts of its own kinds; only `issue`, the source, is in both ledgers.
_MONEY = "('available', 'encumbered', 'spent', 'lapsed')"
_OPENS = f"""NEW.balance <> 0 OR NEW.earned <> 0 OR NEW.at_posting <> 0 OR COALESCE(NEW.floor, 0) <> 0
    OR NEW.id <> NEW.kind || '-' || NEW.owner OR NEW.unit NOT IN ('points', 'fen')
    OR (NEW.unit = 'fen') <> (substr(NEW.id, length(NEW.id) - 3) = '-fen') OR NEW.owner = ''
    OR (NEW.unit = 'points' AND NEW.kind IN {_MONEY})
    OR (NEW.unit = 'fen' AND NEW.kind <> 'issue' AND NEW.kind NOT IN {_MONEY})"""
# A transaction says by which rule, in whose chain and by which link.
_EXPLAINED = """NEW.rule IS NOT NULL AND NEW.area IS NOT NULL
    AND EXISTS (SELECT 1 FROM points_link WHERE id = NEW.link AND area = NEW.area)"""
# Both ends in one ledger, which an account's name tells (`_OPENS` sees to that): this is asked for every posting there
# is, and a look at two more rows costs more than all else in it. What is held leaves only whole, by settling the hold
# that brought it; a void goes back to where it came from. `|| ''` keeps SQLite from looking through all that was held.
_SOUND = """(substr(NEW.source, -4) = '-fen') = (substr(NEW.destination, -4) = '-fen')
    AND EXISTS (SELECT 1 FROM points_txn WHERE id = NEW.txn)
    AND (substr(NEW.destination, 1, 5) <> 'hold-' OR EXISTS (SELECT 1 FROM points_txn t
      WHERE t.id = NEW.txn AND t.until IS NOT NULL AND t.reason = 'hold'))
    AND (substr(NEW.source, 1, 5) <> 'hold-' OR EXISTS (SELECT 1 FROM points_txn t, points_posting h
      WHERE t.id = NEW.txn AND h.txn = t.settles AND h.destination || '' = NEW.source AND h.amount = NEW.amount
        AND (t.reason <> 'void' OR h.source = NEW.destination)))"""
_FOLLOWS = f"""NEW.prev = COALESCE((SELECT l.hash FROM points_link l WHERE l.area = NEW.area
      ORDER BY l.month DESC, l.seq DESC LIMIT 1), '{"0" * 64}')
    AND NEW.month >= COALESCE((SELECT MAX(l.month) FROM points_link l WHERE l.area = NEW.area), '')
    AND NEW.seq = 1 + COALESCE((SELECT MAX(l.seq) FROM points_link l WHERE l.area = NEW.area
      AND l.month = NEW.month), 0) AND NEW.entries > 0"""  # noqa: S608 - words of this file only
_WHY_OPENS = "points: an account opens once, empty, in its own ledger"
_WHY_EXPLAINED = "points: an entry says its rule and stands in a chain"
_WHY_SOUND = "points: a posting needs a transaction and two accounts of one ledger; what is held is settled whole"
_WHY_FOLLOWS = "points: a link follows the last one of its community"


def _apply(met: str) -> str:
    """The two updates of one posting; `met` looks whether each met its account: without foreign keys nobody would."""
    return f"""UPDATE points_account SET at_posting = NEW.id, balance = balance - NEW.amount,
    earned = earned - CASE WHEN substr(NEW.destination, 1, 6) = 'issue-' THEN NEW.amount ELSE 0 END,
    floor = CASE WHEN balance - NEW.amount < floor
      AND (SELECT t.reason FROM points_txn t WHERE t.id = NEW.txn) IN {_LOWERS_FLOOR}
      THEN balance - NEW.amount ELSE floor END
    WHERE id = NEW.source;{met}
  UPDATE points_account SET at_posting = NEW.id, balance = balance + NEW.amount,
    earned = earned + CASE WHEN substr(NEW.source, 1, 6) = 'issue-' THEN NEW.amount ELSE 0 END,
    floor = CASE WHEN floor < 0 THEN MIN(0, balance + NEW.amount) ELSE floor END
    WHERE id = NEW.destination;{met}"""  # noqa: S608 - words of this file only


def _sqlite(name: str, when: str, refuse: str, condition: str = "") -> str:
    where = f"\nWHEN {condition}" if condition else ""
    return f"CREATE TRIGGER {name} {when}{where}\nBEGIN\n  SELECT RAISE(ABORT, '{refuse}');\nEND"


# INSERT OR REPLACE deletes the old row without firing its delete trigger, so an id or reference that exists is refused
# first. A raw connection may have foreign keys off, so both ends and the transaction are looked for here as well.
SQLITE: dict[str, str] = {
    "points_posting_applied": "CREATE TRIGGER points_posting_applied AFTER INSERT ON points_posting\nBEGIN\n  "
    + _apply(f"\n  SELECT RAISE(ABORT, '{_WHY_SOUND}') WHERE changes() <> 1;")
    + "\nEND",
    "points_posting_sound": _sqlite(
        "points_posting_sound",
        "BEFORE INSERT ON points_posting",
        _WHY_SOUND,
        f"NOT ({_SOUND}) OR EXISTS (SELECT 1 FROM points_posting WHERE id = NEW.id)",  # noqa: S608 - as above
    ),
    "points_link_follows": _sqlite(
        "points_link_follows",
        "BEFORE INSERT ON points_link",
        _WHY_FOLLOWS,
        f"NOT ({_FOLLOWS}) OR EXISTS (SELECT 1 FROM points_link WHERE id = NEW.id)",  # noqa: S608 - words of this file only
    ),
    "points_txn_sound": _sqlite(
        "points_txn_sound",
        "BEFORE INSERT ON points_txn",
        "points: an entry is posted once, says its rule and stands in a chain",
        f"""NOT ({_EXPLAINED}) OR EXISTS (SELECT 1 FROM points_txn WHERE id = NEW.id)
    OR EXISTS (SELECT 1 FROM points_txn WHERE reference = NEW.reference)
    OR (NEW.reverses IS NOT NULL AND EXISTS (SELECT 1 FROM points_txn WHERE reverses = NEW.reverses))
    OR (NEW.settles IS NOT NULL AND EXISTS (SELECT 1 FROM points_txn WHERE settles = NEW.settles))""",  # noqa: S608 - as above
    ),
    "points_account_empty": _sqlite(
        "points_account_empty",
        "BEFORE INSERT ON points_account",
        _WHY_OPENS,
        f"""{_OPENS}
    OR EXISTS (SELECT 1 FROM points_account WHERE id = NEW.id OR (kind = NEW.kind AND owner = NEW.owner))""",  # noqa: S608 - words of this file only
    ),
    "points_account_guarded": _sqlite(
        "points_account_guarded",
        f"BEFORE UPDATE OF {_GUARDED} ON points_account",
        "points: a balance changes only by a posting",
        f"NOT ({_SAME} AND NEW.at_posting > OLD.at_posting AND {_APPLIES})",
    ),
    "points_account_kept": _sqlite(
        "points_account_kept", "BEFORE DELETE ON points_account", "points: an account is never deleted"
    ),
} | {
    f"points_{table}_{verb.lower()}": _sqlite(
        f"points_{table}_{verb.lower()}", f"BEFORE {verb} ON points_{table}", "points: the ledger is append-only"
    )
    for table in ("txn", "posting", "link")
    for verb in ("UPDATE", "DELETE")
}


# PostgreSQL looks at all that one statement wrote at once, and moves each account once: a batch has many postings and
# few accounts. That a balance moves only from inside a trigger says there what `_APPLIES` says above. A plan kept from
# when the ledger was empty would read all of it at every batch, so each batch gets a plan of its own.
_ALL = "REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT"
_LOWERED = f"""(SELECT COALESCE(SUM(p.amount), 0) FROM fresh p, points_txn t
      WHERE p.source = a.id AND t.id = p.txn AND t.reason IN {_LOWERS_FLOOR})"""  # noqa: S608 - words of this file only
_APPLY_ALL = f"""UPDATE points_account a SET at_posting = m.last, balance = a.balance + m.change,
    earned = a.earned + m.earned,
    floor = CASE WHEN a.balance + m.change < a.floor AND a.balance + m.change + {_LOWERED} >= LEAST(a.floor, a.balance)
      THEN a.balance + m.change WHEN a.floor < 0 THEN GREATEST(a.floor, LEAST(0, a.balance + m.change))
      ELSE a.floor END
    FROM (SELECT account, MAX(id) AS last, SUM(change)::bigint AS change, SUM(earned)::bigint AS earned
      FROM (SELECT source AS account, id, -amount AS change,
          CASE WHEN substr(destination, 1, 6) = 'issue-' THEN -amount ELSE 0 END AS earned FROM fresh
        UNION ALL SELECT destination, id, amount,
          CASE WHEN substr(source, 1, 6) = 'issue-' THEN amount ELSE 0 END FROM fresh) ends
      GROUP BY account) m
    WHERE a.id = m.account"""  # noqa: S608 - words of this file only
_UNSOUND = """EXISTS (SELECT 1 FROM fresh
      WHERE ((right(source, 4) = '-fen') = (right(destination, 4) = '-fen')) IS NOT TRUE)
    OR EXISTS (SELECT 1 FROM fresh f WHERE substr(f.destination, 1, 5) = 'hold-' AND NOT EXISTS (
      SELECT 1 FROM points_txn t WHERE t.id = f.txn AND t.until IS NOT NULL AND t.reason = 'hold'))
    OR EXISTS (SELECT 1 FROM fresh f WHERE substr(f.source, 1, 5) = 'hold-' AND NOT EXISTS (
      SELECT 1 FROM points_txn t, points_posting h
      WHERE t.id = f.txn AND h.txn = t.settles AND h.destination = f.source AND h.amount = f.amount
        AND (t.reason <> 'void' OR h.source = f.destination)))"""


def _postgres(refused: str, why: str, given: str = "NEW") -> str:
    return f"BEGIN\n  IF {refused} THEN\n    RAISE EXCEPTION '{why}';\n  END IF;\n  RETURN {given};\nEND"


_POSTGRES_BODIES: dict[str, str] = {
    "points_apply": f"BEGIN\n  {_APPLY_ALL};\n  RETURN NULL;\nEND",
    "points_refuse": "BEGIN\n  RAISE EXCEPTION 'points: the ledger is append-only';\nEND",
    "points_guard": _postgres(
        f"NOT ({_SAME} AND NEW.at_posting > OLD.at_posting AND pg_trigger_depth() > 1)",
        "points: a balance changes only by a posting",
    ),
    "points_empty": _postgres(_OPENS, _WHY_OPENS),
    "points_explained": _postgres(
        f"EXISTS (SELECT 1 FROM fresh WHERE NOT ({_EXPLAINED.replace('NEW.', 'fresh.')}))",  # noqa: S608 - as above
        _WHY_EXPLAINED,
        "NULL",
    ),
    "points_sound": _postgres(_UNSOUND, _WHY_SOUND, "NULL"),
    "points_follows": _postgres(f"NOT ({_FOLLOWS})", _WHY_FOLLOWS),
}
# name -> (table, when, level, function)
_POSTGRES_TRIGGERS: dict[str, tuple[str, str, str, str]] = {
    "points_posting_applied": ("points_posting", "AFTER INSERT", _ALL, "points_apply"),
    "points_account_empty": ("points_account", "BEFORE INSERT", "ROW", "points_empty"),
    "points_account_guarded": ("points_account", "BEFORE UPDATE", "ROW", "points_guard"),
    "points_account_kept": ("points_account", "BEFORE DELETE", "ROW", "points_refuse"),
    "points_posting_sound": ("points_posting", "AFTER INSERT", _ALL, "points_sound"),
    "points_txn_sound": ("points_txn", "AFTER INSERT", _ALL, "points_explained"),
    "points_link_follows": ("points_link", "BEFORE INSERT", "ROW", "points_follows"),
} | {
    f"points_{table}_{verb.lower()}": (f"points_{table}", f"BEFORE {verb}", level, "points_refuse")
    for table, verb, level in [
        *[(table, verb, "ROW") for table in ("txn", "posting", "link") for verb in ("UPDATE", "DELETE")],
        *[(table, "TRUNCATE", "STATEMENT") for table in ("txn", "posting", "account", "link")],
    ]
}
# Only the guarded columns: an account may move to another community with its person.
POSTGRES: dict[str, str] = {
    name: f"CREATE TRIGGER {name} {when}{' OF ' + _GUARDED if name == 'points_account_guarded' else ''} ON {table} "
    f"{level if level == _ALL else 'FOR EACH ' + level} EXECUTE FUNCTION {function}()"
    for name, (table, when, level, function) in _POSTGRES_TRIGGERS.items()
}
DECLARED: dict[str, dict[str, str]] = {"sqlite": SQLITE, "postgresql": POSTGRES}


def install(connection: Connection) -> None:
    """Put every declared trigger in place, in its newest form."""
    remove(connection)
    if connection.dialect.name == "postgresql":
        for name, body in _POSTGRES_BODIES.items():
            connection.execute(
                text(
                    f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql "
                    f"SET plan_cache_mode = force_custom_plan AS $points$ {body} $points$"
                )
            )
    for statement in DECLARED[connection.dialect.name].values():
        connection.execute(text(statement))


def remove(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        for name, (table, *_rest) in _POSTGRES_TRIGGERS.items():
            connection.execute(text(f"DROP TRIGGER IF EXISTS {name} ON {table}"))
        for name in _POSTGRES_BODIES:
            connection.execute(text(f"DROP FUNCTION IF EXISTS {name}()"))
        return
    for name in SQLITE:
        connection.execute(text(f"DROP TRIGGER IF EXISTS {name}"))


def missing(connection: Connection) -> list[str]:
    """The declared triggers that this store lacks or holds in another form, and those it holds undeclared."""
    declared = DECLARED[connection.dialect.name]
    found = _found(connection)
    return sorted(name for name in {*declared, *found} if found.get(name) != _squeezed(declared.get(name, "")))


def _found(connection: Connection) -> dict[str, str]:
    if connection.dialect.name == "postgresql":
        return _found_postgres(connection)
    rows: Any = connection.execute(
        text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'points\\_%' ESCAPE '\\'")
    )
    return {name: _squeezed(sql) for name, sql in rows}


def _found_postgres(connection: Connection) -> dict[str, str]:
    """As declared, where the trigger is on and its function is the declared one; otherwise as something else."""
    rows = connection.execute(
        text(
            "SELECT t.tgname, c.relname, p.proname, p.prosrc, t.tgenabled <> 'D' FROM pg_trigger t "
            "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid "
            "WHERE NOT t.tgisinternal AND c.relname LIKE 'points\\_%'"
        )
    )
    found = {}
    for name, table, function, source, on in rows:
        declared = _POSTGRES_TRIGGERS.get(name)
        whole = (
            declared is not None
            and on
            and (declared[0], declared[3]) == (table, function)
            and _squeezed(source) == _squeezed(_POSTGRES_BODIES[function])
        )
        found[name] = _squeezed(POSTGRES[name]) if whole else "something else"
    return found


def _squeezed(sql: str) -> str:
    return " ".join(sql.split())
