-- A town of 2 communities x 6 grids, each 0.01 degrees wide, with names that would be markup.
INSERT INTO dataset (id, name, loaded_at) VALUES
    (1, 'Old data', now() - interval '1 day'), (2, 'Town <b>K</b></script>', now());
INSERT INTO division (code, dataset_id, name, level, geometry) VALUES
    ('J', 2, 'County J', 'county', ST_Multi(ST_MakeEnvelope(0, 0, 0.04, 0.03, 4326)));
INSERT INTO division (code, dataset_id, name, level, parent, parent_rank, geometry)
SELECT
    code, 2, '<img src=x onerror=document.title=''owned''>', 'community', 'J',
    (SELECT rank FROM division WHERE code = 'J'),
    ST_Multi(ST_MakeEnvelope(west, 0, west + 0.02, 0.03, 4326))
FROM (VALUES ('K1', 0.0), ('K2', 0.02)) AS given (code, west);
INSERT INTO team_requirement VALUES (2, 'doctor', 1), (2, 'leader', 1);
INSERT INTO grid_plan (id, name) VALUES (1, 'first');
CREATE TEMPORARY TABLE cell AS
SELECT
    6 * (west_cell / 2) + 2 * row + mod(west_cell, 2) + 1 AS at,
    'K' || (west_cell / 2 + 1) AS community,
    2 * row + mod(west_cell, 2) + 1 AS number,
    (west_cell / 100.0)::float8 AS west,
    (row / 100.0)::float8 AS south
FROM generate_series(0, 3) AS west_cell, generate_series(0, 2) AS row;
INSERT INTO grid (id, code, community_code, number)
SELECT at, community || lpad(number::text, 3, '0'), community, number FROM cell;
INSERT INTO grid_version (grid_id, version, households, flag, geometry)
SELECT
    at, 1, CASE at WHEN 4 THEN 620 ELSE 390 + at END, CASE at WHEN 4 THEN 'oversize' END,
    ST_MakeEnvelope(west, south, west + 0.01, south + 0.01, 4326)
FROM cell;
DROP TABLE cell;
INSERT INTO plan_grid SELECT 1, grid_id, version FROM grid_version;
INSERT INTO community_plan (plan_id, community_code, active)
VALUES (1, 'K1', daterange(CURRENT_DATE, NULL)), (1, 'K2', daterange(CURRENT_DATE, NULL));
UPDATE grid_plan SET state = 'validated' WHERE id = 1;
UPDATE grid_plan SET state = 'active', effective_from = CURRENT_DATE WHERE id = 1;
INSERT INTO household (dataset_id, reference, address, households, geometry)
SELECT 2, 'H' || grid_id, 'Long Street ' || grid_id, households, ST_Centroid(geometry)
FROM grid_version;
INSERT INTO household (dataset_id, reference, address, households, geometry) VALUES
    (2, 'T1', '人民路 8 号', 2, ST_SetSRID(ST_MakePoint(0.005, 0.005), 4326)),
    (2, 'T2', '</script><img src=x onerror=document.title=''owned''>', 3,
        ST_SetSRID(ST_MakePoint(0.005, 0.005), 4326)),
    (2, 'T3', '100' || chr(37) || ' Lane_1', 1, ST_SetSRID(ST_MakePoint(0.5, 0.5), 4326));
INSERT INTO assignment (household_id, grid_id, method)
SELECT household.id, grid_id, 'covers'
FROM household JOIN grid_version ON ST_Covers(grid_version.geometry, household.geometry);
INSERT INTO member (id, dataset_id, reference, name, roles, geometry) VALUES
    (1, 2, 'm1', '李华', '{leader,doctor}', ST_SetSRID(ST_MakePoint(0.016, 0.015), 4326)),
    (2, 2, 'm2', '<img src=x onerror=document.title=''owned''>', '{leader}', NULL);
INSERT INTO post (member_id, grid_id, role) VALUES (1, 4, 'leader'), (2, 1, 'leader');
INSERT INTO vacancy_reason VALUES (4, 'doctor', '1 doctor for 12 posts');
INSERT INTO facility (dataset_id, reference, name, kind, geometry)
VALUES (2, 'f1', 'Clinic', 'clinic', ST_SetSRID(ST_MakePoint(0.01, 0.01), 4326));
INSERT INTO barrier (dataset_id, kind, weight, geometry) VALUES
    (2, 'roads', 1, ST_GeomFromText('LINESTRING(0 0.01, 0.04 0.01)', 4326)),
    (2, 'water', 2, ST_MakeEnvelope(0, -0.01, 0.04, 0, 4326));
