-- datasets --
-- Data sets with grids in force, all or one, in the order in which they came.
SELECT id, name, target, minimum, maximum
FROM dataset
WHERE (CAST(:name AS text) IS NULL OR name = :name)
    AND EXISTS (SELECT FROM current_grid WHERE current_grid.dataset_id = dataset.id)
ORDER BY id

-- grids --
SELECT grid_code, community_code, households, flag, reason, geometry
FROM coverage
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
ORDER BY grid_code COLLATE "C"

-- communities --
SELECT code, name, geometry
FROM division
WHERE level = 'community' AND dataset_id = ANY (CAST(:datasets AS integer[]))
ORDER BY code COLLATE "C"

-- sizes --
-- Rows of the layers that may be too many for a page.
SELECT
    (
        SELECT count(*) FROM household WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
    ) AS households,
    (
        SELECT count(*) FROM member WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
    ) AS members,
    (
        SELECT count(*) FROM barrier WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
    ) AS barriers

-- households --
SELECT address, households, geometry
FROM household
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
ORDER BY id

-- members --
SELECT reference AS member_id, name, roles, geometry
FROM member
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
ORDER BY reference COLLATE "C", id

-- facilities --
SELECT name, kind, geometry
FROM facility
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
ORDER BY id

-- barriers --
SELECT kind, geometry
FROM barrier
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
ORDER BY id

-- posts --
SELECT
    member.reference AS member_id, current_grid.code AS grid_code, post.role,
    round(CAST(ST_Distance(
        CAST(member.geometry AS geography), CAST(ST_Centroid(current_grid.geometry) AS geography)
    ) AS numeric)) AS distance_m
FROM post
JOIN member ON member.id = post.member_id
JOIN current_grid ON current_grid.id = post.grid_id
WHERE post.valid_to IS NULL AND current_grid.dataset_id = ANY (CAST(:datasets AS integer[]))
ORDER BY current_grid.code COLLATE "C", post.role COLLATE "C", post.id

-- vacancies --
SELECT vacancy.grid_code, vacancy.role, vacancy.missing, coalesce(vacancy.reason, '') AS reason
FROM vacancy
JOIN current_grid ON current_grid.id = vacancy.grid_id
WHERE current_grid.dataset_id = ANY (CAST(:datasets AS integer[]))
ORDER BY vacancy.grid_code COLLATE "C", vacancy.role COLLATE "C"

-- team --
SELECT role, max(posts) AS posts
FROM team_requirement
WHERE posts > 0 AND dataset_id = ANY (CAST(:datasets AS integer[]))
GROUP BY role
ORDER BY role COLLATE "C"
