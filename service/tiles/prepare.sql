-- pending --
-- The versions as they stand, and how much waits to be prepared, counted no further than a limit.
-- A plan whose first or last day has come since counts as well: no row was written for that.
SELECT
    state.token, state.areas, state.households, state.members,
    (SELECT count(*) FROM (SELECT FROM tile.change LIMIT :limit) AS waiting)
    + (
        SELECT count(*)
        FROM (
            SELECT
            FROM community_plan
            WHERE lower(active) > state.day AND lower(active) <= CURRENT_DATE
                OR upper(active) > state.day AND upper(active) <= CURRENT_DATE
            LIMIT :limit
        ) AS begun
    ) AS pending
FROM tile.state

-- hold --
-- Who prepares holds this row; others go on with what was prepared before.
SELECT day FROM tile.state FOR UPDATE SKIP LOCKED

-- hold_waiting --
SELECT day FROM tile.state FOR UPDATE

-- take_changes --
-- What is read after this sees at least these changes; later ones stay for the next time.
WITH taken AS (
    DELETE FROM tile.change RETURNING kind, code, dataset_id, x, y
)
SELECT DISTINCT kind, code, dataset_id, x, y FROM taken
UNION
SELECT 'community', community_code, NULL, NULL, NULL
FROM community_plan
WHERE lower(active) > CAST(:day AS date) AND lower(active) <= CURRENT_DATE
    OR upper(active) > CAST(:day AS date) AND upper(active) <= CURRENT_DATE

-- save_versions --
UPDATE tile.state
SET areas = areas + :areas, households = households + :households, members = members + :members,
    day = CURRENT_DATE

-- build_here --
-- The statements below name their tables without a schema, so that the same ones serve a part of
-- the tables in use (tile) and all of those that will take their place (tile_next).
SELECT set_config('search_path', 'tile, ' || :path, true)

-- build_next --
SELECT set_config('search_path', 'tile_next, ' || :path, true)

-- search_path --
SELECT current_setting('search_path')

-- drop_next --
DROP SCHEMA IF EXISTS tile_next CASCADE

-- make_next --
CREATE SCHEMA tile_next
    CREATE TABLE area (LIKE tile.area)
    CREATE TABLE figure (LIKE tile.figure INCLUDING INDEXES)
    CREATE TABLE finest (LIKE tile.finest INCLUDING INDEXES)
    CREATE TABLE cell (LIKE tile.cell)

-- index_area --
CREATE INDEX area_place ON tile_next.area USING gist (zoom, level, geometry)

-- index_area_code --
CREATE INDEX area_code ON tile_next.area (level, code)

-- index_cell --
ALTER TABLE tile_next.cell
    ADD CONSTRAINT cell_pkey PRIMARY KEY (layer, zoom, dataset_id, x, y)

-- index_cell_place --
CREATE INDEX cell_place ON tile_next.cell USING gist (layer, zoom, place)

-- analyze --
ANALYZE tile_next.area, tile_next.figure, tile_next.cell

-- drop_old --
DROP TABLE tile.area, tile.figure, tile.finest, tile.cell

-- switch_area --
ALTER TABLE tile_next.area SET SCHEMA tile

-- switch_figure --
ALTER TABLE tile_next.figure SET SCHEMA tile

-- switch_finest --
ALTER TABLE tile_next.finest SET SCHEMA tile

-- switch_cell --
ALTER TABLE tile_next.cell SET SCHEMA tile

-- forget_grids --
DELETE FROM area
USING figure
WHERE area.level = 6
    AND figure.level = 6
    AND figure.code = area.code
    AND figure.parent = ANY (CAST(:codes AS text[]))

-- forget_grid_figures --
DELETE FROM figure WHERE level = 6 AND parent = ANY (CAST(:codes AS text[]))

-- forget_divisions --
DELETE FROM area WHERE level < 6 AND code = ANY (CAST(:codes AS text[]))

-- add_grid_figures --
-- The grids in force of some communities, or of all.
INSERT INTO figure
    (level, code, dataset_id, dataset, parent, name, flag, grids, households, vacancies)
