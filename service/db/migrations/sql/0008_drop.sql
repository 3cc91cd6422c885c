-- Back to one polygon a code: only where no grid has more than one.
DO $$
BEGIN
    IF EXISTS (SELECT FROM grid_version WHERE version > 1) THEN
        RAISE EXCEPTION 'grids have changed their polygons and kept their codes'
            USING ERRCODE = 'GW002', HINT = 'Restore the database from before the upgrade.';
    END IF;
END
$$;
DROP TRIGGER guard_ended_grids_insert ON community_plan;
DROP TRIGGER guard_ended_grids_update ON community_plan;
DROP FUNCTION guard_ended_grids;
DROP TRIGGER guard_grid_version ON grid_version;
DROP FUNCTION guard_grid_version;
DROP TRIGGER guard_grid ON grid;
DROP FUNCTION guard_grid;

ALTER TABLE grid
    ADD COLUMN kind       text NOT NULL DEFAULT 'basic',
    ADD COLUMN flag       text,
    ADD COLUMN reason     text,
    ADD COLUMN households integer NOT NULL DEFAULT 0,
    ADD COLUMN geometry   geometry(Geometry, 4326);
UPDATE grid
SET kind = one.kind, flag = one.flag, reason = one.reason, households = one.households,
    geometry = one.geometry
FROM grid_version AS one
WHERE one.grid_id = grid.id;
ALTER TABLE grid
    ALTER COLUMN geometry SET NOT NULL,
    ADD CONSTRAINT ck_grid_kind CHECK (kind IN ('basic', 'dedicated', 'micro')),
    ADD CONSTRAINT ck_grid_reason CHECK (reason IS NULL OR flag IS NOT NULL),
    ADD CONSTRAINT ck_grid_households CHECK (households >= 0),
    ADD CONSTRAINT ck_grid_geometry CHECK (
        GeometryType(geometry) IN ('POLYGON', 'MULTIPOLYGON')
        AND ST_IsValid(geometry)
        AND NOT ST_IsEmpty(geometry)
    );
CREATE INDEX ix_grid_geometry ON grid USING gist (geometry);
ALTER TABLE plan_grid
    DROP CONSTRAINT fk_plan_grid_grid_id_version,
    ADD CONSTRAINT fk_plan_grid_grid_id FOREIGN KEY (grid_id) REFERENCES grid (id);
DROP INDEX ix_plan_grid_grid_id_version;
CREATE INDEX ix_plan_grid_grid_id ON plan_grid (grid_id);
CREATE OR REPLACE VIEW current_grid AS
SELECT
    grid.id,
    grid.code,
    grid.community_code,
    grid.kind,
    grid.flag,
    grid.reason,
    division.dataset_id,
    community_plan.plan_id,
    grid.geometry,
    1 AS version,
    grid.households AS households_drawn
FROM community_plan
JOIN plan_grid ON plan_grid.plan_id = community_plan.plan_id
JOIN grid
    ON grid.id = plan_grid.grid_id
    AND grid.community_code = community_plan.community_code
JOIN division ON division.code = grid.community_code
WHERE community_plan.active @> CURRENT_DATE;
ALTER TABLE plan_grid DROP COLUMN version;
ALTER TABLE grid_plan DROP COLUMN ground;
DROP TABLE grid_version;

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
