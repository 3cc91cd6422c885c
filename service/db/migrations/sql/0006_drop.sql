CREATE OR REPLACE VIEW coverage AS
SELECT
    current_grid.id AS grid_id,
    current_grid.code AS grid_code,
    current_grid.community_code,
    division.name AS community_name,
    current_grid.dataset_id,
    current_grid.plan_id,
    current_grid.kind,
    current_grid.flag,
    current_grid.reason,
    load.records,
    load.households,
    dataset.target,
    dataset.minimum,
    dataset.maximum,
    team.required AS posts_required,
    team.filled AS posts_filled,
    team.required - team.filled AS vacancies,
    current_grid.geometry
FROM current_grid
JOIN division ON division.code = current_grid.community_code
JOIN dataset ON dataset.id = current_grid.dataset_id
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS records, coalesce(sum(household.households), 0)::integer AS households
    FROM assignment
    JOIN household ON household.id = assignment.household_id
    WHERE assignment.grid_id = current_grid.id
) AS load
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(requirement.posts), 0)::integer AS required,
        coalesce(sum(least(requirement.posts, held.posts)), 0)::integer AS filled
    FROM team_requirement AS requirement
    CROSS JOIN LATERAL (
        SELECT count(*) AS posts
        FROM post
        WHERE post.grid_id = current_grid.id
          AND post.role = requirement.role
          AND post.valid_to IS NULL
    ) AS held
    WHERE requirement.dataset_id = current_grid.dataset_id
) AS team;

DROP TRIGGER keep_loads_of_households ON household;
DROP TRIGGER forget_all_loads ON assignment;
DROP TRIGGER forget_deleted_loads ON assignment;
DROP TRIGGER keep_loads_update ON assignment;
DROP TRIGGER keep_loads_insert ON assignment;
DROP FUNCTION
    keep_loads_of_households, forget_all_loads, forget_deleted_loads, keep_loads, forget_loads,
    count_loads, hold_loads, grid_figures, present_ledger;
DROP TABLE grid_load;
DROP INDEX ix_community_plan_community_code;
ALTER TABLE community_plan
    DROP CONSTRAINT ex_community_plan_active,
    ADD CONSTRAINT ex_community_plan_active
        EXCLUDE USING gist (community_code WITH =, active WITH &&);
