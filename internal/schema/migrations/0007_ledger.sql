-- The log over the journal: a Merkle tree (RFC 6962) whose leaf number idx-1 is the commitment to the entry idx.

-- What is committed to an entry, and the secret without which that says nothing; the secret goes when its entry is purged.
CREATE TABLE leaf (
    idx BIGINT PRIMARY KEY,
    commitment BYTEA NOT NULL,
    secret BYTEA
);

-- The hashes of the tree, 256 to a tile; the last tile of a level grows until it is full.
CREATE TABLE tile (
    level BIGINT NOT NULL,
    n BIGINT NOT NULL,
    hashes BYTEA NOT NULL,
    PRIMARY KEY (level, n)
);

-- The signed heads of the tree that were published. Kept ones are never pruned: they prove that a key was replaced.
CREATE TABLE checkpoint (
    size BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    note BYTEA NOT NULL,
    published BIGINT NOT NULL,
    kept BIGINT NOT NULL
);
