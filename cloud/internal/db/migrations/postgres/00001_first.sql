-- +goose Up
-- All instants are Unix milliseconds (UTC). Every row carries its estate.
-- Columns that end in _doc hold JSON, as text: jsonb refuses what devices may say.

CREATE TABLE estates (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    timezone TEXT NOT NULL,
    hotline  TEXT NOT NULL DEFAULT ''
);

CREATE TABLE orgs (
    estate      TEXT NOT NULL,
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL,
    phone       TEXT NOT NULL DEFAULT '',
    devices_doc TEXT NOT NULL,
    PRIMARY KEY (estate, id)
);

CREATE TABLE edges (
    estate       TEXT NOT NULL,
    id           TEXT NOT NULL,
    version      TEXT NOT NULL DEFAULT '',
    last_seen_ms BIGINT NOT NULL DEFAULT 0,
    online       BOOLEAN NOT NULL DEFAULT FALSE,
    skew_ms      BIGINT NOT NULL DEFAULT 0,
    session      TEXT NOT NULL DEFAULT '',
    predecessor  TEXT NOT NULL DEFAULT '',
    heads_doc    TEXT NOT NULL,
    PRIMARY KEY (estate, id)
);

-- One row per connection of an edge: two sessions with one predecessor are a clone.
CREATE TABLE edge_sessions (
    estate   TEXT NOT NULL,
    edge     TEXT NOT NULL,
    session  TEXT NOT NULL,
    epoch    TEXT NOT NULL,
    previous TEXT NOT NULL,
    at_ms    BIGINT NOT NULL,
    PRIMARY KEY (estate, edge, session)
);

CREATE TABLE edge_credentials (
    id         TEXT PRIMARY KEY,
    estate     TEXT NOT NULL,
    edge       TEXT NOT NULL,
    hash       TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    revoked_ms BIGINT NOT NULL DEFAULT 0
);
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
);
CREATE INDEX devices_id ON devices (id);

CREATE TABLE staff (
    estate TEXT NOT NULL,
    id     TEXT NOT NULL,
    org    TEXT NOT NULL DEFAULT '',
    doc    TEXT NOT NULL,
    PRIMARY KEY (estate, id)
);

CREATE TABLE rosters (
    estate TEXT NOT NULL,
    id     TEXT NOT NULL,
    doc    TEXT NOT NULL,
    PRIMARY KEY (estate, id)
);

CREATE TABLE sign_ons (
    estate TEXT NOT NULL,
    staff  TEXT NOT NULL,
    at_ms  BIGINT NOT NULL,
    on_duty BOOLEAN NOT NULL,
    PRIMARY KEY (estate, staff, at_ms)
);

CREATE TABLE overrides (
    estate  TEXT NOT NULL,
    id      TEXT NOT NULL,
    from_ms BIGINT NOT NULL,
    to_ms   BIGINT NOT NULL,
    doc     TEXT NOT NULL,
    PRIMARY KEY (estate, id)
);

CREATE TABLE policies (
    estate TEXT NOT NULL,
    id     TEXT NOT NULL,
    doc    TEXT NOT NULL,
    PRIMARY KEY (estate, id)
);

CREATE TABLE mutes (
    estate  TEXT NOT NULL,
    id      TEXT NOT NULL,
    from_ms BIGINT NOT NULL,
    to_ms   BIGINT NOT NULL,
    doc     TEXT NOT NULL,
    PRIMARY KEY (estate, id)
);

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
    unresolved  BOOLEAN NOT NULL,
    raised_ms   BIGINT NOT NULL,
    received_ms BIGINT NOT NULL,
    pageable_ms BIGINT NOT NULL,
    updated_ms  BIGINT NOT NULL,
    round       BIGINT NOT NULL,
    accept_by   BIGINT NOT NULL,
    arrive_by   BIGINT NOT NULL,
    resolve_by  BIGINT NOT NULL,
    feedback_by BIGINT NOT NULL,
    doc         TEXT NOT NULL,
    PRIMARY KEY (estate, id)
);
CREATE INDEX tickets_key ON tickets (estate, device, rule, metric);
CREATE INDEX tickets_newest ON tickets (raised_ms, id);
CREATE INDEX tickets_open ON tickets (unresolved, raised_ms, id);
CREATE INDEX tickets_edge ON tickets (estate, edge, updated_ms);

CREATE TABLE ticket_aliases (
    estate TEXT NOT NULL,
    alias  TEXT NOT NULL,
    ticket TEXT NOT NULL,
    PRIMARY KEY (estate, alias)
);

CREATE TABLE transitions (
    estate      TEXT NOT NULL,
    id          TEXT NOT NULL,
    ticket      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    origin      TEXT NOT NULL,
    at_ms       BIGINT NOT NULL,
    received_ms BIGINT NOT NULL,
    doc         TEXT NOT NULL,
    PRIMARY KEY (estate, id)
);
CREATE INDEX transitions_ticket ON transitions (estate, ticket);

-- How far routing has climbed a ticket's ladders.
CREATE TABLE progress (
    estate TEXT NOT NULL,
    ticket TEXT NOT NULL,
    doc    TEXT NOT NULL,
    PRIMARY KEY (estate, ticket)
);

