-- +goose Up
-- By how much the times of a boot whose clock nobody measured are moved: told
-- once, before the first of its samples is stored, and never changed.
CREATE TABLE clock_moves (
    estate   TEXT NOT NULL,
    edge     TEXT NOT NULL,
    boot     TEXT NOT NULL,
    n        BIGINT NOT NULL,
    edge_ms  BIGINT NOT NULL,
    moved_ms BIGINT NOT NULL,
    at_ms    BIGINT NOT NULL,
    PRIMARY KEY (estate, edge, boot, n)
);

-- What was odd about the times of a device's samples, by the day (UTC) on which
-- they came. first_ms and last_ms are the original times.
CREATE TABLE clock_days (
    estate      TEXT NOT NULL,
    device      TEXT NOT NULL,
    day_ms      BIGINT NOT NULL,
    samples     BIGINT NOT NULL,
    corrected   BIGINT NOT NULL,
    untrusted   BIGINT NOT NULL,
    disbelieved BIGINT NOT NULL,
    late        BIGINT NOT NULL,
    most_ms     BIGINT NOT NULL,
    first_ms    BIGINT NOT NULL,
    last_ms     BIGINT NOT NULL,
    PRIMARY KEY (estate, device, day_ms)
);

-- +goose Down
DROP TABLE clock_days;
DROP TABLE clock_moves;
