-- What tiles are made from: outlines drawn for each zoom, figures added up, points counted in cells.
-- All of it is derived; service/tiles/prepare.sql fills it anew from the tables in public.
CREATE SCHEMA tile;

-- One row: how often each kind of tile changed. The token keeps the tags of one database apart from
-- those of another.
CREATE TABLE tile.state (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    token      text NOT NULL DEFAULT left(md5(random()::text || clock_timestamp()::text), 8),
    areas      bigint NOT NULL DEFAULT 0,
    households bigint NOT NULL DEFAULT 0,
    members    bigint NOT NULL DEFAULT 0,
    day        date
);
INSERT INTO tile.state DEFAULT VALUES;

-- What changed since: written by the triggers below in the transaction of the change, taken away by
-- who prepares. Nothing in it is unique, so writers never wait for one another.
CREATE TABLE tile.change (
    kind       text NOT NULL
        CHECK (kind IN ('everything', 'division', 'community', 'households', 'members')),
    code       text,
    dataset_id integer,
    x          integer,
    y          integer
);
INSERT INTO tile.change (kind) VALUES ('everything');

-- Outlines in EPSG:3857. level is the rank of a division (1 province .. 5 community), 6 for a grid.
-- Zoom 14 is the outline as it is, for all closer zooms as well.
CREATE TABLE tile.area (
    level      smallint NOT NULL,
    code       text NOT NULL,
    dataset_id integer NOT NULL,
    zoom       smallint NOT NULL,
    size       real NOT NULL,
    geometry   geometry(Geometry, 3857) NOT NULL
);
CREATE INDEX area_place ON tile.area USING gist (zoom, level, geometry);
CREATE INDEX area_code ON tile.area (level, code);

-- What the tiles say of an area; of a division, the sums of its grids.
CREATE TABLE tile.figure (
    level      smallint NOT NULL,
    code       text NOT NULL,
    dataset_id integer NOT NULL,
    dataset    text NOT NULL,
    parent     text,
    name       text,
    flag       text,
    grids      bigint NOT NULL,
    households bigint NOT NULL,
    vacancies  bigint,
    CONSTRAINT figure_pkey PRIMARY KEY (level, code)
);
CREATE INDEX figure_parent ON tile.figure (parent);

-- The most detailed level of a data set of which a tile of a zoom can show all.
CREATE TABLE tile.finest (
    dataset_id integer NOT NULL,
    zoom       smallint NOT NULL,
    level      smallint NOT NULL,
    CONSTRAINT finest_pkey PRIMARY KEY (dataset_id, zoom)
);

-- Points counted in cells, 32 to the side of a tile of the zoom; the place is their mean.
CREATE TABLE tile.cell (
    layer      text NOT NULL,
    zoom       smallint NOT NULL,
    dataset_id integer NOT NULL,
    x          integer NOT NULL,
    y          integer NOT NULL,
    records    bigint NOT NULL,
    households bigint NOT NULL,
    place      geometry(Point, 3857) NOT NULL,
    CONSTRAINT cell_pkey PRIMARY KEY (layer, zoom, dataset_id, x, y)
);
CREATE INDEX cell_place ON tile.cell USING gist (layer, zoom, place);

-- A point in EPSG:3857; what lies beyond its edge is drawn in to it.
CREATE FUNCTION tile.mercator(place geometry) RETURNS geometry
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ST_SetSRID(
        ST_MakePoint(
            ST_X(place) * 111319.49079327358,
            6378137 * ln(tan(pi() / 4 + radians(
                least(greatest(ST_Y(place), -85.0511287), 85.0511287)
            ) / 2))
        ),
        3857
    )
$$;