WITH chosen AS MATERIALIZED (
    SELECT id, code, dataset_id, community_code, flag
    FROM current_grid
    WHERE CAST(:codes AS text[]) IS NULL OR community_code = ANY (CAST(:codes AS text[]))
),
load AS (
    SELECT assignment.grid_id, sum(household.households) AS households
    FROM chosen
    JOIN assignment ON assignment.grid_id = chosen.id
    JOIN household ON household.id = assignment.household_id
    GROUP BY assignment.grid_id
),
held AS (
    SELECT post.grid_id, post.role, count(*) AS posts
    FROM chosen
    JOIN post ON post.grid_id = chosen.id AND post.valid_to IS NULL
    GROUP BY post.grid_id, post.role
),
short AS (
    SELECT chosen.id, sum(greatest(requirement.posts - coalesce(held.posts, 0), 0)) AS vacancies
    FROM chosen
    JOIN team_requirement AS requirement ON requirement.dataset_id = chosen.dataset_id
    LEFT JOIN held ON held.grid_id = chosen.id AND held.role = requirement.role
    GROUP BY chosen.id
)
SELECT
    6, chosen.code, chosen.dataset_id, dataset.name, chosen.community_code, division.name,
    chosen.flag, 1, coalesce(load.households, 0), short.vacancies
FROM chosen
JOIN division ON division.code = chosen.community_code
JOIN dataset ON dataset.id = chosen.dataset_id
LEFT JOIN load ON load.grid_id = chosen.id
LEFT JOIN short ON short.id = chosen.id

-- ancestors --
-- Some divisions and all above them.
WITH RECURSIVE up AS (
    SELECT code, parent FROM division WHERE code = ANY (CAST(:codes AS text[]))
    UNION
    SELECT division.code, division.parent FROM up JOIN division ON division.code = up.parent
)
SELECT code FROM up

-- add_division_figures --
-- The divisions of one rank, from what lies below them; so the lowest rank goes first.
INSERT INTO figure (level, code, dataset_id, dataset, parent, name, grids, households, vacancies)
SELECT
    division.rank, division.code, division.dataset_id, dataset.name, division.parent, division.name,
    coalesce(sum(below.grids), 0), coalesce(sum(below.households), 0), sum(below.vacancies)
FROM division
JOIN dataset ON dataset.id = division.dataset_id
LEFT JOIN figure AS below ON below.parent = division.code AND below.level > division.rank
WHERE division.rank = :rank
    AND (CAST(:codes AS text[]) IS NULL OR division.code = ANY (CAST(:codes AS text[])))
GROUP BY division.code, dataset.name
ON CONFLICT (level, code) DO UPDATE SET
    name = excluded.name, grids = excluded.grids, households = excluded.households,
    vacancies = excluded.vacancies

-- stage_outlines --
-- Everything drawn, in EPSG:3857 (which ends at 85.05 degrees), once.
CREATE TEMPORARY TABLE staged_outline ON COMMIT DROP AS
SELECT
    found.level, found.code, found.dataset_id,
    ST_Transform(
        CASE
            WHEN ST_YMax(geometry) > 85.0511287 OR ST_YMin(geometry) < -85.0511287
            THEN ST_ClipByBox2D(geometry, ST_MakeEnvelope(-180, -85.0511287, 180, 85.0511287, 4326))
            ELSE geometry
        END,
        3857
    ) AS geometry
FROM (
    SELECT CAST(6 AS smallint) AS level, code, dataset_id, geometry
    FROM current_grid
    WHERE CAST(:grids_of AS text[]) IS NULL OR community_code = ANY (CAST(:grids_of AS text[]))
    UNION ALL
    SELECT rank, code, dataset_id, geometry
    FROM division
    WHERE CAST(:divisions AS text[]) IS NULL OR code = ANY (CAST(:divisions AS text[]))
) AS found

-- drop_staged --
DROP TABLE IF EXISTS staged_outline

