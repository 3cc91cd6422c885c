-- What a page of grids reads for every row lies ready: outline and properties as GeoJSON text beside the
-- polygon, and the code of a grid, by which pages are put in order, in the plan that holds it. None can
-- differ from what it is made of: text is generated, the code is a foreign key. `json_object` writes it
-- because `to_json` is not held to be immutable.

-- Coordinates in every digit, so that shared vertices stay shared; exterior rings run counterclockwise
-- (RFC 7946). A long text is kept as it is: unpacking it would take as long as writing it.
ALTER TABLE grid_version
    ADD COLUMN outline text
        GENERATED ALWAYS AS (ST_AsGeoJSON(ST_ForcePolygonCCW(geometry), 15, 0)) STORED,
    ADD COLUMN described text GENERATED ALWAYS AS (
        btrim(json_object(ARRAY['kind', 'flag', 'reason'], ARRAY[kind, flag, reason])::text, '{}')
        || ', "parts" : ' || ST_NumGeometries(geometry)::text
    ) STORED;
ALTER TABLE grid_version ALTER COLUMN outline SET STORAGE EXTERNAL;

ALTER TABLE grid ADD CONSTRAINT uq_grid_id_code_community_code UNIQUE (id, code, community_code);
ALTER TABLE plan_grid ADD COLUMN code text, ADD COLUMN community_code text;
-- the plans that rule or ruled keep their grids; this only names them
ALTER TABLE plan_grid DISABLE TRIGGER guard_plan_grid;
UPDATE plan_grid
SET code = grid.code, community_code = grid.community_code
FROM grid
WHERE grid.id = plan_grid.grid_id;
ALTER TABLE plan_grid ENABLE TRIGGER guard_plan_grid;
ALTER TABLE plan_grid
    ALTER COLUMN code SET NOT NULL,
    ALTER COLUMN community_code SET NOT NULL,
    ADD COLUMN named text GENERATED ALWAYS AS (
        btrim(
            json_object(ARRAY['grid_code', 'community_code'], ARRAY[code, community_code])::text, '{}'
        )
    ) STORED,
    ADD CONSTRAINT fk_plan_grid_grid_id_code_community_code
        FOREIGN KEY (grid_id, code, community_code) REFERENCES grid (id, code, community_code);
CREATE INDEX ix_plan_grid_code ON plan_grid (code);
CREATE INDEX ix_plan_grid_community_code_code ON plan_grid (community_code, code);

CREATE FUNCTION name_plan_grid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT grid.code, grid.community_code INTO NEW.code, NEW.community_code
    FROM grid
    WHERE grid.id = NEW.grid_id;
    IF NOT FOUND THEN -- the foreign keys say so
        NEW.code := '';
        NEW.community_code := '';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER name_plan_grid BEFORE INSERT ON plan_grid
    FOR EACH ROW WHEN (NEW.code IS NULL OR NEW.community_code IS NULL)
    EXECUTE FUNCTION name_plan_grid();

-- The grids of the plans that rule their community today, as those plans have them. `households_drawn`
-- is the load when the polygon was drawn; `outline`, `named` and `described` are parts of a feature as
-- GeoJSON.
CREATE OR REPLACE VIEW current_grid AS
SELECT
    plan_grid.grid_id AS id,
    plan_grid.code,
    plan_grid.community_code,
    grid_version.kind,
    grid_version.flag,
    grid_version.reason,
    division.dataset_id,
    community_plan.plan_id,
    grid_version.geometry,
    grid_version.version,
    grid_version.households AS households_drawn,
    division.name AS community_name,
    grid_version.outline,
    plan_grid.named,
    grid_version.described
FROM community_plan
JOIN plan_grid
    ON plan_grid.plan_id = community_plan.plan_id
    AND plan_grid.community_code = community_plan.community_code
JOIN grid_version
    ON grid_version.grid_id = plan_grid.grid_id
    AND grid_version.version = plan_grid.version
JOIN division ON division.code = plan_grid.community_code
WHERE community_plan.active @> CURRENT_DATE;

ANALYZE grid, plan_grid, grid_version;
