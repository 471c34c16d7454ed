-- The lines of a file as they are: JSON has no control character, so none is a quote or delimiter.
\set copy '\\copy ' :table ' FROM ' :'lines' ' WITH (FORMAT csv, QUOTE E''\\x01'', DELIMITER E''\\x02'')'
:copy
