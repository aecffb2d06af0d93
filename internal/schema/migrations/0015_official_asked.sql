-- Which official an account is to be, where that waits for a second person (folded from account/…). 0: nobody of the register.
CREATE TABLE official_asked (
    account BIGINT NOT NULL,
    official BIGINT NOT NULL,
    asked_by BIGINT NOT NULL,
    n BIGINT NOT NULL,
    PRIMARY KEY (account, official)
);
