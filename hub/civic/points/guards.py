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
_SOUND = """({end}(NEW.source, {four}) = '-fen' AND {end}(NEW.destination, {four}) = '-fen'
    OR {end}(NEW.source, {four}) <> '-fen' AND {end}(NEW.destination, {four}) <> '-fen')
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


def _apply(source_lowest: str, met: str = "") -> str:
    """The two updates of one posting; `source_lowest` spells the smaller of two numbers on this engine, `met` looks
    whether the update met its account: without foreign keys nobody else would."""
    return f"""UPDATE points_account SET at_posting = NEW.id, balance = balance - NEW.amount,
    earned = earned - CASE WHEN substr(NEW.destination, 1, 6) = 'issue-' THEN NEW.amount ELSE 0 END,
    floor = CASE WHEN balance - NEW.amount < floor
      AND (SELECT t.reason FROM points_txn t WHERE t.id = NEW.txn) IN {_LOWERS_FLOOR}
      THEN balance - NEW.amount ELSE floor END
    WHERE id = NEW.source;{met}
  UPDATE points_account SET at_posting = NEW.id, balance = balance + NEW.amount,
    earned = earned + CASE WHEN substr(NEW.source, 1, 6) = 'issue-' THEN NEW.amount ELSE 0 END,
    floor = CASE WHEN floor < 0 THEN {source_lowest}(0, balance + NEW.amount) ELSE floor END
    WHERE id = NEW.destination;{met}"""  # noqa: S608 - words of this file only


def _sqlite(name: str, when: str, refuse: str, condition: str = "") -> str:
    where = f"\nWHEN {condition}" if condition else ""
    return f"CREATE TRIGGER {name} {when}{where}\nBEGIN\n  SELECT RAISE(ABORT, '{refuse}');\nEND"


# INSERT OR REPLACE deletes the old row without firing its delete trigger, so an id or reference that exists is refused
# first. A raw connection may have foreign keys off, so both ends and the transaction are looked for here as well.
SQLITE: dict[str, str] = {
    "points_posting_applied": "CREATE TRIGGER points_posting_applied AFTER INSERT ON points_posting\nBEGIN\n  "
    + _apply("MIN", f"\n  SELECT RAISE(ABORT, '{_WHY_SOUND}') WHERE changes() <> 1;")
    + "\nEND",
    "points_posting_sound": _sqlite(
        "points_posting_sound",
        "BEFORE INSERT ON points_posting",
        _WHY_SOUND,
        f"NOT ({_SOUND.format(end='substr', four=-4)}) OR EXISTS (SELECT 1 FROM points_posting WHERE id = NEW.id)",  # noqa: S608 - as above
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


def _postgres(refused: str, why: str) -> str:
    return f"BEGIN\n  IF {refused} THEN\n    RAISE EXCEPTION '{why}';\n  END IF;\n  RETURN NEW;\nEND"


_POSTGRES_BODIES: dict[str, str] = {
    "points_apply": "BEGIN\n  " + _apply("LEAST") + "\n  RETURN NULL;\nEND",
    "points_refuse": "BEGIN\n  RAISE EXCEPTION 'points: the ledger is append-only';\nEND",
    "points_guard": _postgres(
        f"NOT ({_SAME} AND NEW.at_posting > OLD.at_posting AND {_APPLIES})",
        "points: a balance changes only by a posting",
    ),
    "points_empty": _postgres(_OPENS, _WHY_OPENS),
    "points_explained": _postgres(f"NOT ({_EXPLAINED})", _WHY_EXPLAINED),
    "points_sound": _postgres(f"({_SOUND.format(end='right', four=4)}) IS NOT TRUE", _WHY_SOUND),
    "points_follows": _postgres(f"NOT ({_FOLLOWS})", _WHY_FOLLOWS),
}
# name -> (table, when, level, function)
_POSTGRES_TRIGGERS: dict[str, tuple[str, str, str, str]] = {
    "points_posting_applied": ("points_posting", "AFTER INSERT", "ROW", "points_apply"),
    "points_account_empty": ("points_account", "BEFORE INSERT", "ROW", "points_empty"),
    "points_account_guarded": ("points_account", "BEFORE UPDATE", "ROW", "points_guard"),
    "points_account_kept": ("points_account", "BEFORE DELETE", "ROW", "points_refuse"),
    "points_posting_sound": ("points_posting", "BEFORE INSERT", "ROW", "points_sound"),
    "points_txn_sound": ("points_txn", "BEFORE INSERT", "ROW", "points_explained"),
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
    f"FOR EACH {level} EXECUTE FUNCTION {function}()"
    for name, (table, when, level, function) in _POSTGRES_TRIGGERS.items()
}
DECLARED: dict[str, dict[str, str]] = {"sqlite": SQLITE, "postgresql": POSTGRES}


def install(connection: Connection) -> None:
    """Put every declared trigger in place, in its newest form."""
    remove(connection)
    if connection.dialect.name == "postgresql":
        for name, body in _POSTGRES_BODIES.items():
            connection.execute(
                text(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $points$ {body} $points$")
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
