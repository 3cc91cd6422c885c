-- What an unfinished delineation has drawn, by a digest of all that the grids follow from.
CREATE TABLE kept_grid (
    community_code text NOT NULL,
    digest         bytea NOT NULL,
    number         integer NOT NULL,
    households     integer NOT NULL,
    flag           text,
    reason         text,
    geometry       geometry(Geometry, 4326) NOT NULL,
    CONSTRAINT pk_kept_grid PRIMARY KEY (community_code, digest, number),
    CONSTRAINT fk_kept_grid_community_code FOREIGN KEY (community_code)
        REFERENCES division (code) ON DELETE CASCADE,
    CONSTRAINT ck_kept_grid_digest CHECK (octet_length(digest) = 32),
    CONSTRAINT ck_kept_grid_number CHECK (number > 0),
    CONSTRAINT ck_kept_grid_reason CHECK (reason IS NULL OR flag IS NOT NULL),
    CONSTRAINT ck_kept_grid_households CHECK (households >= 0)
);
