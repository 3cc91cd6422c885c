-- common_communities --
-- The communities that both of two plans hold.
SELECT community_code FROM community_plan WHERE plan_id = :first
INTERSECT
SELECT community_code FROM community_plan WHERE plan_id = :second

-- grids_in_force --
SELECT code AS grid_code, community_code, kind, flag, reason, households_drawn AS households, geometry
FROM current_grid
WHERE community_code = ANY(CAST(:codes AS text[]))
ORDER BY code COLLATE "C"

-- community_of --
-- The community of a grid in force.
SELECT community_code FROM current_grid WHERE code = :code

-- communities --
SELECT code, geometry
FROM division
WHERE code = ANY(CAST(:codes AS text[]))
ORDER BY code COLLATE "C"

-- households --
SELECT id, reference, households, geometry
FROM household
WHERE dataset_id = :dataset_id
ORDER BY id

-- households_near --
-- The points in or near some communities, without those that another community covers.
WITH chosen AS (
    SELECT
        geometry,
        ST_Expand(
            geometry,
            :margin_m / (111320 * greatest(cos(radians(ST_Y(ST_Centroid(geometry)))), 0.01)),
            :margin_m / 110574
        ) AS reach
    FROM division
    WHERE code = ANY(CAST(:codes AS text[]))
)
SELECT household.id, household.reference, household.households, household.geometry
FROM household
WHERE household.dataset_id = :dataset_id
    AND EXISTS (SELECT FROM chosen WHERE household.geometry && chosen.reach)
    AND (
        EXISTS (SELECT FROM chosen WHERE ST_Covers(chosen.geometry, household.geometry))
        OR NOT EXISTS (
            SELECT FROM division
            WHERE division.dataset_id = :dataset_id
                AND division.level = 'community'
                AND ST_Covers(division.geometry, household.geometry)
        )
    )
ORDER BY household.id

-- barriers --
SELECT barrier.kind, barrier.weight, barrier.geometry
FROM barrier
WHERE barrier.dataset_id = :dataset_id
    AND EXISTS (
        SELECT FROM division
        WHERE division.code = ANY(CAST(:codes AS text[])) AND division.geometry && barrier.geometry
    )
ORDER BY barrier.id

-- posts --
-- Who is posted now in the grids of some communities, and where they live.
SELECT
    post.id, post.member_id, current_grid.code AS grid_code, post.role, post.fixed, member.geometry
FROM post
JOIN current_grid ON current_grid.id = post.grid_id
JOIN member ON member.id = post.member_id
WHERE post.valid_to IS NULL AND current_grid.community_code = ANY(CAST(:codes AS text[]))
ORDER BY post.id

-- required --
SELECT role, posts
FROM team_requirement
WHERE dataset_id = :dataset_id AND posts > 0
ORDER BY role COLLATE "C"

-- end_posts --
UPDATE post SET valid_to = now() WHERE valid_to IS NULL AND id = ANY(CAST(:ids AS bigint[]))

-- move_posts --
-- Posts that ended in one grid begin in another.
INSERT INTO post (member_id, grid_id, role, fixed)
SELECT post.member_id, grid.id, post.role, post.fixed
FROM unnest(CAST(:ids AS bigint[]), CAST(:codes AS text[])) AS moved (id, code)
JOIN post ON post.id = moved.id
JOIN grid ON grid.code = moved.code
ORDER BY post.id
