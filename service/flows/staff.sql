-- requirement --
SELECT role, posts
FROM team_requirement
WHERE dataset_id = :dataset_id AND posts > 0
ORDER BY role

-- current_posts --
-- Who holds what now, in grids that still are.
SELECT post.id, member.reference AS member_id, current_grid.code AS grid_code, post.role, post.fixed
FROM post
JOIN member ON member.id = post.member_id
JOIN current_grid ON current_grid.id = post.grid_id
WHERE post.valid_to IS NULL AND member.dataset_id = :dataset_id
ORDER BY post.id

-- stage_posts --
CREATE TEMPORARY TABLE staged_post (
    member_id text NOT NULL, grid_code text NOT NULL, role text NOT NULL
) ON COMMIT DROP

-- stage_vacancies --
CREATE TEMPORARY TABLE staged_vacancy (
    grid_code text NOT NULL, role text NOT NULL, reason text NOT NULL
) ON COMMIT DROP

-- close_posts --
-- Posts that the new staffing does not hold any more, posts of grids that are gone among them.
UPDATE post
SET valid_to = now()
FROM member, grid
WHERE post.valid_to IS NULL
    AND member.id = post.member_id
    AND member.dataset_id = :dataset_id
    AND grid.id = post.grid_id
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

-- forget_reasons --
DELETE FROM vacancy_reason
USING grid, division
WHERE grid.id = vacancy_reason.grid_id
    AND division.code = grid.community_code
    AND division.dataset_id = :dataset_id

-- save_reasons --
INSERT INTO vacancy_reason (grid_id, role, reason)
SELECT grid.id, staged_vacancy.role, staged_vacancy.reason
FROM staged_vacancy
JOIN grid ON grid.code = staged_vacancy.grid_code
