-- drop_staged --
DROP TABLE IF EXISTS staged_grid

-- stage_grids --
-- The grids of a new plan. Whose kind is not given keeps the one that it had.
CREATE TEMPORARY TABLE staged_grid (
    position integer PRIMARY KEY,
    grid_code text NOT NULL,
    community_code text NOT NULL,
    households bigint NOT NULL,
    kind text,
    flag text,
    reason text,
    geometry geometry(Geometry, 4326) NOT NULL
) ON COMMIT DROP

-- analyze_staged --
ANALYZE staged_grid

-- add_plan --
INSERT INTO grid_plan (name, parameters, state, report)
VALUES (:name, CAST(:parameters AS jsonb), 'draft', CAST(:report AS jsonb))
RETURNING id

-- add_communities --
INSERT INTO community_plan (plan_id, community_code)
SELECT :plan_id, unnest(CAST(:communities AS text[]))

-- adopt_drafts --
-- A new grid whose very polygon a draft holds is the grid of that draft, unless it ever ruled.
UPDATE staged_grid
SET grid_code = drawn.code
FROM (
    SELECT DISTINCT ON (staged_grid.position) staged_grid.position, grid.code
    FROM staged_grid
    JOIN grid_version USING (geometry)
    JOIN grid
        ON grid.id = grid_version.grid_id AND grid.community_code = staged_grid.community_code
    WHERE NOT EXISTS (SELECT FROM grid AS known WHERE known.code = staged_grid.grid_code)
        AND NOT EXISTS (
            SELECT FROM plan_grid
            JOIN grid_plan ON grid_plan.id = plan_grid.plan_id
            WHERE plan_grid.grid_id = grid.id AND grid_plan.state IN ('active', 'retired')
        )
        AND NOT EXISTS (
            SELECT FROM staged_grid AS twin
            WHERE twin.geometry = staged_grid.geometry AND twin.position <> staged_grid.position
        )
    ORDER BY staged_grid.position, grid.id
) AS drawn
WHERE drawn.position = staged_grid.position

-- add_grids --
-- What is there already is read before the first row is added: of an empty table the planner expects
-- nothing, and would go through it once a row while it grows.
WITH known AS MATERIALIZED (
    SELECT grid.code FROM staged_grid JOIN grid ON grid.code = staged_grid.grid_code
)
INSERT INTO grid (code, community_code, number)
SELECT
    grid_code, community_code,
    CAST(substr(grid_code, length(community_code) + 1) AS integer)
FROM staged_grid
WHERE NOT EXISTS (SELECT FROM known WHERE known.code = staged_grid.grid_code)
ORDER BY position

-- inherit_kinds --
UPDATE staged_grid
SET kind = coalesce(
    (
        SELECT grid_version.kind
        FROM grid
        JOIN grid_version ON grid_version.grid_id = grid.id
        WHERE grid.code = staged_grid.grid_code
        ORDER BY grid_version.version DESC
        LIMIT 1
    ),
    'basic'
)
WHERE kind IS NULL

-- add_versions --
-- A grid that looks like it did in some plan (coordinate for coordinate) shares that version. Those
-- there are already are read before the first is added, as above.
WITH known AS MATERIALIZED (
    SELECT grid_version.*
    FROM staged_grid
    JOIN grid ON grid.code = staged_grid.grid_code
    JOIN grid_version ON grid_version.grid_id = grid.id
)
INSERT INTO grid_version (grid_id, version, kind, flag, reason, households, geometry)
SELECT
    grid.id,
    1 + coalesce(earlier.version, 0),
    staged_grid.kind, staged_grid.flag, staged_grid.reason, staged_grid.households,
    staged_grid.geometry
FROM staged_grid
JOIN grid ON grid.code = staged_grid.grid_code
LEFT JOIN (
    SELECT grid_id, max(version) AS version FROM known GROUP BY grid_id
) AS earlier ON earlier.grid_id = grid.id
WHERE NOT EXISTS (
    SELECT FROM known
    WHERE known.grid_id = grid.id
        AND known.geometry = staged_grid.geometry
        AND (known.kind, known.flag, known.reason)
            IS NOT DISTINCT FROM (staged_grid.kind, staged_grid.flag, staged_grid.reason)
)

