-- grids --
-- Every grid in force of a data set.
SELECT id, code AS grid_code, geometry
FROM current_grid
WHERE dataset_id = :dataset_id
ORDER BY code COLLATE "C"

-- households --
-- The points with the ledger beside them, so that only what changes is written.
SELECT
    household.id, household.households, assignment.household_id IS NOT NULL AS known,
    assignment.grid_id, assignment.method, assignment.distance_m, assignment.reason,
    household.geometry
FROM household
LEFT JOIN assignment ON assignment.household_id = household.id
WHERE household.dataset_id = :dataset_id
ORDER BY household.id

-- households_near --
-- The same for what lies in or near some communities, or is assigned there.
WITH chosen AS (
    SELECT
        ST_Expand(
            geometry,
            :margin_m / (111320 * greatest(cos(radians(ST_Y(ST_Centroid(geometry)))), 0.01)),
            :margin_m / 110574
        ) AS reach
    FROM division
    WHERE code = ANY (CAST(:codes AS text[]))
), touched AS (
    SELECT household.id
    FROM household
    WHERE household.dataset_id = :dataset_id
        AND EXISTS (SELECT FROM chosen WHERE household.geometry && chosen.reach)
    UNION
    SELECT assignment.household_id
    FROM assignment
    JOIN grid ON grid.id = assignment.grid_id
    WHERE grid.community_code = ANY (CAST(:codes AS text[]))
)
SELECT
    household.id, household.households, assignment.household_id IS NOT NULL AS known,
    assignment.grid_id, assignment.method, assignment.distance_m, assignment.reason,
    household.geometry
FROM touched
JOIN household ON household.id = touched.id
LEFT JOIN assignment ON assignment.household_id = household.id
WHERE household.dataset_id = :dataset_id
ORDER BY household.id

-- drop_staged --
DROP TABLE IF EXISTS staged_assignment

-- stage --
CREATE TEMPORARY TABLE staged_assignment (
    household_id bigint NOT NULL, grid_id integer, method text NOT NULL,
    distance_m double precision, reason text
) ON COMMIT DROP

-- analyze_staged --
ANALYZE staged_assignment

-- change --
-- Rows whose place changed; the triggers put what they were into the history.
UPDATE assignment
SET grid_id = staged.grid_id, method = staged.method, distance_m = staged.distance_m,
    reason = staged.reason, at = now()
FROM staged_assignment AS staged
WHERE assignment.household_id = staged.household_id
