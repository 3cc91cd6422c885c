-- How many of the posts that the team of a grid needs are held: kept as posts and requirements
-- change, so that a page of grids looks it up. A grid without a row never had a post.
CREATE TABLE grid_team (
    grid_id integer NOT NULL,
    filled  integer NOT NULL,
    CONSTRAINT pk_grid_team PRIMARY KEY (grid_id),
    CONSTRAINT fk_grid_team_grid_id FOREIGN KEY (grid_id) REFERENCES grid (id) ON DELETE CASCADE
);

-- Counts the teams of some grids anew. Whoever changes one waits for those who did, so that none
-- misses the posts of another.
CREATE FUNCTION count_teams(changed integer[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO grid_team (grid_id, filled)
    SELECT touched.id, 0 FROM unnest(changed) AS touched (id) ORDER BY touched.id
    ON CONFLICT DO NOTHING;
    PERFORM 1 FROM grid_team WHERE grid_id = ANY (changed) ORDER BY grid_id FOR NO KEY UPDATE;
    -- all at once: grid by grid, the planner takes an index that has the member first
    UPDATE grid_team
    SET filled = counted.filled
    FROM (
        SELECT
            grid.id AS grid_id,
            coalesce(
                sum(least(required.posts, held.posts)) FILTER (WHERE required.posts IS NOT NULL), 0
            ) AS filled
        FROM grid
        JOIN division ON division.code = grid.community_code
        LEFT JOIN (
            SELECT post.grid_id, post.role, count(*) AS posts
            FROM post
            WHERE post.grid_id = ANY (changed) AND post.valid_to IS NULL
            GROUP BY post.grid_id, post.role
        ) AS held ON held.grid_id = grid.id
        LEFT JOIN team_requirement AS required
            ON required.role = held.role AND required.dataset_id = division.dataset_id
        WHERE grid.id = ANY (changed)
        GROUP BY grid.id
    ) AS counted
    WHERE grid_team.grid_id = counted.grid_id;
END
$$;

CREATE FUNCTION keep_teams() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed integer[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        changed := ARRAY(SELECT DISTINCT grid_id FROM fresh);
    ELSIF TG_OP = 'DELETE' THEN
        changed := ARRAY(SELECT DISTINCT grid_id FROM stale);
    ELSE
        changed := ARRAY(SELECT grid_id FROM stale UNION SELECT grid_id FROM fresh);
    END IF;
    IF cardinality(changed) > 0 THEN
        PERFORM count_teams(changed);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_teams_insert AFTER INSERT ON post REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION keep_teams();
CREATE TRIGGER keep_teams_update AFTER UPDATE ON post
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION keep_teams();
CREATE TRIGGER keep_teams_delete AFTER DELETE ON post REFERENCING OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION keep_teams();

-- What is needed may change for every grid; whoever writes a post waits.
CREATE FUNCTION keep_all_teams() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE post IN SHARE ROW EXCLUSIVE MODE;
    PERFORM count_teams(ARRAY(SELECT grid_id FROM grid_team));
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_all_teams AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON team_requirement
    FOR EACH STATEMENT EXECUTE FUNCTION keep_all_teams();
CREATE TRIGGER keep_all_teams AFTER TRUNCATE ON post
    FOR EACH STATEMENT EXECUTE FUNCTION keep_all_teams();

SELECT count_teams(ARRAY(SELECT DISTINCT grid_id FROM post WHERE valid_to IS NULL));

-- What is known is looked up; a load that is not is counted. OFFSET keeps each value from being
-- worked out as often as it is read.
CREATE OR REPLACE FUNCTION grid_figures(grid integer, dataset integer)
RETURNS TABLE (records integer, households integer, posts_required integer, posts_filled integer)
LANGUAGE sql STABLE AS $$
    SELECT
        CASE
            WHEN known.grid_id IS NOT NULL THEN known.records
            ELSE (
                SELECT CAST(count(*) AS integer) FROM assignment WHERE assignment.grid_id = grid
            )
        END,
        CASE
            WHEN known.grid_id IS NOT NULL THEN known.households
            ELSE (
                SELECT CAST(coalesce(sum(household.households), 0) AS integer)
                FROM assignment
                JOIN household ON household.id = assignment.household_id
                WHERE assignment.grid_id = grid
            )
        END,
        (
            SELECT CAST(coalesce(sum(posts), 0) AS integer)
            FROM team_requirement
            WHERE dataset_id = dataset
        ),
        coalesce(team.filled, 0)
    FROM (SELECT) AS one
    LEFT JOIN grid_load AS known
        ON known.grid_id = grid AND known.ledger = (SELECT present_ledger())
    LEFT JOIN grid_team AS team ON team.grid_id = grid
    OFFSET 0
$$;
