"""The tables of the database, as the scripts that make them from those of each earlier version."""

from __future__ import annotations

_JOBS_AND_FRAMES = """
CREATE TABLE jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL UNIQUE,
    created_at TEXT NOT NULL,
    status TEXT NOT NULL,
    request BLOB NOT NULL,
    state BLOB NOT NULL,
    idempotency_key TEXT UNIQUE,
    request_hash TEXT NOT NULL,
    upload TEXT
);
CREATE INDEX jobs_newest ON jobs (created_at, number);
CREATE INDEX jobs_by_status ON jobs (status, created_at, number);
CREATE TABLE frames (
    job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE,
    frame_index INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (job, frame_index)
);
"""
_LOGS_AND_DELETED = """
CREATE TABLE logs (
    job INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);
CREATE TABLE deleted (
    job INTEGER PRIMARY KEY
);
CREATE TRIGGER job_deleted AFTER DELETE ON jobs BEGIN
    DELETE FROM logs WHERE job = OLD.number;
    INSERT INTO deleted VALUES (OLD.number);
END;
"""
_SOURCES = "ALTER TABLE jobs ADD COLUMN source BLOB NOT NULL DEFAULT x'';"
_ORDER_OF_ARRIVAL = """
DROP INDEX jobs_newest;
DROP INDEX jobs_by_status;
CREATE INDEX jobs_by_status ON jobs (status, number);
PRAGMA incremental_vacuum(2);
"""
_SEARCHED = """
ALTER TABLE jobs ADD COLUMN words TEXT NOT NULL DEFAULT '';
UPDATE jobs SET words = job_words(request);
CREATE INDEX jobs_searched ON jobs (number, status, job_id, words);
"""
_TOKENS = """
CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL,
    created_at TEXT NOT NULL,
    last_used_at TEXT,
    digest BLOB NOT NULL,
    cookie_digest BLOB NOT NULL
);
CREATE TABLE folder (id TEXT NOT NULL);
INSERT INTO folder VALUES (lower(hex(randomblob(4))));
"""
FRAME_COST = 24
"""The bytes that a frame takes beside its data: its row's header and its place in the index."""
_ENDS_AND_SIZES = f"""
ALTER TABLE jobs ADD COLUMN ended_at TEXT;
UPDATE jobs SET ended_at = job_ended(state, created_at) WHERE status NOT IN ('queued', 'running', 'paused');
CREATE INDEX jobs_ended ON jobs (ended_at, number, status) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_uploads ON jobs (upload) WHERE upload IS NOT NULL;
CREATE TABLE sizes (
    job INTEGER PRIMARY KEY,
    frame_bytes INTEGER NOT NULL
);
INSERT INTO sizes SELECT job, sum(length(data) + {FRAME_COST}) FROM frames GROUP BY job;
CREATE TRIGGER frame_added AFTER INSERT ON frames BEGIN
    INSERT INTO sizes VALUES (NEW.job, length(NEW.data) + {FRAME_COST})
        ON CONFLICT DO UPDATE SET frame_bytes = frame_bytes + excluded.frame_bytes;
END;
CREATE TRIGGER job_swept AFTER DELETE ON deleted BEGIN
    DELETE FROM sizes WHERE job = OLD.job;
END;
"""  # noqa: S608 - a constant
_STATES = """
CREATE TABLE states (
    job INTEGER NOT NULL,
    plugin TEXT NOT NULL,
    frame_index INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (job, plugin)
);
CREATE TRIGGER states_of_ended AFTER UPDATE OF status ON jobs
WHEN NEW.status IN ('done', 'failed', 'cancelled') BEGIN
    DELETE FROM states WHERE job = NEW.number;
END;
CREATE TRIGGER states_of_deleted AFTER DELETE ON jobs BEGIN
    DELETE FROM states WHERE job = OLD.number;
END;
"""
EVENT_COST = 48
"""The bytes that an event takes beside its data, about."""
_EVENTS = f"""
CREATE TABLE events (
    job INTEGER NOT NULL,
    event INTEGER NOT NULL,
    plugin TEXT NOT NULL,
    kind TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (job, event)
);
CREATE TRIGGER event_added AFTER INSERT ON events BEGIN
    INSERT INTO sizes VALUES (NEW.job, length(NEW.data) + {EVENT_COST})
        ON CONFLICT DO UPDATE SET frame_bytes = frame_bytes + excluded.frame_bytes;
END;
"""  # noqa: S608 - a constant
_DELIVERIES = """
CREATE TABLE deliveries (
    number INTEGER PRIMARY KEY,
    webhook TEXT NOT NULL,
    key TEXT NOT NULL,
    job_id TEXT NOT NULL,
    type TEXT NOT NULL,
    kind TEXT NOT NULL,
    event INTEGER,
    created_at TEXT NOT NULL,
    body BLOB NOT NULL,
    status TEXT NOT NULL DEFAULT 'waiting',
    attempts INTEGER NOT NULL DEFAULT 0,
    tried_at TEXT,
    answer TEXT NOT NULL DEFAULT '',
    UNIQUE (webhook, key)
);
CREATE INDEX deliveries_waiting ON deliveries (number) WHERE status = 'waiting';
"""
_EVENTS_GO = f"""
CREATE TRIGGER event_removed AFTER DELETE ON events BEGIN
    UPDATE sizes SET frame_bytes = frame_bytes - length(OLD.data) - {EVENT_COST} WHERE job = OLD.job;
END;
"""  # noqa: S608 - a constant
_CLIPS = """
CREATE TABLE clips (
    job INTEGER NOT NULL,
    event INTEGER NOT NULL,
    plugin TEXT NOT NULL,
    kind TEXT NOT NULL,
    frame_index INTEGER NOT NULL,
    timestamp_ms REAL NOT NULL,
    begin_ms REAL NOT NULL,
    end_ms REAL NOT NULL,
    start_ms REAL,
    duration_ms REAL,
    bytes INTEGER,
    PRIMARY KEY (job, event)
);
CREATE INDEX clips_wanted ON clips (job, event) WHERE bytes IS NULL;
CREATE TRIGGER clip_kept AFTER UPDATE OF bytes ON clips BEGIN
    INSERT INTO sizes VALUES (NEW.job, NEW.bytes)
        ON CONFLICT DO UPDATE SET frame_bytes = frame_bytes + excluded.frame_bytes;
END;
CREATE TRIGGER clips_of_deleted AFTER DELETE ON jobs BEGIN
    UPDATE sizes SET frame_bytes = frame_bytes - (SELECT coalesce(sum(bytes), 0) FROM clips WHERE job = OLD.number)
        WHERE job = OLD.number;
    DELETE FROM clips WHERE job = OLD.number;
END;
"""
_DELIVERIES_GO = """
CREATE INDEX deliveries_of_jobs ON deliveries (job_id);
CREATE TRIGGER deliveries_of_deleted AFTER DELETE ON jobs BEGIN
    DELETE FROM deliveries WHERE job_id = OLD.job_id AND status != 'waiting';
END;
"""
_CLIPS_GO = """
DROP TRIGGER clip_kept;
CREATE TRIGGER clip_kept AFTER UPDATE OF bytes ON clips BEGIN
    INSERT INTO sizes VALUES (NEW.job, NEW.bytes)
        ON CONFLICT DO UPDATE SET frame_bytes = frame_bytes + excluded.frame_bytes - coalesce(OLD.bytes, 0);
END;
CREATE TRIGGER clip_removed AFTER DELETE ON clips WHEN OLD.bytes IS NOT NULL BEGIN
    UPDATE sizes SET frame_bytes = frame_bytes - OLD.bytes WHERE job = OLD.job;
END;
DROP TRIGGER clips_of_deleted;
CREATE TRIGGER clips_of_deleted AFTER DELETE ON jobs BEGIN
    DELETE FROM clips WHERE job = OLD.number;
END;
"""
_CLIPS_ENCODED = """
ALTER TABLE clips ADD COLUMN codec TEXT;
ALTER TABLE clips ADD COLUMN to_encode INTEGER NOT NULL DEFAULT 0;
CREATE INDEX clips_to_encode ON clips (to_encode) WHERE to_encode;
"""
MIGRATIONS = (
    _JOBS_AND_FRAMES,
    _LOGS_AND_DELETED,
    _SOURCES,
    _ORDER_OF_ARRIVAL,
    _SEARCHED,
    _TOKENS,
    _ENDS_AND_SIZES,
    _STATES,
    _EVENTS,
    _DELIVERIES,
    _EVENTS_GO,
    _CLIPS,
    _DELIVERIES_GO,
    _CLIPS_GO,
    _CLIPS_ENCODED,
)
"""The scripts from each schema version to the next; never changed once released."""
SCHEMA_VERSION = len(MIGRATIONS)
