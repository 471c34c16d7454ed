-- Raw JSON has no control character, so nothing in it is taken for a quote or a delimiter.
COPY {staging} (import, _id, document) FROM STDIN
WITH (FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02', ENCODING 'UTF8');
