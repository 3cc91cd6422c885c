-- grids --
-- The grids in force of a data set; their loads only where they are few.
SELECT
    current_grid.code AS grid_code, current_grid.community_code, load.households,
    current_grid.flag, current_grid.reason, current_grid.geometry
FROM current_grid
CROSS JOIN LATERAL (
    SELECT CAST(coalesce(sum(household.households), 0) AS integer) AS households
    FROM assignment
    JOIN household ON household.id = assignment.household_id
    WHERE CAST(:few AS boolean) AND assignment.grid_id = current_grid.id
) AS load
WHERE current_grid.dataset_id = :dataset_id
ORDER BY current_grid.code COLLATE "C"

-- count_grids --
SELECT count(*)
FROM current_grid
WHERE dataset_id = :dataset_id

-- members --
-- Those who hold a post or would come from farther away; all of them where the grids are few.
SELECT reference AS member_id, name, array_to_string(roles, ';') AS roles, geometry
FROM member
WHERE dataset_id = :dataset_id
    AND (
        CAST(:few AS boolean)
        OR id IN (SELECT member_id FROM post WHERE valid_to IS NULL)
        OR id IN (SELECT member_id FROM relief)
    )
ORDER BY reference COLLATE "C"

-- posts --
SELECT
    member.reference AS member_id, current_grid.code AS grid_code, post.role,
    CAST(round(CAST(ST_Distance(
        CAST(member.geometry AS geography), CAST(ST_Centroid(current_grid.geometry) AS geography)
    ) AS numeric)) AS integer) AS distance_m
FROM post
JOIN member ON member.id = post.member_id
JOIN current_grid ON current_grid.id = post.grid_id
WHERE post.valid_to IS NULL AND current_grid.dataset_id = :dataset_id
ORDER BY current_grid.code COLLATE "C", post.role COLLATE "C", post.id

-- vacancies --
SELECT vacancy.grid_code, vacancy.role, vacancy.missing, coalesce(vacancy.reason, '') AS reason
FROM vacancy
JOIN current_grid ON current_grid.id = vacancy.grid_id
WHERE current_grid.dataset_id = :dataset_id
ORDER BY vacancy.grid_code COLLATE "C", vacancy.role COLLATE "C"

-- relief --
SELECT
    relief.role, grid.code AS grid_code, member.reference AS member_id, relief.distance_m
FROM relief
JOIN grid ON grid.id = relief.grid_id
JOIN member ON member.id = relief.member_id
WHERE member.dataset_id = :dataset_id
ORDER BY relief.distance_m DESC, grid.code COLLATE "C", member.reference COLLATE "C"

-- divisions --
-- The lowest level that does not have too many of them.
SELECT code, name, geometry
FROM division
WHERE dataset_id = :dataset_id
    AND rank = (
        SELECT max(level.rank)
        FROM (
            SELECT rank FROM division WHERE dataset_id = :dataset_id
            GROUP BY rank HAVING count(*) <= :most_divisions
        ) AS level
    )
ORDER BY code COLLATE "C"

-- team --
SELECT role, posts
FROM team_requirement
WHERE posts > 0 AND dataset_id = :dataset_id
ORDER BY role COLLATE "C"
