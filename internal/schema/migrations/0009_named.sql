-- Which entry of a matter was the first to name an official. A name that was taken back later stays: what came first must
-- not depend on what somebody changes afterwards.
CREATE TABLE named (
    matter BIGINT NOT NULL,
    official BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (matter, official)
);
CREATE INDEX named_official ON named (official, matter);

-- Who was merged into an official: one person, whatever name they were entered under.
CREATE INDEX official_merged ON official (merged_into) WHERE merged_into <> 0;
