-- divisions_below --
-- A division with what lies directly below it, or the highest ones where none is named.
SELECT code
FROM division
WHERE (CAST(:code AS text) IS NULL AND parent IS NULL) OR parent = CAST(:code AS text)
ORDER BY code COLLATE "C"

-- figures --
-- Figures of some divisions out of the grids in force of the communities below each.
WITH RECURSIVE below AS (
    SELECT code AS top, code
    FROM division
    WHERE code = ANY (CAST(:codes AS text[]))
    UNION ALL
    SELECT below.top, division.code
    FROM below
    JOIN division ON division.parent = below.code
), grids AS MATERIALIZED (
    SELECT below.top, current_grid.id, current_grid.dataset_id
    FROM below
    JOIN current_grid ON current_grid.community_code = below.code
), loads AS (
    SELECT assignment.grid_id, count(*) AS records, sum(household.households) AS households
    FROM assignment
    JOIN household ON household.id = assignment.household_id
    WHERE assignment.grid_id IN (SELECT id FROM grids)
    GROUP BY assignment.grid_id
), held AS (
    SELECT grid_id, role, count(*) AS posts
    FROM post
    WHERE valid_to IS NULL AND grid_id IN (SELECT id FROM grids)
    GROUP BY grid_id, role
), teams AS (
    SELECT
        grids.id AS grid_id,
        sum(requirement.posts) AS required,
        sum(least(requirement.posts, coalesce(held.posts, 0))) AS filled
    FROM (SELECT DISTINCT id, dataset_id FROM grids) AS grids
    JOIN team_requirement AS requirement ON requirement.dataset_id = grids.dataset_id
    LEFT JOIN held ON held.grid_id = grids.id AND held.role = requirement.role
    GROUP BY grids.id
), summed AS (
    SELECT
        grids.top,
        count(*) AS grids,
        count(*) FILTER (
            WHERE coalesce(loads.households, 0) NOT BETWEEN dataset.minimum AND dataset.maximum
        ) AS out_of_range,
        coalesce(sum(loads.records), 0) AS records,
        coalesce(sum(loads.households), 0) AS households,
        coalesce(sum(teams.required), 0) AS posts_required,
        coalesce(sum(teams.filled), 0) AS posts_filled
    FROM grids
    JOIN dataset ON dataset.id = grids.dataset_id
    LEFT JOIN loads ON loads.grid_id = grids.id
    LEFT JOIN teams ON teams.grid_id = grids.id
    GROUP BY grids.top
), communities AS (
    SELECT below.top, count(*) AS communities
    FROM below
    JOIN division ON division.code = below.code AND division.level = 'community'
    GROUP BY below.top
), lying AS (
    -- a household without a grid counts where it lies, on a border in the lowest code
    SELECT division.code, count(*) AS records
    FROM division
    JOIN assignment ON assignment.grid_id IS NULL
    JOIN household
        ON household.id = assignment.household_id
        AND household.dataset_id = division.dataset_id
        AND ST_Intersects(division.geometry, household.geometry)
    WHERE division.code IN (SELECT code FROM below)
        AND division.level = 'community'
        AND (
            ST_Contains(division.geometry, household.geometry)
            OR NOT EXISTS (
                SELECT
                FROM division AS lower
                WHERE lower.dataset_id = division.dataset_id
                    AND lower.level = 'community'
                    AND lower.code < division.code COLLATE "C"
                    AND ST_Intersects(lower.geometry, household.geometry)
            )
        )
    GROUP BY division.code
), unserved AS (
    SELECT below.top, sum(lying.records) AS records
    FROM below
    JOIN lying ON lying.code = below.code
    GROUP BY below.top
)
SELECT
    division.code,
    division.name,
    division.level,
    division.parent,
    dataset.name AS dataset,
    coalesce(communities.communities, 0) AS communities,
    coalesce(summed.grids, 0) AS grids,
    coalesce(summed.out_of_range, 0) AS grids_out_of_range,
    coalesce(summed.records, 0) AS records,
    CAST(coalesce(summed.households, 0) AS bigint) AS households,
    CAST(coalesce(unserved.records, 0) AS bigint) AS records_unserved,
    CAST(coalesce(summed.posts_required, 0) AS bigint) AS posts_required,
    CAST(coalesce(summed.posts_filled, 0) AS bigint) AS posts_filled,
    CAST(coalesce(summed.posts_required - summed.posts_filled, 0) AS bigint) AS vacancies,
    EXISTS (SELECT FROM division AS child WHERE child.parent = division.code) AS has_divisions
FROM division
JOIN dataset ON dataset.id = division.dataset_id
LEFT JOIN summed ON summed.top = division.code
LEFT JOIN communities ON communities.top = division.code
LEFT JOIN unserved ON unserved.top = division.code
WHERE division.code = ANY (CAST(:codes AS text[]))
ORDER BY division.code COLLATE "C"

-- grids_of --
-- The grids in force of a community with their figures.
SELECT grid_code, kind, flag, records, households, posts_required, posts_filled, vacancies
FROM coverage
WHERE community_code = :code
ORDER BY grid_code COLLATE "C"

-- facility --
-- Facilities of a reference, in a data set if one is named; more than one is too many.
SELECT facility.id, facility.reference, facility.name, facility.kind, facility.dataset_id,
    dataset.name AS dataset
