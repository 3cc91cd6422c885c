-- The load of every grid, kept as the ledger changes, so that reading a page of grids, or those that
-- are overloaded, counts no households. What is not known is counted when it is read: a missing row
-- costs time, never truth.

-- Which plan rules a community today is asked for every grid of a page. The index of the exclusion
-- constraint takes ten times as long for it as this one, but the planner holds both for equal; in
-- another collation the former does not come into question. Equal is equal in both.
ALTER TABLE community_plan
    DROP CONSTRAINT ex_community_plan_active,
    ADD CONSTRAINT ex_community_plan_active
        EXCLUDE USING gist (community_code COLLATE "C" WITH =, active WITH &&);
CREATE INDEX ix_community_plan_community_code
    ON community_plan (community_code) INCLUDE (plan_id, active);

CREATE TABLE grid_load (
    grid_id    integer NOT NULL,
    ledger     oid NOT NULL,
    records    integer NOT NULL,
    households integer NOT NULL,
    CONSTRAINT pk_grid_load PRIMARY KEY (grid_id),
    CONSTRAINT fk_grid_load_grid_id FOREIGN KEY (grid_id) REFERENCES grid (id) ON DELETE CASCADE
);

-- The table that holds the present rows of the ledger. A load counted in another one is not known
-- any more: a part of the ledger may be replaced as a whole, which no trigger sees.
CREATE FUNCTION present_ledger() RETURNS oid LANGUAGE sql STABLE AS $$
    SELECT CAST(coalesce(to_regclass('assignment_current'), to_regclass('assignment')) AS oid)
$$;

