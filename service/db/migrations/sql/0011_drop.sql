-- A view loses a column only where nothing reads it: the views above it go, and come back as they are.
CREATE TEMPORARY TABLE grid_view ON COMMIT DROP AS
WITH RECURSIVE reader AS (
    SELECT CAST('current_grid'::regclass AS oid) AS id, 0 AS depth
    UNION
    SELECT rule.ev_class, reader.depth + 1
    FROM reader
    JOIN pg_depend AS need
        ON need.refobjid = reader.id
        AND need.refclassid = 'pg_class'::regclass
        AND need.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite AS rule ON rule.oid = need.objid
    WHERE rule.ev_class <> reader.id
)
SELECT id::regclass::text AS name, max(depth) AS depth, pg_get_viewdef(id) AS definition
FROM reader
GROUP BY id;

DO $$
DECLARE
    each record;
BEGIN
    FOR each IN SELECT name FROM grid_view ORDER BY depth DESC LOOP
        EXECUTE 'DROP VIEW ' || each.name;
    END LOOP;
END
$$;

CREATE VIEW current_grid AS
SELECT
    grid.id,
    grid.code,
    grid.community_code,
    grid_version.kind,
    grid_version.flag,
    grid_version.reason,
    division.dataset_id,
    community_plan.plan_id,
    grid_version.geometry,
    grid_version.version,
    grid_version.households AS households_drawn
FROM community_plan
JOIN plan_grid ON plan_grid.plan_id = community_plan.plan_id
JOIN grid
    ON grid.id = plan_grid.grid_id
    AND grid.community_code = community_plan.community_code
JOIN grid_version
    ON grid_version.grid_id = plan_grid.grid_id
    AND grid_version.version = plan_grid.version
JOIN division ON division.code = grid.community_code
WHERE community_plan.active @> CURRENT_DATE;

DO $$
DECLARE
    each record;
BEGIN
    FOR each IN SELECT name, definition FROM grid_view WHERE depth > 0 ORDER BY depth LOOP
        EXECUTE 'CREATE VIEW ' || each.name || ' AS ' || each.definition;
    END LOOP;
END
$$;

DROP TRIGGER name_plan_grid ON plan_grid;
DROP FUNCTION name_plan_grid;
ALTER TABLE plan_grid DROP COLUMN named, DROP COLUMN code, DROP COLUMN community_code;
ALTER TABLE grid DROP CONSTRAINT uq_grid_id_code_community_code;
ALTER TABLE grid_version DROP COLUMN outline, DROP COLUMN described;
