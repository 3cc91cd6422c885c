-- read_households --
-- The points with the ledger beside them, so that only what changed is written.
SELECT
    household.id, ST_X(household.geometry) AS x, ST_Y(household.geometry) AS y,
    household.households, assignment.grid_id, assignment.method, assignment.distance_m
FROM household
LEFT JOIN assignment ON assignment.household_id = household.id
WHERE household.dataset_id = :dataset_id
ORDER BY household.id
