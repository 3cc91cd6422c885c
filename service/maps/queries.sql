-- datasets --
-- Data sets with grids in force, the latest first.
SELECT dataset.id, dataset.name, dataset.target, dataset.minimum, dataset.maximum
FROM dataset
WHERE EXISTS (SELECT FROM current_grid WHERE current_grid.dataset_id = dataset.id)
ORDER BY dataset.loaded_at DESC, dataset.id

-- summary --
-- The whole at a glance: the load is that of the day when the grids were drawn, so that no
-- household is counted here.
SELECT
    count(DISTINCT current_grid.community_code) AS communities,
    count(*) AS grids,
    coalesce(sum(current_grid.households_drawn), 0) AS households,
    ST_XMin(ST_Extent(current_grid.geometry)) AS west,
    ST_YMin(ST_Extent(current_grid.geometry)) AS south,
    ST_XMax(ST_Extent(current_grid.geometry)) AS east,
    ST_YMax(ST_Extent(current_grid.geometry)) AS north
FROM current_grid
WHERE current_grid.dataset_id = :dataset_id

-- shortage --
-- Posts that nobody holds: in all, and at most in one grid. Null where no team is required.
WITH held AS (
    SELECT grid_id, role, count(*) AS posts FROM post WHERE valid_to IS NULL GROUP BY grid_id, role
)
SELECT sum(short.missing) AS vacancies, max(short.missing) AS most
FROM (
    SELECT sum(greatest(requirement.posts - coalesce(held.posts, 0), 0)) AS missing
    FROM current_grid
    JOIN team_requirement AS requirement ON requirement.dataset_id = current_grid.dataset_id
    LEFT JOIN held ON held.grid_id = current_grid.id AND held.role = requirement.role
    WHERE current_grid.dataset_id = :dataset_id
    GROUP BY current_grid.id
) AS short

-- layers --
-- Which layers hold anything, and how many members there are.
SELECT
    EXISTS (SELECT FROM household WHERE dataset_id = :dataset_id) AS households,
    EXISTS (
        SELECT FROM household WHERE dataset_id = :dataset_id AND address IS NOT NULL
    ) AS addresses,
    EXISTS (SELECT FROM member WHERE dataset_id = :dataset_id) AS members,
    EXISTS (SELECT FROM facility WHERE dataset_id = :dataset_id) AS facilities,
    EXISTS (SELECT FROM barrier WHERE dataset_id = :dataset_id) AS backdrop,
    EXISTS (SELECT FROM team_requirement WHERE dataset_id = :dataset_id) AS team

-- roles --
SELECT role FROM team_requirement WHERE dataset_id = :dataset_id ORDER BY role

-- count_grids --
-- Grids in a box, counted no further than a limit.
SELECT count(*)
FROM (
    SELECT FROM current_grid
    WHERE dataset_id = :dataset_id
        AND geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
    LIMIT :limit
) AS found

-- grids --
SELECT
    grid_code,
    community_code,
    community_name,
    households,
    coalesce(flag, '') AS flag,
    CASE WHEN posts_required > 0 THEN vacancies END AS missing,
    ST_AsBinary(ST_Simplify(geometry, :tolerance, true)) AS shape
FROM coverage
WHERE dataset_id = :dataset_id
    AND geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
ORDER BY grid_code

-- count_divisions --
-- Divisions of each level in a box, the most detailed level first.
SELECT level, count(*) AS divisions
FROM division
WHERE dataset_id = :dataset_id
    AND geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
GROUP BY level, rank
ORDER BY rank DESC

-- divisions --
-- What the grids below each division of a level come to.
WITH RECURSIVE below AS (
    SELECT division.code AS top, division.code, division.level
    FROM division
    WHERE division.dataset_id = :dataset_id
        AND division.level = :level
        AND division.geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
    UNION ALL
    SELECT below.top, division.code, division.level
    FROM below
    JOIN division ON division.parent = below.code
),
grids AS (
    SELECT below.top, current_grid.id, current_grid.households_drawn AS households
    FROM below
    JOIN current_grid ON current_grid.community_code = below.code
    WHERE below.level = 'community'
),
held AS (
    SELECT post.grid_id, post.role, count(*) AS posts
    FROM grids
    JOIN post ON post.grid_id = grids.id AND post.valid_to IS NULL
    GROUP BY post.grid_id, post.role
),
short AS (
    SELECT grids.top, sum(greatest(requirement.posts - coalesce(held.posts, 0), 0)) AS missing
    FROM grids
    JOIN team_requirement AS requirement ON requirement.dataset_id = :dataset_id
    LEFT JOIN held ON held.grid_id = grids.id AND held.role = requirement.role
    GROUP BY grids.top
)
SELECT
    division.code,
    division.name,
    count(*) AS grids,
    sum(grids.households) AS households,
    max(short.missing) AS missing,
    ST_AsBinary(ST_Simplify(division.geometry, :tolerance, true)) AS shape
FROM grids
JOIN division ON division.code = grids.top
LEFT JOIN short ON short.top = grids.top
GROUP BY division.code
ORDER BY division.code

-- grid --
SELECT
    grid_id,
    grid_code,
    community_code,
    community_name,
    households,
    coalesce(flag, '') AS flag,
    CASE WHEN posts_required > 0 THEN vacancies END AS missing,
    ST_AsBinary(geometry) AS shape
FROM coverage
WHERE dataset_id = :dataset_id AND grid_code = :code

