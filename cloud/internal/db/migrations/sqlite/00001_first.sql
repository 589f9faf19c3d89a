-- +goose Up
-- All instants are Unix milliseconds (UTC). Every row carries its estate.
-- Columns that end in _doc hold JSON.

CREATE TABLE estates (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    timezone TEXT NOT NULL,
    hotline  TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE TABLE orgs (
    estate      TEXT NOT NULL,
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    phone       TEXT NOT NULL DEFAULT '',
    devices_doc TEXT NOT NULL,
    PRIMARY KEY (estate, id)
) STRICT;

CREATE TABLE edges (
    estate       TEXT NOT NULL,
    id           TEXT NOT NULL,
    version      TEXT NOT NULL DEFAULT '',
    last_seen_ms INTEGER NOT NULL DEFAULT 0,
    online       INTEGER NOT NULL DEFAULT 0,
    skew_ms      INTEGER NOT NULL DEFAULT 0,
    session      TEXT NOT NULL DEFAULT '',
    predecessor  TEXT NOT NULL DEFAULT '',
    heads_doc    TEXT NOT NULL,
    PRIMARY KEY (estate, id)
) STRICT;

-- One row per connection of an edge: two sessions with one predecessor are a clone.
CREATE TABLE edge_sessions (
    estate   TEXT NOT NULL,
    edge     TEXT NOT NULL,
    session  TEXT NOT NULL,
    epoch    TEXT NOT NULL,
    previous TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (estate, edge, session)
) STRICT;

CREATE TABLE edge_credentials (
    id         TEXT PRIMARY KEY,
    estate     TEXT NOT NULL,
    edge       TEXT NOT NULL,
    hash       TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    revoked_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX edge_credentials_edge ON edge_credentials (estate, edge);

CREATE TABLE devices (
    estate     TEXT NOT NULL,
    id         TEXT NOT NULL,
    edge       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    profile    TEXT NOT NULL DEFAULT '',
    location   TEXT NOT NULL DEFAULT '',
    points_doc TEXT NOT NULL,
    PRIMARY KEY (estate, id)
) STRICT;
CREATE INDEX devices_id ON devices (id);

CREATE TABLE staff (
    estate TEXT NOT NULL,
    id     TEXT NOT NULL,
    org    TEXT NOT NULL DEFAULT '',
    doc    TEXT NOT NULL,
    PRIMARY KEY (estate, id)
) STRICT;

CREATE TABLE rosters (
    estate TEXT NOT NULL,
    id     TEXT NOT NULL,
    doc    TEXT NOT NULL,
    PRIMARY KEY (estate, id)
) STRICT;

CREATE TABLE sign_ons (
    estate TEXT NOT NULL,
    staff  TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    on_duty INTEGER NOT NULL,
    PRIMARY KEY (estate, staff, at_ms)
) STRICT;

CREATE TABLE overrides (
    estate  TEXT NOT NULL,
    id      TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms   INTEGER NOT NULL,
    doc     TEXT NOT NULL,
    PRIMARY KEY (estate, id)
) STRICT;

CREATE TABLE policies (
    estate TEXT NOT NULL,
    id     TEXT NOT NULL,
    doc    TEXT NOT NULL,
    PRIMARY KEY (estate, id)
) STRICT;

CREATE TABLE mutes (
    estate  TEXT NOT NULL,
    id      TEXT NOT NULL,
    from_ms INTEGER NOT NULL,
    to_ms   INTEGER NOT NULL,
    doc     TEXT NOT NULL,
    PRIMARY KEY (estate, id)
) STRICT;

-- A ticket is the fold of its transitions; the columns are what lists filter by.
CREATE TABLE tickets (
    estate      TEXT NOT NULL,
    id          TEXT NOT NULL,
    edge        TEXT NOT NULL,
    device      TEXT NOT NULL,
    device_kind TEXT NOT NULL,
    rule        TEXT NOT NULL,
    metric      TEXT NOT NULL,
    fault       TEXT NOT NULL,
    severity    TEXT NOT NULL,
    state       TEXT NOT NULL,
    condition   TEXT NOT NULL,
    assignee    TEXT NOT NULL,
    unresolved  INTEGER NOT NULL,
    raised_ms   INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    pageable_ms INTEGER NOT NULL,
    updated_ms  INTEGER NOT NULL,
    round       INTEGER NOT NULL,
    accept_by   INTEGER NOT NULL,
    arrive_by   INTEGER NOT NULL,
    resolve_by  INTEGER NOT NULL,
    feedback_by INTEGER NOT NULL,
    doc         TEXT NOT NULL,
    PRIMARY KEY (estate, id)
) STRICT;
CREATE INDEX tickets_key ON tickets (estate, device, rule, metric);
CREATE INDEX tickets_newest ON tickets (raised_ms, id);
CREATE INDEX tickets_open ON tickets (unresolved, raised_ms, id);
CREATE INDEX tickets_edge ON tickets (estate, edge, updated_ms);

CREATE TABLE ticket_aliases (
    estate TEXT NOT NULL,
    alias  TEXT NOT NULL,
    ticket TEXT NOT NULL,
    PRIMARY KEY (estate, alias)
) STRICT;

CREATE TABLE transitions (
    estate      TEXT NOT NULL,
    id          TEXT NOT NULL,
    ticket      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    origin      TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    doc         TEXT NOT NULL,
    PRIMARY KEY (estate, id)
) STRICT;
CREATE INDEX transitions_ticket ON transitions (estate, ticket);

-- How far routing has climbed a ticket's ladders.
CREATE TABLE progress (
    estate TEXT NOT NULL,
    ticket TEXT NOT NULL,
    doc    TEXT NOT NULL,
    PRIMARY KEY (estate, ticket)
) STRICT;

CREATE TABLE deliveries (
    estate        TEXT NOT NULL,
    id            TEXT NOT NULL,
    ticket        TEXT NOT NULL,
    step          INTEGER NOT NULL,
    track         TEXT NOT NULL,
    round         INTEGER NOT NULL,
    staff         TEXT NOT NULL,
    channel       TEXT NOT NULL,
    channel_index INTEGER NOT NULL,
    state         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    due_ms        INTEGER NOT NULL,
    sent_ms       INTEGER NOT NULL,
    accepted_ms   INTEGER NOT NULL,
    attempts_doc  TEXT NOT NULL,
    PRIMARY KEY (estate, id)
) STRICT;
CREATE INDEX deliveries_ticket ON deliveries (estate, ticket);

CREATE TABLE agenda (
    id             INTEGER PRIMARY KEY,
    estate         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    key            TEXT NOT NULL,
    rank           INTEGER NOT NULL,
    run_at_ms      INTEGER NOT NULL,
    attempt        INTEGER NOT NULL DEFAULT 0,
    lease          TEXT NOT NULL DEFAULT '',
    lease_until_ms INTEGER NOT NULL DEFAULT 0,
    payload        BLOB NOT NULL,
    UNIQUE (estate, key)
) STRICT;
CREATE INDEX agenda_key ON agenda (key);
CREATE INDEX agenda_due ON agenda (rank, run_at_ms);
CREATE INDEX agenda_leased ON agenda (lease_until_ms) WHERE lease <> '';

-- Settled Sequences as few ranges: live data may overtake backfill.
CREATE TABLE ledger (
    estate    TEXT NOT NULL,
    edge      TEXT NOT NULL,
    epoch     TEXT NOT NULL,
    log       TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    PRIMARY KEY (estate, edge, epoch, log, first_seq)
) STRICT;

CREATE TABLE gaps (
    estate    TEXT NOT NULL,
    edge      TEXT NOT NULL,
    epoch     TEXT NOT NULL,
    log       TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    from_ms   INTEGER NOT NULL,
    to_ms     INTEGER NOT NULL,
    heard_ms  INTEGER NOT NULL,
    PRIMARY KEY (estate, edge, epoch, log, first_seq, last_seq)
) STRICT;

CREATE TABLE device_events (
    estate    TEXT NOT NULL,
    device    TEXT NOT NULL,
    name      TEXT NOT NULL,
    at_ms     INTEGER NOT NULL,
    kind      TEXT NOT NULL,
    edge      TEXT NOT NULL,
    device_ms INTEGER NOT NULL,
    edge_ms   INTEGER NOT NULL,
    marks     INTEGER NOT NULL,
    data_doc  TEXT NOT NULL,
    PRIMARY KEY (estate, device, name, at_ms)
) STRICT;

-- An account without estates_doc entries is good for all estates.
CREATE TABLE users (
    name          TEXT PRIMARY KEY,
    role          TEXT NOT NULL,
    staff         TEXT NOT NULL,
    estates_doc   TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled      INTEGER NOT NULL,
    created_ms    INTEGER NOT NULL
) STRICT;

CREATE TABLE sessions (
    hash       TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    seen_ms    INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    hash        TEXT PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,
    estates_doc TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL,
    revoked_ms  INTEGER NOT NULL
) STRICT;

CREATE TABLE links (
    hash       TEXT PRIMARY KEY,
    estate     TEXT NOT NULL,
    ticket     TEXT NOT NULL,
    staff      TEXT NOT NULL,
    delivery   TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE tries (
    key      TEXT PRIMARY KEY,
    n        INTEGER NOT NULL,
    first_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    estate  TEXT NOT NULL,
    chain   TEXT NOT NULL,
    n       INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    ref     TEXT NOT NULL,
    kind    TEXT NOT NULL,
    by_kind TEXT NOT NULL,
    by_id   TEXT NOT NULL,
    digest  TEXT NOT NULL,
    prev    TEXT NOT NULL,
    hash    TEXT NOT NULL,
    PRIMARY KEY (estate, chain, n)
) STRICT;

-- Kept apart from the entries, so that a cut-off end is found.
CREATE TABLE audit_heads (
    estate TEXT NOT NULL,
    chain  TEXT NOT NULL,
    n      INTEGER NOT NULL,
    hash   TEXT NOT NULL,
    PRIMARY KEY (estate, chain)
) STRICT;

-- The ids of server-sent events; AUTOINCREMENT, so that none is issued twice.
CREATE TABLE changes (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    estate      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    device      TEXT NOT NULL,
    device_kind TEXT NOT NULL,
    at_ms       INTEGER NOT NULL
) STRICT;

-- +goose Down
DROP TABLE changes;
DROP TABLE audit_heads;
DROP TABLE audit;
DROP TABLE tries;
DROP TABLE links;
DROP TABLE tokens;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE device_events;
DROP TABLE gaps;
DROP TABLE ledger;
DROP TABLE agenda;
DROP TABLE deliveries;
DROP TABLE progress;
DROP TABLE transitions;
DROP TABLE ticket_aliases;
DROP TABLE tickets;
DROP TABLE mutes;
DROP TABLE policies;
DROP TABLE overrides;
DROP TABLE sign_ons;
DROP TABLE rosters;
DROP TABLE staff;
DROP TABLE devices;
DROP TABLE edge_credentials;
DROP TABLE edge_sessions;
DROP TABLE edges;
DROP TABLE orgs;
DROP TABLE estates;
