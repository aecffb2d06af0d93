-- Draws for random inspection, folded from the streams sample/….

-- receipt proves the definition under the checkpoint that held it before chance was asked; it is kept because it must
-- not be made again under a later one.
CREATE TABLE sample (
    number BIGINT PRIMARY KEY,
    n BIGINT NOT NULL,
    body BIGINT NOT NULL,
    definition TEXT NOT NULL,
    defined BIGINT NOT NULL,
    draw TEXT NOT NULL,
    drawn BIGINT NOT NULL,
    receipt BYTEA
);
-- The population: a closed matter each, by the position in the journal of the entry that closed it.
CREATE TABLE sample_item (
    sample BIGINT NOT NULL,
    position BIGINT NOT NULL,
    matter BIGINT NOT NULL,
    body BIGINT NOT NULL,
    stratum TEXT NOT NULL,
    commitment BYTEA NOT NULL,
    place BIGINT NOT NULL,
    ticket TEXT NOT NULL,
    inspection BIGINT NOT NULL,
    PRIMARY KEY (sample, position)
);
CREATE INDEX sample_item_drawn ON sample_item (sample, place) WHERE place > 0;
CREATE INDEX sample_item_waiting ON sample_item (sample) WHERE place > 0 AND inspection = 0;
