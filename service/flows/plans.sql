-- drop_staged --
DROP TABLE IF EXISTS staged_grid

-- stage_grids --
-- The grids of a new plan, in the order in which free numbers are handed out.
CREATE TEMPORARY TABLE staged_grid (
    position integer PRIMARY KEY,
    community_code text NOT NULL,
    households bigint NOT NULL,
    kind text NOT NULL,
    flag text,
    reason text,
    renewed boolean NOT NULL,
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

-- keep_unchanged --
-- A grid of the same polygon (coordinate for coordinate) keeps its row, hence its code; of several,
-- the one of its kind.
INSERT INTO plan_grid (plan_id, grid_id)
SELECT DISTINCT ON (staged_grid.position) :plan_id, grid.id
FROM staged_grid
JOIN grid USING (community_code, geometry)
WHERE NOT staged_grid.renewed
ORDER BY staged_grid.position, grid.kind <> staged_grid.kind, grid.id

-- add_changed --
-- Every other grid takes the next number that its community never used.
WITH used AS (
    SELECT community_code, max(number) AS number
    FROM grid
    WHERE community_code IN (SELECT community_code FROM staged_grid)
    GROUP BY community_code
), changed AS (
    SELECT
        staged_grid.*,
        coalesce(used.number, 0) + row_number() OVER (
            PARTITION BY staged_grid.community_code ORDER BY staged_grid.position
        ) AS number
    FROM staged_grid
    LEFT JOIN used USING (community_code)
    WHERE staged_grid.renewed OR NOT EXISTS (
        SELECT FROM grid
        WHERE grid.community_code = staged_grid.community_code
            AND grid.geometry = staged_grid.geometry
    )
), added AS (
    INSERT INTO grid (code, community_code, number, kind, flag, reason, households, geometry)
    SELECT
        community_code || lpad(CAST(number AS text), greatest(3, length(CAST(number AS text))), '0'),
        community_code, number, kind, flag, reason, households, geometry
    FROM changed
    RETURNING id
)
INSERT INTO plan_grid (plan_id, grid_id)
SELECT :plan_id, id FROM added

-- same_as_active --
-- The one plan whose active grids are exactly the staged ones, in these communities; no row if not.
WITH active AS (
    SELECT plan_id, community_code
    FROM community_plan
    WHERE active @> CURRENT_DATE AND community_code = ANY(CAST(:communities AS text[]))
), standing AS (
    SELECT active.plan_id, active.community_code, grid.geometry
    FROM active
    JOIN plan_grid USING (plan_id)
    JOIN grid ON grid.id = plan_grid.grid_id AND grid.community_code = active.community_code
)
SELECT min(plan_id) AS plan_id
FROM standing
FULL JOIN staged_grid USING (community_code, geometry)
HAVING count(*) = count(staged_grid.position)
    AND count(*) = count(standing.plan_id)
    AND count(DISTINCT standing.plan_id) = 1
    AND NOT coalesce(bool_or(staged_grid.renewed), false)

-- find_plan --
-- One plan, held until the transaction ends.
SELECT id, state
FROM grid_plan
WHERE id = :plan_id
FOR UPDATE

-- today --
SELECT CURRENT_DATE

-- plan_grids --
SELECT grid.code AS grid_code, grid.community_code, grid.kind, grid.flag, grid.reason,
    grid.households, grid.geometry
FROM plan_grid
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
SELECT grid.code AS grid_code, grid.community_code, grid.kind, grid.flag, grid.reason,
    grid.households, community_plan.plan_id, dataset.name AS dataset, grid.geometry
FROM community_plan
JOIN plan_grid ON plan_grid.plan_id = community_plan.plan_id
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

-- analyze --
-- Who reads the grids in force right after must not be planned for on figures of before: their
-- number decides between seconds and hours.
ANALYZE division, grid, plan_grid, community_plan

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
