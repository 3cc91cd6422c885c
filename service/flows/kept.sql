-- find --
-- The kept grids of some communities, each under the digest that is wanted.
SELECT kept_grid.community_code, kept_grid.households, kept_grid.flag, kept_grid.reason,
    kept_grid.geometry
FROM kept_grid
JOIN unnest(CAST(:codes AS text[]), CAST(:digests AS bytea[])) AS wanted (code, digest)
    ON wanted.code = kept_grid.community_code AND wanted.digest = kept_grid.digest
ORDER BY kept_grid.community_code COLLATE "C", kept_grid.number

-- stage --
CREATE TEMPORARY TABLE IF NOT EXISTS staged_kept_grid (LIKE kept_grid) ON COMMIT DELETE ROWS

-- keep --
-- Two runs may draw the same community at once; under one digest their grids are the same.
INSERT INTO kept_grid
SELECT * FROM staged_kept_grid
ON CONFLICT DO NOTHING

-- forget --
DELETE FROM kept_grid WHERE community_code = ANY(CAST(:codes AS text[]))
