-- Figures. Everything here follows from the matters and is rebuilt from the journal when the measures change.

-- What each matter contributes: one row for each thing counted. dims holds the values of the measure's dimensions, each
-- as name=value between unit separators (U+001F).
CREATE TABLE fact (
    matter BIGINT NOT NULL,
    measure TEXT NOT NULL,
    no BIGINT NOT NULL,
    official BIGINT NOT NULL,
    body BIGINT NOT NULL,
    received TEXT NOT NULL,
    dims TEXT NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (matter, measure, no)
);
CREATE INDEX fact_body ON fact (measure, body, received);

-- How many facts lie at or below a body (0: anywhere), and whether its cells are kept in full.
CREATE TABLE cube (
    measure TEXT NOT NULL,
    body BIGINT NOT NULL,
    facts BIGINT NOT NULL,
    kept BIGINT NOT NULL,
    PRIMARY KEY (measure, body)
);
-- Values ready to be read. dims names the dimensions of v1 and v2 ("", "finding", "category+finding"); period is a
-- year, "none" for what has no date of receipt, or "all".
CREATE TABLE cell (
    measure TEXT NOT NULL,
    body BIGINT NOT NULL,
    dims TEXT NOT NULL,
    period TEXT NOT NULL,
    v1 TEXT NOT NULL,
    v2 TEXT NOT NULL,
    value BIGINT NOT NULL,
    PRIMARY KEY (measure, body, dims, period, v1, v2)
);
-- For distinct numbers: how often an official is counted in each cell of a body, as a JSON object.
CREATE TABLE seen (
    measure TEXT NOT NULL,
    body BIGINT NOT NULL,
    official BIGINT NOT NULL,
    times TEXT NOT NULL,
    PRIMARY KEY (measure, body, official)
);
-- The tree of bodies that the cells stand for, so that a move in the register is noticed and carried over.
CREATE TABLE tally_tree (
    body BIGINT PRIMARY KEY,
    parent BIGINT NOT NULL
);
CREATE TABLE tally_tree_version (
    id BIGINT PRIMARY KEY,
    version BIGINT NOT NULL
);
INSERT INTO tally_tree_version (id, version) VALUES (1, 0);
