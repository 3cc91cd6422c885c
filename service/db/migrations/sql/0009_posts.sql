-- A grid holds no more posts of a role than its team needs; where no team is required at all, there
-- is no need to go by. The lock on the grid makes two writers at once take turns. What was there
-- before the need fell may stay, and change but for its place.
CREATE FUNCTION guard_post_need() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    taken integer[];
    fault record;
BEGIN
    IF TG_OP = 'INSERT' THEN
        taken := ARRAY(SELECT DISTINCT grid_id FROM written WHERE valid_to IS NULL);
    ELSE
        taken := ARRAY(
            SELECT DISTINCT written.grid_id
            FROM written
            JOIN before ON before.id = written.id
            WHERE written.valid_to IS NULL
                AND (before.grid_id, before.role, before.valid_to)
                    IS DISTINCT FROM (written.grid_id, written.role, written.valid_to)
        );
    END IF;
    PERFORM 1 FROM grid WHERE id = ANY (taken) ORDER BY id FOR NO KEY UPDATE;

    SELECT grid.code, held.role, held.posts, coalesce(requirement.posts, 0) AS needed INTO fault
    FROM (
        SELECT post.grid_id, post.role, count(*) AS posts
        FROM post
        WHERE post.grid_id = ANY (taken)
            AND post.valid_to IS NULL
            AND EXISTS (
                SELECT FROM written
                WHERE written.grid_id = post.grid_id
                    AND written.role = post.role
                    AND written.valid_to IS NULL
            )
        GROUP BY post.grid_id, post.role
    ) AS held
    JOIN grid ON grid.id = held.grid_id
    JOIN division ON division.code = grid.community_code
    LEFT JOIN team_requirement AS requirement
        ON requirement.dataset_id = division.dataset_id
        AND requirement.role = held.role
    WHERE held.posts > coalesce(requirement.posts, 0)
        AND EXISTS (
            SELECT FROM team_requirement WHERE team_requirement.dataset_id = division.dataset_id
        )
    ORDER BY grid.code, held.role
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'grid % would have % posts of the role %, its team needs %',
            fault.code, fault.posts, fault.role, fault.needed
            USING ERRCODE = 'GW005', HINT = 'End one of the posts first, or raise the need in [team].';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER guard_post_need_insert AFTER INSERT ON post
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION guard_post_need();
CREATE TRIGGER guard_post_need_update AFTER UPDATE ON post
    REFERENCING OLD TABLE AS before NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION guard_post_need();
