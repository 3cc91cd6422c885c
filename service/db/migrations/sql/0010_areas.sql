-- What a tile says of an area stands with its outline, so that nothing is looked up for each.
ALTER TABLE tile.area
    ADD COLUMN name       text,
    ADD COLUMN parent     text,
    ADD COLUMN flag       text,
    ADD COLUMN grids      bigint NOT NULL DEFAULT 0,
    ADD COLUMN households bigint NOT NULL DEFAULT 0,
    ADD COLUMN vacancies  bigint;
INSERT INTO tile.change (kind) VALUES ('everything');