CREATE TABLE deliveries (
    estate        TEXT NOT NULL,
    id            TEXT NOT NULL,
    ticket        TEXT NOT NULL,
    step          BIGINT NOT NULL,
    track         TEXT NOT NULL,
    round         BIGINT NOT NULL,
    staff         TEXT NOT NULL,
    channel       TEXT NOT NULL,
    channel_index BIGINT NOT NULL,
    state         TEXT NOT NULL,
    reason        TEXT NOT NULL,
    due_ms        BIGINT NOT NULL,
    sent_ms       BIGINT NOT NULL,
    accepted_ms   BIGINT NOT NULL,
    attempts_doc  TEXT NOT NULL,
    PRIMARY KEY (estate, id)
);
CREATE INDEX deliveries_ticket ON deliveries (estate, ticket);

CREATE TABLE agenda (
    id             BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    estate         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    key            TEXT NOT NULL,
    rank           BIGINT NOT NULL,
    run_at_ms      BIGINT NOT NULL,
    attempt        BIGINT NOT NULL DEFAULT 0,
    lease          TEXT NOT NULL DEFAULT '',
    lease_until_ms BIGINT NOT NULL DEFAULT 0,
    payload        BYTEA NOT NULL,
    UNIQUE (estate, key)
);
CREATE INDEX agenda_key ON agenda (key);
CREATE INDEX agenda_due ON agenda (rank, run_at_ms);
CREATE INDEX agenda_leased ON agenda (lease_until_ms) WHERE lease <> '';

-- Settled Sequences as few ranges: live data may overtake backfill.
CREATE TABLE ledger (
    estate    TEXT NOT NULL,
    edge      TEXT NOT NULL,
    epoch     TEXT NOT NULL,
    log       TEXT NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq  BIGINT NOT NULL,
    PRIMARY KEY (estate, edge, epoch, log, first_seq)
);

CREATE TABLE gaps (
    estate    TEXT NOT NULL,
    edge      TEXT NOT NULL,
    epoch     TEXT NOT NULL,
    log       TEXT NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq  BIGINT NOT NULL,
    reason    TEXT NOT NULL,
    from_ms   BIGINT NOT NULL,
    to_ms     BIGINT NOT NULL,
    heard_ms  BIGINT NOT NULL,
    PRIMARY KEY (estate, edge, epoch, log, first_seq, last_seq)
);

CREATE TABLE device_events (
    estate    TEXT NOT NULL,
    device    TEXT NOT NULL,
    name      TEXT NOT NULL,
    at_ms     BIGINT NOT NULL,
    kind      TEXT NOT NULL,
    edge      TEXT NOT NULL,
    device_ms BIGINT NOT NULL,
    edge_ms   BIGINT NOT NULL,
    marks     BIGINT NOT NULL,
    data_doc  TEXT NOT NULL,
    PRIMARY KEY (estate, device, name, at_ms)
);

-- An account without estates_doc entries is good for all estates.
CREATE TABLE users (
    name          TEXT PRIMARY KEY,
    role          TEXT NOT NULL,
    staff         TEXT NOT NULL,
    estates_doc   TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    disabled      BOOLEAN NOT NULL,
    created_ms    BIGINT NOT NULL
);

CREATE TABLE sessions (
    hash       TEXT PRIMARY KEY,
    account    TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    seen_ms    BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);

CREATE TABLE tokens (
    hash        TEXT PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,
    estates_doc TEXT NOT NULL,
    created_ms  BIGINT NOT NULL,
    expires_ms  BIGINT NOT NULL,
    revoked_ms  BIGINT NOT NULL
);

CREATE TABLE links (
    hash       TEXT PRIMARY KEY,
    estate     TEXT NOT NULL,
    ticket     TEXT NOT NULL,
    staff      TEXT NOT NULL,
    delivery   TEXT NOT NULL,
    expires_ms BIGINT NOT NULL
);

CREATE TABLE tries (
    key      TEXT PRIMARY KEY,
    n        BIGINT NOT NULL,
    first_ms BIGINT NOT NULL
);

CREATE TABLE audit (
    estate  TEXT NOT NULL,
    chain   TEXT NOT NULL,
    n       BIGINT NOT NULL,
    at_ms   BIGINT NOT NULL,
    ref     TEXT NOT NULL,
    kind    TEXT NOT NULL,
    by_kind TEXT NOT NULL,
    by_id   TEXT NOT NULL,
    digest  TEXT NOT NULL,
    prev    TEXT NOT NULL,
    hash    TEXT NOT NULL,
    PRIMARY KEY (estate, chain, n)
);

-- Kept apart from the entries, so that a cut-off end is found.
CREATE TABLE audit_heads (
    estate TEXT NOT NULL,
    chain  TEXT NOT NULL,
    n      BIGINT NOT NULL,
    hash   TEXT NOT NULL,
    PRIMARY KEY (estate, chain)
);

-- The ids of server-sent events. They are issued under a lock until the commit,
-- so that a reader who has seen one has seen all before it.
CREATE TABLE changes (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    estate      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    device      TEXT NOT NULL,
    device_kind TEXT NOT NULL,
    at_ms       BIGINT NOT NULL
);

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
