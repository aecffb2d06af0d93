-- Bodies, officials, posts over time. All folded from the streams body/… and official/….
CREATE TABLE body (
    id BIGINT PRIMARY KEY,
    code TEXT NOT NULL UNIQUE,
    parent BIGINT NOT NULL,
    level TEXT NOT NULL,
    sector TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to TEXT NOT NULL,
    merged_into BIGINT NOT NULL,
    source TEXT NOT NULL,
    n BIGINT NOT NULL
);
CREATE INDEX body_parent ON body (parent);
CREATE TABLE body_name (
    body BIGINT NOT NULL,
    lang TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    name TEXT NOT NULL,
    valid_to TEXT NOT NULL,
    PRIMARY KEY (body, lang, valid_from)
);
-- The closure of the tree: every body with itself (depth 0) and each body above it.
CREATE TABLE body_above (
    body BIGINT NOT NULL,
    above BIGINT NOT NULL,
    depth BIGINT NOT NULL,
    PRIMARY KEY (body, above)
);
CREATE INDEX body_above_above ON body_above (above, body);

CREATE TABLE official (
    id BIGINT PRIMARY KEY,
    source TEXT NOT NULL,
    source_key TEXT NOT NULL,
    name TEXT NOT NULL,
    identified BIGINT NOT NULL,
    merged_into BIGINT NOT NULL,
    data TEXT NOT NULL,
    n BIGINT NOT NULL
);
CREATE UNIQUE INDEX official_source ON official (source, source_key);
CREATE INDEX official_by_name ON official (name);
CREATE TABLE official_name (
    official BIGINT NOT NULL,
    no BIGINT NOT NULL,
    name TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    PRIMARY KEY (official, no)
);
CREATE TABLE post (
    official BIGINT NOT NULL,
    no BIGINT NOT NULL,
    body BIGINT NOT NULL,
    title TEXT NOT NULL,
    rank TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (official, no)
);
CREATE INDEX post_body ON post (body);

-- Words of officials' names for finding them, as bytes so that both databases order them alike: every word in lower
-- case, and for scripts without spaces the rest of the name from every character on.
CREATE TABLE official_word (
    official BIGINT NOT NULL,
    word BYTEA NOT NULL,
    PRIMARY KEY (word, official)
);
CREATE INDEX official_word_official ON official_word (official);

-- Changes whenever a body does; drawn at random, so that a version rolled back never comes again.
CREATE TABLE register_version (
    id BIGINT PRIMARY KEY,
    version BIGINT NOT NULL
);
INSERT INTO register_version (id, version) VALUES (1, 0);