-- The number of a cell of zoom 14 (2^19 to the world's side), counted from west and from north.
CREATE FUNCTION tile.column_of(place geometry) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT least(greatest(CAST(floor((ST_X(place) + 180) / 360 * 524288) AS integer), 0), 524287)
$$;
CREATE FUNCTION tile.row_of(place geometry) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT least(greatest(CAST(floor((0.5 - ln(tan(pi() / 4 + radians(
        least(greatest(ST_Y(place), -85.0511287), 85.0511287)
    ) / 2)) / (2 * pi())) * 524288) AS integer), 0), 524287)
$$;

CREATE FUNCTION tile.note_everything() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tile.change (kind) VALUES ('everything');
    RETURN NULL;
END
$$;

CREATE FUNCTION tile.note_division() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tile.change (kind) SELECT 'everything' FROM fresh LIMIT 1;
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        INSERT INTO tile.change (kind) SELECT 'everything' FROM stale LIMIT 1;
        RETURN NULL;
    END IF;
    IF (SELECT count(*) FROM stale)
        <> (
            SELECT count(*)
            FROM stale
            JOIN fresh USING (code, level, dataset_id)
            WHERE stale.parent IS NOT DISTINCT FROM fresh.parent
        )
    THEN
        INSERT INTO tile.change (kind) VALUES ('everything');
    ELSE
        INSERT INTO tile.change (kind, code)
        SELECT 'division', code
        FROM stale
        JOIN fresh USING (code)
        WHERE stale.name <> fresh.name OR NOT stale.geometry = fresh.geometry;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION tile.note_community_plan() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO tile.change (kind, code)
        SELECT DISTINCT 'community', community_code FROM fresh WHERE active IS NOT NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO tile.change (kind, code)
        SELECT DISTINCT 'community', community_code FROM stale WHERE active IS NOT NULL;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION tile.note_assignment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO tile.change (kind, code)
        SELECT DISTINCT 'community', grid.community_code
        FROM (SELECT DISTINCT grid_id FROM fresh) AS touched
        JOIN grid ON grid.id = touched.grid_id;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO tile.change (kind, code)
        SELECT DISTINCT 'community', grid.community_code
        FROM (SELECT DISTINCT grid_id FROM stale) AS touched
        JOIN grid ON grid.id = touched.grid_id;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION tile.note_household() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO tile.change (kind, dataset_id, x, y)
        SELECT DISTINCT
            'households', dataset_id, tile.column_of(geometry), tile.row_of(geometry)
        FROM fresh;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO tile.change (kind, dataset_id, x, y)
        SELECT DISTINCT
            'households', dataset_id, tile.column_of(geometry), tile.row_of(geometry)
        FROM stale;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO tile.change (kind, code)
        SELECT DISTINCT 'community', grid.community_code
        FROM stale
        JOIN fresh USING (id)
        JOIN assignment ON assignment.household_id = fresh.id
        JOIN grid ON grid.id = assignment.grid_id
        WHERE stale.households <> fresh.households;
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION tile.note_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO tile.change (kind, dataset_id, x, y)
        SELECT DISTINCT 'members', dataset_id, tile.column_of(geometry), tile.row_of(geometry)
        FROM fresh
        WHERE geometry IS NOT NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO tile.change (kind, dataset_id, x, y)
        SELECT DISTINCT 'members', dataset_id, tile.column_of(geometry), tile.row_of(geometry)
        FROM stale
        WHERE geometry IS NOT NULL;
    END IF;
    RETURN NULL;
END
$$;

-- A post shows in two kinds of tile: the vacancies of its grid, and whether its member holds one.
CREATE FUNCTION tile.note_post() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO tile.change (kind, code)
        SELECT DISTINCT 'community', grid.community_code
        FROM (SELECT DISTINCT grid_id FROM fresh) AS touched
        JOIN grid ON grid.id = touched.grid_id;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO tile.change (kind, code)
        SELECT DISTINCT 'community', grid.community_code
        FROM (SELECT DISTINCT grid_id FROM stale) AS touched
        JOIN grid ON grid.id = touched.grid_id;
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tile.change (kind) SELECT 'members' FROM fresh LIMIT 1;
    ELSE
        INSERT INTO tile.change (kind) SELECT 'members' FROM stale LIMIT 1;
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER tile_insert AFTER INSERT ON division REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_division();
CREATE TRIGGER tile_delete AFTER DELETE ON division REFERENCING OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_division();
CREATE TRIGGER tile_update AFTER UPDATE ON division
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_division();

CREATE TRIGGER tile_update AFTER UPDATE ON dataset
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name)
    EXECUTE FUNCTION tile.note_everything();
CREATE TRIGGER tile_write AFTER INSERT OR UPDATE OR DELETE ON team_requirement
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_everything();

CREATE TRIGGER tile_insert AFTER INSERT ON community_plan REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_community_plan();
CREATE TRIGGER tile_update AFTER UPDATE ON community_plan
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_community_plan();
CREATE TRIGGER tile_delete AFTER DELETE ON community_plan REFERENCING OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_community_plan();

CREATE TRIGGER tile_insert AFTER INSERT ON assignment REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_assignment();
CREATE TRIGGER tile_update AFTER UPDATE ON assignment
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_assignment();
CREATE TRIGGER tile_delete AFTER DELETE ON assignment REFERENCING OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_assignment();

CREATE TRIGGER tile_insert AFTER INSERT ON household REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_household();
CREATE TRIGGER tile_update AFTER UPDATE ON household
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_household();
CREATE TRIGGER tile_delete AFTER DELETE ON household REFERENCING OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_household();

CREATE TRIGGER tile_insert AFTER INSERT ON member REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_member();
CREATE TRIGGER tile_update AFTER UPDATE ON member
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_member();
CREATE TRIGGER tile_delete AFTER DELETE ON member REFERENCING OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_member();

CREATE TRIGGER tile_insert AFTER INSERT ON post REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_post();
CREATE TRIGGER tile_update AFTER UPDATE ON post
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_post();
CREATE TRIGGER tile_delete AFTER DELETE ON post REFERENCING OLD TABLE AS stale
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_post();

CREATE TRIGGER tile_truncate AFTER TRUNCATE ON household
    FOR EACH STATEMENT EXECUTE FUNCTION tile.note_everything();

-- A ledger that is replaced as a whole fires no trigger.
ALTER FUNCTION replace_assignment() RENAME TO switch_assignment;
CREATE FUNCTION replace_assignment() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM switch_assignment();
    INSERT INTO tile.change (kind) VALUES ('everything');
END
$$;
