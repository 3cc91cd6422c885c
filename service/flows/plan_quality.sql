-- sizes --
-- Households a grid: what the plan was drawn up with, else what its data set says.
SELECT
    grid_plan.name,
    CAST(coalesce(CAST(parameters ->> 'target' AS numeric), dataset.target, 400) AS integer)
        AS target,
    CAST(coalesce(CAST(parameters ->> 'minimum' AS numeric), dataset.minimum, 300) AS integer)
        AS minimum,
    CAST(coalesce(CAST(parameters ->> 'maximum' AS numeric), dataset.maximum, 500) AS integer)
        AS maximum
FROM grid_plan
LEFT JOIN LATERAL (
    SELECT dataset.target, dataset.minimum, dataset.maximum
    FROM community_plan
    JOIN division ON division.code = community_plan.community_code
    JOIN dataset ON dataset.id = division.dataset_id
    WHERE community_plan.plan_id = grid_plan.id
    ORDER BY dataset.id
    LIMIT 1
) AS dataset ON true
WHERE grid_plan.id = :plan_id

-- before --
-- The plan that had begun, when this one was drawn up, in most of its communities; of several the
-- last.
SELECT earlier.plan_id
FROM community_plan AS own
JOIN grid_plan AS plan ON plan.id = own.plan_id
JOIN community_plan AS earlier ON earlier.community_code = own.community_code
JOIN grid_plan AS before ON before.id = earlier.plan_id
WHERE own.plan_id = :plan_id
    AND before.id < plan.id
    AND before.effective_from <= CAST(plan.created_at AS date)
    AND earlier.active IS NOT NULL
GROUP BY earlier.plan_id
ORDER BY count(*) DESC, earlier.plan_id DESC
LIMIT 1

-- ruled --
SELECT community_code FROM community_plan WHERE plan_id = :plan_id
ORDER BY community_code COLLATE "C"

-- communities --
SELECT code, name, geometry
FROM division
WHERE code = ANY(CAST(:codes AS text[]))
ORDER BY code COLLATE "C"

-- barriers --
-- What lies in the boxes of some communities.
SELECT barrier.kind, barrier.geometry
FROM barrier
WHERE EXISTS (
    SELECT FROM division
    WHERE division.code = ANY(CAST(:codes AS text[]))
        AND division.dataset_id = barrier.dataset_id
        AND division.geometry && barrier.geometry
)
ORDER BY barrier.id