-- hold_versions --
INSERT INTO plan_grid (plan_id, grid_id, version, code, community_code)
SELECT :plan_id, grid.id, max(grid_version.version), grid.code, grid.community_code
FROM staged_grid
JOIN grid ON grid.code = staged_grid.grid_code AND grid.community_code = staged_grid.community_code
JOIN grid_version
    ON grid_version.grid_id = grid.id
    AND grid_version.geometry = staged_grid.geometry
    AND (grid_version.kind, grid_version.flag, grid_version.reason)
        IS NOT DISTINCT FROM (staged_grid.kind, staged_grid.flag, staged_grid.reason)
GROUP BY grid.id, staged_grid.position

-- last_grids --
-- The grids that some communities have now or, without any, had last.
SELECT
    grid.code AS grid_code, grid.community_code, grid_version.kind, grid_version.flag,
    grid_version.reason, grid_version.households, grid_version.geometry
FROM (
    SELECT DISTINCT ON (community_code) plan_id, community_code
    FROM community_plan
    WHERE community_code = ANY(CAST(:codes AS text[])) AND lower(active) <= CURRENT_DATE
    ORDER BY community_code, lower(active) DESC
) AS last
JOIN plan_grid ON plan_grid.plan_id = last.plan_id
JOIN grid ON grid.id = plan_grid.grid_id AND grid.community_code = last.community_code
JOIN grid_version USING (grid_id, version)
ORDER BY grid.code COLLATE "C"

-- used_codes --
-- Every code that a grid of some communities ever had.
SELECT code
FROM grid
WHERE community_code = ANY(CAST(:codes AS text[]))
ORDER BY code COLLATE "C"

-- same_as_active --
-- The one plan whose active grids are exactly the staged ones, in these communities; no row if not.
WITH active AS (
    SELECT plan_id, community_code
    FROM community_plan
    WHERE active @> CURRENT_DATE AND community_code = ANY(CAST(:communities AS text[]))
), standing AS (
    SELECT active.plan_id, active.community_code, grid_version.kind, grid_version.geometry
    FROM active
    JOIN plan_grid USING (plan_id)
    JOIN grid ON grid.id = plan_grid.grid_id AND grid.community_code = active.community_code
    JOIN grid_version USING (grid_id, version)
)
SELECT min(plan_id) AS plan_id
FROM standing
FULL JOIN staged_grid USING (community_code, geometry)
HAVING count(*) = count(staged_grid.position)
    AND count(*) = count(standing.plan_id)
    AND count(DISTINCT standing.plan_id) = 1
    AND bool_and(staged_grid.kind IS NULL OR staged_grid.kind = standing.kind)

-- find_plan --
-- One plan, held until the transaction ends.
SELECT id, state, ground
FROM grid_plan
WHERE id = :plan_id
FOR UPDATE

-- today --
SELECT CURRENT_DATE

-- plan_grids --
SELECT
    grid.code AS grid_code, grid.community_code, grid_version.kind, grid_version.flag,
    grid_version.reason, grid_version.households, grid_version.geometry
FROM plan_grid
JOIN grid_version USING (grid_id, version)
JOIN grid ON grid.id = plan_grid.grid_id
WHERE plan_grid.plan_id = :plan_id
    AND (
        CAST(:at AS date) IS NULL
        OR EXISTS (
            SELECT FROM community_plan
            WHERE community_plan.plan_id = plan_grid.plan_id
                AND community_plan.community_code = grid.community_code
                AND community_plan.active @> CAST(:at AS date)
        )
    )
ORDER BY grid.code COLLATE "C"

-- grids_on --
-- The grids in force on a day.
SELECT
    grid.code AS grid_code, grid.community_code, grid_version.kind, grid_version.flag,
    grid_version.reason, grid_version.households, community_plan.plan_id, dataset.name AS dataset,
    grid_version.geometry
