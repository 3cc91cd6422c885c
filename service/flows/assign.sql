-- hold --
-- Whoever writes households or the ledger waits until this ends, another run included; readers
-- do not.
LOCK TABLE household, assignment IN SHARE ROW EXCLUSIVE MODE

-- has_written --
SELECT pg_current_xact_id_if_assigned() IS NOT NULL

-- now --
SELECT array_agg(now())

-- drop_ruling --
DROP TABLE IF EXISTS ruling, changed_grid, looked

-- ruling --
-- The plan of today in each community: what follows is drawn from it, even if another plan is
-- activated meanwhile.
CREATE TEMPORARY TABLE ruling ON COMMIT DROP AS
SELECT community_plan.community_code, community_plan.plan_id
FROM community_plan
JOIN division ON division.code = community_plan.community_code
WHERE community_plan.active @> CURRENT_DATE AND division.dataset_id = :dataset_id

-- grids --
-- The next grids in force of a data set, packed: id; bytes of the code, then of the polygon; both
-- end to end.
SELECT
    array_agg(id),
    array_agg(octet_length(code)), string_agg(code, CAST('' AS bytea)),
    array_agg(octet_length(polygon)), string_agg(polygon, CAST('' AS bytea))
FROM (
    SELECT
        grid.id, convert_to(grid.code, 'UTF8') AS code,
        ST_AsBinary(grid_version.geometry, 'NDR') AS polygon
    FROM ruling
    JOIN plan_grid USING (plan_id)
    JOIN grid_version USING (grid_id, version)
    JOIN grid ON grid.id = plan_grid.grid_id AND grid.community_code = ruling.community_code
    WHERE grid.id > :after
    ORDER BY grid.id
    LIMIT :rows
) AS page

-- grids_near --
-- The same of the grids within reach of the households that are looked at.
SELECT
    array_agg(id),
    array_agg(octet_length(code)), string_agg(code, CAST('' AS bytea)),
    array_agg(octet_length(polygon)), string_agg(polygon, CAST('' AS bytea))
FROM (
    SELECT
        grid.id, convert_to(grid.code, 'UTF8') AS code,
        ST_AsBinary(grid_version.geometry, 'NDR') AS polygon
    FROM ruling
    JOIN plan_grid USING (plan_id)
    JOIN grid_version USING (grid_id, version)
    JOIN grid ON grid.id = plan_grid.grid_id AND grid.community_code = ruling.community_code
    WHERE grid.id > :after AND grid.id IN (
        SELECT near.grid_id
        FROM looked
        JOIN household ON household.id = looked.household_id
        JOIN grid_version AS near ON near.geometry && ST_Expand(
            household.geometry,
            :margin_m / (111320 * greatest(cos(radians(ST_Y(household.geometry))), 0.01)),
            :margin_m / 110574
        )
    )
    ORDER BY grid.id
    LIMIT :rows
) AS page

-- state --
-- What the last run of a data set left, and how many of its communities changed their plan.
SELECT
    state.snap_tolerance_m,
    state.records,
    state.households,
    (SELECT count(*) FROM ruling) AS communities,
    (
        SELECT count(*)
        FROM ruling
        LEFT JOIN assignment_plan AS followed USING (community_code)
        WHERE ruling.plan_id IS DISTINCT FROM followed.plan_id
    ) AS stale
FROM assignment_state AS state
WHERE state.dataset_id = :dataset_id

-- records --
-- About how many households there are, and how many of them belong to data sets known by number.
SELECT
    (
        SELECT CAST(greatest(reltuples, 0) AS bigint)
        FROM pg_class
        WHERE oid = 'household'::regclass
    ) AS estimated,
    (SELECT CAST(coalesce(sum(records), 0) AS bigint) FROM assignment_state) AS known

-- page --
-- The next households of a data set: id, households, points end to end.
SELECT array_agg(id), array_agg(households), string_agg(ST_AsBinary(geometry, 'NDR'), CAST('' AS bytea))
FROM (
    SELECT id, geometry, households
    FROM household
    WHERE dataset_id = :dataset_id AND id > :after
    ORDER BY id
    LIMIT :rows
) AS page