FROM facility
JOIN dataset ON dataset.id = facility.dataset_id
WHERE facility.reference = :reference
    AND (CAST(:dataset AS text) IS NULL OR dataset.name = CAST(:dataset AS text))
ORDER BY facility.id
LIMIT 2

-- catchment --
-- Where a facility is the nearest of its kind in its data set: its Voronoi cell, within the
-- communities and, if so asked, up to a distance. It is drawn on an earth turned so that the
-- facility lies in the middle and the antimeridian on the far side, and is cut there in the end.
-- Degrees of longitude are shrunk to the length that they have at the facility, so that near is
-- near on the ground.
WITH own AS (
    SELECT
        id,
        dataset_id,
        kind,
        geometry,
        ST_X(geometry) AS lon,
        ST_Y(geometry) AS lat,
        greatest(cos(radians(ST_Y(geometry))), 0.000001) AS squeeze,
        CAST(:distance_m AS float8) AS distance_m,
        CAST(:distance_m AS float8) / 110574 AS degrees
    FROM facility
    WHERE id = :facility_id
), edges AS (
    SELECT ST_SetSRID(CAST(ST_Extent(
        ST_WrapX(ST_WrapX(division.geometry, own.lon - 180, 360), own.lon + 180, -360)
    ) AS geometry), 4326) AS geometry
    FROM division
    JOIN own ON own.dataset_id = division.dataset_id
    WHERE division.level = 'community'
), rivals AS (
    SELECT ST_Collect(ST_Scale(
        ST_WrapX(ST_WrapX(facility.geometry, own.lon - 180, 360), own.lon + 180, -360),
        own.squeeze,
        1
    )) AS geometry
    FROM facility
    JOIN own
        ON own.dataset_id = facility.dataset_id
        AND own.kind IS NOT DISTINCT FROM facility.kind
), earth AS (
    -- with a distance, no farther north and south than that
    SELECT ST_MakeEnvelope(
        lon - 180, greatest(lat - degrees, -90), lon + 180, least(lat + degrees, 90), 4326
    ) AS geometry
    FROM own
), cells AS (
    SELECT (ST_Dump(ST_VoronoiPolygons(
        rivals.geometry, 0, ST_Scale(ST_Expand(edges.geometry, 1), own.squeeze, 1)
    ))).geom AS geometry
    FROM rivals, edges, own
), cell AS (
    -- one facility of its kind has no cell: all the land is its own
    SELECT coalesce(
        (
            SELECT ST_Intersection(
                ST_SetSRID(ST_Scale(cells.geometry, 1 / own.squeeze, 1), 4326), earth.geometry
            )
            FROM cells
            WHERE ST_Intersects(cells.geometry, ST_Scale(own.geometry, own.squeeze, 1))
            LIMIT 1
        ),
        earth.geometry
    ) AS geometry
    FROM own, earth
), ring AS (
    -- just around the circle; how far the households are is measured for each
    SELECT ST_MakePolygon(ST_MakeLine(
        geometry(ST_Project(
            geography(ST_SetSRID(ST_MakePoint(0, own.lat), 4326)),
            own.distance_m * 1.0001,
            radians(360.0 / 256 * (step % 256))
        ))
        ORDER BY step
    )) AS geometry
    FROM own, generate_series(0, 256) AS step
    -- about a pole it is no ring, and the parallels have to do
    WHERE abs(own.lat) + own.degrees < 89
), reached AS (
    SELECT CASE
        WHEN ring.geometry IS NULL THEN cell.geometry
        ELSE ST_Intersection(cell.geometry, ST_Translate(ring.geometry, own.lon, 0))
    END AS geometry
    FROM cell, own, ring
), cut AS (
    SELECT ST_CollectionExtract(
        ST_WrapX(ST_WrapX(reached.geometry, 180, -360), -180, 360), 3
    ) AS geometry
    FROM reached
)
SELECT ST_AsBinary(ST_CollectionExtract(
    ST_Union(ST_Intersection(division.geometry, cut.geometry)), 3
)) AS shape
FROM cut, own
JOIN division ON division.dataset_id = own.dataset_id AND division.level = 'community'
WHERE ST_Intersects(division.geometry, cut.geometry)

-- served --
-- The households in a catchment, and how far they have to go.
SELECT
    count(*) AS records,
    CAST(coalesce(sum(household.households), 0) AS bigint) AS households,
    avg(ST_Distance(geography(household.geometry), geography(facility.geometry))) AS mean_m,
    max(ST_Distance(geography(household.geometry), geography(facility.geometry))) AS farthest_m
FROM household
JOIN facility ON facility.id = :facility_id AND facility.dataset_id = household.dataset_id
WHERE ST_Intersects(household.geometry, ST_SetSRID(ST_GeomFromWKB(:shape), 4326))
    AND (
        CAST(:distance_m AS float8) IS NULL
        OR ST_DWithin(
            geography(household.geometry), geography(facility.geometry), CAST(:distance_m AS float8)
        )
    )

-- shape --
SELECT
    ST_AsGeoJSON(ST_SetSRID(ST_GeomFromWKB(:shape), 4326), 7) AS text,
    ST_Area(geography(ST_SetSRID(ST_GeomFromWKB(:shape), 4326))) AS area_m2
