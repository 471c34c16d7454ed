CREATE TABLE {staging} (
    _id      text PRIMARY KEY,
    document jsonb NOT NULL,
    import   bigint NOT NULL
);
COMMENT ON TABLE {staging} IS 'Documents of MongoDB, as pgtandem import has read them.';
COMMENT ON COLUMN {staging}._id IS
    'The _id of the document: pgtandem.mongo_id(document -> ''_id'').';
COMMENT ON COLUMN {staging}.document IS
    'The document as it came: Extended JSON in the form of its file.';
COMMENT ON COLUMN {staging}.import IS
    'The import that wrote it last (pgtandem.import.id); one that found it unchanged did not.';
