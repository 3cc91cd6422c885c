-- communities --
-- All of a data set, as delivered: the vertices that a plan gave them must not change the next plan.
SELECT code, coalesce(outline, geometry) AS geometry
FROM division
WHERE dataset_id = :dataset_id AND level = 'community'
ORDER BY code COLLATE "C"

-- communities_near --
-- Some communities, and those that a household in or near them may be nearer to.
WITH chosen AS (
    SELECT
        ST_Expand(
            geometry,
            2.1 * :margin_m / (111320 * greatest(cos(radians(ST_Y(ST_Centroid(geometry)))), 0.01)),
            2.1 * :margin_m / 110574
        ) AS reach
    FROM division
    WHERE code = ANY(CAST(:codes AS text[]))
)
SELECT code, coalesce(outline, geometry) AS geometry
FROM division
WHERE dataset_id = :dataset_id
    AND level = 'community'
    AND EXISTS (SELECT FROM chosen WHERE chosen.reach && division.geometry)
ORDER BY code COLLATE "C"

-- outlines --
-- Some communities, with the vertices that the plans in force gave them.
SELECT code, geometry
FROM division
WHERE code = ANY(CAST(:codes AS text[]))
ORDER BY code COLLATE "C"

-- household_ids --
SELECT min(id), max(id) FROM household WHERE dataset_id = :dataset_id

-- households --
-- The places of a run of households with their weight, as records of three numbers.
SELECT string_agg(
    float8send(ST_X(geometry)) || float8send(ST_Y(geometry)) || int8send(households),
    CAST('' AS bytea)
)
FROM (
    SELECT geometry, sum(households) AS households
    FROM household
    WHERE dataset_id = :dataset_id AND id BETWEEN :first AND :last
    GROUP BY geometry
) AS place

-- households_near --
-- The same of the households in or near some communities.
WITH chosen AS (
    SELECT
        ST_Expand(
            geometry,
            1.05 * :margin_m / (111320 * greatest(cos(radians(ST_Y(ST_Centroid(geometry)))), 0.01)),
            1.05 * :margin_m / 110574
        ) AS reach
    FROM division
    WHERE code = ANY(CAST(:codes AS text[]))
)
SELECT string_agg(
    float8send(ST_X(geometry)) || float8send(ST_Y(geometry)) || int8send(households),
    CAST('' AS bytea)
)
FROM (
    SELECT geometry, sum(households) AS households
    FROM household
    WHERE id IN (
        SELECT found.id
        FROM chosen
        CROSS JOIN LATERAL (
            SELECT id
            FROM household
            WHERE household.geometry && chosen.reach AND household.dataset_id = :dataset_id
            OFFSET 0
        ) AS found
    )
    GROUP BY geometry
) AS place

-- barriers --
-- What may cut the communities: whatever meets their boxes. Looked up community by community in the
-- index: among a province's barriers, asking each for a community takes a minute.
WITH near AS MATERIALIZED (
    SELECT DISTINCT found.id
    FROM division
    CROSS JOIN LATERAL (
        SELECT id
        FROM barrier
        WHERE barrier.geometry && division.geometry AND barrier.dataset_id = :dataset_id
        OFFSET 0
    ) AS found
    WHERE division.code = ANY(CAST(:codes AS text[]))
)
SELECT barrier.weight, barrier.geometry
FROM barrier
JOIN near ON near.id = barrier.id
ORDER BY barrier.id