-- add_finest --
-- Areas are counted by the tile that the middle of their box lies in, from zoom 14 upwards; the
-- finest level is the lowest rank that keeps within the limit in each tile, or the highest there is.
INSERT INTO finest (dataset_id, zoom, level)
WITH middle AS (
    SELECT
        level, dataset_id,
        CAST(floor(
            ((ST_XMin(geometry) + ST_XMax(geometry)) / 2 / 40075016.68557849 + 0.5) * 16384
        ) AS integer) AS x,
        CAST(floor(
            ((ST_YMin(geometry) + ST_YMax(geometry)) / 2 / 40075016.68557849 + 0.5) * 16384
        ) AS integer) AS y
    FROM staged_outline
),
crowd AS (
    SELECT level, dataset_id, x, y, count(*) AS areas FROM middle GROUP BY level, dataset_id, x, y
),
densest AS (
    SELECT level, dataset_id, zoom, max(areas) AS areas
    FROM (
        SELECT level, dataset_id, zoom, sum(areas) AS areas
        FROM crowd
        CROSS JOIN generate_series(0, 14) AS zoom
        GROUP BY level, dataset_id, zoom, x >> (14 - zoom), y >> (14 - zoom)
    ) AS counted
    GROUP BY level, dataset_id, zoom
)
SELECT dataset_id, zoom, coalesce(max(level) FILTER (WHERE areas <= :most OR zoom = 14), min(level))
FROM densest
GROUP BY dataset_id, zoom

-- add_areas --
-- A quarter of a pixel (of 512 to the tile) is simplified away; at zoom 14 nothing.
INSERT INTO area (
    level, code, dataset_id, zoom, size, geometry, name, parent, flag, grids, households, vacancies
)
SELECT
    drawn.level, drawn.code, drawn.dataset_id, drawn.zoom,
    ST_Area(drawn.geometry) AS size, drawn.geometry,
    left(figure.name, 80), figure.parent, figure.flag, figure.grids, figure.households,
    figure.vacancies
FROM (
    SELECT
        staged_outline.level, staged_outline.code, staged_outline.dataset_id, finest.zoom,
        CASE
            WHEN finest.zoom = 14 THEN staged_outline.geometry
            ELSE ST_Simplify(
                staged_outline.geometry, 40075016.68557849 / 2048 / power(2, finest.zoom), true
            )
        END AS geometry
    FROM staged_outline
    JOIN finest
        ON finest.dataset_id = staged_outline.dataset_id AND finest.level >= staged_outline.level
) AS drawn
JOIN figure ON figure.level = drawn.level AND figure.code = drawn.code
WHERE NOT ST_IsEmpty(drawn.geometry)

-- renew_division_areas --
-- Outlines that stay, with the new figures of their divisions.
UPDATE area
SET name = left(figure.name, 80), parent = figure.parent, grids = figure.grids,
    households = figure.households, vacancies = figure.vacancies
FROM figure
WHERE area.level < 6
    AND area.code = ANY (CAST(:codes AS text[]))
    AND figure.level = area.level
    AND figure.code = area.code

-- lacks_levels --
-- Whether a data set has grids of which the finest levels know nothing yet.
SELECT EXISTS (
    SELECT
    FROM (SELECT DISTINCT dataset_id FROM figure WHERE level = 6) AS drawn
    LEFT JOIN finest ON finest.dataset_id = drawn.dataset_id AND finest.zoom = 14
    WHERE coalesce(finest.level, 0) < 6
)

-- forget_cells --
DELETE FROM cell
USING unnest(CAST(:datasets AS integer[]), CAST(:xs AS integer[]), CAST(:ys AS integer[]))
    AS gone (dataset_id, x, y)
WHERE cell.layer = :layer
    AND cell.zoom = :zoom
    AND cell.dataset_id = gone.dataset_id
    AND cell.x = gone.x
    AND cell.y = gone.y

-- add_household_cells --
INSERT INTO cell (layer, zoom, dataset_id, x, y, records, households, place)
SELECT
    'households', 14, dataset_id, x, y, count(*), sum(households),
    ST_SetSRID(ST_MakePoint(avg(ST_X(place)), avg(ST_Y(place))), 3857)
FROM (
    SELECT
        dataset_id, households, tile.column_of(geometry) AS x, tile.row_of(geometry) AS y,
        tile.mercator(geometry) AS place
    FROM household
) AS found
GROUP BY dataset_id, x, y

-- add_member_cells --
INSERT INTO cell (layer, zoom, dataset_id, x, y, records, households, place)
SELECT
    'members', 14, dataset_id, x, y, count(*), 0,
    ST_SetSRID(ST_MakePoint(avg(ST_X(place)), avg(ST_Y(place))), 3857)
