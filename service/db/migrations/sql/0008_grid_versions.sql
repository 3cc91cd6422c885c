-- A grid goes on while its polygon changes. `grid` is the grid itself, with its code for ever;
-- `grid_version` is what it looks like in one plan or in several; a plan holds one version of it.
-- See docs/decisions/0005.

CREATE TABLE grid_version (
    grid_id    integer NOT NULL,
    version    integer NOT NULL,
    kind       text NOT NULL DEFAULT 'basic',
    flag       text,
    reason     text,
    households integer NOT NULL DEFAULT 0,
    geometry   geometry(Geometry, 4326) NOT NULL,
    CONSTRAINT pk_grid_version PRIMARY KEY (grid_id, version),
    CONSTRAINT fk_grid_version_grid_id FOREIGN KEY (grid_id)
        REFERENCES grid (id) ON DELETE CASCADE,
    CONSTRAINT ck_grid_version_version CHECK (version > 0),
    CONSTRAINT ck_grid_version_kind CHECK (kind IN ('basic', 'dedicated', 'micro')),
    CONSTRAINT ck_grid_version_reason CHECK (reason IS NULL OR flag IS NOT NULL),
    CONSTRAINT ck_grid_version_households CHECK (households >= 0),
    CONSTRAINT ck_grid_version_geometry CHECK (
        GeometryType(geometry) IN ('POLYGON', 'MULTIPOLYGON')
        AND ST_IsValid(geometry)
        AND NOT ST_IsEmpty(geometry)
    )
);
INSERT INTO grid_version (grid_id, version, kind, flag, reason, households, geometry)
SELECT id, 1, kind, flag, reason, households, geometry FROM grid;
CREATE INDEX ix_grid_version_geometry ON grid_version USING gist (geometry);

ALTER TABLE plan_grid ADD COLUMN version integer NOT NULL DEFAULT 1;
ALTER TABLE plan_grid ALTER COLUMN version DROP DEFAULT;
ALTER TABLE plan_grid
    DROP CONSTRAINT fk_plan_grid_grid_id,
    ADD CONSTRAINT fk_plan_grid_grid_id_version FOREIGN KEY (grid_id, version)
        REFERENCES grid_version (grid_id, version);
DROP INDEX ix_plan_grid_grid_id;
CREATE INDEX ix_plan_grid_grid_id_version ON plan_grid (grid_id, version);

-- What the communities looked like when the plan was found without a fault.
ALTER TABLE grid_plan ADD COLUMN ground text;

-- The grids of the plans that rule their community today, as those plans have them. `households_drawn` is the load
-- when the polygon was drawn.
CREATE OR REPLACE VIEW current_grid AS
SELECT
    grid.id,
    grid.code,
    grid.community_code,
    grid_version.kind,
    grid_version.flag,
    grid_version.reason,
    division.dataset_id,
    community_plan.plan_id,
    grid_version.geometry,
    grid_version.version,
    grid_version.households AS households_drawn
FROM community_plan
JOIN plan_grid ON plan_grid.plan_id = community_plan.plan_id
JOIN grid
    ON grid.id = plan_grid.grid_id
    AND grid.community_code = community_plan.community_code
JOIN grid_version
    ON grid_version.grid_id = plan_grid.grid_id
    AND grid_version.version = plan_grid.version
JOIN division ON division.code = grid.community_code
WHERE community_plan.active @> CURRENT_DATE;

DROP TRIGGER guard_grid ON grid;
DROP FUNCTION guard_grid;
ALTER TABLE grid
    DROP COLUMN kind,
    DROP COLUMN flag,
    DROP COLUMN reason,
    DROP COLUMN households,
    DROP COLUMN geometry;

-- What a grid is called, and whose it is, never changes.
CREATE FUNCTION guard_grid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'grid % keeps its code and its community for ever', OLD.code
        USING ERRCODE = 'GW001', HINT = 'Draw up a plan with another grid.';
END
$$;
CREATE TRIGGER guard_grid BEFORE UPDATE ON grid
    FOR EACH ROW WHEN (
        (OLD.id, OLD.code, OLD.community_code, OLD.number)
        IS DISTINCT FROM (NEW.id, NEW.code, NEW.community_code, NEW.number)
    )
    EXECUTE FUNCTION guard_grid();

-- A version is frozen once a plan that holds it is or was active. The share lock keeps a plan from
-- being activated while one of its grids changes.
CREATE FUNCTION guard_grid_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    holder record;
BEGIN
    -- when the grid is deleted as a whole, its code is gone already
    SELECT plan.id, plan.state, coalesce(grid.code, OLD.grid_id::text) AS code INTO holder
    FROM plan_grid
    JOIN grid_plan AS plan ON plan.id = plan_grid.plan_id
    LEFT JOIN grid ON grid.id = plan_grid.grid_id
    WHERE plan_grid.grid_id = OLD.grid_id AND plan_grid.version = OLD.version
    ORDER BY plan.state IN ('active', 'retired') DESC, plan.id
    LIMIT 1
    FOR SHARE OF plan;
    IF holder.state IN ('active', 'retired') THEN
        RAISE EXCEPTION 'grid % cannot change: plan %, which holds it so, is %',
            holder.code, holder.id, holder.state
            USING ERRCODE = 'GW001', HINT = 'Draw up a new plan and activate it.';
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER guard_grid_version BEFORE UPDATE OR DELETE ON grid_version
    FOR EACH ROW EXECUTE FUNCTION guard_grid_version();

-- A grid that ended does not come back: a plan may hold a code that its community had before only
-- if the plan that ruled right before it holds it as well.
CREATE FUNCTION guard_ended_grids() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    fault record;
BEGIN
    SELECT grid.code, written.plan_id, upper(last.active) AS ended INTO fault
    FROM written
    CROSS JOIN LATERAL (
        SELECT earlier.plan_id, earlier.active
        FROM community_plan AS earlier
        WHERE earlier.community_code = written.community_code
            AND lower(earlier.active) < lower(written.active)
        ORDER BY lower(earlier.active) DESC
        LIMIT 1
    ) AS before
    JOIN plan_grid ON plan_grid.plan_id = written.plan_id
    JOIN grid
        ON grid.id = plan_grid.grid_id
        AND grid.community_code = written.community_code
    CROSS JOIN LATERAL (
        SELECT once.active
        FROM plan_grid AS past
        JOIN community_plan AS once
            ON once.plan_id = past.plan_id
            AND once.community_code = written.community_code
        WHERE past.grid_id = grid.id AND lower(once.active) < lower(before.active)
        ORDER BY lower(once.active) DESC
        LIMIT 1
    ) AS last
    WHERE NOT EXISTS (
        SELECT FROM plan_grid AS held
        WHERE held.plan_id = before.plan_id AND held.grid_id = grid.id
    )
    ORDER BY grid.code
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'grid % of plan % ended on %, and a code never comes back',
            fault.code, fault.plan_id, fault.ended
            USING ERRCODE = 'GW002', HINT = 'Draw the plan up again from the grids in force.';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER guard_ended_grids_insert AFTER INSERT ON community_plan
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION guard_ended_grids();
CREATE TRIGGER guard_ended_grids_update AFTER UPDATE ON community_plan
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION guard_ended_grids();