FROM community_plan
JOIN plan_grid ON plan_grid.plan_id = community_plan.plan_id
JOIN grid_version USING (grid_id, version)
JOIN grid
    ON grid.id = plan_grid.grid_id AND grid.community_code = community_plan.community_code
JOIN division ON division.code = grid.community_code
JOIN dataset ON dataset.id = division.dataset_id
WHERE community_plan.active @> CAST(:at AS date)
    AND (CAST(:dataset AS text) IS NULL OR dataset.name = CAST(:dataset AS text))
ORDER BY grid.code COLLATE "C"

-- plan_communities --
SELECT division.code, division.name, division.geometry
FROM community_plan
JOIN division ON division.code = community_plan.community_code
WHERE community_plan.plan_id = :plan_id
ORDER BY division.code COLLATE "C"

-- stage_outlines --
CREATE TEMPORARY TABLE staged_outline (
    code text PRIMARY KEY,
    geometry geometry(MultiPolygon, 4326) NOT NULL
) ON COMMIT DROP

-- drop_outlines --
DROP TABLE IF EXISTS staged_outline

-- save_outlines --
-- The same area, with every vertex at which a border between grids meets it; the geometry as it was
-- delivered is kept, for it is what the next plan and the next file are compared with.
UPDATE division
SET outline = coalesce(division.outline, division.geometry), geometry = staged_outline.geometry
FROM staged_outline
WHERE division.code = staged_outline.code
    AND NOT division.geometry = staged_outline.geometry

-- set_state --
UPDATE grid_plan SET state = :state WHERE id = :plan_id

-- set_validated --
UPDATE grid_plan SET state = 'validated', ground = :ground WHERE id = :plan_id

-- ground --
-- A fingerprint of the communities of a plan as they were delivered: the vertices that plans give
-- them on the way do not count. They are held as they are until the transaction ends.
WITH held AS (
    SELECT code, coalesce(outline, geometry) AS geometry
    FROM division
    WHERE code IN (SELECT community_code FROM community_plan WHERE plan_id = :plan_id)
    FOR SHARE
)
SELECT md5(string_agg(code || md5(ST_AsBinary(geometry)), ',' ORDER BY code COLLATE "C"))
FROM held

-- ended_codes --
-- Grids of a plan that ended before a day, for a plan that held on it or after does not have them.
SELECT grid.code
FROM community_plan AS coming
CROSS JOIN LATERAL (
    SELECT earlier.plan_id, earlier.active
    FROM community_plan AS earlier
    WHERE earlier.community_code = coming.community_code
        AND earlier.plan_id <> coming.plan_id
        AND lower(earlier.active) < :effective_from
    ORDER BY lower(earlier.active) DESC
    LIMIT 1
) AS before
JOIN plan_grid ON plan_grid.plan_id = coming.plan_id
JOIN grid ON grid.id = plan_grid.grid_id AND grid.community_code = coming.community_code
WHERE coming.plan_id = :plan_id
    AND NOT EXISTS (
        SELECT FROM plan_grid AS held
        WHERE held.plan_id = before.plan_id AND held.grid_id = grid.id
    )
    AND EXISTS (
        SELECT FROM plan_grid AS past
        JOIN community_plan AS once
            ON once.plan_id = past.plan_id AND once.community_code = coming.community_code
        WHERE past.grid_id = grid.id AND lower(once.active) < lower(before.active)
    )
ORDER BY grid.code COLLATE "C"

-- assigned_datasets --
-- The data sets of a plan whose households have been assigned before.
SELECT dataset.name
FROM dataset
WHERE dataset.id IN (
        SELECT division.dataset_id
        FROM community_plan
        JOIN division ON division.code = community_plan.community_code
        WHERE community_plan.plan_id = :plan_id
    )
    AND EXISTS (
        SELECT FROM assignment
        JOIN household ON household.id = assignment.household_id
        WHERE household.dataset_id = dataset.id
    )
ORDER BY dataset.name COLLATE "C"

-- end_posts --
-- Posts in grids of some communities that are no longer in force.
UPDATE post
SET valid_to = now()
FROM grid
WHERE post.valid_to IS NULL
    AND grid.id = post.grid_id
    AND grid.community_code IN (
        SELECT community_code FROM community_plan WHERE plan_id = :plan_id
    )
    AND NOT EXISTS (SELECT FROM current_grid WHERE current_grid.id = grid.id)