FROM (
    SELECT
        dataset_id, tile.column_of(geometry) AS x, tile.row_of(geometry) AS y,
        tile.mercator(geometry) AS place
    FROM member
    WHERE geometry IS NOT NULL
) AS found
GROUP BY dataset_id, x, y

-- renew_household_cells --
-- The same for some cells; each is searched by its box, a little wider than it is.
INSERT INTO cell (layer, zoom, dataset_id, x, y, records, households, place)
SELECT
    'households', 14, wanted.dataset_id, wanted.x, wanted.y, count(*), sum(household.households),
    ST_SetSRID(
        ST_MakePoint(
            avg(ST_X(tile.mercator(household.geometry))),
            avg(ST_Y(tile.mercator(household.geometry)))
        ),
        3857
    )
FROM (
    SELECT *, ST_Transform(ST_TileEnvelope(19, x, y, margin => 0.01), 4326) AS box
    FROM unnest(CAST(:datasets AS integer[]), CAST(:xs AS integer[]), CAST(:ys AS integer[]))
        AS given (dataset_id, x, y)
) AS wanted
JOIN household
    ON household.dataset_id = wanted.dataset_id
    AND household.geometry && wanted.box
    AND tile.column_of(household.geometry) = wanted.x
    AND tile.row_of(household.geometry) = wanted.y
GROUP BY wanted.dataset_id, wanted.x, wanted.y

-- renew_member_cells --
INSERT INTO cell (layer, zoom, dataset_id, x, y, records, households, place)
SELECT
    'members', 14, wanted.dataset_id, wanted.x, wanted.y, count(*), 0,
    ST_SetSRID(
        ST_MakePoint(
            avg(ST_X(tile.mercator(member.geometry))), avg(ST_Y(tile.mercator(member.geometry)))
        ),
        3857
    )
FROM (
    SELECT *, ST_Transform(ST_TileEnvelope(19, x, y, margin => 0.01), 4326) AS box
    FROM unnest(CAST(:datasets AS integer[]), CAST(:xs AS integer[]), CAST(:ys AS integer[]))
        AS given (dataset_id, x, y)
) AS wanted
JOIN member
    ON member.dataset_id = wanted.dataset_id
    AND member.geometry && wanted.box
    AND tile.column_of(member.geometry) = wanted.x
    AND tile.row_of(member.geometry) = wanted.y
GROUP BY wanted.dataset_id, wanted.x, wanted.y

-- add_coarser_cells --
-- The cells of a zoom from the four below each, all of them.
INSERT INTO cell (layer, zoom, dataset_id, x, y, records, households, place)
SELECT
    layer, CAST(:zoom AS smallint), dataset_id, x >> 1, y >> 1, sum(records), sum(households),
    ST_SetSRID(
        ST_MakePoint(
            sum(records * ST_X(place)) / sum(records), sum(records * ST_Y(place)) / sum(records)
        ),
        3857
    )
FROM cell
WHERE zoom = CAST(:zoom AS smallint) + 1
GROUP BY layer, dataset_id, x >> 1, y >> 1

-- renew_coarser_cells --
-- The same for some of a layer.
INSERT INTO cell (layer, zoom, dataset_id, x, y, records, households, place)
SELECT
    layer, CAST(:zoom AS smallint), wanted.dataset_id, wanted.x, wanted.y, sum(records), sum(households),
    ST_SetSRID(
        ST_MakePoint(
            sum(records * ST_X(place)) / sum(records), sum(records * ST_Y(place)) / sum(records)
        ),
        3857
    )
FROM unnest(CAST(:datasets AS integer[]), CAST(:xs AS integer[]), CAST(:ys AS integer[]))
    AS wanted (dataset_id, x, y)
JOIN cell
    ON cell.layer = :layer
    AND cell.zoom = CAST(:zoom AS smallint) + 1
    AND cell.dataset_id = wanted.dataset_id
    AND cell.x IN (2 * wanted.x, 2 * wanted.x + 1)
    AND cell.y IN (2 * wanted.y, 2 * wanted.y + 1)
GROUP BY layer, wanted.dataset_id, wanted.x, wanted.y
