-- relation --
-- A table or view by name, with what the database says about it.
SELECT
    relation.oid, relation.relkind,
    coalesce(obj_description(relation.oid, 'pg_class'), '') AS comment,
    has_table_privilege(relation.oid, 'SELECT') AS readable
FROM pg_class AS relation
JOIN pg_namespace AS schema ON schema.oid = relation.relnamespace
WHERE schema.nspname = :schema AND relation.relname = :name
    AND relation.relkind IN ('r', 'v', 'm', 'p', 'f')

-- columns --
-- Its columns in order; geometry columns with their type and SRID, where these are declared.
SELECT
    attribute.attname AS name,
    type.typname AS type,
    attribute.attnotnull AS filled,
    coalesce(col_description(attribute.attrelid, attribute.attnum), '') AS comment,
    CASE WHEN type.typname = 'geometry' THEN postgis_typmod_type(attribute.atttypmod) END
        AS geometry_type,
    CASE WHEN type.typname = 'geometry' THEN postgis_typmod_srid(attribute.atttypmod) END AS srid
FROM pg_attribute AS attribute
JOIN pg_type AS type ON type.oid = attribute.atttypid
WHERE attribute.attrelid = :oid AND attribute.attnum > 0 AND NOT attribute.attisdropped
ORDER BY attribute.attnum

-- key --
-- The columns of its primary key, or of a unique index over columns that are never null.
SELECT array_agg(CAST(attribute.attname AS text) ORDER BY place.number) AS columns
FROM pg_index AS index
CROSS JOIN LATERAL unnest(CAST(index.indkey AS int2[])) WITH ORDINALITY AS place (attnum, number)
JOIN pg_attribute AS attribute
    ON attribute.attrelid = index.indrelid AND attribute.attnum = place.attnum
WHERE index.indrelid = :oid AND index.indisunique AND index.indisvalid
    AND index.indpred IS NULL AND index.indexprs IS NULL
    AND place.number <= index.indnkeyatts
GROUP BY index.indexrelid, index.indisprimary
HAVING bool_and(attribute.attnotnull)
ORDER BY index.indisprimary DESC, count(*), index.indexrelid
LIMIT 1
