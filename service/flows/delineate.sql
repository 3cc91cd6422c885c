-- communities --
-- As delivered: the vertices that a plan gave its communities must not change the next plan.
SELECT code, name, coalesce(outline, geometry) AS geometry
FROM division
WHERE code = ANY(CAST(:codes AS text[]))
ORDER BY code COLLATE "C"

-- households --
-- The points of a data set with their weight.
SELECT households, geometry
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
SELECT household.households, household.geometry
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
-- What may cut the communities: whatever meets their boxes.
SELECT barrier.kind, barrier.weight, barrier.geometry
FROM barrier
WHERE barrier.dataset_id = :dataset_id
    AND EXISTS (
        SELECT FROM division
        WHERE division.code = ANY(CAST(:codes AS text[])) AND division.geometry && barrier.geometry
    )
ORDER BY barrier.id
