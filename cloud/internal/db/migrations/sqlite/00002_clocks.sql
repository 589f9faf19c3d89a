-- +goose Up
-- By how much the times of a boot whose clock nobody measured are moved: told
-- once, before the first of its samples is stored, and never changed.
CREATE TABLE clock_moves (
    estate   TEXT NOT NULL,
    edge     TEXT NOT NULL,
    boot     TEXT NOT NULL,
    n        INTEGER NOT NULL,
    edge_ms  INTEGER NOT NULL,
    moved_ms INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (estate, edge, boot, n)
) STRICT;

-- What was odd about the times of a device's samples, by the day (UTC) on which
-- they came. first_ms and last_ms are the original times.
CREATE TABLE clock_days (
    estate      TEXT NOT NULL,
    device      TEXT NOT NULL,
    day_ms      INTEGER NOT NULL,
    samples     INTEGER NOT NULL,
    corrected   INTEGER NOT NULL,
    untrusted   INTEGER NOT NULL,
    disbelieved INTEGER NOT NULL,
    late        INTEGER NOT NULL,
    most_ms     INTEGER NOT NULL,
    first_ms    INTEGER NOT NULL,
    last_ms     INTEGER NOT NULL,
    PRIMARY KEY (estate, device, day_ms)
) STRICT;

-- +goose Down
DROP TABLE clock_days;
DROP TABLE clock_moves;
