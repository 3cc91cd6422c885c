CREATE OR REPLACE FUNCTION grid_figures(grid integer, dataset integer)
RETURNS TABLE (records integer, households integer, posts_required integer, posts_filled integer)
LANGUAGE sql STABLE AS $$
    SELECT
        coalesce(known.records, counted.records),
        coalesce(known.households, counted.households),
        team.required,
        team.filled
    FROM (SELECT) AS one
    LEFT JOIN grid_load AS known
        ON known.grid_id = grid AND known.ledger = (SELECT present_ledger())
    CROSS JOIN LATERAL (
        SELECT
            CAST(count(*) AS integer) AS records,
            CAST(coalesce(sum(household.households), 0) AS integer) AS households
        FROM assignment
        JOIN household ON household.id = assignment.household_id
        WHERE assignment.grid_id = grid AND known.grid_id IS NULL
    ) AS counted
    CROSS JOIN LATERAL (
        SELECT
            CAST(coalesce(sum(requirement.posts), 0) AS integer) AS required,
            CAST(coalesce(sum(least(requirement.posts, held.posts)), 0) AS integer) AS filled
        FROM team_requirement AS requirement
        CROSS JOIN LATERAL (
            SELECT count(*) AS posts
            FROM post
            WHERE post.grid_id = grid AND post.role = requirement.role AND post.valid_to IS NULL
        ) AS held
        WHERE requirement.dataset_id = dataset
    ) AS team
$$;

DROP TRIGGER keep_all_teams ON post;
DROP TRIGGER keep_all_teams ON team_requirement;
DROP TRIGGER keep_teams_delete ON post;
DROP TRIGGER keep_teams_update ON post;
DROP TRIGGER keep_teams_insert ON post;
DROP FUNCTION keep_all_teams, keep_teams, count_teams;
DROP TABLE grid_team;