-- posts_of_grid --
-- The distance is to the place that staffing measures to: the centroid, or a point on the surface
-- where the centroid lies outside.
SELECT
    post.role,
    member.reference,
    coalesce(member.name, member.reference) AS name,
    ST_DistanceSphere(
        member.geometry,
        CASE
            WHEN ST_Covers(current_grid.geometry, ST_Centroid(current_grid.geometry))
                THEN ST_Centroid(current_grid.geometry)
            ELSE ST_PointOnSurface(current_grid.geometry)
        END
    ) AS distance_m
FROM post
JOIN member ON member.id = post.member_id
JOIN current_grid ON current_grid.id = post.grid_id
WHERE post.grid_id = :grid_id AND post.valid_to IS NULL
ORDER BY post.role, member.reference

-- vacancies_of_grid --
SELECT role, missing, coalesce(reason, '') AS reason
FROM vacancy
WHERE grid_id = :grid_id
ORDER BY role

-- household_cells --
-- Households together in cells of the screen.
SELECT avg(x) AS lon, avg(y) AS lat, sum(households) AS households, count(*) AS places
FROM (
    SELECT ST_X(geometry) AS x, ST_Y(geometry) AS y, households
    FROM household
    WHERE dataset_id = :dataset_id
        AND geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
) AS found
GROUP BY floor(x / :cell_x), floor(y / :cell_y)
ORDER BY lon, lat

-- grid_cells --
-- The same from the loads of the grids, for views so wide that households are too many to read.
SELECT avg(x) AS lon, avg(y) AS lat, sum(households) AS households, count(*) AS places
FROM (
    SELECT
        ST_X(ST_Centroid(current_grid.geometry)) AS x,
        ST_Y(ST_Centroid(current_grid.geometry)) AS y,
        current_grid.households_drawn AS households
    FROM current_grid
    WHERE current_grid.dataset_id = :dataset_id
        AND current_grid.households_drawn > 0
        AND current_grid.geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
) AS found
GROUP BY floor(x / :cell_x), floor(y / :cell_y)
ORDER BY lon, lat

-- addresses --
-- Each address at each place of a box, with the grid that serves it. Places are the same to a
-- millionth of a degree, as in a stand-alone map.
SELECT
    ST_X(ST_SnapToGrid(household.geometry, 0.000001)) AS lon,
    ST_Y(ST_SnapToGrid(household.geometry, 0.000001)) AS lat,
    coalesce(household.address, '') AS address,
    sum(household.households) AS households,
    min(grid.code) AS grid
FROM household
LEFT JOIN assignment ON assignment.household_id = household.id
LEFT JOIN grid ON grid.id = assignment.grid_id
WHERE household.dataset_id = :dataset_id
    AND household.geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
GROUP BY lon, lat, household.address
ORDER BY lon, lat, household.address
LIMIT :limit

-- members --
SELECT
    member.reference,
    coalesce(member.name, '') AS name,
    member.roles,
    ST_X(member.geometry) AS lon,
    ST_Y(member.geometry) AS lat,
    held.posts
FROM member
CROSS JOIN LATERAL (
    SELECT coalesce(
        jsonb_agg(
            jsonb_build_object('role', post.role, 'grid', current_grid.code)
            ORDER BY current_grid.code, post.role
        ),
        CAST('[]' AS jsonb)
    ) AS posts
    FROM post
    JOIN current_grid ON current_grid.id = post.grid_id
    WHERE post.member_id = member.id AND post.valid_to IS NULL
) AS held
WHERE member.dataset_id = :dataset_id
    AND member.geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
ORDER BY member.reference
LIMIT :limit

-- facilities --
SELECT
    coalesce(name, '') AS name,
    coalesce(kind, '') AS kind,
    ST_X(geometry) AS lon,
    ST_Y(geometry) AS lat
FROM facility
WHERE dataset_id = :dataset_id
    AND geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
ORDER BY reference
LIMIT :limit

-- communities --
SELECT code, name, ST_AsBinary(ST_Simplify(geometry, :tolerance, true)) AS shape
FROM division
WHERE dataset_id = :dataset_id
    AND level = :level
    AND geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
ORDER BY code
LIMIT :limit

-- backdrop --
SELECT kind, ST_AsBinary(ST_Simplify(geometry, :tolerance, true)) AS shape
FROM barrier
WHERE dataset_id = :dataset_id
    AND geometry && ST_MakeEnvelope(:west, :south, :east, :north, 4326)
ORDER BY kind, id
LIMIT :limit

-- search_grids --
-- Codes that begin with the text, then communities whose names hold it.
SELECT current_grid.code, division.name AS community
FROM current_grid
JOIN division ON division.code = current_grid.community_code
WHERE current_grid.dataset_id = :dataset_id
    AND (lower(current_grid.code) LIKE :beginning OR lower(division.name) LIKE :within)
ORDER BY lower(current_grid.code) NOT LIKE :beginning, current_grid.code
LIMIT :limit

-- search_addresses --
SELECT
    household.address,
    ST_X(household.geometry) AS lon,
    ST_Y(household.geometry) AS lat,
    sum(household.households) AS households,
    min(grid.code) AS grid
FROM household
LEFT JOIN assignment ON assignment.household_id = household.id
LEFT JOIN grid ON grid.id = assignment.grid_id
WHERE household.dataset_id = :dataset_id AND lower(household.address) LIKE :beginning
GROUP BY household.address, household.geometry
ORDER BY household.address
LIMIT :limit