-- standing --
-- The ledger of the households of a page: household, grid (-1: none), method by number, since.
SELECT
    array_agg(household_id),
    array_agg(coalesce(grid_id, -1)),
    array_agg(CAST(
        CASE
            WHEN method = 'covers' THEN 0
            ELSE array_position(CAST(:methods AS text[]), method) - 1
        END AS smallint
    )),
    array_agg(at)
FROM (
    SELECT household_id, grid_id, method, at
    FROM assignment
    WHERE household_id BETWEEN :first AND :last
    ORDER BY household_id
) AS page

-- looked_page --
SELECT array_agg(id), array_agg(households), string_agg(ST_AsBinary(geometry, 'NDR'), CAST('' AS bytea))
FROM (
    SELECT household.id, household.geometry, household.households
    FROM looked
    JOIN household ON household.id = looked.household_id
    WHERE household.dataset_id = :dataset_id AND looked.household_id > :after
    ORDER BY looked.household_id
    LIMIT :rows
) AS page

-- looked_standing --
SELECT
    array_agg(household_id),
    array_agg(coalesce(grid_id, -1)),
    array_agg(CAST(
        CASE
            WHEN method = 'covers' THEN 0
            ELSE array_position(CAST(:methods AS text[]), method) - 1
        END AS smallint
    )),
    array_agg(at)
FROM (
    SELECT assignment.household_id, assignment.grid_id, assignment.method, assignment.at
    FROM looked
    JOIN assignment USING (household_id)
    WHERE looked.household_id BETWEEN :first AND :last
    ORDER BY looked.household_id
) AS page

-- changed_grids --
-- Grids that came into force or went out of it since the ledger was last brought up to date, or
-- changed their polygon: as they were, and as they are.
CREATE TEMPORARY TABLE changed_grid ON COMMIT DROP AS
WITH followed AS (
    SELECT assignment_plan.community_code, assignment_plan.plan_id
    FROM assignment_plan
    JOIN division ON division.code = assignment_plan.community_code
    WHERE division.dataset_id = :dataset_id
), stale AS (
    SELECT community_code, ruling.plan_id AS coming, followed.plan_id AS going
    FROM ruling
    FULL JOIN followed USING (community_code)
    WHERE ruling.plan_id IS DISTINCT FROM followed.plan_id
)
SELECT grid.id AS grid_id, grid_version.geometry
FROM stale
CROSS JOIN LATERAL (VALUES (coming), (going)) AS side (plan_id)
JOIN plan_grid ON plan_grid.plan_id = side.plan_id
JOIN grid_version USING (grid_id, version)
JOIN grid ON grid.id = plan_grid.grid_id AND grid.community_code = stale.community_code
GROUP BY grid.id, grid_version.geometry
HAVING count(*) = 1

-- look_at_changes --
-- Households without a place; those in or near a grid that changed; of those outside every grid,
-- all where a grid changed or the tolerance did, for it may be within reach now.
CREATE TEMPORARY TABLE looked ON COMMIT DROP AS
SELECT queue.household_id
FROM assignment_queue AS queue
JOIN household ON household.id = queue.household_id
WHERE household.dataset_id = :dataset_id
UNION
SELECT assignment.household_id
FROM changed_grid
JOIN assignment USING (grid_id)
UNION
SELECT household.id
FROM changed_grid
JOIN household ON household.geometry && ST_Expand(
    changed_grid.geometry,
    :margin_m / (111320 * greatest(cos(radians(ST_Y(ST_Centroid(changed_grid.geometry)))), 0.01)),
    :margin_m / 110574
)
WHERE household.dataset_id = :dataset_id
UNION
SELECT assignment.household_id
FROM assignment
JOIN household ON household.id = assignment.household_id
WHERE household.dataset_id = :dataset_id
    AND (
        assignment.method = 'exception'
        AND (:tolerance_changed OR EXISTS (SELECT FROM changed_grid))
        OR assignment.method = 'snapped' AND :tolerance_changed
    )
    AND assignment.method <> 'covers'

