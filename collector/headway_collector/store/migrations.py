"""The schema, as a numbered list of steps, and the refusal of databases we do not understand.

The statements are plain: no keys, no unique constraints, no indexes, since a shared lakehouse has
none of them. Uniqueness is kept by the one writer (``writes``). Text columns stand last. A step
that was released is never edited; the next one is appended.
"""

from collections.abc import Callable

import duckdb

from headway_collector.errors import StoreError

# What prompts and answers stand in. Left to itself DuckDB tries its dictionaries on them, which
# halves the speed of a checkpoint and takes three times the room; on names, models and users they
# are read twice as fast as zstd. A lakehouse knows no such words and compresses whole files.
_LONG_TEXT = "VARCHAR USING COMPRESSION zstd"


def migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the attached ``store`` to the newest schema, one transaction a step."""
    for version in range(read_version(connection) + 1, len(MIGRATIONS) + 1):
        connection.execute("BEGIN TRANSACTION")
        MIGRATIONS[version - 1](connection)
        connection.execute("INSERT INTO store.schema_versions VALUES ($1, now())", [version])
        connection.execute("COMMIT")


def check_known(connection: duckdb.DuckDBPyConnection, path: str) -> None:
    """Do nothing for an empty database or one of ours that is not newer than this program.

    Raises:
        StoreError: it is somebody else's, or of a newer schema.
    """
    version = read_version(connection)
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} has schema {version}, and this Headway knows up to {len(MIGRATIONS)}: "
            "install the newer Headway that wrote it, or choose another file with --db"
        )
    tables = list_tables(connection)
    if version == 0 and tables:
        raise StoreError(
            f"{path} is a DuckDB database of something else (it has the table {min(tables)}): "
            "choose another file with --db"
        )


def read_version(connection: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the last step that ran, or 0 for an empty database."""
    if "schema_versions" not in list_tables(connection):
        return 0
    row = connection.execute("SELECT max(version) FROM store.schema_versions").fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def list_tables(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """Return the names of the tables of the attached ``store``."""
    rows = connection.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'store'"
    ).fetchall()
    return {row[0] for row in rows}


def _create_first_schema(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE store.schema_versions (version INTEGER, applied_at TIMESTAMPTZ)"
    )
    connection.execute(f"""
        CREATE TABLE store.spans (
            project VARCHAR, trace_id VARCHAR, span_id VARCHAR, span_key BIGINT,
            parent_span_id VARCHAR, name VARCHAR, kind VARCHAR, status VARCHAR,
            start_time TIMESTAMPTZ, start_ns BIGINT, end_ns BIGINT, received_ns BIGINT,
            provider VARCHAR, request_model VARCHAR, response_model VARCHAR, response_id VARCHAR,
            finish_reasons VARCHAR[],
            input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT,
            cache_write_tokens BIGINT, reasoning_tokens BIGINT,
            cost_usd DOUBLE, price_version VARCHAR,
            ttft_ms DOUBLE, chunk_count BIGINT, chunk_p50_ms DOUBLE, chunk_p95_ms DOUBLE,
            is_abandoned BOOLEAN,
            user_id VARCHAR, session_id VARCHAR, tags VARCHAR[],
            environment VARCHAR, release VARCHAR, prompt_name VARCHAR, prompt_version VARCHAR,
            error_type VARCHAR, status_message {_LONG_TEXT}, error_stack {_LONG_TEXT},
            params {_LONG_TEXT}, prompt_variables {_LONG_TEXT}, attributes {_LONG_TEXT},
            input {_LONG_TEXT}, output {_LONG_TEXT}
        )""")
    connection.execute("""
        CREATE TABLE store.scores (
            project VARCHAR, score_id VARCHAR, score_key BIGINT,
            name VARCHAR, source VARCHAR, time TIMESTAMPTZ, time_ns BIGINT,
            trace_id VARCHAR, span_id VARCHAR, session_id VARCHAR,
            number DOUBLE, is_text BOOLEAN, author VARCHAR, value VARCHAR, comment VARCHAR
        )""")
    connection.execute("""
        CREATE TABLE store.batches (
            project VARCHAR, batch_id VARCHAR, batch_key BIGINT, received_ns BIGINT,
            accepted BIGINT, duplicates BIGINT, rejected BIGINT, errors VARCHAR
        )""")
    connection.execute("""
        CREATE TABLE store.rejects (
            project VARCHAR, batch_id VARCHAR, line BIGINT, received_ns BIGINT,
            reason VARCHAR, raw BLOB
        )""")
    connection.execute("""
        CREATE TABLE store.runs (
            project VARCHAR, run_id VARCHAR, suite VARCHAR, suite_version VARCHAR,
            model VARCHAR, model_digest VARCHAR, started_ns BIGINT, ended_ns BIGINT,
            case_count BIGINT, passed_count BIGINT, pass_rate DOUBLE,
            scores VARCHAR, settings VARCHAR, environment VARCHAR
        )""")
    connection.execute(f"""
        CREATE TABLE store.results (
            project VARCHAR, run_id VARCHAR, position BIGINT, case_id VARCHAR,
            tags VARCHAR[], passed BOOLEAN, error VARCHAR, latency_ms DOUBLE,
            input_tokens BIGINT, output_tokens BIGINT, span_id VARCHAR, trace_id VARCHAR,
            scores {_LONG_TEXT}, input {_LONG_TEXT}, output {_LONG_TEXT}, expected {_LONG_TEXT}
        )""")
    connection.execute("""
        CREATE TABLE store.comparisons (
            project VARCHAR, comparison_id VARCHAR, suite VARCHAR, suite_version VARCHAR,
            baseline_run_id VARCHAR, candidate_run_id VARCHAR,
            baseline_model VARCHAR, candidate_model VARCHAR, created_ns BIGINT,
            verdict VARCHAR, exit_code BIGINT, margin DOUBLE, alpha DOUBLE,
            overall VARCHAR, slices VARCHAR, flips VARCHAR
        )""")


