COPY {staging} (import, _id, document) FROM STDIN (FORMAT binary);
