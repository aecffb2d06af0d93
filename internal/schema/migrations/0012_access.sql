-- What people have declared of each other: relatives and interests. Folded from the streams tie/…. One side is an account
-- (somebody who works here and may not stand in the register) or an official; the other is always an official.
CREATE TABLE tie (
    id BIGINT PRIMARY KEY,
    account BIGINT NOT NULL,
    official BIGINT NOT NULL,
    other BIGINT NOT NULL,
    kind TEXT NOT NULL,
    valid_from TEXT NOT NULL,
    valid_to TEXT NOT NULL,
    n BIGINT NOT NULL
);
CREATE INDEX tie_account ON tie (account) WHERE account <> 0;
CREATE INDEX tie_official ON tie (official) WHERE official <> 0;
CREATE INDEX tie_other ON tie (other);

-- Who works here and stands in the register; which body carries on for which: both are few, and asked for by everybody's sight.
CREATE INDEX account_official ON account (official) WHERE official <> 0;
CREATE INDEX body_merged ON body (merged_into) WHERE merged_into <> 0;
