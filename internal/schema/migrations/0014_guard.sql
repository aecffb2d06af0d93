-- What guards the way in, and who is told outside that there is something new. None of it is part of the record, and
-- none of it names a network address.

-- How a report came in, where staff should know: "trap quick blind again", or nothing.
CREATE TABLE filing (
    matter BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    marks TEXT NOT NULL
);
CREATE INDEX filing_at ON filing (at);

-- How alike reports are: keyed sketches of their words, and the bands by which like ones are found.
CREATE TABLE likeness (
    matter BIGINT PRIMARY KEY,
    sketch BYTEA NOT NULL,
    banded BIGINT NOT NULL
);
CREATE INDEX likeness_new ON likeness (matter) WHERE banded = 0;
CREATE TABLE likeness_band (
    band BIGINT NOT NULL,
    matter BIGINT NOT NULL,
    PRIMARY KEY (band, matter)
);

-- Addresses, sealed under a key that is not in the database, and the mails that wait to be sent to them.
CREATE TABLE notice_address (
    kind TEXT NOT NULL,
    who BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    lang TEXT NOT NULL,
    sent BIGINT NOT NULL,
    PRIMARY KEY (kind, who)
);
CREATE TABLE outbox (
    kind TEXT NOT NULL,
    who BIGINT NOT NULL,
    since BIGINT NOT NULL,
    due BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    PRIMARY KEY (kind, who)
);
CREATE INDEX outbox_due ON outbox (due);

-- Time limits that somebody was warned of already.
CREATE TABLE notice_clock (
    matter BIGINT NOT NULL,
    clock TEXT NOT NULL,
    due BIGINT NOT NULL,
    PRIMARY KEY (matter, clock, due)
);
