-- Back to one plain ledger; what was replaced as a whole becomes rows of the history again.
DROP TRIGGER note_added_household ON household;
DROP TRIGGER note_changed_household ON household;
DROP TRIGGER note_removed_household ON household;

CREATE TEMPORARY TABLE replaced ON COMMIT DROP AS
SELECT household_id, grid_id, method, distance_m, reason, valid_from, valid_to
FROM assignment_history
WHERE tableoid <> 'assignment_history'::regclass;

DO $$
DECLARE
    each record;
BEGIN
    FOR each IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'assignment_history'::regclass
    LOOP
        EXECUTE 'DROP TABLE ' || each.inhrelid::regclass;
    END LOOP;
END
$$;
INSERT INTO assignment_history
    (household_id, grid_id, method, distance_m, reason, valid_from, valid_to)
SELECT * FROM replaced;
ALTER TABLE assignment_history
    DROP CONSTRAINT ck_assignment_history_period,
    ADD CONSTRAINT ck_assignment_history_period CHECK (valid_to >= valid_from);

CREATE TEMPORARY TABLE ledger_view ON COMMIT DROP AS
WITH RECURSIVE reader AS (
    SELECT CAST('assignment'::regclass AS oid) AS id, 0 AS depth
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
WHERE depth > 0
GROUP BY id;

DO $$
DECLARE
    each record;
BEGIN
    FOR each IN SELECT name FROM ledger_view ORDER BY depth DESC LOOP
        EXECUTE 'DROP VIEW ' || each.name;
    END LOOP;
END
$$;

ALTER TABLE assignment DETACH PARTITION assignment_current;
DROP TABLE assignment;
DO $$
DECLARE
    each record;
    wanted text;
BEGIN
    -- the names that the indexes had
    FOR each IN
        SELECT indexrelid::regclass::text AS name, indisprimary, pg_get_indexdef(indexrelid) AS text
        FROM pg_index WHERE indrelid = 'assignment_current'::regclass
    LOOP
        IF each.text LIKE '%(method)%' THEN
            EXECUTE 'DROP INDEX ' || each.name;
        ELSE
            wanted := CASE WHEN each.indisprimary THEN 'pk_assignment' ELSE 'ix_assignment_grid_id' END;
            EXECUTE format('ALTER INDEX %s RENAME TO %I', each.name, wanted);
        END IF;
    END LOOP;
END
$$;
ALTER TABLE assignment_current RENAME TO assignment;

DO $$
DECLARE
    each record;
BEGIN
    FOR each IN SELECT name, definition FROM ledger_view ORDER BY depth LOOP
        EXECUTE 'CREATE VIEW ' || each.name || ' AS ' || each.definition;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION keep_deleted_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO assignment_history
        (household_id, grid_id, method, distance_m, reason, valid_from, valid_to)
    SELECT
        before.household_id, before.grid_id, before.method, before.distance_m, before.reason,
        before.at, greatest(now(), before.at)
    FROM before
    JOIN household ON household.id = before.household_id;
    RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION keep_updated_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO assignment_history
        (household_id, grid_id, method, distance_m, reason, valid_from, valid_to)
    SELECT
        before.household_id, before.grid_id, before.method, before.distance_m, before.reason,
        before.at,
        CASE WHEN later.at > before.at THEN later.at ELSE greatest(now(), before.at) END
    FROM before
    JOIN later ON later.household_id = before.household_id
    WHERE (before.grid_id, before.method, before.reason)
        IS DISTINCT FROM (later.grid_id, later.method, later.reason);
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_updated_assignment AFTER UPDATE ON assignment
    REFERENCING OLD TABLE AS before NEW TABLE AS later
    FOR EACH STATEMENT EXECUTE FUNCTION keep_updated_assignment();
CREATE TRIGGER keep_deleted_assignment AFTER DELETE ON assignment
    REFERENCING OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION keep_deleted_assignment();

DROP TABLE household_change, assignment_queue, assignment_plan, assignment_state;
DROP FUNCTION
    note_added_household, note_changed_household, note_removed_household,
    forget_assignment_state, replace_assignment;
