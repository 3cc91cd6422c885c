-- requirement --
-- Posts of each role that a grid needs.
SELECT role, posts
FROM team_requirement
WHERE dataset_id = :dataset_id AND posts > 0
ORDER BY role COLLATE "C"

-- grids --
-- The grids in force of some communities.
SELECT code AS grid_code, geometry
FROM current_grid
WHERE dataset_id = :dataset_id AND community_code = ANY (CAST(:codes AS text[]))
ORDER BY code COLLATE "C"

-- members --
SELECT reference AS member_id, roles, max_posts, geometry
FROM member
WHERE dataset_id = :dataset_id
ORDER BY reference COLLATE "C"

-- current_posts --
-- Who holds what now in grids in force; inside: in a grid that is staffed in this run.
SELECT
    member.reference AS member_id, current_grid.code AS grid_code, post.role, post.fixed,
    current_grid.community_code = ANY (CAST(:codes AS text[])) AS inside
FROM post
JOIN member ON member.id = post.member_id
JOIN current_grid ON current_grid.id = post.grid_id
WHERE post.valid_to IS NULL AND member.dataset_id = :dataset_id
ORDER BY post.id

-- drop_staged_posts --
DROP TABLE IF EXISTS staged_post

-- stage_posts --
CREATE TEMPORARY TABLE staged_post (
    member_id text NOT NULL, grid_code text NOT NULL, role text NOT NULL
) ON COMMIT DROP

-- drop_staged_vacancies --
DROP TABLE IF EXISTS staged_vacancy

-- stage_vacancies --
CREATE TEMPORARY TABLE staged_vacancy (
    grid_code text NOT NULL, role text NOT NULL, reason text NOT NULL
) ON COMMIT DROP

-- close_posts --
-- Posts that the new staffing does not hold, and those of grids that are no longer in force.
UPDATE post
SET valid_to = now()
FROM member, grid
WHERE post.valid_to IS NULL
    AND member.id = post.member_id
    AND member.dataset_id = :dataset_id
    AND grid.id = post.grid_id
    AND (
        grid.community_code = ANY (CAST(:codes AS text[]))
        OR NOT EXISTS (SELECT FROM current_grid WHERE current_grid.id = grid.id)
    )
    AND NOT EXISTS (
        SELECT FROM staged_post
        WHERE staged_post.member_id = member.reference
            AND staged_post.grid_code = grid.code
            AND staged_post.role = post.role
    )

-- open_posts --
INSERT INTO post (member_id, grid_id, role)
SELECT member.id, grid.id, staged_post.role
FROM staged_post
JOIN member ON member.reference = staged_post.member_id AND member.dataset_id = :dataset_id
JOIN grid ON grid.code = staged_post.grid_code
WHERE NOT EXISTS (
    SELECT FROM post
    WHERE post.member_id = member.id
        AND post.grid_id = grid.id
        AND post.role = staged_post.role
        AND post.valid_to IS NULL
)
ORDER BY grid.code COLLATE "C", staged_post.role COLLATE "C", member.reference COLLATE "C"

-- forget_reasons --
-- Reasons of the grids that are staffed, and of those that are no longer in force.
DELETE FROM vacancy_reason
USING grid, division
WHERE grid.id = vacancy_reason.grid_id
    AND division.code = grid.community_code
    AND division.dataset_id = :dataset_id
    AND (
        grid.community_code = ANY (CAST(:codes AS text[]))
        OR NOT EXISTS (SELECT FROM current_grid WHERE current_grid.id = grid.id)
    )

-- save_reasons --
INSERT INTO vacancy_reason (grid_id, role, reason)
SELECT grid.id, staged_vacancy.role, staged_vacancy.reason
FROM staged_vacancy
JOIN grid ON grid.code = staged_vacancy.grid_code

-- vacancies --
SELECT vacancy.role, CAST(sum(vacancy.missing) AS integer) AS missing
FROM vacancy
JOIN current_grid ON current_grid.id = vacancy.grid_id
WHERE current_grid.dataset_id = :dataset_id
    AND current_grid.community_code = ANY (CAST(:codes AS text[]))
GROUP BY vacancy.role
ORDER BY vacancy.role COLLATE "C"