-- look_at_communities --
-- Households in or near some communities, or assigned there.
CREATE TEMPORARY TABLE looked ON COMMIT DROP AS
WITH chosen AS (
    SELECT
        ST_Expand(
            geometry,
            :margin_m / (111320 * greatest(cos(radians(ST_Y(ST_Centroid(geometry)))), 0.01)),
            :margin_m / 110574
        ) AS reach
    FROM division
    WHERE code = ANY (CAST(:codes AS text[]))
)
SELECT household.id AS household_id
FROM household
WHERE household.dataset_id = :dataset_id
    AND EXISTS (SELECT FROM chosen WHERE household.geometry && chosen.reach)
UNION
SELECT assignment.household_id
FROM assignment
JOIN grid ON grid.id = assignment.grid_id
WHERE grid.community_code = ANY (CAST(:codes AS text[]))

-- index_looked --
ALTER TABLE looked ADD PRIMARY KEY (household_id)

-- analyze_looked --
ANALYZE looked

-- count_looked --
SELECT count(*) FROM looked

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
    AND (assignment.grid_id, assignment.method, assignment.reason)
        IS DISTINCT FROM (staged.grid_id, staged.method, staged.reason)

-- add --
INSERT INTO assignment (household_id, grid_id, method, distance_m, reason)
SELECT staged.household_id, staged.grid_id, staged.method, staged.distance_m, staged.reason
FROM staged_assignment AS staged
WHERE NOT EXISTS (
    SELECT FROM assignment WHERE assignment.household_id = staged.household_id
)

-- totals --
-- Records and households that are not simply covered, by method.
SELECT assignment.method, count(*) AS records, sum(household.households) AS households
FROM assignment
JOIN household ON household.id = assignment.household_id
WHERE assignment.method <> 'covers' AND household.dataset_id = :dataset_id
GROUP BY assignment.method

-- count_changes --
-- What the data set holds now: as the last run left it, and what came and went since.
UPDATE assignment_state
SET snap_tolerance_m = :tolerance_m,
    records = assignment_state.records + since.records,
    households = assignment_state.households + since.households
FROM (
    SELECT
        coalesce(sum(records), 0) AS records,
        coalesce(sum(households), 0) AS households
    FROM household_change
    WHERE dataset_id = :dataset_id
) AS since
WHERE dataset_id = :dataset_id
RETURNING assignment_state.records, assignment_state.households

-- save_state --
INSERT INTO assignment_state (dataset_id, snap_tolerance_m, records, households)
VALUES (:dataset_id, :tolerance_m, :records, :households)
ON CONFLICT (dataset_id) DO UPDATE SET
    snap_tolerance_m = excluded.snap_tolerance_m,
    records = excluded.records, households = excluded.households

-- forget_changes --
DELETE FROM household_change WHERE dataset_id = :dataset_id

-- forget_queue --
DELETE FROM assignment_queue
USING household
WHERE household.id = assignment_queue.household_id AND household.dataset_id = :dataset_id

-- forget_looked --
DELETE FROM assignment_queue
USING looked
WHERE looked.household_id = assignment_queue.household_id

-- queue_outside --
-- Placed by another tolerance than the rest: the next run looks at them again.
INSERT INTO assignment_queue (household_id)
SELECT looked.household_id
FROM looked
JOIN assignment USING (household_id)
WHERE assignment.method IN ('snapped', 'exception')
ON CONFLICT DO NOTHING

-- forget_plans --
-- Communities that no plan rules any longer.
DELETE FROM assignment_plan
USING division
WHERE division.code = assignment_plan.community_code
    AND division.dataset_id = :dataset_id
    AND (
        CAST(:codes AS text[]) IS NULL
        OR assignment_plan.community_code = ANY (CAST(:codes AS text[]))
    )
    AND NOT EXISTS (
        SELECT FROM ruling WHERE ruling.community_code = assignment_plan.community_code
    )

-- follow_plans --
INSERT INTO assignment_plan (community_code, plan_id)
SELECT community_code, plan_id
FROM ruling
WHERE CAST(:codes AS text[]) IS NULL OR community_code = ANY (CAST(:codes AS text[]))
ON CONFLICT (community_code) DO UPDATE SET plan_id = excluded.plan_id
WHERE assignment_plan.plan_id <> excluded.plan_id
