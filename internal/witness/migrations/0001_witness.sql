-- The logs that this witness watches, each with the newest head it has cosigned. A row is never deleted: what a witness
-- has seen of a log it must not forget. It is changed only by whoever names the head that stands there.
CREATE TABLE witness_log (
    origin TEXT PRIMARY KEY,
    added BIGINT NOT NULL,
    size BIGINT NOT NULL,    -- 0 also while nothing has been cosigned
    root BYTEA NOT NULL,     -- of the empty tree while nothing has been cosigned
    note BYTEA,              -- the head with the log's signatures and our cosignatures; NULL while nothing has been cosigned
    cosigned BIGINT NOT NULL -- when; 0 while nothing has been
);

-- The keys whose signatures are accepted for a log.
CREATE TABLE witness_key (
    origin TEXT NOT NULL,
    vkey TEXT NOT NULL,
    added BIGINT NOT NULL,
    PRIMARY KEY (origin, vkey)
);
