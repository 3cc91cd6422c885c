-- drop_begun --
DROP TABLE IF EXISTS unchanged, kept, placed_load

-- begin --
-- A part for the ledger beside the present one, without keys and indexes while it is filled; with
-- it, the households whose row is the same in both, those whose row is not looked at, and the loads
-- of the grids by the others.
CREATE TABLE assignment_next (LIKE assignment INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
ALTER TABLE assignment_next
    ALTER method SET DEFAULT 'covers', ALTER distance_m SET DEFAULT 0;
CREATE TEMPORARY TABLE unchanged (household_id bigint NOT NULL) ON COMMIT DROP;
CREATE TEMPORARY TABLE kept (household_id bigint NOT NULL) ON COMMIT DROP;
CREATE TEMPORARY TABLE placed_load (
    grid_id integer NOT NULL, records integer NOT NULL, households bigint NOT NULL
) ON COMMIT DROP

-- keep_other_datasets --
INSERT INTO kept
SELECT household.id
FROM dataset
JOIN household ON household.dataset_id = dataset.id
WHERE dataset.id <> ALL (CAST(:dataset_ids AS integer[]))

-- analyze_kept --
ANALYZE kept

-- add_kept --
WITH added AS (
    INSERT INTO assignment_next
    SELECT assignment.* FROM kept JOIN assignment USING (household_id)
    RETURNING household_id
)
INSERT INTO unchanged SELECT household_id FROM added

-- index --
-- With helpers an index comes no sooner, the rows being nearly in order, and takes half as much
-- again of the processors.
ALTER TABLE assignment_next ALTER method DROP DEFAULT, ALTER distance_m DROP DEFAULT;
SET LOCAL max_parallel_maintenance_workers = 0;
ALTER TABLE assignment_next ADD PRIMARY KEY (household_id);
CREATE INDEX ON assignment_next (grid_id);
CREATE INDEX ON assignment_next (method) WHERE method <> 'covers';
SET LOCAL max_parallel_maintenance_workers TO DEFAULT

-- keep_exceptions --
-- An exception for the same reason has been one since then.
WITH same AS (
    UPDATE assignment_next AS next
    SET at = assignment.at
    FROM assignment
    WHERE next.method = 'exception' AND next.at = now()
        AND assignment.household_id = next.household_id
        AND assignment.method = 'exception'
        AND assignment.reason = next.reason
    RETURNING next.household_id
)
INSERT INTO unchanged SELECT household_id FROM same

-- analyze --
ANALYZE assignment_next;
ANALYZE unchanged

-- reference --
-- Both sides have their keys in order in an index, and need no more than that; hashing ten million
-- rows takes three times as long.
SET LOCAL enable_hashjoin = off;
ALTER TABLE assignment_next ADD FOREIGN KEY (household_id)
    REFERENCES household (id) ON DELETE CASCADE;
ALTER TABLE assignment_next ADD FOREIGN KEY (grid_id) REFERENCES grid (id);
SET LOCAL enable_hashjoin TO DEFAULT

-- count_loads --
-- The loads of the grids in the new ledger, known under it; nobody sees them before the switch. An
-- empty grid is as quickly counted as looked up.
INSERT INTO grid_load (grid_id, ledger, records, households)
SELECT
    grid_id, CAST(CAST('assignment_next' AS regclass) AS oid), sum(records), sum(households)
FROM (
    SELECT grid_id, records, households FROM placed_load
    UNION ALL
    SELECT next.grid_id, 1, household.households
    FROM kept
    JOIN assignment_next AS next USING (household_id)
    JOIN household ON household.id = kept.household_id
    WHERE next.grid_id IS NOT NULL
) AS each
GROUP BY grid_id
ORDER BY grid_id
ON CONFLICT (grid_id) DO UPDATE SET
    ledger = excluded.ledger, records = excluded.records, households = excluded.households

-- drop_unchanged --
-- The present part goes into the history, without what did not change.
DELETE FROM assignment_current
USING unchanged
WHERE assignment_current.household_id = unchanged.household_id

-- try_to_hold --
SET LOCAL lock_timeout = '100ms';
LOCK TABLE assignment, household, grid IN ACCESS EXCLUSIVE MODE;
SET LOCAL lock_timeout TO DEFAULT

-- replace --
SELECT replace_assignment()

-- change --
-- Row by row, where others read without a pause; the triggers write the history.
UPDATE assignment
SET grid_id = next.grid_id, method = next.method, distance_m = next.distance_m,
    reason = next.reason, at = next.at
FROM assignment_next AS next
WHERE assignment.household_id = next.household_id
    AND (assignment.grid_id, assignment.method, assignment.reason)
        IS DISTINCT FROM (next.grid_id, next.method, next.reason)

-- add --
INSERT INTO assignment
SELECT next.*
FROM assignment_next AS next
WHERE NOT EXISTS (SELECT FROM assignment WHERE assignment.household_id = next.household_id)

-- drop --
DROP TABLE assignment_next
