-- What a dry run has seen; nobody else does.
CREATE TEMPORARY TABLE pgtandem_seen (
    import bigint NOT NULL,
    _id    text PRIMARY KEY,
    hash   bigint NOT NULL
);
