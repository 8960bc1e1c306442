"""Whether the PostgreSQL server that a ledger's URL names can be reached and used. It blocks, and only reads."""

from collections.abc import Sequence

from sqlalchemy import Connection, text

from exporter.doctor.finding import Finding, fault, ok
from exporter.ledger.ledger import LedgerError
from exporter.ledger.opening import beside
from exporter.ledger.tables import Fitness, fitness_of, metadata

NEEDED = ("SELECT", "INSERT", "UPDATE", "DELETE")
"""What the exporter does to its tables."""

USER = text("SELECT current_user, current_database()")

SCHEMA = text("SELECT current_schema(), has_schema_privilege(current_schema(), 'CREATE')")

LACKING = text(
    "SELECT DISTINCT name FROM unnest(CAST(:tables AS text[])) AS name, unnest(CAST(:needed AS text[])) AS needed"
    " WHERE has_table_privilege(to_regclass(quote_ident(name)), needed) IS NOT TRUE ORDER BY name"
)
"""Tables that are not there are lacking, too."""

ANOTHER_VERSION = "run that version, or restore a copy from before the upgrade"

UNUSABLE = "the exporter does not start so: docs/replicas.md says what a server has to be like"


def server(url: str, check: str) -> Sequence[Finding]:
    """One finding: why it cannot be used, or what the exporter will find there."""
    try:
        with beside(url) as (tx, _):
            return [_found(tx, check)]
    except LedgerError as error:  # it says what to do
        return [fault(check, str(error), UNUSABLE)]


def _found(tx: Connection, check: str) -> Finding:
    user, database = tx.execute(USER).one()
    match fitness_of(tx):
        case Fitness.MISSING:
            return _to_be_made(tx, check, user, database)
        case Fitness.OLDER:
            return ok(check, f"{database} can be read as {user}; its tables are older, and will be brought up to date")
        case Fitness.NEWER:
            return fault(check, f"{database} was written by a newer version of this exporter", ANOTHER_VERSION)
        case Fitness.USABLE:
            return _usable(tx, check, user, database)


def _to_be_made(tx: Connection, check: str, user: str, database: str) -> Finding:
    schema, may_create = tx.execute(SCHEMA).one()
    if may_create:
        return ok(check, f"{database} is reached as {user}; its tables will be made in the schema {schema}")
    if schema is None:
        advice = "create one, or name one that is there in the user's search_path"
        return fault(check, f"{database}: {user} has no schema in which tables could be made", advice)
    advice = f"GRANT CREATE ON SCHEMA {schema} TO {user}, or let the user own the database"
    return fault(check, f"{database}: {user} may not make tables in the schema {schema}", advice)


def _usable(tx: Connection, check: str, user: str, database: str) -> Finding:
    lacking = tx.scalars(LACKING, {"tables": list(metadata.tables), "needed": list(NEEDED)}).all()
    if not lacking:
        return ok(check, f"{database} can be read and written as {user}")
    advice = f"let {user} own the tables, or GRANT {', '.join(NEEDED)} on them"
    return fault(check, f"{database}: {user} may not use the tables {', '.join(lacking)}", advice)
