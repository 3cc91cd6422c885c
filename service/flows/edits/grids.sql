-- geometry --
-- The polygon of a grid in force, as it is kept.
SELECT ST_AsBinary(geometry) FROM current_grid WHERE code = :code

-- communities_near --
-- Communities that a polygon may lie in.
SELECT code
FROM division
WHERE level = 'community' AND geometry && ST_SetSRID(ST_GeomFromWKB(:shape), 4326)
ORDER BY code COLLATE "C"
