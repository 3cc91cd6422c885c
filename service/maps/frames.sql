-- datasets --
-- Data sets with grids in force, all or one, in the order in which they came.
SELECT id, name, target, minimum, maximum
FROM dataset
WHERE (CAST(:name AS text) IS NULL OR name = :name)
    AND EXISTS (SELECT FROM current_grid WHERE current_grid.dataset_id = dataset.id)
ORDER BY id

-- below --
-- A division of these data sets with all that lies below it.
WITH RECURSIVE below AS (
    SELECT code, level
    FROM division
    WHERE code = :division AND dataset_id = ANY (CAST(:datasets AS integer[]))
    UNION ALL
    SELECT division.code, division.level
    FROM below
    JOIN division ON division.parent = below.code
)
SELECT code, level FROM below ORDER BY code COLLATE "C"

-- outline --
SELECT ST_AsHEXEWKB(geometry) FROM division WHERE code = :division

-- count_grids --
SELECT count(*)
FROM current_grid
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (CAST(:codes AS text[]) IS NULL OR community_code = ANY (CAST(:codes AS text[])))

-- divisions --
SELECT code, name, level, parent, geometry
FROM division
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (CAST(:codes AS text[]) IS NULL OR code = ANY (CAST(:codes AS text[])))
ORDER BY code COLLATE "C"

-- figures --
-- What the grids of each community come to.
SELECT
    community_code,
    count(*) AS grids,
    count(*) FILTER (WHERE households NOT BETWEEN minimum AND maximum) AS out_of_range,
    sum(households) AS households,
    sum(posts_required) AS posts_required,
    sum(posts_filled) AS posts_filled
FROM coverage
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (CAST(:codes AS text[]) IS NULL OR community_code = ANY (CAST(:codes AS text[])))
GROUP BY community_code
ORDER BY community_code COLLATE "C"

-- shortages --
-- Posts of a role that nobody holds, by community.
SELECT current_grid.community_code, vacancy.role, sum(vacancy.missing) AS missing
FROM vacancy
JOIN current_grid ON current_grid.id = vacancy.grid_id
WHERE current_grid.dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (
        CAST(:codes AS text[]) IS NULL
        OR current_grid.community_code = ANY (CAST(:codes AS text[]))
    )
GROUP BY current_grid.community_code, vacancy.role
ORDER BY current_grid.community_code COLLATE "C", vacancy.role COLLATE "C"

-- grids --
SELECT grid_code, community_code, households, flag, reason, geometry
FROM coverage
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (CAST(:codes AS text[]) IS NULL OR community_code = ANY (CAST(:codes AS text[])))
ORDER BY grid_code COLLATE "C"

-- communities --
SELECT code, name, geometry
FROM division
WHERE level = 'community' AND dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (CAST(:codes AS text[]) IS NULL OR code = ANY (CAST(:codes AS text[])))
ORDER BY code COLLATE "C"

-- sizes --
-- Rows of the layers that may be too many for a page.
SELECT
    (
        SELECT count(*)
        FROM household
        WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
            AND (CAST(:outline AS geometry) IS NULL OR ST_Intersects(geometry, CAST(:outline AS geometry)))
    ) AS households,
    (
        SELECT count(*)
        FROM member
        WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
            AND (CAST(:outline AS geometry) IS NULL OR ST_Intersects(geometry, CAST(:outline AS geometry)))
    ) AS members,
    (
        SELECT count(*)
        FROM barrier
        WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
            AND (CAST(:outline AS geometry) IS NULL OR ST_Intersects(geometry, CAST(:outline AS geometry)))
    ) AS barriers

-- households --
SELECT address, households, geometry
FROM household
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (CAST(:outline AS geometry) IS NULL OR ST_Intersects(geometry, CAST(:outline AS geometry)))
ORDER BY id

-- members --
SELECT reference AS member_id, name, roles, geometry
FROM member
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (CAST(:outline AS geometry) IS NULL OR ST_Intersects(geometry, CAST(:outline AS geometry)))
ORDER BY reference COLLATE "C", id

-- facilities --
SELECT name, kind, geometry
FROM facility
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (CAST(:outline AS geometry) IS NULL OR ST_Intersects(geometry, CAST(:outline AS geometry)))
ORDER BY id

-- barriers --
SELECT kind, geometry
FROM barrier
WHERE dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (CAST(:outline AS geometry) IS NULL OR ST_Intersects(geometry, CAST(:outline AS geometry)))
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
WHERE post.valid_to IS NULL
    AND current_grid.dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (
        CAST(:codes AS text[]) IS NULL
        OR current_grid.community_code = ANY (CAST(:codes AS text[]))
    )
ORDER BY current_grid.code COLLATE "C", post.role COLLATE "C", post.id

-- vacancies --
SELECT vacancy.grid_code, vacancy.role, vacancy.missing, coalesce(vacancy.reason, '') AS reason
FROM vacancy
JOIN current_grid ON current_grid.id = vacancy.grid_id
WHERE current_grid.dataset_id = ANY (CAST(:datasets AS integer[]))
    AND (
        CAST(:codes AS text[]) IS NULL
        OR current_grid.community_code = ANY (CAST(:codes AS text[]))
    )
ORDER BY vacancy.grid_code COLLATE "C", vacancy.role COLLATE "C"

-- team --
SELECT role, max(posts) AS posts
FROM team_requirement
WHERE posts > 0 AND dataset_id = ANY (CAST(:datasets AS integer[]))
GROUP BY role
ORDER BY role COLLATE "C"
