-- Matters and what belongs to them. All folded from the streams matter/….
CREATE TABLE matter (
    id BIGINT PRIMARY KEY,
    ref TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    pack TEXT NOT NULL,
    state TEXT NOT NULL,
    final BIGINT NOT NULL,
    body BIGINT NOT NULL,
    desk TEXT NOT NULL,
    desk_body BIGINT NOT NULL,
    concerned BIGINT NOT NULL,
    subject BIGINT NOT NULL,
    n BIGINT NOT NULL,
    received TEXT NOT NULL,
    opened BIGINT NOT NULL,
    changed BIGINT NOT NULL,
    closed TEXT NOT NULL,
    ended TEXT NOT NULL,
    source TEXT NOT NULL,
    source_key TEXT NOT NULL,
    source_status TEXT NOT NULL,
    due BIGINT NOT NULL,
    due_clock TEXT NOT NULL,
    overdue BIGINT NOT NULL,
    facts TEXT NOT NULL,
    data TEXT NOT NULL,
    title TEXT NOT NULL,
    channel BYTEA
);
CREATE INDEX matter_queue ON matter (body, final, due, id);
CREATE INDEX matter_desk ON matter (desk_body, desk, final, due, id);
CREATE INDEX matter_subject ON matter (subject) WHERE subject <> 0;
CREATE INDEX matter_open_due ON matter (due, id) WHERE final = 0 AND due > 0;
CREATE INDEX matter_overdue ON matter (due, id) WHERE overdue = 1;
CREATE INDEX matter_received ON matter (received, id);
CREATE INDEX matter_changed ON matter (changed, id);
CREATE INDEX matter_concerned ON matter (concerned, id);
CREATE INDEX matter_source ON matter (source_key) WHERE source <> '';
CREATE UNIQUE INDEX matter_channel ON matter (channel) WHERE channel IS NOT NULL;
CREATE TABLE allegation (
    matter BIGINT NOT NULL,
    no BIGINT NOT NULL,
    official BIGINT NOT NULL,
    described TEXT NOT NULL,
    body BIGINT NOT NULL,
    rank TEXT NOT NULL,
    conduct TEXT NOT NULL,
    category TEXT NOT NULL,
    time TEXT NOT NULL,
    place TEXT NOT NULL,
    finding TEXT NOT NULL,
    standard TEXT NOT NULL,
    outcome TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (matter, no)
);
CREATE INDEX allegation_conduct ON allegation (conduct, matter);
CREATE INDEX allegation_official ON allegation (official, matter) WHERE official <> 0;
CREATE TABLE party (
    matter BIGINT NOT NULL,
    no BIGINT NOT NULL,
    role TEXT NOT NULL,
    official BIGINT NOT NULL,
    anonymous BIGINT NOT NULL,
    n BIGINT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (matter, no)
);
CREATE INDEX party_official ON party (official, matter) WHERE official <> 0;
CREATE TABLE clock (
    matter BIGINT NOT NULL,
    clock TEXT NOT NULL,
    state TEXT NOT NULL,
    started BIGINT NOT NULL,
    due BIGINT NOT NULL,
    left_us BIGINT NOT NULL,
    pause_end BIGINT NOT NULL,
    missed BIGINT NOT NULL,
    PRIMARY KEY (matter, clock)
);
CREATE INDEX clock_due ON clock (due) WHERE state = 'running' OR state = 'open';
CREATE INDEX clock_pause ON clock (pause_end) WHERE state = 'paused';
CREATE TABLE link (
    matter BIGINT NOT NULL,
    kind TEXT NOT NULL,
    other BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (matter, kind, other)
);
CREATE TABLE did (
    matter BIGINT NOT NULL,
    kind TEXT NOT NULL,
    action TEXT NOT NULL,
    from_matter BIGINT NOT NULL,
    n BIGINT NOT NULL,
    account BIGINT NOT NULL,
    duty TEXT NOT NULL,
    body BIGINT NOT NULL,
    effects TEXT NOT NULL,
    PRIMARY KEY (matter, kind, action, from_matter, n)
);
CREATE INDEX did_account ON did (account, matter) WHERE account <> 0;
CREATE TABLE assigned (
    matter BIGINT NOT NULL,
    account BIGINT NOT NULL,
    duty TEXT NOT NULL,
    lead BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (matter, account, duty)
);
CREATE INDEX assigned_account ON assigned (account, matter);