-- Holds the rows of some grids until the end of the transaction; where there is none, it is made. One
-- that another has just taken away is made again, or who made it meanwhile would miss the change
-- that this is for.
CREATE FUNCTION hold_loads(changed integer[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    held bigint;
BEGIN
    LOOP
        INSERT INTO grid_load (grid_id, ledger, records, households)
        SELECT touched.id, 0, 0, 0 FROM unnest(changed) AS touched (id) ORDER BY touched.id
        ON CONFLICT DO NOTHING;
        PERFORM 1 FROM grid_load WHERE grid_id = ANY (changed) ORDER BY grid_id FOR NO KEY UPDATE;
        GET DIAGNOSTICS held = ROW_COUNT;
        EXIT WHEN held = (SELECT count(DISTINCT touched.id) FROM unnest(changed) AS touched (id));
    END LOOP;
END
$$;

-- Counts the loads of some grids anew. Whoever changes one waits for those who did, so that none
-- misses the households of another.
CREATE FUNCTION count_loads(changed integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM hold_loads(changed);
    UPDATE grid_load
    SET ledger = present_ledger(), records = counted.records, households = counted.households
    FROM (
        SELECT
            touched.id AS grid_id,
            count(household.id) AS records,
            coalesce(sum(household.households), 0) AS households
        FROM unnest(changed) AS touched (id)
        LEFT JOIN assignment ON assignment.grid_id = touched.id
        LEFT JOIN household ON household.id = assignment.household_id
        GROUP BY touched.id
    ) AS counted
    WHERE grid_load.grid_id = counted.grid_id;
END
$$;

-- Forgets the loads of some grids, once nobody counts them.
CREATE FUNCTION forget_loads(changed integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM hold_loads(changed);
    DELETE FROM grid_load WHERE grid_id = ANY (changed);
END
$$;

CREATE FUNCTION keep_loads() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed integer[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        changed := ARRAY(SELECT DISTINCT grid_id FROM fresh WHERE grid_id IS NOT NULL);
    ELSE
        changed := ARRAY(
            SELECT DISTINCT touched.grid_id
            FROM stale
            JOIN fresh USING (household_id)
            CROSS JOIN LATERAL (VALUES (stale.grid_id), (fresh.grid_id)) AS touched (grid_id)
            WHERE stale.grid_id IS DISTINCT FROM fresh.grid_id AND touched.grid_id IS NOT NULL
        );
    END IF;
    IF cardinality(changed) > 0 THEN
        PERFORM count_loads(changed);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_loads_insert AFTER INSERT ON assignment
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION keep_loads();
CREATE TRIGGER keep_loads_update AFTER UPDATE ON assignment
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION keep_loads();

-- Deleted households take their assignments along one by one: counting anew for each would not end.
CREATE FUNCTION forget_deleted_loads() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed integer[] := ARRAY(SELECT DISTINCT grid_id FROM stale WHERE grid_id IS NOT NULL);
BEGIN
    IF cardinality(changed) > 0 THEN
        PERFORM forget_loads(changed);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_deleted_loads AFTER DELETE ON assignment
    REFERENCING OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION forget_deleted_loads();

CREATE FUNCTION forget_all_loads() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM grid_load;
    RETURN NULL;
END
$$;
CREATE TRIGGER forget_all_loads AFTER TRUNCATE ON assignment
    FOR EACH STATEMENT EXECUTE FUNCTION forget_all_loads();

-- A record that stands for another number of households.
CREATE FUNCTION keep_loads_of_households() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed integer[] := ARRAY(
        SELECT DISTINCT assignment.grid_id
        FROM stale
        JOIN fresh USING (id)
        JOIN assignment ON assignment.household_id = fresh.id
        WHERE stale.households <> fresh.households AND assignment.grid_id IS NOT NULL
    );
BEGIN
    IF cardinality(changed) > 0 THEN
        PERFORM count_loads(changed);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_loads_of_households AFTER UPDATE ON household
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION keep_loads_of_households();

SELECT count_loads(ARRAY(SELECT DISTINCT grid_id FROM assignment WHERE grid_id IS NOT NULL));

-- The load of a grid, known or counted, and its team against the requirement: one row. The planner
-- puts it in the place where it is called.
CREATE FUNCTION grid_figures(grid integer, dataset integer)
RETURNS TABLE (records integer, households integer, posts_required integer, posts_filled integer)
LANGUAGE sql STABLE AS $$
    SELECT
        coalesce(known.records, counted.records),
        coalesce(known.households, counted.households),
        team.required,
        team.filled
    FROM (SELECT) AS one
    LEFT JOIN grid_load AS known
        ON known.grid_id = grid AND known.ledger = (SELECT present_ledger())
    CROSS JOIN LATERAL (
        SELECT
            CAST(count(*) AS integer) AS records,
            CAST(coalesce(sum(household.households), 0) AS integer) AS households
        FROM assignment
        JOIN household ON household.id = assignment.household_id
        WHERE assignment.grid_id = grid AND known.grid_id IS NULL
    ) AS counted
    CROSS JOIN LATERAL (
        SELECT
            CAST(coalesce(sum(requirement.posts), 0) AS integer) AS required,
            CAST(coalesce(sum(least(requirement.posts, held.posts)), 0) AS integer) AS filled
        FROM team_requirement AS requirement
        CROSS JOIN LATERAL (
            SELECT count(*) AS posts
            FROM post
            WHERE post.grid_id = grid AND post.role = requirement.role AND post.valid_to IS NULL
        ) AS held
        WHERE requirement.dataset_id = dataset
    ) AS team
$$;

-- One row a current grid with its figures.
CREATE OR REPLACE VIEW coverage AS
SELECT
    current_grid.id AS grid_id,
    current_grid.code AS grid_code,
    current_grid.community_code,
    division.name AS community_name,
    current_grid.dataset_id,
    current_grid.plan_id,
    current_grid.kind,
    current_grid.flag,
    current_grid.reason,
    figures.records,
    figures.households,
    dataset.target,
    dataset.minimum,
    dataset.maximum,
    figures.posts_required,
    figures.posts_filled,
    figures.posts_required - figures.posts_filled AS vacancies,
    current_grid.geometry
FROM current_grid
JOIN division ON division.code = current_grid.community_code
JOIN dataset ON dataset.id = current_grid.dataset_id
CROSS JOIN LATERAL grid_figures(current_grid.id, current_grid.dataset_id) AS figures;