-- out_of_range --
-- Grids of the plan whose load, as assigned now, is out of range, though no flag said so.
SELECT
    current_grid.code AS grid_code, coalesce(load.households, 0) AS households,
    current_grid.households_drawn
FROM current_grid
JOIN grid_plan ON grid_plan.id = current_grid.plan_id
JOIN dataset ON dataset.id = current_grid.dataset_id
LEFT JOIN (
    SELECT assignment.grid_id, sum(household.households) AS households
    FROM assignment
    JOIN household ON household.id = assignment.household_id
    GROUP BY assignment.grid_id
) AS load ON load.grid_id = current_grid.id
WHERE current_grid.plan_id = :plan_id
    AND current_grid.flag IS NULL
    AND NOT coalesce(load.households, 0) BETWEEN
        coalesce(CAST(grid_plan.parameters ->> 'minimum' AS numeric), dataset.minimum)
        AND coalesce(CAST(grid_plan.parameters ->> 'maximum' AS numeric), dataset.maximum)
ORDER BY current_grid.code COLLATE "C"

-- close_superseded --
-- Other plans of these communities end on the day on which this one begins; a plan that began that
-- very day keeps an empty range: it never held.
UPDATE community_plan AS standing
SET active = standing.active * daterange(NULL, :effective_from)
FROM community_plan AS coming
WHERE coming.plan_id = :plan_id
    AND standing.community_code = coming.community_code
    AND standing.plan_id <> coming.plan_id
    AND standing.active && daterange(:effective_from, NULL)

-- open_range --
UPDATE community_plan
SET active = daterange(:effective_from, NULL)
WHERE plan_id = :plan_id

-- mark_active --
UPDATE grid_plan
SET state = 'active', effective_from = :effective_from
WHERE id = :plan_id

-- retire_superseded --
-- A plan is retired when none of its communities follows it any longer.
UPDATE grid_plan
SET state = 'retired'
WHERE state = 'active'
    AND id <> :plan_id
    AND NOT EXISTS (
        SELECT FROM community_plan
        WHERE community_plan.plan_id = grid_plan.id
            AND community_plan.active && daterange(:effective_from, NULL)
    )
RETURNING id, effective_from > :effective_from AS waiting

-- analyze --
-- Who reads the plan or the grids in force right after must not be planned for on figures of before: their
-- number decides between seconds and hours.
ANALYZE division, grid, grid_version, plan_grid, community_plan

-- still_ruled --
-- The communities that a plan rules on a day or after it.
SELECT community_code
FROM community_plan
WHERE plan_id = :plan_id AND active && daterange(:ends, NULL)
ORDER BY community_code COLLATE "C"

-- close_own --
UPDATE community_plan
SET active = active * daterange(NULL, :ends)
WHERE plan_id = :plan_id AND active && daterange(:ends, NULL)

-- list_plans --
-- All plans or one; with a day those that ruled on it, and what they ruled.
SELECT
    grid_plan.id, grid_plan.name, grid_plan.state, grid_plan.effective_from, grid_plan.created_at,
    held.communities, held.grids, grid_plan.parameters, grid_plan.report
FROM grid_plan
CROSS JOIN LATERAL (
    SELECT
        count(DISTINCT community_plan.community_code) AS communities,
        count(grid.id) AS grids
    FROM community_plan
    LEFT JOIN (plan_grid JOIN grid ON grid.id = plan_grid.grid_id)
        ON plan_grid.plan_id = community_plan.plan_id
        AND grid.community_code = community_plan.community_code
    WHERE community_plan.plan_id = grid_plan.id
        AND (CAST(:at AS date) IS NULL OR community_plan.active @> CAST(:at AS date))
) AS held
WHERE (CAST(:plan_id AS integer) IS NULL OR grid_plan.id = :plan_id)
    AND (CAST(:at AS date) IS NULL OR held.communities > 0)
ORDER BY grid_plan.id
