-- grids --
-- Grids, or from afar the divisions that stand for them. The box of the tile is :west .. :north in
-- the units of :srid; what is drawn is in EPSG:3857.
WITH box AS (
    SELECT
        ST_MakeEnvelope(:west, :south, :east, :north, :srid) AS tile,
        ST_MakeEnvelope(:mercator_west, :mercator_south, :mercator_east, :mercator_north, 3857) AS near
)
SELECT ST_AsMVT(drawn, 'grids', 4096, 'geometry')
FROM (
    SELECT
        chosen.code,
        CASE chosen.level
            WHEN 6 THEN 'grid' WHEN 5 THEN 'community' WHEN 4 THEN 'street' WHEN 3 THEN 'county'
            WHEN 2 THEN 'city' ELSE 'province'
        END AS level,
        chosen.name,
        chosen.parent,
        chosen.dataset_id,
        chosen.flag,
        chosen.grids,
        CAST(round(chosen.households / chosen.grids) AS bigint) AS load,
        chosen.households,
        chosen.vacancies,
        ST_AsMVTGeom(
            CASE WHEN :srid = 3857 THEN chosen.geometry ELSE ST_Transform(chosen.geometry, :srid) END,
            (SELECT tile FROM box), 4096, 64, true
        ) AS geometry
    FROM (
        SELECT
            area.level, area.code, area.name, area.parent, area.dataset_id, area.flag, area.grids,
            area.households, area.vacancies,
            -- a long outline is cut first: what follows takes time by its vertices
            CASE
                WHEN ST_NPoints(area.geometry) > 500 THEN ST_ClipByBox2D(area.geometry, box.near)
                ELSE area.geometry
            END AS geometry
        FROM box
        JOIN tile.finest ON finest.zoom = CAST(:zoom AS smallint)
        JOIN tile.area
            ON area.zoom = CAST(:zoom AS smallint)
            AND area.level = finest.level
            AND area.dataset_id = finest.dataset_id
            AND area.geometry && box.near
            AND area.grids > 0
        ORDER BY area.size DESC, area.code
        LIMIT :most
    ) AS chosen
) AS drawn

-- divisions --
-- Divisions of every level down to the most detailed that a tile of the zoom can hold.
WITH box AS (
    SELECT
        ST_MakeEnvelope(:west, :south, :east, :north, :srid) AS tile,
        ST_MakeEnvelope(:mercator_west, :mercator_south, :mercator_east, :mercator_north, 3857) AS near
)
SELECT ST_AsMVT(drawn, 'divisions', 4096, 'geometry')
FROM (
    SELECT
        chosen.code,
        CASE chosen.level
            WHEN 5 THEN 'community' WHEN 4 THEN 'street' WHEN 3 THEN 'county' WHEN 2 THEN 'city'
            ELSE 'province'
        END AS level,
        chosen.level AS rank,
        left(figure.name, 80) AS name,
        figure.parent,
        figure.dataset_id,
        figure.grids,
        figure.households,
        figure.vacancies,
        ST_AsMVTGeom(
            CASE WHEN :srid = 3857 THEN chosen.geometry ELSE ST_Transform(chosen.geometry, :srid) END,
            (SELECT tile FROM box), 4096, 64, true
        ) AS geometry
    FROM (
        SELECT
            area.level, area.code,
            CASE
                WHEN ST_NPoints(area.geometry) > 500 THEN ST_ClipByBox2D(area.geometry, box.near)
                ELSE area.geometry
            END AS geometry
        FROM box
        CROSS JOIN (VALUES (5), (4), (3), (2), (1)) AS shown (level)
        JOIN tile.finest ON finest.zoom = CAST(:zoom AS smallint) AND finest.level >= shown.level
        JOIN tile.area
            ON area.zoom = CAST(:zoom AS smallint)
            AND area.level = CAST(shown.level AS smallint)
            AND area.dataset_id = finest.dataset_id
            AND area.geometry && box.near
        ORDER BY area.level, area.size DESC, area.code
        LIMIT :most
    ) AS chosen
    JOIN tile.figure ON figure.level = chosen.level AND figure.code = chosen.code
) AS drawn

-- cells --
-- Points of a layer from afar: one feature a cell, at the mean of its points. A cell is in the tile
-- that its place is in, so that no point counts twice.
SELECT ST_AsMVT(drawn, CAST(:layer AS text), 4096, 'geometry')
FROM (
    SELECT
        cell.dataset_id,
        cell.records,
        CASE WHEN cell.layer = 'households' THEN cell.households END AS households,
        ST_AsMVTGeom(
            CASE WHEN :srid = 3857 THEN cell.place ELSE ST_Transform(cell.place, :srid) END,
            ST_MakeEnvelope(:west, :south, :east, :north, :srid), 4096, 0, false
        ) AS geometry
    FROM tile.cell
    WHERE cell.layer = CAST(:layer AS text)
        AND cell.zoom = CAST(:zoom AS smallint)
        AND cell.place && ST_MakeEnvelope(
            :mercator_west, :mercator_south, :mercator_east, :mercator_north, 3857
        )
        AND ST_X(cell.place) >= :inner_west AND ST_X(cell.place) < :inner_east
        AND ST_Y(cell.place) >= :inner_south AND ST_Y(cell.place) < :inner_north
    ORDER BY cell.records DESC, cell.dataset_id, cell.x, cell.y
    LIMIT :most
) AS drawn

