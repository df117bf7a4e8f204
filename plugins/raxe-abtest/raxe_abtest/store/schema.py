"""The tables, in the SQL that SQLite and PostgreSQL share."""

from __future__ import annotations

from raxe_abtest.store.records import METRIC_COLUMNS

__all__ = ["EVENT_COLUMNS", "REQUEST_COLUMNS", "SCHEMA_VERSION", "SUM_COLUMNS", "USER_COLUMNS",
           "statements"]  # fmt: skip

SCHEMA_VERSION = 1
SUM_COLUMNS = ("k", "s", "m", "ss", "sm", "mm")
USER_COLUMNS = tuple(f"{kind}{n}" for n in range(len(METRIC_COLUMNS)) for kind in "ms")
REQUEST_COLUMNS = (
    "epoch", "unit", "variant", "at", "verdict", "label", "accuracy", "others", "done", "matured",
)  # fmt: skip
EVENT_COLUMNS = (
    "epoch", "at", "kind", "unit", "variant", "request", "latency_ms", "accuracy", "error",
    "verdict", "label", "other",
)  # fmt: skip

_TABLES = """
CREATE TABLE IF NOT EXISTS experiments (
    number {serial}, key TEXT NOT NULL UNIQUE, spec TEXT NOT NULL, epochs TEXT NOT NULL,
    state TEXT NOT NULL, model_id TEXT, reason TEXT NOT NULL, started_at {real} NOT NULL,
    secret {blob} NOT NULL);
CREATE TABLE IF NOT EXISTS users (
    experiment INTEGER NOT NULL, epoch INTEGER NOT NULL, scope TEXT NOT NULL, unit {blob} NOT NULL,
    variant INTEGER NOT NULL, at {real} NOT NULL, {user_columns},
    PRIMARY KEY (experiment, epoch, scope, unit)){clustered};
CREATE TABLE IF NOT EXISTS requests (
    experiment INTEGER NOT NULL, request TEXT NOT NULL, epoch INTEGER NOT NULL, unit {blob},
    variant INTEGER NOT NULL, at {real} NOT NULL, verdict INTEGER, label INTEGER, accuracy {real},
    others TEXT NOT NULL, done INTEGER NOT NULL, matured INTEGER NOT NULL,
    PRIMARY KEY (experiment, request)){clustered};
CREATE INDEX IF NOT EXISTS requests_waiting ON requests (experiment, at) WHERE matured = 0;
CREATE TABLE IF NOT EXISTS sums (
    experiment INTEGER NOT NULL, epoch INTEGER NOT NULL, scope TEXT NOT NULL,
    variant INTEGER NOT NULL, metric TEXT NOT NULL, {sum_columns},
    PRIMARY KEY (experiment, epoch, scope, variant, metric)){clustered};
CREATE TABLE IF NOT EXISTS buckets (
    experiment INTEGER NOT NULL, variant INTEGER NOT NULL, bucket INTEGER NOT NULL,
    n {real} NOT NULL, PRIMARY KEY (experiment, variant, bucket)){clustered};
CREATE TABLE IF NOT EXISTS samples (
    experiment INTEGER NOT NULL, variant INTEGER NOT NULL, unit {blob} NOT NULL,
    latency_ms {real} NOT NULL);
CREATE INDEX IF NOT EXISTS samples_of ON samples (experiment, variant);
CREATE TABLE IF NOT EXISTS facts (
    experiment INTEGER NOT NULL, name TEXT NOT NULL, value {real} NOT NULL,
    PRIMARY KEY (experiment, name)){clustered};
CREATE TABLE IF NOT EXISTS looks (
    experiment INTEGER NOT NULL, at {real} NOT NULL, comparison TEXT NOT NULL,
    metric TEXT NOT NULL, users {real} NOT NULL, effect {real} NOT NULL, low {real}, high {real},
    log_e {real} NOT NULL);
CREATE INDEX IF NOT EXISTS looks_of ON looks (experiment, comparison, metric, log_e);
CREATE TABLE IF NOT EXISTS events (
    experiment INTEGER NOT NULL, epoch INTEGER NOT NULL, at {real} NOT NULL, kind TEXT NOT NULL,
    unit {blob}, variant INTEGER NOT NULL, request TEXT, latency_ms {real}, accuracy {real},
    error INTEGER NOT NULL, verdict INTEGER, label INTEGER, other INTEGER)
"""


def statements(*, serial: str, real: str, blob: str, clustered: str) -> list[str]:
    """Return the statements that make the tables, in one database's words."""
    text = _TABLES.format(
        serial=serial,
        real=real,
        blob=blob,
        clustered=clustered,
        user_columns=", ".join(f"{name} {real} NOT NULL" for name in USER_COLUMNS),
        sum_columns=", ".join(f"{name} {real} NOT NULL" for name in SUM_COLUMNS),
    )
    return [statement.strip() for statement in text.split(";")]
