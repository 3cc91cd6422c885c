-- requirement --
-- Posts of each role that a grid needs.
SELECT role, posts
FROM team_requirement
WHERE dataset_id = :dataset_id AND posts > 0
ORDER BY role COLLATE "C"

-- grids --
-- The grids in force of some communities, where each is reached (its centroid, or a point on its
-- surface), and the divisions of two levels that they lie in.
WITH RECURSIVE above AS (
    SELECT code AS community, code, level, parent
    FROM division
    WHERE dataset_id = :dataset_id AND level = 'community'
    UNION ALL
    SELECT above.community, division.code, division.level, division.parent
    FROM above
    JOIN division ON division.code = above.parent
)
SELECT
    current_grid.id,
    current_grid.code AS grid_code,
    current_grid.community_code AS community,
    part.code AS part,
    division.code AS division,
    CASE
        WHEN ST_Intersects(current_grid.geometry, ST_Centroid(current_grid.geometry))
            THEN ST_Centroid(current_grid.geometry)
        ELSE ST_PointOnSurface(current_grid.geometry)
    END AS geometry
FROM current_grid
LEFT JOIN above AS part
    ON part.community = current_grid.community_code AND part.level = CAST(:by AS text)
LEFT JOIN above AS division
    ON division.community = current_grid.community_code
    AND division.level = CAST(:explain AS text)
WHERE current_grid.dataset_id = :dataset_id
    AND current_grid.community_code = ANY (CAST(:codes AS text[]))
ORDER BY current_grid.code COLLATE "C"

-- members --
SELECT id, reference AS member_id, array_to_string(roles, ';') AS roles, max_posts, geometry
FROM member
WHERE dataset_id = :dataset_id
ORDER BY reference COLLATE "C"

-- roles_held --
SELECT DISTINCT post.role
FROM post
JOIN member ON member.id = post.member_id
WHERE post.valid_to IS NULL AND member.dataset_id = :dataset_id
ORDER BY post.role

-- in_force --
-- Every grid in force of the data set.
SELECT id
FROM current_grid
WHERE dataset_id = :dataset_id

-- current_posts --
-- Who holds what now. Roles go by their number in :roles.
SELECT
    post.id, post.member_id, post.grid_id,
    array_position(CAST(:roles AS text[]), post.role) AS role,
    post.fixed
FROM post
JOIN member ON member.id = post.member_id
WHERE post.valid_to IS NULL AND member.dataset_id = :dataset_id
ORDER BY post.id

-- drop_staged_ends --
DROP TABLE IF EXISTS staged_end

-- stage_ends --
CREATE TEMPORARY TABLE staged_end (post_id bigint NOT NULL) ON COMMIT DROP

-- end_posts --
UPDATE post
SET valid_to = now()
FROM staged_end
WHERE post.id = staged_end.post_id

-- drop_staged_vacancies --
DROP TABLE IF EXISTS staged_vacancy

-- stage_vacancies --
CREATE TEMPORARY TABLE staged_vacancy (
    grid_id integer NOT NULL, role text NOT NULL, reason text NOT NULL
) ON COMMIT DROP

-- forget_reasons --
-- Reasons of posts that are filled, in the grids that are staffed and in those no longer in force.
DELETE FROM vacancy_reason
USING grid, division
WHERE grid.id = vacancy_reason.grid_id
    AND division.code = grid.community_code
    AND division.dataset_id = :dataset_id
    AND (
        grid.community_code = ANY (CAST(:codes AS text[]))
        OR NOT EXISTS (SELECT FROM current_grid WHERE current_grid.id = grid.id)
    )
    AND NOT EXISTS (
        SELECT FROM staged_vacancy
        WHERE staged_vacancy.grid_id = vacancy_reason.grid_id
            AND staged_vacancy.role = vacancy_reason.role
    )

-- save_reasons --
INSERT INTO vacancy_reason (grid_id, role, reason)
SELECT grid_id, role, reason
FROM staged_vacancy
ON CONFLICT (grid_id, role) DO UPDATE
SET reason = excluded.reason
WHERE vacancy_reason.reason <> excluded.reason

-- forget_shortages --
DELETE FROM shortage
WHERE dataset_id = :dataset_id

-- forget_relief --
DELETE FROM relief
USING member
WHERE member.id = relief.member_id AND member.dataset_id = :dataset_id

-- analyze --
ANALYZE post
