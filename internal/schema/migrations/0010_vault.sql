-- Keys. What is public of them, and who was given them when, is folded from the streams vault/…; what is sealed here is
-- secret, no part of the record, and may be destroyed without breaking it.
CREATE TABLE vault_person (
    account BIGINT NOT NULL,
    no BIGINT NOT NULL,
    recipient TEXT NOT NULL,
    made BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    PRIMARY KEY (account, no)
);
CREATE TABLE vault_desk (
    duty TEXT NOT NULL,
    body BIGINT NOT NULL,
    id BIGINT NOT NULL,
    recipient TEXT NOT NULL,
    made BIGINT NOT NULL,
    gone BIGINT NOT NULL,
    PRIMARY KEY (duty, body, id)
);
CREATE UNIQUE INDEX vault_desk_id ON vault_desk (id);
CREATE TABLE vault_escrow (
    id BIGINT PRIMARY KEY,
    need BIGINT NOT NULL,
    officers BIGINT NOT NULL,
    recipient TEXT NOT NULL,
    made BIGINT NOT NULL,
    gone BIGINT NOT NULL
);
CREATE TABLE vault_lock (
    account BIGINT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    no BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    params TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    made BIGINT NOT NULL,
    PRIMARY KEY (account, kind, id)
);
CREATE TABLE vault_member (
    desk BIGINT NOT NULL,
    account BIGINT NOT NULL,
    founding BIGINT NOT NULL,
    since BIGINT NOT NULL,
    sealed BYTEA,
    PRIMARY KEY (desk, account)
);
CREATE INDEX vault_member_account ON vault_member (account);
CREATE TABLE vault_kept (
    desk BIGINT PRIMARY KEY,
    sealed BYTEA NOT NULL
);
CREATE TABLE vault_escrowed (
    desk BIGINT NOT NULL,
    escrow BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (desk, escrow)
);
CREATE TABLE vault_escrow_lock (
    escrow BIGINT PRIMARY KEY,
    sealed BYTEA NOT NULL
);
CREATE TABLE vault_compartment (
    matter BIGINT NOT NULL,
    compartment TEXT NOT NULL,
    recipient TEXT NOT NULL,
    PRIMARY KEY (matter, compartment)
);
CREATE TABLE vault_wrap (
    matter BIGINT NOT NULL,
    desk BIGINT NOT NULL,
    parts TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    PRIMARY KEY (matter, desk, parts)
);
CREATE INDEX vault_wrap_desk ON vault_wrap (desk, matter);
