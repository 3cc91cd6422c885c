-- Rules that a constraint on one row cannot hold. Their SQLSTATEs (GW...) are known to
-- service/db/failures.py.

-- A plan goes draft -> validated -> active -> retired; a validated one may go back to draft.
CREATE FUNCTION guard_grid_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.state IN ('active', 'retired') THEN
            RAISE EXCEPTION 'plan % is % and cannot be deleted', OLD.id, OLD.state
                USING ERRCODE = 'GW001', HINT = 'Retire it instead; its past must stay answerable.';
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.state IS DISTINCT FROM OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('draft', 'validated'), ('validated', 'draft'),
        ('validated', 'active'), ('active', 'retired')
    ) THEN
        RAISE EXCEPTION 'plan % cannot go from % to %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'GW002',
                  HINT = 'The way of a plan is draft, validated, active, retired.';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_grid_plan BEFORE UPDATE OR DELETE ON grid_plan
    FOR EACH ROW EXECUTE FUNCTION guard_grid_plan();

-- A grid is frozen once a plan that holds it is or was active. The share lock keeps a plan from
-- being activated while one of its grids changes.
CREATE FUNCTION guard_grid() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    holder record;
BEGIN
    SELECT plan.id, plan.state INTO holder
    FROM plan_grid
    JOIN grid_plan AS plan ON plan.id = plan_grid.plan_id
    WHERE plan_grid.grid_id = OLD.id
    ORDER BY plan.state IN ('active', 'retired') DESC, plan.id
    LIMIT 1
    FOR SHARE OF plan;
    IF holder.state IN ('active', 'retired') THEN
        RAISE EXCEPTION 'grid % cannot change: plan %, which holds it, is %',
            OLD.code, holder.id, holder.state
            USING ERRCODE = 'GW001', HINT = 'Draw up a new plan and activate it.';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_grid BEFORE UPDATE OR DELETE ON grid
    FOR EACH ROW EXECUTE FUNCTION guard_grid();

-- The grids of a plan are fixed once it is or was active.
CREATE FUNCTION guard_plan_grid() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    holder record;
BEGIN
    FOR holder IN
        SELECT plan.id, plan.state
        FROM grid_plan AS plan
        WHERE (TG_OP <> 'INSERT' AND plan.id = OLD.plan_id)
           OR (TG_OP <> 'DELETE' AND plan.id = NEW.plan_id)
        ORDER BY plan.id
        FOR SHARE
    LOOP
        IF holder.state IN ('active', 'retired') THEN
            RAISE EXCEPTION 'the grids of plan % cannot change: it is %', holder.id, holder.state
                USING ERRCODE = 'GW001', HINT = 'Draw up a new plan and activate it.';
        END IF;
    END LOOP;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_plan_grid BEFORE INSERT OR UPDATE OR DELETE ON plan_grid
    FOR EACH ROW EXECUTE FUNCTION guard_plan_grid();

-- The communities of a plan are fixed once it is or was active; the days may be set once, and
-- after that only their end moves.
CREATE FUNCTION guard_community_plan() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    holder record;
BEGIN
    FOR holder IN
        SELECT plan.id, plan.state
        FROM grid_plan AS plan
        WHERE (TG_OP <> 'INSERT' AND plan.id = OLD.plan_id)
           OR (TG_OP <> 'DELETE' AND plan.id = NEW.plan_id)
        ORDER BY plan.id
        FOR SHARE
    LOOP
        CONTINUE WHEN holder.state NOT IN ('active', 'retired');
        CONTINUE WHEN TG_OP = 'UPDATE'
            AND (NEW.plan_id, NEW.community_code) = (OLD.plan_id, OLD.community_code)
            AND (OLD.active IS NULL OR isempty(NEW.active) OR lower(NEW.active) = lower(OLD.active));
        RAISE EXCEPTION 'the communities of plan % cannot change: it is %', holder.id, holder.state
            USING ERRCODE = 'GW001', HINT = 'Draw up a new plan and activate it.';
    END LOOP;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_community_plan BEFORE INSERT OR UPDATE OR DELETE ON community_plan
    FOR EACH ROW EXECUTE FUNCTION guard_community_plan();

-- A member holds at most max_posts current posts and only roles that are theirs. The lock on the
-- member makes two writers at once take turns, so neither misses the post of the other.
CREATE FUNCTION guard_post() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    fault record;
BEGIN
    PERFORM 1
    FROM member
    WHERE id IN (SELECT member_id FROM written WHERE valid_to IS NULL)
    ORDER BY id
    FOR NO KEY UPDATE;

    SELECT member.reference, written.role INTO fault
    FROM written
    JOIN member ON member.id = written.member_id
    WHERE written.valid_to IS NULL AND NOT written.role = ANY (member.roles)
    ORDER BY member.reference, written.role
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'member % is not eligible for the role %', fault.reference, fault.role
            USING ERRCODE = 'GW003', HINT = 'Add the role to the member, or post someone else.';
    END IF;

    SELECT member.reference, member.max_posts, count(*) AS posts INTO fault
    FROM member
    JOIN post ON post.member_id = member.id AND post.valid_to IS NULL
    WHERE member.id IN (SELECT member_id FROM written WHERE valid_to IS NULL)
    GROUP BY member.id
    HAVING count(*) > member.max_posts
    ORDER BY member.reference
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'member % would hold % posts, at most % are allowed',
            fault.reference, fault.posts, fault.max_posts
            USING ERRCODE = 'GW004', HINT = 'End one of the posts first, or raise max_posts.';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER guard_post_insert AFTER INSERT ON post
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION guard_post();
CREATE TRIGGER guard_post_update AFTER UPDATE ON post
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION guard_post();

-- What an assignment was goes into the history, whoever changes it; a row written again
-- unchanged leaves no trace.
CREATE FUNCTION keep_updated_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO assignment_history
        (household_id, grid_id, method, distance_m, reason, valid_from, valid_to)
    SELECT
        before.household_id, before.grid_id, before.method, before.distance_m, before.reason,
        before.at,
        CASE WHEN later.at > before.at THEN later.at ELSE greatest(now(), before.at) END
    FROM before
    JOIN later ON later.household_id = before.household_id
    WHERE (before.grid_id, before.method, before.reason)
        IS DISTINCT FROM (later.grid_id, later.method, later.reason);
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_updated_assignment AFTER UPDATE ON assignment
    REFERENCING OLD TABLE AS before NEW TABLE AS later
    FOR EACH STATEMENT EXECUTE FUNCTION keep_updated_assignment();

-- A deleted household takes its assignment along (cascade) and leaves no history.
CREATE FUNCTION keep_deleted_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO assignment_history
        (household_id, grid_id, method, distance_m, reason, valid_from, valid_to)
    SELECT
        before.household_id, before.grid_id, before.method, before.distance_m, before.reason,
        before.at, greatest(now(), before.at)
    FROM before
    JOIN household ON household.id = before.household_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER keep_deleted_assignment AFTER DELETE ON assignment
    REFERENCING OLD TABLE AS before
    FOR EACH STATEMENT EXECUTE FUNCTION keep_deleted_assignment();
