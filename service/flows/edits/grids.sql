-- geometry --
-- The polygon of a grid in force, as it is kept.
SELECT ST_AsBinary(geometry) FROM current_grid WHERE code = :code

-- communities_near --
-- Communities that a polygon may lie in.
SELECT code
FROM division
WHERE level = 'community' AND geometry && ST_SetSRID(ST_GeomFromWKB(:shape), 4326)
ORDER BY code COLLATE "C"

-- end_posts --
-- The current posts of a grid that another takes the place of; they end.
UPDATE post
SET valid_to = now()
FROM grid
WHERE grid.code = :old AND post.grid_id = grid.id AND post.valid_to IS NULL
    AND CAST(:new AS text) <> grid.code
RETURNING post.id

-- move_posts --
-- The same posts in the grid that took the place.
INSERT INTO post (member_id, grid_id, role, fixed)
SELECT post.member_id, grid.id, post.role, post.fixed
FROM post
CROSS JOIN grid
WHERE post.id = ANY (CAST(:posts AS bigint[])) AND grid.code = :new