def _create_losses(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        CREATE TABLE store.losses (
            project VARCHAR, client_id VARCHAR, reason VARCHAR,
            count BIGINT, time_ns BIGINT, pid BIGINT, host VARCHAR
        )""")


def _add_foreign_spans(connection: duckdb.DuckDBPyConnection) -> None:
    for column in (
        "audio_input_tokens BIGINT",
        "audio_output_tokens BIGINT",
        "is_usage_inconsistent BOOLEAN",
        "mapper_version INTEGER",
        f"otel {_LONG_TEXT}",
    ):
        connection.execute(f"ALTER TABLE store.spans ADD COLUMN {column}")
    connection.execute("""
        CREATE TABLE store.late_events (
            project VARCHAR, trace_id VARCHAR, span_id VARCHAR, span_key BIGINT,
            received_ns BIGINT, events BLOB
        )""")


def _create_descriptors(connection: duckdb.DuckDBPyConnection) -> None:
    # Time, project, model, prompt version and whatever else calls are narrowed by stand here once
    # more, so that no page joins.
    connection.execute("""
        CREATE TABLE store.descriptors (
            project VARCHAR, span_key BIGINT, trace_key BIGINT,
            start_time TIMESTAMPTZ, start_ns BIGINT, received_ns BIGINT, version INTEGER,
            name VARCHAR, kind VARCHAR, request_model VARCHAR,
            prompt_name VARCHAR, prompt_version VARCHAR,
            release VARCHAR, environment VARCHAR, session_id VARCHAR, tags VARCHAR[],
            prompt_hash BIGINT, answer_hash BIGINT, template_hash BIGINT,
            sketch_1 BIGINT, sketch_2 BIGINT,
            prompt_chars BIGINT, prompt_words BIGINT, prompt_lines BIGINT,
            prompt_language VARCHAR, prompt_pii VARCHAR,
            has_prompt_code BOOLEAN, prompt_digit_share DOUBLE,
            answer_chars BIGINT, answer_words BIGINT, answer_lines BIGINT,
            fence_count BIGINT, fence_language VARCHAR, opener VARCHAR,
            markdown_share DOUBLE, digit_share DOUBLE, punctuation_share DOUBLE,
            upper_share DOUBLE, non_ascii_share DOUBLE,
            distinct_2 DOUBLE, distinct_3 DOUBLE, max_repeat BIGINT, zlib_ratio DOUBLE,
            is_refusal BOOLEAN, hedge_count BIGINT, asks_back BOOLEAN,
            is_json BOOLEAN, is_json_broken BOOLEAN,
            is_truncated BOOLEAN, truncation VARCHAR,
            answer_language VARCHAR, answer_pii VARCHAR, prompt_copy_share DOUBLE,
            own VARCHAR
        )""")
    connection.execute(
        "CREATE TABLE store.due_descriptors (project VARCHAR, span_key BIGINT, start_ns BIGINT)"
    )
    connection.execute("CREATE TABLE store.descriptor_marks (version INTEGER, received_ns BIGINT)")


def _create_drift(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("""
        CREATE TABLE store.jobs (
            project VARCHAR, job_id VARCHAR, kind VARCHAR, state VARCHAR,
            created_ns BIGINT, started_ns BIGINT, ended_ns BIGINT,
            error VARCHAR, request VARCHAR, result VARCHAR
        )""")
    connection.execute(f"""
        CREATE TABLE store.drift_cards (
            project VARCHAR, card_id VARCHAR, created_ns BIGINT,
            verdict VARCHAR, headline VARCHAR, finding_count BIGINT,
            reference_query VARCHAR, current_query VARCHAR, fingerprint VARCHAR,
            card {_LONG_TEXT}
        )""")


def _create_descriptors_and_drift(connection: duckdb.DuckDBPyConnection) -> None:
    _create_descriptors(connection)
    _create_drift(connection)


def _create_own_versions(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE store.own_versions (name VARCHAR, version INTEGER)")


def _create_prompts(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(f"""
        CREATE TABLE store.prompts (
            project VARCHAR, name VARCHAR, version VARCHAR, registered_ns BIGINT,
            template {_LONG_TEXT}
        )""")


def _give_up_owners(connection: duckdb.DuckDBPyConnection) -> None:
    """Let cards of several projects belong to none of them: a key of one must not read them."""
    connection.execute("""
        UPDATE store.drift_cards SET project = ''
        WHERE coalesce(json_array_length(reference_query, '$.project'), 0) <> 1
        OR (reference_query -> '$.project')::VARCHAR
            IS DISTINCT FROM (current_query -> '$.project')::VARCHAR""")


def _create_keys_and_life_cycle(connection: duckdb.DuckDBPyConnection) -> None:
    # Projects are null where a key is for all of them, and a retention's project and kind where it
    # is for every one.
    connection.execute("""
        CREATE TABLE store.keys (
            key_id VARCHAR, name VARCHAR, digest VARCHAR, projects VARCHAR[], scopes VARCHAR[],
            requests_per_s DOUBLE, bytes_per_s DOUBLE,
            created_ns BIGINT, expires_ns BIGINT, revoked_ns BIGINT
        )""")
    connection.execute("""
        CREATE TABLE store.audit (
            audit_id VARCHAR, time_ns BIGINT, key_id VARCHAR, action VARCHAR, project VARCHAR,
            detail VARCHAR
        )""")
    _give_up_owners(connection)
    connection.execute("CREATE TABLE store.salts (name VARCHAR, salt BLOB)")
    connection.execute("""
        CREATE TABLE store.tombstones (
            project VARCHAR, kind VARCHAR, digest BIGINT, erased_ns BIGINT
        )""")
    connection.execute("""
        CREATE TABLE store.erasures (
            project VARCHAR, receipt_id VARCHAR, kind VARCHAR, key_id VARCHAR,
            created_ns BIGINT, counts VARCHAR, identity VARCHAR
        )""")
    connection.execute("""
        CREATE TABLE store.retention (
            project VARCHAR, kind VARCHAR, days DOUBLE, content_days DOUBLE, changed_ns BIGINT
        )""")
    connection.execute("""
        CREATE TABLE store.rewrites (
            started_ns BIGINT, ended_ns BIGINT, bytes_before BIGINT, bytes_after BIGINT,
            fault VARCHAR
        )""")
    connection.execute("CREATE TABLE store.clearings (time_ns BIGINT, spans BIGINT, others BIGINT)")
    _complete_rejects(connection)


def _complete_rejects(connection: duckdb.DuckDBPyConnection) -> None:
    # So that each can be named, read again by what it is, and told from what was cut.
    for column in ("reject_id VARCHAR", "form VARCHAR", "size_bytes BIGINT", "context BLOB"):
        connection.execute(f"ALTER TABLE store.rejects ADD COLUMN {column}")
    connection.execute(
        "UPDATE store.rejects SET reject_id = replace(uuid()::VARCHAR, '-', ''), "
        "size_bytes = octet_length(raw)"
    )


MIGRATIONS: list[Callable[[duckdb.DuckDBPyConnection], None]] = [
    _create_first_schema,
    _create_losses,
    _add_foreign_spans,
    _create_descriptors_and_drift,
    _create_own_versions,
    _create_prompts,
    _create_keys_and_life_cycle,
]
"""The step of version n stands at n - 1."""
