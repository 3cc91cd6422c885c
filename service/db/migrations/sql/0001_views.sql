-- The grids of the plans that rule their community today.
CREATE VIEW current_grid AS
SELECT
    grid.id,
    grid.code,
    grid.community_code,
    grid.kind,
    grid.flag,
    grid.reason,
    division.dataset_id,
    community_plan.plan_id,
    grid.geometry
FROM community_plan
JOIN plan_grid ON plan_grid.plan_id = community_plan.plan_id
JOIN grid
    ON grid.id = plan_grid.grid_id
    AND grid.community_code = community_plan.community_code
JOIN division ON division.code = grid.community_code
WHERE community_plan.active @> CURRENT_DATE;

-- One row a current grid and role that is short of posts.
CREATE VIEW vacancy AS
SELECT
    current_grid.id AS grid_id,
    current_grid.code AS grid_code,
    requirement.role,
    requirement.posts AS required,
    held.posts AS filled,
    requirement.posts - held.posts AS missing,
    vacancy_reason.reason
FROM current_grid
JOIN team_requirement AS requirement ON requirement.dataset_id = current_grid.dataset_id
CROSS JOIN LATERAL (
    SELECT count(*)::integer AS posts
    FROM post
    WHERE post.grid_id = current_grid.id
      AND post.role = requirement.role
      AND post.valid_to IS NULL
) AS held
LEFT JOIN vacancy_reason
    ON vacancy_reason.grid_id = current_grid.id
    AND vacancy_reason.role = requirement.role
WHERE held.posts < requirement.posts;

-- One row a current grid: its load, and its team against the requirement. The subqueries are
-- lateral so that one grid, or one page of them, is answered by index.
CREATE VIEW coverage AS
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

-- Households that no current grid serves, with the reason.
CREATE VIEW household_exception AS
SELECT
    household.id AS household_id,
    household.dataset_id,
    household.reference,
    household.address,
    household.households,
    household.community,
    CASE
        WHEN assignment.household_id IS NULL THEN 'not yet assigned'
        WHEN assignment.grid_id IS NULL THEN assignment.reason
        ELSE 'its grid is no longer in force; assign again'
    END AS reason,
    household.geometry
FROM household
LEFT JOIN assignment ON assignment.household_id = household.id
LEFT JOIN current_grid ON current_grid.id = assignment.grid_id
WHERE current_grid.id IS NULL;
