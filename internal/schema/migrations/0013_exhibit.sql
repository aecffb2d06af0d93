-- Files of a matter, in sealed chunks. What a file is called, what it is, how large it is and its hash stand in none of
-- these columns, but in the sealed part of the entry that attached it.
CREATE TABLE exhibit (
    id BIGINT PRIMARY KEY,
    matter BIGINT NOT NULL,
    compartment TEXT NOT NULL,      -- whose readers may open it
    n BIGINT NOT NULL,              -- the entry of the matter that attached it; 0: it is still arriving
    key BYTEA NOT NULL,             -- the file's own key, sealed to the compartment
    salt BYTEA NOT NULL,            -- of the key that the state is sealed under
    state BYTEA,                    -- while it is arriving in several requests: how far it got, sealed under a secret of the sender
    chunks BIGINT NOT NULL,         -- of the original, so far
    stored BIGINT NOT NULL,         -- bytes of all its chunks, the last of each part filled up
    copy TEXT NOT NULL,             -- type of the working copy; '': there is none
    copy_chunks BIGINT NOT NULL,
    begun BIGINT NOT NULL,
    touched BIGINT NOT NULL
);
CREATE INDEX exhibit_matter ON exhibit (matter);
CREATE INDEX exhibit_arriving ON exhibit (touched) WHERE n = 0;

CREATE TABLE exhibit_chunk (
    file BIGINT NOT NULL,
    part BIGINT NOT NULL,           -- 0: the original, 1: the working copy
    no BIGINT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (file, part, no)
);