-- households --
-- Households counted now, by cells of which :cells lie side by side in the tile.
SELECT ST_AsMVT(drawn, 'households', 4096, 'geometry')
FROM (
    SELECT
        dataset_id,
        count(*) AS records,
        sum(households) AS households,
        ST_AsMVTGeom(
            ST_SetSRID(ST_MakePoint(avg(x), avg(y)), CAST(:srid AS integer)),
            ST_MakeEnvelope(:west, :south, :east, :north, :srid), 4096, 0, false
        ) AS geometry
    FROM (
        SELECT
            dataset_id, households,
            ST_X(place) AS x,
            ST_Y(place) AS y,
            CAST((ST_X(place) - :west) / (:east - :west) * :cells AS integer) AS across,
            CAST((ST_Y(place) - :south) / (:north - :south) * :cells AS integer) AS up
        FROM (
            SELECT
                dataset_id, households,
                CASE WHEN :srid = 3857 THEN tile.mercator(geometry) ELSE geometry END AS place
            FROM household
            WHERE geometry && ST_MakeEnvelope(:lon_west, :lat_south, :lon_east, :lat_north, 4326)
        ) AS near
        WHERE ST_X(place) >= :west AND ST_X(place) < :east
            AND ST_Y(place) >= :south AND ST_Y(place) < :north
    ) AS inside
    GROUP BY dataset_id, across, up
    ORDER BY records DESC, dataset_id, across, up
    LIMIT :most
) AS drawn

-- members --
-- Members one by one: what they may do and how many posts they hold, never who they are.
SELECT ST_AsMVT(drawn, 'members', 4096, 'geometry')
FROM (
    SELECT
        id,
        dataset_id,
        array_to_string(roles, ';') AS roles,
        (
            SELECT count(*) FROM post WHERE post.member_id = near.id AND post.valid_to IS NULL
        ) AS posts,
        1 AS records,
        ST_AsMVTGeom(
            place, ST_MakeEnvelope(:west, :south, :east, :north, :srid), 4096, 0, false
        ) AS geometry
    FROM (
        SELECT
            id, dataset_id, roles,
            CASE WHEN :srid = 3857 THEN tile.mercator(geometry) ELSE geometry END AS place
        FROM member
        WHERE geometry && ST_MakeEnvelope(:lon_west, :lat_south, :lon_east, :lat_north, 4326)
    ) AS near
    WHERE ST_X(place) >= :west AND ST_X(place) < :east
        AND ST_Y(place) >= :south AND ST_Y(place) < :north
    ORDER BY id
    LIMIT :most
) AS drawn

-- member_cells --
-- Members counted now, where they are too many to show one by one.
SELECT ST_AsMVT(drawn, 'members', 4096, 'geometry')
FROM (
    SELECT
        dataset_id,
        count(*) AS records,
        ST_AsMVTGeom(
            ST_SetSRID(ST_MakePoint(avg(x), avg(y)), CAST(:srid AS integer)),
            ST_MakeEnvelope(:west, :south, :east, :north, :srid), 4096, 0, false
        ) AS geometry
    FROM (
        SELECT
            dataset_id,
            ST_X(place) AS x,
            ST_Y(place) AS y,
            CAST((ST_X(place) - :west) / (:east - :west) * :cells AS integer) AS across,
            CAST((ST_Y(place) - :south) / (:north - :south) * :cells AS integer) AS up
        FROM (
            SELECT
                dataset_id,
                CASE WHEN :srid = 3857 THEN tile.mercator(geometry) ELSE geometry END AS place
            FROM member
            WHERE geometry && ST_MakeEnvelope(:lon_west, :lat_south, :lon_east, :lat_north, 4326)
        ) AS near
        WHERE ST_X(place) >= :west AND ST_X(place) < :east
            AND ST_Y(place) >= :south AND ST_Y(place) < :north
    ) AS inside
    GROUP BY dataset_id, across, up
    ORDER BY records DESC, dataset_id, across, up
    LIMIT :most
) AS drawn

-- extent_of_areas --
-- The box of all that is drawn, EPSG:3857; null where there is nothing.
SELECT
    ST_XMin(box) AS west, ST_YMin(box) AS south, ST_XMax(box) AS east, ST_YMax(box) AS north
FROM (
    SELECT ST_Transform(ST_SetSRID(CAST(ST_Extent(geometry) AS geometry), 3857), 4326) AS box
    FROM tile.area
    WHERE zoom = CAST(14 AS smallint) AND level < 6
) AS whole
WHERE box IS NOT NULL

-- extent_of_points --
SELECT
    ST_XMin(box) AS west, ST_YMin(box) AS south, ST_XMax(box) AS east, ST_YMax(box) AS north
FROM (
    SELECT ST_Transform(ST_SetSRID(CAST(ST_Extent(place) AS geometry), 3857), 4326) AS box
    FROM tile.cell
    WHERE layer = CAST(:layer AS text) AND zoom = CAST(14 AS smallint)
) AS whole
WHERE box IS NOT NULL
